"""The linker ``zig``: the C toolchain that pip can install, for machines without a compiler and for other platforms."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from hatframe import files
from hatframe.backends import Availability, Linker, SharedLibrary
from hatframe.errors import LinkError
from hatframe.hookspecs import hookimpl
from hatframe.machine import Platform
from hatframe_builtin.linkers import macho
from hatframe_builtin.linkers.unix import Driver, Words, check_optimization, first_line

_INSTALL = "pip install hatframe[zig]"

# The C library of zig's targets: those of Linux for ARM say how floating-point numbers are passed.
_LINUX_ABIS = ("gnu", "musl")
_TARGETS = {
    **{
        Platform("linux", architecture, abi): f"{architecture}-linux-{abi}{'eabihf' if architecture == 'arm' else ''}"
        for architecture in ("x86_64", "aarch64", "arm", "riscv64")
        for abi in _LINUX_ABIS
    },
    **{Platform("windows", processor, "gnu"): f"{processor}-windows-gnu" for processor in ("x86_64", "aarch64")},
    **{Platform("macos", processor): f"{processor}-macos" for processor in ("x86_64", "aarch64")},
}


class Zig(Driver):
    """The compiler ``zig cc``, of the package ziglang or on the PATH."""

    name = "zig"
    summary = "zig's C compiler and linker, for Linux, Windows and macOS from any machine"
    # Where the system has a compiler of its own, other software expects what that makes.
    priority = -10
    # zig does not take the option, and names those of C++ as they are in source.
    plain_names = ()

    def availability(self) -> Availability:
        """Whether zig is there; it is not run."""
        if _program():
            return Availability()
        return Availability(
            available=False, reason="there is neither the package ziglang nor a zig on the PATH", install=_INSTALL
        )

    def platforms(self) -> frozenset[Platform]:
        """All that zig brings a C library for, and this machine."""
        return frozenset((*_TARGETS, Platform.host()))

    def version(self) -> str:
        """``zig`` with the number that ``zig version`` prints."""
        return f"zig {first_line(_found(), 'version')}"

    def environment(self, folder: Path) -> Mapping[str, str]:
        """zig keeps what it compiles of C libraries, which takes it long, in hatframe's cache, or where its user says.

        What it makes of the user's own sources it keeps as well; hatframe does so itself, so that goes with the run.
        """
        shared = os.environ.get("ZIG_GLOBAL_CACHE_DIR") or str(files.compiler_cache(self.name))
        return {"ZIG_GLOBAL_CACHE_DIR": shared, "ZIG_LOCAL_CACHE_DIR": str(folder / "zig")}

    def driver(self, platform: Platform, flags: Sequence[str] = ()) -> Words:
        """``zig cc`` for a target; without one it takes the libraries and the headers of this machine."""
        command: Words = [_found(), "cc"]
        if not platform.fits(Platform.host()):
            command += ["-target", _target(platform)]
        elif not any(flag.startswith(("-march=", "-mcpu=")) for flag in flags):
            # Code that no processor was named for is to run on others than this one.
            command.append("-mcpu=baseline")
        # Without optimization zig compiles checks in that end the program, and that need its own runtime.
        return [*command, "-fno-sanitize=undefined"]

    def ready(self, library: SharedLibrary, folder: Path) -> SharedLibrary:
        """For macOS and Windows what zig's linker lacks.

        It exports from a library for macOS whatever is not hidden in the objects. And it has no ``_fltused``, whose
        presence objects of Microsoft's compiler want that use floating-point numbers.
        """
        if library.platform.os == "macos":
            return macho.hidden(library, folder)
        if library.platform.os == "windows":
            source, made = folder / "floating.c", folder / "floating.o"
            source.write_text("__attribute__((weak)) int _fltused = 1;\n")
            self.compile(source, made, platform=library.platform)
            return msgspec.structs.replace(library, objects=(*library.objects, made))
        return library

    def archiver(self) -> Words:
        """``zig ar``."""
        return [_found(), "ar"]

    def optimization(self, level: int, processor: str = "", platform: Platform | None = None) -> tuple[str, ...]:
        """``-O`` and ``-mcpu``; zig has underscores in the names of processors."""
        check_optimization(level, processor, platform or Platform.host())
        return (f"-O{level}", *([f"-mcpu={processor.replace('-', '_')}"] if processor else []))


def _target(platform: Platform) -> str:
    for known, target in _TARGETS.items():
        if known.fits(platform):
            return target
    raise LinkError(f"zig cannot produce for {platform} here", hint="see: zig targets")


def _program() -> str | None:
    package = importlib.util.find_spec("ziglang")
    for folder in (package.submodule_search_locations or ()) if package else ():
        if found := shutil.which("zig", path=folder):
            return found
    found = shutil.which("zig")
    return str(Path(found).absolute()) if found else None


def _found() -> str:
    program = _program()
    if not program:
        raise LinkError("there is no zig", hint=f"install it: {_INSTALL}")
    return program


@hookimpl
def hatframe_linkers() -> Iterable[Linker]:
    """The linker ``zig``."""
    return (Zig(),)
