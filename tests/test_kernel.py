"""The operations of a kernel: each picks its backends, works on what it is given, and returns what was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sample_packages import ARCHITECTURE, OS, affine, compiler, function, make_package

from hatframe import Kernel, read_package
from hatframe.errors import PluginError, UnknownFunctionError, UsageError
from hatframe.machine import Platform

SOURCE = "void one(float *x) { x[0] += 1; }\nvoid two(float *x) { x[0] += 2; }\n"
FUNCTIONS = {name: function(affine("x", [4], usage="input_output")) for name in ("one", "two")}
QUICK: dict[str, Any] = {"verify": False, "max_time": 0.01, "batches": 2, "cache": "hot"}


@pytest.fixture
def hat(tmp_path: Path) -> Path:
    return make_package(tmp_path / "in", SOURCE, FUNCTIONS)


def test_a_package_is_read_without_running_it_and_loaded_to_be_called(hat: Path) -> None:
    import numpy as np

    kernel = Kernel()
    assert list(read_package(hat).functions) == ["one", "two"]
    x = np.zeros(4, np.float32)
    with kernel.load(hat) as package:
        package.one(x)
        package["two"](x)
    assert x[0] == 3


def test_a_static_package_is_linked_to_be_loaded(tmp_path: Path) -> None:
    hat = make_package(tmp_path, SOURCE, FUNCTIONS, static=True)
    before = set(tmp_path.iterdir())
    with Kernel().load(hat) as package:
        assert list(package) == ["one", "two"]
    assert set(tmp_path.iterdir()) == before


def test_what_is_built_is_valid_and_can_be_converted_and_packed(tmp_path: Path) -> None:
    compiler()
    (tmp_path / "a.c").write_text("int next(int x) { return x + 1; }\n")
    kernel = Kernel()
    built = kernel.build([tmp_path / "a.c"], tmp_path / "a.hat", static=True)
    assert built.functions == ("next",)
    assert kernel.validate(built.written.hat) == []
    made = kernel.to_dynamic(built.written.hat, tmp_path / "b.hat")
    assert set(kernel.pack(made.hat, tmp_path / "b.zip").files) == {"b.hat", made.library.name}


def test_measuring_names_the_fastest_and_comparing_needs_two_sides(hat: Path) -> None:
    kernel = Kernel()
    document = kernel.bench(hat, functions="one", **QUICK)
    assert document.fastest is not None
    assert document.fastest.function_name == "one"
    assert [row.function_name for row in kernel.compare(document, document)] == ["one"]
    with pytest.raises(UsageError):
        kernel.compare(document)


def test_an_unknown_function_or_option_is_an_error_that_names_it(hat: Path) -> None:
    with pytest.raises(UnknownFunctionError) as caught:
        Kernel().bench(hat, functions="oen", **QUICK)
    assert "oen" in str(caught.value)
    with pytest.raises(UsageError) as unknown:
        Kernel().bench(hat, max_tmie=0.1)
    assert "max_tmie" in str(unknown.value)


def test_the_machine_is_what_the_probes_found() -> None:
    machine = Kernel().machine
    assert (machine.platform.os, machine.platform.architecture) == (OS, ARCHITECTURE)
    assert Kernel(entry_points=False).machine.caches == ()


def test_a_linker_is_picked_for_a_platform() -> None:
    kernel = Kernel()
    assert Platform.host() in kernel.linker().platforms()
    with pytest.raises(PluginError, match="mips-plan9"):
        kernel.linker("gcc", Platform("plan9", "mips"))


def test_two_kernels_have_their_own_plugins() -> None:
    bare, full = Kernel(entry_points=False), Kernel()
    assert full.loader().name in full.registry.loaders.names
    with pytest.raises(PluginError):
        bare.loader()
