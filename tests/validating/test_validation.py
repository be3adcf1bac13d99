"""Validation: every deviation with its table, key and line, as an error if it breaks use, and else as a warning."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import sample_packages
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toml_styles import SCALARS, TABLES

from hatframe.calling.plans import MOST_ARGUMENTS, plan_call
from hatframe.errors import FormatError, HatError
from hatframe.format.reading import read_hat
from hatframe.format.rendering import render_hat
from hatframe.outcomes import Deviation
from hatframe.validating.validation import validate

DATA = Path(__file__).parent.parent / "data"
CODE = "void f(float*, float*, int);\n"


def valid() -> dict[str, Any]:
    function = sample_packages.function(
        sample_packages.affine("A", (2, 3)),
        sample_packages.runtime("B", "N*2", usage="output"),
        sample_packages.element("N"),
    )
    return sample_packages.document({"f": function}, "f.so", CODE)


def device() -> dict[str, Any]:
    """A valid document with a device function."""
    document = valid()
    arguments = [sample_packages.affine("A", (2, 3))]
    document["functions"]["f"].update(arguments=arguments, runtime="cuda", launches="g")
    document["declaration"]["code"] = "void f(float*);\n"
    document["device_functions"] = {
        "g": {
            **sample_packages.function(*arguments),
            "name": "g",
            "calling_convention": "device",
            "launch_parameters": [1, 1, 1, 32, 1, 1],
            "provider": "f.so",
            "runtime": "cuda",
        }
    }
    document["target"]["required"]["GPU"] = {"runtime": "cuda"}
    return document


def deviations(folder: Path, document: Mapping[str, Any], runtimes: set[str] | None = None) -> list[Deviation]:
    (folder / "f.so").touch()
    path = folder / "f.hat"
    path.write_text(render_hat(document, "f"), encoding="utf-8")
    return validate(path, runtimes)


def places(found: list[Deviation]) -> list[tuple[str, str]]:
    return [(deviation.severity, f"{deviation.table}.{deviation.key}".strip(".")) for deviation in found]


@pytest.mark.parametrize("make", [valid, device])
def test_a_valid_file_has_no_deviation(make: Callable[[], dict[str, Any]], tmp_path: Path) -> None:
    assert deviations(tmp_path, make(), {"cuda"}) == []


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
        (f"{ARGUMENT}.2.usage", "output", [("error", f"{ARGUMENT}[2].declared_type")]),
        (f"{ARGUMENT}.1.size", None, [("error", f"{ARGUMENT}[1].size")]),
        (f"{ARGUMENT}.1.size", "N*K", [("error", f"{ARGUMENT}[1].size")]),
        (f"{ARGUMENT}.1.size", "A*2", [("error", f"{ARGUMENT}[1].size")]),
        (f"{ARGUMENT}.1.size", "N**", [("error", f"{ARGUMENT}[1].size")]),
        (f"{ARGUMENT}.1.size", "open('x')", [("error", f"{ARGUMENT}[1].size")]),
        (f"{ARGUMENT}.1.name", "A", [("error", f"{ARGUMENT}[1].name")]),
        ("functions.f.name", "g", [("error", "functions.f.name")]),
        ("functions.f.calling_convention", "pascal", [("error", "functions.f.calling_convention")]),
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
        ("functions", {}, [("warning", "functions")]),
        ("target.required.os", "beos", [("warning", "target.required.os")]),
        ("target.required.GPU", {"runtime": "cuda", "odd": 1}, [("warning", "target.required.GPU.odd")]),
        ("dependencies.deploy_files", ["a.txt"], [("warning", "dependencies.deploy_files[0]")]),
        (
            "dependencies.dynamic",
            [{"name": "", "version": "", "target_file": "/no/such.o"}],
            [("warning", "dependencies.dynamic[0].target_file")],
        ),
        ("dependencies.dynamic", [{"name": "", "version": "", "target_file": "-lm"}], []),
        ("declaration.code", "void g(int);", [("warning", "functions.f")]),
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


@pytest.mark.parametrize("name", ["gemm_static", "scale_runtime", "gemm_cuda", "vadd_Globals"])
def test_real_files_have_only_warnings(name: str, tmp_path: Path) -> None:
    path = Path(shutil.copy(DATA / f"{name}.hat", tmp_path))
    hat = read_hat(path)
    for file in (hat.dependencies.link_target, *(f.provider for f in hat.device_functions.values())):
        if file:
            (tmp_path / file).touch()
    found = validate(path, {"cuda"})
    assert {deviation.severity for deviation in found} == {"warning"}
    crlf = tmp_path / "crlf.hat"
    crlf.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert validate(crlf, {"cuda"}) == found
    lines = path.read_text().splitlines()
    for deviation in found:
        assert deviation.key in lines[deviation.line - 1]


def test_code_that_no_compiler_sees_is_a_deviation(tmp_path: Path) -> None:
    path = tmp_path / "f.hat"
    (tmp_path / "f.so").touch()
    text = sample_packages.hat_text(valid() | {"declaration": {"code": CODE}})
    path.write_text(text)
    assert places(validate(path)) == [("warning", "declaration.code")]
    path.write_text(text.replace("#endif // TOML\n", "", 1).replace('#ifdef TOML\n"""', '"""'))
    assert places(validate(path)) == [("warning", "declaration.code")]
    path.write_text(text.replace("#ifdef TOML\n", "", 1).replace('#ifdef TOML\n"""', '"""'))
    assert places(validate(path))[0] == ("warning", "")


@pytest.mark.parametrize(
    ("text", "line"),
    [("[a]\nb = \n", 2), ("[a]\n[b]\n[a]\n", 3), ("a = '''\n\n", 2), ("a = " + "[" * 5000, 1), ("a = 1\na = 2\n", 2)],
)
def test_invalid_toml_is_one_error_with_its_line(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "f.hat"
    path.write_text(text)
    (found,) = validate(path)
    assert (found.severity, found.table, found.key) == ("error", "", "")
    assert abs(found.line - line) <= 1


@pytest.mark.parametrize("content", [None, b"\x7fELF\x02\xff\xfe"])
def test_an_unreadable_file_raises(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "f.hat"
    if content:
        path.write_bytes(content)
    with pytest.raises(FormatError):
        validate(path)
    with pytest.raises(FormatError, match="folder"):
        validate(tmp_path)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_document_raises_and_one_without_errors_can_be_called(tmp_path: Path, data: st.DataObject) -> None:
    document = device() if data.draw(st.booleans()) else valid()
    for _ in range(data.draw(st.integers(1, 3))):
        table: Any = document
        while True:
            key = data.draw(st.sampled_from(sorted(table) if isinstance(table, dict) else range(len(table))))
            inner = table[key]
            if not isinstance(inner, (dict, list)) or not inner or data.draw(st.integers(0, 5)) == 0:
                break
            table = inner
        table[key] = data.draw(st.one_of(SCALARS, TABLES, st.lists(SCALARS, max_size=2)))
        if not all(isinstance(value, dict) and value for value in document.values()):
            break
    code = document["declaration"].get("code", "") if isinstance(document["declaration"], dict) else None
    if not isinstance(code, str):
        return
    try:
        found = deviations(tmp_path, document)
    except HatError:
        # Some texts cannot be the C code of a rendered file.
        return
    if all(deviation.severity == "warning" for deviation in found):
        hat = read_hat(tmp_path / "f.hat")
        for function in hat.functions.values():
            plan_call(function)


@pytest.mark.parametrize("path", ["/etc/passwd", "../elsewhere/x.a", "C:\\x.lib"])
def test_paths_that_leave_the_folder_are_deviations(tmp_path: Path, path: str) -> None:
    document = valid()
    document["dependencies"].update(link_target=path, deploy_files=[path])
    keys = [
        deviation.key
        for deviation in deviations(tmp_path, document)
        if deviation.key.startswith(("link_target", "deploy_files"))
    ]
    assert keys == ["link_target", "deploy_files[0]"]


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The document with another value at a path of keys and indices; None removes it."""
    document = copy.deepcopy(document)
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    table: Any = document
    for key in parents:
        table = table[key]
    if value is None:
        del table[last]
    else:
        table[last] = value
    return document


@pytest.mark.parametrize("name", ["x" * 300, "/" + "x" * 300, "x/" * 3000])
def test_a_name_that_the_system_refuses_is_a_deviation(tmp_path: Path, name: str) -> None:
    table = sample_packages.document({"f": sample_packages.function()}, name)
    table["dependencies"]["deploy_files"] = [name]
    table["dependencies"]["dynamic"] = [{"name": "", "version": "", "target_file": name}]
    path = tmp_path / "a.hat"
    path.write_text(sample_packages.hat_text(table))
    assert [each for each in validate(path) if "link_target" in each.key]
