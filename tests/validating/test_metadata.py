"""The rules across fields: each deviation has its place, and is an error only if it breaks use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sample_packages
from hat_deviations import changed, deviations, device, places, valid

from hatframe.calling.plans import MOST_ARGUMENTS

ARGUMENT = "functions.f.arguments"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        # Errors: a call would fail or go wrong.
        ("functions.f.arguments", None, [("error", ARGUMENT)]),
        (f"{ARGUMENT}.0.logical_type", "array", [("error", f"{ARGUMENT}[0].logical_type")]),
        (f"{ARGUMENT}.0.logical_type", None, [("error", f"{ARGUMENT}[0].logical_type")]),
        (f"{ARGUMENT}.0.usage", "in", [("error", f"{ARGUMENT}[0].usage")]),
        (f"{ARGUMENT}.0.shape", None, [("error", f"{ARGUMENT}[0].shape")]),
        (f"{ARGUMENT}.0.affine_map", [1], [("error", f"{ARGUMENT}[0].affine_map")]),
        (f"{ARGUMENT}.0.shape", [2, -3], [("error", f"{ARGUMENT}[0].shape[1]")]),
        (f"{ARGUMENT}.0.shape", "2", [("error", f"{ARGUMENT}[0].shape")]),
        (f"{ARGUMENT}.0.affine_offset", -2, [("error", f"{ARGUMENT}[0].affine_offset")]),
        (f"{ARGUMENT}.0.element_type", "flaot", [("error", f"{ARGUMENT}[0].element_type")]),
        (f"{ARGUMENT}.0.element_type", "double", [("error", f"{ARGUMENT}[0].element_type")]),
        (f"{ARGUMENT}.0.declared_type", "float", [("error", f"{ARGUMENT}[0].declared_type")]),
        (f"{ARGUMENT}.1.declared_type", "const float*", [("error", f"{ARGUMENT}[1].usage")]),
        (f"{ARGUMENT}.2.usage", "output", [("error", f"{ARGUMENT}[2].declared_type")]),
        (f"{ARGUMENT}.1.size", None, [("error", f"{ARGUMENT}[1].size")]),
        (f"{ARGUMENT}.1.size", "N*K", [("error", f"{ARGUMENT}[1].size")]),
        (f"{ARGUMENT}.1.size", "A*2", [("error", f"{ARGUMENT}[1].size")]),
        (f"{ARGUMENT}.1.size", "N**", [("error", f"{ARGUMENT}[1].size")]),
        (f"{ARGUMENT}.1.size", "open('x')", [("error", f"{ARGUMENT}[1].size")]),
        (f"{ARGUMENT}.1.name", "A", [("error", f"{ARGUMENT}[1].name")]),
        ("functions.f.name", "g", [("error", "functions.f.name")]),
        ("functions.f.calling_convention", "pascal", [("error", "functions.f.calling_convention")]),
        ("functions.f.auxiliary", {"reference": "A = import os"}, [("error", "functions.f.auxiliary.reference")]),
        ("functions.f.auxiliary", {"inputs": {"A": "in 0..3"}}, [("error", "functions.f.auxiliary.inputs")]),
        ("functions.f.return", sample_packages.affine("", (2,)), [("error", "functions.f.return")]),
        ("functions.f.launches", "g", [("error", "functions.f.launches")]),
        ("dependencies.link_target", "", [("error", "dependencies.link_target")]),
        ("dependencies.link_target", "other.so", [("error", "dependencies.link_target")]),
        ("dependencies.link_target", 1, [("error", "dependencies.link_target")]),
        ("declaration.code", "void f(float*);", [("error", ARGUMENT)]),
        # Warnings: the file works.
        (f"{ARGUMENT}.0.name", "", [("warning", ARGUMENT)]),
        (f"{ARGUMENT}.0.affine_offset", -1, [("warning", f"{ARGUMENT}[0].affine_offset")]),
        (f"{ARGUMENT}.0.description", None, [("warning", f"{ARGUMENT}[0].description")]),
        (f"{ARGUMENT}.0.size", "N", [("warning", f"{ARGUMENT}[0].size")]),
        (f"{ARGUMENT}.2.shape", [1], [("warning", f"{ARGUMENT}[2].shape")]),
        ("functions.f.calling_convention", "CDECL", [("warning", "functions.f.calling_convention")]),
        ("functions.f.odd key", 1, [("warning", 'functions.f."odd key"')]),
        ("functions", {}, [("warning", "functions"), ("warning", "declaration.code")]),
        ("target.required.os", "beos", [("warning", "target.required.os")]),
        ("target.required.GPU", {"runtime": "cuda", "odd": 1}, [("warning", "target.required.GPU.odd")]),
        ("dependencies.deploy_files", ["a.txt"], [("warning", "dependencies.deploy_files[0]")]),
        (
            "dependencies.dynamic",
            [{"name": "", "version": "", "target_file": "/no/such.o"}],
            [("warning", "dependencies.dynamic[0].target_file")],
        ),
        ("dependencies.dynamic", [{"name": "", "version": "", "target_file": "-lm"}], []),
        ("declaration.code", "void g(int);", [("warning", "functions.f"), ("warning", "declaration.code")]),
        ("declaration.code", "", [("warning", "declaration.code")]),
    ],
)
def test_each_deviation_has_its_severity_and_place(
    path: str, value: Any, expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    document = changed(valid(), path, value)
    found = deviations(tmp_path, document)
    assert places(found) == expected
    lines = (tmp_path / "f.hat").read_text().splitlines()
    for deviation in found:
        line = lines[deviation.line - 1]
        key = deviation.key.partition("[")[0].strip('"')
        if key not in line:
            # A missing key is reported at its argument or table.
            table, _, index = deviation.table.rstrip("]").partition("[")
            assert (f'{{name = "{"ABN"[int(index)]}"' if index else f"[{table}]") in line


def test_a_function_of_too_many_arguments_is_one_error(tmp_path: Path) -> None:
    document = valid()
    document["functions"]["f"]["arguments"] = [sample_packages.element(f"a{i}") for i in range(MOST_ARGUMENTS + 1)]
    document["declaration"]["code"] = f"void f({', '.join(['int'] * (MOST_ARGUMENTS + 1))});\n"
    assert places(deviations(tmp_path, document)) == [("error", ARGUMENT)]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("functions.f.launches", "other", [("error", "functions.f.launches")]),
        ("functions.f.launches", None, [("warning", "functions.f")]),
        ("functions.f.runtime", "CUDA", [("warning", "functions.f.runtime")]),
        ("functions.f.runtime", "vulkan", [("warning", "functions.f.runtime")]),
        ("device_functions.g.provider", "g.cu", [("error", "device_functions.g.provider")]),
        ("device_functions.g.provider", None, [("error", "device_functions.g.provider")]),
        ("device_functions.g.runtime", None, [("error", "device_functions.g.runtime")]),
        ("device_functions.g.launch_parameters", [1, 1, 1], [("error", "device_functions.g.launch_parameters")]),
        ("device_functions.g.launch_parameters", [0] * 6, [("error", "device_functions.g.launch_parameters")]),
        ("device_functions.g.calling_convention", "devicecall", [("warning", "device_functions.g.calling_convention")]),
        ("functions.f.calling_convention", "device", [("error", "functions.f.calling_convention")]),
        ("target.required.GPU", None, [("warning", "target.required")]),
        ("target.required.GPU.runtime", "CUDA", [("warning", "target.required.GPU.runtime")]),
        ("dependencies.link_target", "", []),
    ],
)
def test_device_functions_have_rules_of_their_own(
    path: str, value: Any, expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    assert places(deviations(tmp_path, changed(device(), path, value), {"cuda"})) == expected


def test_runtimes_are_checked_only_against_known_loaders(tmp_path: Path) -> None:
    assert deviations(tmp_path, device(), None) == []
    assert places(deviations(tmp_path, device(), set())) == [
        ("warning", "functions.f.runtime"),
        ("warning", "device_functions.g.runtime"),
    ]
