"""Opening packages of host functions: what the system refuses, and what a library lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_packages import function, make_package

import hatframe
from hatframe.errors import FormatError, PackageError, SymbolError, UsageError

LOADERS = pytest.mark.parametrize("loader", ["cffi", "compiled", "ctypes"])


@LOADERS
def test_what_is_not_a_library_is_an_error_with_its_path(tmp_path: Path, loader: str) -> None:
    hat = make_package(tmp_path, "void f(void) {}", {"f": function()})
    hat.with_suffix(".so").write_bytes(b"\x7fELF and no more")
    with pytest.raises(PackageError) as caught:
        hatframe.load(hat, loader=loader)
    assert str(hat.with_suffix(".so")) in str(caught.value)


@LOADERS
def test_a_function_that_is_missing_is_an_error_only_when_it_is_used(tmp_path: Path, loader: str) -> None:
    hat = make_package(tmp_path, "void f(void) {}", {"f": function(), "g": function()})
    package = hatframe.load(hat, loader=loader)
    assert package.f() is None
    with pytest.raises(SymbolError) as caught:
        package["g"]
    assert "g" in caught.value.message


def test_a_name_that_is_not_an_identifier_is_refused(tmp_path: Path) -> None:
    hat = make_package(tmp_path, "void f(void) {}", {"f g": function()})
    with pytest.raises(FormatError):
        hatframe.load(hat)["f g"]


def test_an_unknown_timer_is_refused(tmp_path: Path) -> None:
    hat = make_package(tmp_path, "void f(void) {}", {"f": function()})
    with pytest.raises(UsageError) as caught:
        hatframe.load(hat, timer="sundial")
    assert "sundial" in str(caught.value)
