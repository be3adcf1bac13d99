"""Choosing between the loop in C and the loop in Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_packages import function, make_package

import hatframe
from hatframe import Kernel
from hatframe.backends import WorkloadSpec
from hatframe.errors import HatError


@pytest.mark.parametrize(("choice", "name"), [("python", "python"), ("auto", "native"), ("native", "native")])
def test_the_choice_decides_the_timer(tmp_path: Path, choice: str, name: str) -> None:
    package = hatframe.load(make_package(tmp_path, "void f(void) {}", {"f": function()}), timer=choice)
    workload = package.f.workload(WorkloadSpec())
    workload.allocate(1)
    assert workload.timer == name


def test_without_a_linker_auto_is_python_and_native_is_an_error(tmp_path: Path) -> None:
    hat = make_package(tmp_path, "void f(void) {}", {"f": function()})
    kernel = Kernel(disabled=["gcc", "clang", "zig", "msvc"])
    workload = kernel.load(hat, timer="auto").f.workload(WorkloadSpec())
    workload.allocate(1)
    assert workload.timer == "python"
    with pytest.raises(HatError):
        kernel.load(hat, timer="native").f.workload(WorkloadSpec()).allocate(1)
