"""The linker ``gcc``: the GNU compiler, or on macOS Apple's clang."""

from __future__ import annotations

from hatframe.plugin import hookimpl
from hatframe_builtin.linkers.unix import UnixDriver


class Gcc(UnixDriver):
    name = "gcc"
    summary = "the GNU compiler and linker, for Linux and macOS"
    # The system's compiler on Linux: other software expects its libraries.
    priority = 10
    program = "gcc"
    install = "apt install gcc libc6-dev, or dnf install gcc"


@hookimpl
def hatframe_linkers() -> list[Gcc]:
    return [Gcc()]
