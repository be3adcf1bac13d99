"""The command lines of cl, link and lib, and of LLVM's tools, which accept the same options.

Microsoft's documentation of its compiler, linker and librarian describes the options.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath

from hatframe.plugin import Platform, SharedLibrary
from hatframe_builtin.linkers.msvc.tools import Toolchain

_MACHINES = {"x86_64": "/MACHINE:X64", "aarch64": "/MACHINE:ARM64"}

# Options of gcc that have no meaning here, and options with another name.
_IGNORED = re.compile(r"-(pthread|fPIC|fpic|fPIE|ansi|pedantic|std=(c|gnu)(89|90|99|9x))\Z")
_SAME = {
    "-O0": "/Od",
    "-O1": "/O1",
    "-O2": "/O2",
    "-O3": "/O2",
    "-Os": "/O1",
    "-w": "/w",
    "-g": "/Z7",
    "-fopenmp": "/openmp",
    "-ffast-math": "/fp:fast",
    "-std=c11": "/std:c11",
    "-std=gnu11": "/std:c11",
    "-std=c17": "/std:c17",
    "-std=gnu17": "/std:c17",
}
_JOINED = {"-D": "/D", "-U": "/U", "-I": "/I"}
_SEPARATE = {**_JOINED, "-include": "/FI", "-isystem": "/I"}
# Microsoft's option for instruction sets by gcc's names, and for levels of x86-64.
_INSTRUCTION_SETS = {
    **dict.fromkeys(("avx",), "AVX"),
    **dict.fromkeys(("avx2", "fma", "x86-64-v3"), "AVX2"),
    **dict.fromkeys(("avx512", "avx512f", "x86-64-v4"), "AVX512"),
}
# Windows' C library includes these libraries of other systems.
_INCLUDED_LIBRARIES = frozenset(("m", "c", "pthread", "dl", "rt"))
# Windows' limit for a command line is 32,767 characters.
_LONGEST = 32_000


def compile_command(
    tools: Toolchain,
    source: PurePath,
    output: PurePath,
    *,
    platform: Platform,
    include_folders: Sequence[PurePath] = (),
    flags: Sequence[str] = (),
    preprocess: bool = False,
) -> list[str]:
    """Compile a C file without warnings, or preprocess it with comments and line markers."""
    target = [] if tools.microsoft else ["--driver-mode=cl", f"--target={platform.architecture}-pc-windows-msvc"]
    # Without a C library, neither the code nor the compiler's own headers may refer to it.
    library = ["/MD"] if tools.headers else ["/GS-", "/Zl", "/D__STDC_HOSTED__=0"]
    return [
        *(tools.compiler, *target, "/nologo", "/TC", "/utf-8", "/w", *library),
        *translated(tools, flags),
        *(f"/I{folder}" for folder in include_folders),
        *(("/P", "/C", f"/Fi{output}") if preprocess else ("/c", f"/Fo{output}")),
        # On other systems paths begin like options.
        *(() if tools.microsoft else ("--",)),
        str(source),
    ]


def archive_command(
    tools: Toolchain, objects: Sequence[PurePath], output: PurePath, *, platform: Platform
) -> list[str]:
    return [tools.librarian, "/NOLOGO", _MACHINES[platform.architecture], f"/OUT:{output}", *map(str, objects)]


def import_library_command(
    tools: Toolchain, definitions: PurePath, output: PurePath, *, platform: Platform
) -> list[str]:
    """Make the import library of a DLL from a module-definition file."""
    # All versions of LLVM's linker do that if they have no input, but only later versions of its librarian.
    return [tools.linker, "/NOLOGO", _MACHINES[platform.architecture], f"/DEF:{definitions}", f"/OUT:{output}"]


def link_command(
    tools: Toolchain,
    library: SharedLibrary,
    *,
    output: PurePath,
    import_library: PurePath,
    definitions: PurePath,
    runtime: Sequence[PurePath] = (),
) -> list[str]:
    """Link a DLL of whole archives; ``runtime`` are libraries in place of the C library if that is missing."""
    # Objects that were compiled without the C library's headers do not name it.
    defaults = [f"/DEFAULTLIB:{name}.lib" for name in ("msvcrt", "vcruntime", "ucrt")]
    return [
        *(tools.linker, "/NOLOGO", "/DLL", _MACHINES[library.platform.architecture]),
        *(f"/OUT:{output}", f"/IMPLIB:{import_library}", f"/DEF:{definitions}"),
        *([] if tools.microsoft else ["/DEMANGLE:NO"]),
        *map(str, library.objects),
        *(f"/WHOLEARCHIVE:{path}" for path in library.archives),
        *(f"/LIBPATH:{folder}" for folder in dict.fromkeys(library.library_folders)),
        *_link_flags(tools, library.flags),
        *filter(None, map(_library, library.libraries)),
        *(defaults if tools.libraries else ["/NODEFAULTLIB", *map(str, runtime)]),
    ]


def definitions(exports: Iterable[str]) -> str:
    return "EXPORTS\n" + "".join(f'    "{name}"\n' for name in exports)


def optimization(tools: Toolchain, level: int, processor: str, platform: Platform) -> tuple[str, ...] | None:
    """The flags for a level and a processor; None if the compiler does not support the processor."""
    levels = ("/Od", "/O1", "/O2", "/O2" if tools.microsoft else "/clang:-O3")
    if not processor:
        return (levels[level],)
    if tools.microsoft:
        known = platform.architecture == "x86_64" and _INSTRUCTION_SETS.get(processor.lower())
        return (levels[level], f"/arch:{known}") if known else None
    option = "-mcpu" if platform.architecture == "aarch64" else "-march"
    return (levels[level], f"/clang:{option}={processor}")


def shortened(command: list[str], folder: Path) -> list[str]:
    """The command, with its arguments in a response file if it is too long for Windows."""
    text = subprocess.list2cmdline(command)
    if len(text) <= _LONGEST:
        return command
    file = folder / "arguments.rsp"
    file.write_text("\n".join(subprocess.list2cmdline([word]) for word in command[1:]), encoding="utf-16")
    return [command[0], f"@{file}"]


def translated(tools: Toolchain, flags: Iterable[str]) -> Iterator[str]:
    words = iter(flags)
    for word in words:
        if _IGNORED.match(word):
            continue
        instructions = word.startswith(("-march=", "-m")) and _INSTRUCTION_SETS.get(
            word.removeprefix("-march=").removeprefix("-m")
        )
        if word in _SAME:
            yield _SAME[word]
        elif word in _SEPARATE:
            yield f"{_SEPARATE[word]}{next(words, '')}"
        elif word[:2] in _JOINED:
            yield _JOINED[word[:2]] + word[2:]
        elif tools.microsoft and instructions:
            yield f"/arch:{instructions}"
        elif not tools.microsoft and word.startswith(("-f", "-m", "-std=", "-W", "-O")):
            yield f"/clang:{word}"
        else:
            yield word


def _link_flags(tools: Toolchain, flags: Iterable[str]) -> Iterator[str]:
    for word in flags:
        if word == "-fopenmp":
            yield "vcomp.lib" if tools.microsoft else "libomp.lib"
        elif not _IGNORED.match(word):
            yield word


def _library(name: str) -> str:
    if name in _INCLUDED_LIBRARIES:
        return ""
    if name.startswith(":"):
        return name[1:]
    return name if "/" in name or "\\" in name else f"{name}.lib"
