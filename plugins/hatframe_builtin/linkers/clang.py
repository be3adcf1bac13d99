"""The linker ``clang``: LLVM's compiler with the system's linker."""

from __future__ import annotations

from collections.abc import Iterable

from hatframe.plugin import Linker, hookimpl
from hatframe_builtin.linkers.unix import UnixDriver


class Clang(UnixDriver):
    """The compiler driver ``clang``."""

    name = "clang"
    summary = "LLVM's C compiler with the system's linker, for Linux and macOS"
    program = "clang"
    install = "apt install clang libc6-dev, or dnf install clang"


@hookimpl
def hatframe_linkers() -> Iterable[Linker]:
    return (Clang(),)
