"""The linker ``clang``: LLVM's compiler with the system's linker."""

from __future__ import annotations

from hatframe.plugin import hookimpl
from hatframe_builtin.linkers.unix import UnixDriver


class Clang(UnixDriver):
    name = "clang"
    summary = "LLVM's C compiler with the system's linker, for Linux and macOS"
    program = "clang"
    install = "apt install clang libc6-dev, or dnf install clang"


@hookimpl
def hatframe_linkers() -> list[Clang]:
    return [Clang()]
