"""The instruction sets and the C library that code is compiled for."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_packages import ARCHITECTURE

from hatframe.backends import Linker
from hatframe.errors import LinkError
from hatframe.machine import Platform
from hatframe.toolchain.compiled_for import compiled_for

HOST = Platform.host()

x86 = pytest.mark.skipif(ARCHITECTURE != "x86_64", reason="asks for instruction sets of x86-64")


@x86
def test_flags_choose_the_instruction_sets(linker: Linker) -> None:
    plain = compiled_for(linker, HOST, linker.optimization(2))
    assert "avx2" not in plain.extensions
    more = compiled_for(linker, HOST, (*linker.optimization(2), "-mavx2", "-mfma"))
    assert {"avx", "avx2", "fma", "sse4.2"} <= set(more.extensions)


def test_the_c_library_is_named_with_its_version(linker: Linker) -> None:
    if HOST.abi != "gnu":
        pytest.skip("the C library of this machine is another than GNU's")
    name, version = compiled_for(linker, HOST, ()).crt.split()
    assert name == "glibc"
    assert version.replace(".", "").isdigit()


def test_a_flag_that_no_compiler_knows_is_an_error(linker: Linker, tmp_path: Path) -> None:
    with pytest.raises(LinkError):
        compiled_for(linker, HOST, ("-march=no-such-processor",))
