"""The compiler's macros give the instruction sets and the C library that code is compiled for."""

from __future__ import annotations

import platform
import sys

import pytest
from hatframe_builtin.linkers.gcc import Gcc
from sample_packages import compiler

from hatframe.errors import LinkError
from hatframe.machine import Platform
from hatframe.toolchain.compiled_for import compiled_for


@pytest.fixture(autouse=True)
def gcc() -> None:
    compiler("gcc")


@pytest.mark.skipif(Platform.host().architecture != "x86_64", reason="these are instruction sets of x86-64")
def test_flags_choose_instruction_sets() -> None:
    assert not {"avx2", "fma"} & set(compiled_for(Gcc(), Platform.host(), []).extensions)
    assert {"avx2", "fma"} <= set(compiled_for(Gcc(), Platform.host(), ["-march=haswell"]).extensions)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has glibc")
def test_the_c_library_has_its_version() -> None:
    name, version = platform.libc_ver()
    assert compiled_for(Gcc(), Platform.host(), []).crt == f"{name} {version}"


def test_an_unknown_flag_is_an_error() -> None:
    with pytest.raises(LinkError, match="-fno-such-flag"):
        compiled_for(Gcc(), Platform.host(), ["-fno-such-flag"])
