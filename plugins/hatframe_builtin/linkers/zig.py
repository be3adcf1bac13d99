"""The linker ``zig``: a C toolchain from PyPI, for machines without a compiler and for other platforms."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from hatframe import hookimpl
from hatframe.plugin import Availability, LinkError, Platform, SharedLibrary, compiler_cache
from hatframe_builtin.linkers import macho
from hatframe_builtin.linkers.unix import Driver, Words, check_optimization, first_line

_INSTALL = "pip install hatframe[zig]"

# Targets for ARM also say how floating-point numbers are passed.
_TARGETS = {
    **{
        Platform("linux", architecture, abi): f"{architecture}-linux-{abi}{'eabihf' if architecture == 'arm' else ''}"
        for architecture in ("x86_64", "aarch64", "arm", "riscv64")
        for abi in ("gnu", "musl")
    },
    **{Platform("windows", processor, "gnu"): f"{processor}-windows-gnu" for processor in ("x86_64", "aarch64")},
    **{Platform("macos", processor): f"{processor}-macos" for processor in ("x86_64", "aarch64")},
}


class Zig(Driver):
    """The compiler ``zig cc``, of the package ziglang or on the PATH."""

    name = "zig"
    summary = "zig's C compiler and linker, for Linux, Windows and macOS from any machine"
    # Other software expects libraries of the system's own compiler, if it has one.
    priority = -10
    # zig does not accept the option and demangles names of C++.
    plain_names = ()

    def availability(self) -> Availability:
        if _program():
            return Availability()
        return Availability(
            available=False, reason="the package ziglang is not installed, and zig is not on the PATH", install=_INSTALL
        )

    def platforms(self) -> frozenset[Platform]:
        return frozenset((*_TARGETS, Platform.host()))

    def version(self) -> str:
        return f"zig {first_line(_found(), 'version')}"

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Cache the C libraries that zig compiles, since that takes long, but not what it makes of sources."""
        shared = os.environ.get("ZIG_GLOBAL_CACHE_DIR") or str(compiler_cache(self.name))
        return {"ZIG_GLOBAL_CACHE_DIR": shared, "ZIG_LOCAL_CACHE_DIR": str(folder / "zig")}

    def driver(self, platform: Platform, flags: Sequence[str] = ()) -> Words:
        """``zig cc`` with a target, or for this machine with its own headers and libraries."""
        command: Words = [_found(), "cc"]
        if not platform.fits(Platform.host()):
            target = next((target for known, target in _TARGETS.items() if known.fits(platform)), None)
            if target is None:
                raise LinkError(f"zig does not support {platform} here", hint="see: zig targets")
            command += ["-target", target]
        elif not any(flag.startswith(("-march=", "-mcpu=")) for flag in flags):
            # Otherwise the code would be for the processor of this machine only.
            command.append("-mcpu=baseline")
        # Without optimization zig adds checks that need its own runtime.
        return [*command, "-fno-sanitize=undefined"]

    def prepare(self, library: SharedLibrary, folder: Path) -> SharedLibrary:
        # For macOS zig ignores the list of exports and exports all symbols that are not hidden in the objects.
        if library.platform.os == "macos":
            return macho.with_hidden_symbols(library, folder)
        # For Windows it lacks _fltused, which objects of Microsoft's compiler need to use floating-point numbers.
        if library.platform.os == "windows":
            source, made = folder / "floating.c", folder / "floating.o"
            source.write_text("__attribute__((weak)) int _fltused = 1;\n")
            self.compile(source, made, platform=library.platform)
            return msgspec.structs.replace(library, objects=(*library.objects, made))
        return library

    def archiver(self) -> Words:
        return [_found(), "ar"]

    def optimization(self, level: int, processor: str = "", platform: Platform | None = None) -> tuple[str, ...]:
        check_optimization(level, processor, platform or Platform.host())
        # zig writes the names of processors with underscores.
        return (f"-O{level}", *([f"-mcpu={processor.replace('-', '_')}"] if processor else []))


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
        raise LinkError("zig is not installed", hint=f"install it: {_INSTALL}")
    return program


@hookimpl
def hatframe_linkers() -> list[Zig]:
    return [Zig()]
