"""What the compiler drivers of Linux and macOS share: how they compile, link shared libraries, and say no."""

from __future__ import annotations

import functools
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from hatframe.backends import Availability, Linker, SharedLibrary
from hatframe.errors import LinkError
from hatframe.linking.tool import failure, private_folder, run
from hatframe.linking.undefined import undefined_symbols
from hatframe.machine import Platform

# How GNU ld and gold, lld and mold, and Apple's linker name a symbol that is nowhere defined.
_UNDEFINED = re.compile(
    r"undefined reference to [`'\"]([^'\"]+)['\"]"
    r"|undefined (?:hidden )?symbol: (\S+)"
    r"|^\s+\"_([^\"]+)\", referenced from",
    re.MULTILINE,
)
_APPLE_ARCHITECTURES = {"aarch64": "arm64"}


class UnixDriver(Linker):
    """A compiler driver with gcc's options, which makes libraries for the machine that it runs on."""

    program: ClassVar[str]
    """What it is called on the PATH."""
    install: ClassVar[str]
    """How to get it on Linux."""

    def availability(self) -> Availability:
        """Whether the program is on the PATH of a Linux or macOS machine; it is not run."""
        if sys.platform not in ("linux", "darwin"):
            return Availability(available=False, reason="it makes libraries for Linux and macOS only")
        if shutil.which(self.program):
            return Availability()
        install = "xcode-select --install" if sys.platform == "darwin" else self.install
        return Availability(available=False, reason=f"there is no {self.program} on the PATH", install=install)

    def platforms(self) -> frozenset[Platform]:
        """The platform of this machine."""
        return frozenset((Platform.host(),))

    def version(self) -> str:
        """The first line of what ``--version`` prints; on macOS it shows that gcc is Apple's clang."""
        return _version(self._tool(self.program))

    def compile(
        self, source: Path, output: Path, *, include_folders: Sequence[Path] = (), flags: Sequence[str] = ()
    ) -> None:
        """Compile a C file with ``-fPIC``; warnings are nobody's here and are turned off."""
        includes = [word for folder in include_folders for word in ("-I", folder.absolute())]
        with private_folder() as folder:
            command = [*self._driver(), "-w", "-fPIC", *flags, *includes]
            finished = run([*command, "-c", "-o", output.absolute(), source.absolute()], folder)
        if finished.code:
            raise failure(finished)

    def link_shared(self, library: SharedLibrary) -> None:
        """Link a shared library: whole archives, exactly the stated exports, and nothing left undefined.

        Of ``libraries`` those are recorded that it needs, and the folders, so that it finds them when it is
        loaded. The maths library is always there to take from.
        """
        with private_folder() as folder:
            options = self._macos(library, folder) if sys.platform == "darwin" else self._elf(library, folder)
            finished = run([*self._driver(), *options], folder)
        if not finished.code:
            return
        if undefined := [next(filter(None, groups)) for groups in _UNDEFINED.findall(finished.output)]:
            raise undefined_symbols(undefined)
        raise failure(finished)

    def archive(self, objects: Sequence[Path], output: Path) -> None:
        """Put object files into a new archive with ``ar``; two of one name are both kept."""
        output = output.absolute()
        output.unlink(missing_ok=True)
        with private_folder() as folder:
            finished = run([self._tool("ar"), "qcs", output, *(path.absolute() for path in objects)], folder)
        if finished.code:
            raise failure(finished, where=str(output))

    # -------------------------------------------------------------------------------------------- the options

    def _elf(self, library: SharedLibrary, folder: Path) -> list[str | Path]:
        names = " ".join(f'"{name}";' for name in library.exports)
        exports = folder / "exports.map"
        exports.write_text(f"{{ {f'global: {names} ' if names else ''}local: *; }};\n")
        return [
            *("-shared", "-fPIC", "-o", library.output.absolute()),
            *("-Wl,-z,defs", "-Wl,--no-demangle", "-Xlinker", "--version-script", "-Xlinker", exports),
            *(path.absolute() for path in library.objects),
            "-Wl,--whole-archive",
            *(path.absolute() for path in library.archives),
            "-Wl,--no-whole-archive",
            # Some distributions' gcc has this on, and others' do not.
            "-Wl,--as-needed",
            *_libraries(library),
            "-lm",
        ]

    def _macos(self, library: SharedLibrary, folder: Path) -> list[str | Path]:
        exports = folder / "exports.txt"
        exports.write_text("".join(f"_{name}\n" for name in library.exports))
        return [
            *("-dynamiclib", "-o", library.output.absolute()),
            *("-install_name", f"@rpath/{library.output.name}"),
            *("-Xlinker", "-exported_symbols_list", "-Xlinker", exports),
            *(path.absolute() for path in library.objects),
            *(word for path in library.archives for word in ("-Xlinker", "-force_load", "-Xlinker", path.absolute())),
            *_libraries(library),
        ]

    def _driver(self) -> list[str | Path]:
        command: list[str | Path] = [self._tool(self.program), "-fdiagnostics-color=never"]
        if sys.platform == "darwin":
            architecture = Platform.host().architecture
            command += ["-arch", _APPLE_ARCHITECTURES.get(architecture, architecture)]
        return command

    def _tool(self, program: str) -> str:
        found = shutil.which(program)
        if not found:
            install = "xcode-select --install" if sys.platform == "darwin" else self.install
            raise LinkError(f"there is no {program} on the PATH", hint=f"install it: {install}")
        # The PATH may have relative folders, and the tool runs elsewhere.
        return str(Path(found).absolute())


def _libraries(library: SharedLibrary) -> list[str | Path]:
    folders = list(dict.fromkeys(folder.absolute() for folder in library.library_folders))
    return [
        *library.flags,
        *(word for folder in folders for word in ("-L", folder)),
        *(word for folder in folders for word in ("-Xlinker", "-rpath", "-Xlinker", folder)),
        *(name if "/" in name else f"-l{name}" for name in library.libraries),
    ]


@functools.lru_cache
def _version(program: str) -> str:
    with private_folder() as folder:
        return run([program, "--version"], folder, time_limit=30).output.partition("\n")[0].strip()
