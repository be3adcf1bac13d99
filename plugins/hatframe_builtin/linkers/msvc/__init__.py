"""The linker ``msvc``: Visual Studio's compiler on Windows, or LLVM's compatible tools on any system."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from hatframe import hookimpl
from hatframe.plugin import (
    Availability,
    LinkError,
    Platform,
    SharedLibrary,
    ToolResult,
    UsageError,
    private_folder,
    tool_failure,
    undefined_symbols,
)
from hatframe_builtin.linkers.msvc import commands
from hatframe_builtin.linkers.msvc.tools import ARCHITECTURES, Toolchain, find, install, missing
from hatframe_builtin.linkers.unix import Compiler, check_optimization, first_line

_RUNTIME = Path(__file__).parent / "runtime"

# Undefined symbols in the messages of Microsoft's linker, also of C++, and of LLVM's.
_UNDEFINED = re.compile(
    r"unresolved external symbol (?:\".*?\" \(([^)\s]+)\)|([^\s\"]+))"
    r"|undefined symbol: (?:__declspec\(dllimport\) )?(.+)"
)
_NO_HEADER = re.compile(r"'[^'\n]+' file not found")

# PF_AVX512F_…, PF_AVX2_… and PF_AVX_INSTRUCTIONS_AVAILABLE of Windows' winnt.h.
_FEATURES = {41: "avx512", 40: "avx2", 39: "avx"}


class Msvc(Compiler):
    """The tools of Visual Studio, or clang, lld-link and llvm-lib.

    If Windows' C library is missing, LLVM's tools link with a small part of it: see the folder ``runtime``.
    """

    name = "msvc"
    summary = "Visual Studio's C compiler and linker, or LLVM's from any machine, for Windows"
    # The system's compiler on Windows: other software expects its libraries.
    priority = 10 if sys.platform == "win32" else 0

    def availability(self) -> Availability:
        try:
            find("aarch64" if Platform.host().architecture == "aarch64" else "x86_64")
        except LinkError:
            return Availability(available=False, reason=missing(), install=install())
        return Availability()

    def platforms(self) -> frozenset[Platform]:
        return frozenset(Platform("windows", architecture, "msvc") for architecture in ARCHITECTURES)

    def version(self) -> str:
        tools = find("x86_64")
        if tools.microsoft:
            return first_line(tools.compiler)
        return f"{first_line(tools.compiler, '--version')}, {first_line(tools.linker, '--version')}"

    def optimization(self, level: int, processor: str = "", platform: Platform | None = None) -> tuple[str, ...]:
        platform, tools = _for(platform)
        check_optimization(level, processor, platform)
        if processor == "native" and tools.microsoft:
            processor = native_instructions()
        flags = commands.optimization(tools, level, processor, platform)
        if flags is None:
            raise UsageError(
                f"Microsoft's compiler does not support the processor {processor!r} of {platform}",
                hint="give the instruction set AVX, AVX2 or AVX512 of x86_64, or none",
            )
        return flags

    def link_shared(self, library: SharedLibrary) -> None:
        platform, tools = _for(library.platform)
        with private_folder() as folder:
            # The linker writes other files beside its output, and the import library contains its name.
            made = folder / library.output.name
            imports, definitions = folder / "import.lib", folder / "exports.def"
            definitions.write_text(commands.definitions(library.exports))
            command = commands.link_command(
                tools,
                _absolute(library),
                output=made,
                import_library=imports,
                definitions=definitions,
                runtime=[] if tools.libraries else self._runtime(tools, platform, folder),
            )
            result = self._run(tools, command, folder)
            if result.code:
                raise _link_failure(result, tools)
            shutil.move(made, library.output.absolute())
            if library.import_library:
                shutil.move(imports, library.import_library.absolute())

    def archive(self, objects: Sequence[Path], output: Path, *, platform: Platform | None = None) -> None:
        platform, tools = _for(platform)
        output = output.absolute()
        output.unlink(missing_ok=True)
        command = commands.archive_command(tools, [path.absolute() for path in objects], output, platform=platform)
        with private_folder() as folder:
            self._check(tools, command, folder, where=str(output))

    def _run(self, tools: Toolchain, command: list[str], folder: Path) -> ToolResult:
        return self.job.run(commands.shortened(command, folder), folder, environment=tools.environment)

    def _check(self, tools: Toolchain, command: list[str], folder: Path, where: str = "") -> None:
        result = self._run(tools, command, folder)
        if result.code:
            raise tool_failure(result, where=where)

    def _compile(
        self,
        folder: Path,
        source: Path,
        output: Path,
        platform: Platform | None,
        include_folders: Sequence[Path] = (),
        flags: Sequence[str] = (),
        preprocess: bool = False,
    ) -> None:
        platform, tools = _for(platform)
        command = commands.compile_command(
            tools,
            source.absolute(),
            output.absolute(),
            platform=platform,
            include_folders=[path.absolute() for path in include_folders],
            flags=flags,
            preprocess=preprocess,
        )
        result = self._run(tools, command, folder)
        if result.code and not tools.headers and _NO_HEADER.search(result.output):
            hint = "Windows' headers are missing: use --linker zig, which has its own, or give their folder in INCLUDE"
            raise LinkError(tool_failure(result).message, hint=hint)
        if result.code:
            raise tool_failure(result)

    def _runtime(self, tools: Toolchain, platform: Platform, folder: Path) -> list[Path]:
        """Libraries in place of Windows' C library: one compiled here, and the import library of the system's DLL."""
        objects = []
        for source in sorted(_RUNTIME.glob("*.c")):
            objects.append(folder / f"{source.stem}.obj")
            # A compiler that knows memset would compile its body to a call of memset.
            self._compile(folder, source, objects[-1], platform, flags=("/O2", "-fno-builtin"))
        runtime, system = folder / "runtime.lib", folder / "ucrtbase.lib"
        self._check(tools, commands.archive_command(tools, objects, runtime, platform=platform), folder)
        definitions = _RUNTIME / "ucrtbase.def"
        self._check(tools, commands.import_library_command(tools, definitions, system, platform=platform), folder)
        return [runtime, system]


def native_instructions(present: Callable[[int], bool] | None = None) -> str:
    """The best instruction set of this machine that Microsoft's compiler has an option for, or an empty string."""
    if present is None:
        if sys.platform != "win32":
            return ""
        import ctypes

        present = ctypes.windll.kernel32.IsProcessorFeaturePresent
    return next((name for feature, name in _FEATURES.items() if present(feature)), "")


def _for(platform: Platform | None) -> tuple[Platform, Toolchain]:
    platform = platform or Platform.host()
    if platform.architecture not in ARCHITECTURES or not platform.fits(
        Platform("windows", platform.architecture, "msvc")
    ):
        raise LinkError(f"msvc does not support {platform}", hint="it supports x86_64-windows and aarch64-windows")
    return platform, find(platform.architecture)


def _absolute(library: SharedLibrary) -> SharedLibrary:
    return msgspec.structs.replace(
        library,
        objects=tuple(path.absolute() for path in library.objects),
        archives=tuple(path.absolute() for path in library.archives),
        library_folders=tuple(path.absolute() for path in library.library_folders),
    )


def _link_failure(result: ToolResult, tools: Toolchain) -> LinkError:
    names = [next(filter(None, groups)).removeprefix("__imp_") for groups in _UNDEFINED.findall(result.output)]
    if not names:
        return tool_failure(result)
    error = undefined_symbols(names)
    if tools.libraries:
        return error
    more = "msvc has only a part of Windows' C library here: --linker zig has all of it"
    return LinkError(error.message, hint=f"{error.hint}; {more}")


@hookimpl
def hatframe_linkers() -> list[Msvc]:
    return [Msvc()]
