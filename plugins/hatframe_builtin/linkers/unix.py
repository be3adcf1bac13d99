"""The base of linkers that run a compiler driver with gcc's options."""

from __future__ import annotations

import functools
import re
import shutil
import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from hatframe.plugin import (
    Availability,
    Job,
    LinkError,
    Platform,
    SharedLibrary,
    ToolLinker,
    ToolResult,
    UsageError,
    private_folder,
    tool_failure,
    undefined_symbols,
)

# Undefined symbols in the messages of GNU ld and gold, of lld and mold, and of Apple's linker.
_UNDEFINED = re.compile(
    r"undefined reference to [`'\"]([^'\"]+)['\"]"
    r"|undefined (?:hidden )?symbol: (.+)"
    r"|^\s+\"_([^\"]+)\", referenced from",
    re.MULTILINE,
)
# Compilers for ARM take the processor by -mcpu, which is deprecated on x86.
_BY_MCPU = frozenset(("aarch64", "arm"))

Words = list[str | Path]


class Compiler(ToolLinker):
    """A linker that compiles and preprocesses by nearly the same command."""

    @abstractmethod
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
        """Compile or preprocess ``source``; ``folder`` is private to this run."""

    def compile(
        self,
        source: Path,
        output: Path,
        *,
        platform: Platform | None = None,
        include_folders: Sequence[Path] = (),
        flags: Sequence[str] = (),
    ) -> None:
        with private_folder() as folder:
            self._compile(folder, source, output, platform, include_folders, flags)

    def preprocess(
        self,
        source: Path,
        *,
        platform: Platform | None = None,
        include_folders: Sequence[Path] = (),
        flags: Sequence[str] = (),
    ) -> str:
        with private_folder() as folder:
            output = folder / "preprocessed.i"
            self._compile(folder, source, output, platform, include_folders, flags, preprocess=True)
            return decoded(output.read_bytes())


class Driver(Compiler):
    """A compiler driver with gcc's options; subclasses define the program and its platforms."""

    plain_names: ClassVar[tuple[str, ...]] = ("-Wl,--no-demangle",)
    """The option that keeps a linker for ELF from demangling symbols in its messages."""

    @abstractmethod
    def driver(self, platform: Platform, flags: Sequence[str] = ()) -> Words:
        """The command that compiles and links for ``platform``; the user's ``flags`` are added later."""

    @abstractmethod
    def archiver(self) -> Words:
        """The command ``ar``."""

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Environment variables for the program; ``folder`` is private to this run."""
        return {}

    def prepare(self, library: SharedLibrary, folder: Path) -> SharedLibrary:
        """Change what the linker cannot link as it is; new objects go to ``folder``."""
        return library

    def optimization(self, level: int, processor: str = "", platform: Platform | None = None) -> tuple[str, ...]:
        platform = platform or Platform.host()
        check_optimization(level, processor, platform)
        if not processor:
            return (f"-O{level}",)
        return (f"-O{level}", f"-mcpu={processor}" if platform.architecture in _BY_MCPU else f"-march={processor}")

    def link_shared(self, library: SharedLibrary) -> None:
        with private_folder() as folder:
            # A linker may write other files beside its output.
            made = folder / library.output.name
            by_system = {"macos": self._macos, "windows": self._windows}
            prepared = self.prepare(library, folder)
            options = by_system.get(library.platform.os, self._elf)(prepared, made, folder)
            result = self._run([*self.driver(library.platform), *options], folder)
            if result.code:
                raise _link_failure(result, library.platform)
            shutil.move(made, library.output.absolute())
            if library.import_library and library.platform.os == "windows":
                shutil.move(folder / "import.lib", library.import_library.absolute())

    def archive(self, objects: Sequence[Path], output: Path, *, platform: Platform | None = None) -> None:
        output = output.absolute()
        output.unlink(missing_ok=True)
        command = [*self.archiver(), "qcs", output, *(path.absolute() for path in objects)]
        with private_folder() as folder:
            self._check(command, folder, where=str(output))

    def _elf(self, library: SharedLibrary, output: Path, folder: Path) -> Words:
        names = " ".join(f'"{name}";' for name in library.exports)
        exports = folder / "exports.map"
        exports.write_text(f"{{ {f'global: {names} ' if names else ''}local: *; }};\n")
        return [
            *("-shared", "-fPIC", "-o", output, "-Xlinker", "-soname", "-Xlinker", library.output.name),
            *("-Wl,-z,defs", "-Xlinker", "--version-script", "-Xlinker", exports),
            *self.plain_names,
            *_inputs(library),
            # The default differs between distributions.
            "-Wl,--as-needed",
            *_run_paths(library, "$ORIGIN"),
            *_libraries(library),
            "-lm",
        ]

    def _macos(self, library: SharedLibrary, output: Path, folder: Path) -> Words:
        exports = folder / "exports.txt"
        exports.write_text("".join(f"_{name}\n" for name in library.exports))
        return [
            *("-dynamiclib", "-o", output),
            *("-install_name", f"@rpath/{library.output.name}"),
            *("-Xlinker", "-exported_symbols_list", "-Xlinker", exports),
            *(path.absolute() for path in library.objects),
            *(word for path in library.archives for word in ("-Xlinker", "-force_load", "-Xlinker", path.absolute())),
            *_run_paths(library, "@loader_path"),
            *_libraries(library),
        ]

    def _windows(self, library: SharedLibrary, output: Path, folder: Path) -> Words:
        exports = folder / "exports.def"
        exports.write_text("EXPORTS\n" + "".join(f'    "{name}"\n' for name in library.exports))
        return [
            *("-shared", "-o", output, "-Xlinker", "--out-implib", "-Xlinker", folder / "import.lib", exports),
            *_inputs(library),
            *_libraries(library),
        ]

    def _run(self, command: Words, folder: Path) -> ToolResult:
        return self.job.run(command, folder, environment=self.environment(folder))

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
        platform = platform or Platform.host()
        options = ["-E", "-C"] if preprocess else ["-pipe", *([] if platform.os == "windows" else ["-fPIC"]), "-c"]
        includes = [word for path in include_folders for word in ("-I", path.absolute())]
        paths = ("-o", output.absolute(), source.absolute())
        self._check([*self.driver(platform, flags), "-w", *options, *flags, *includes, *paths], folder)

    def _check(self, command: Words, folder: Path, where: str = "") -> None:
        result = self._run(command, folder)
        if result.code:
            raise tool_failure(result, where=where)


class UnixDriver(Driver):
    """A compiler driver of the system, for libraries for this machine."""

    program: ClassVar[str]
    """Its name on the PATH."""
    install: ClassVar[str]
    """How to install it on Linux."""

    def availability(self) -> Availability:
        if sys.platform not in ("linux", "darwin"):
            return Availability(available=False, reason="it supports Linux and macOS only")
        if shutil.which(self.program):
            return Availability()
        return Availability(available=False, reason=f"{self.program} is not on the PATH", install=self._install())

    def platforms(self) -> frozenset[Platform]:
        return frozenset((Platform.host(),))

    def version(self) -> str:
        return first_line(self._tool(self.program), "--version")

    def driver(self, platform: Platform, flags: Sequence[str] = ()) -> Words:
        if not any(own.fits(platform) for own in self.platforms()):
            raise LinkError(f"{self.name} does not support {platform} here", hint="choose another linker")
        command: Words = [self._tool(self.program), "-fdiagnostics-color=never"]
        if sys.platform == "darwin":
            command += ["-arch", "arm64" if platform.architecture == "aarch64" else platform.architecture]
        return command

    def archiver(self) -> Words:
        return [self._tool("ar")]

    def _install(self) -> str:
        return "xcode-select --install" if sys.platform == "darwin" else self.install

    def _tool(self, program: str) -> str:
        found = shutil.which(program)
        if not found:
            raise LinkError(f"{program} is not on the PATH", hint=f"install it: {self._install()}")
        # The PATH may have relative folders, but the tool runs in another folder.
        return str(Path(found).absolute())


def check_optimization(level: int, processor: str, platform: Platform) -> None:
    if level not in range(4):
        raise UsageError(f"invalid optimization level {level}", hint="the levels are 0, 1, 2 and 3")
    if processor == "native" and not platform.fits(Platform.host()):
        raise UsageError(
            f"the processor of this machine does not run code for {platform}",
            hint="give a processor of that platform, or none for code that runs on any",
        )


def decoded(preprocessed: bytes) -> str:
    """Preprocessed code as text: each line as UTF-8, or as Latin-1 where it is not, which old sources use."""
    try:
        return preprocessed.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "\n".join(_decoded_line(line) for line in preprocessed.removeprefix(b"\xef\xbb\xbf").split(b"\n"))


def _decoded_line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


@functools.lru_cache
def first_line(*command: str) -> str:
    with private_folder() as folder:
        return Job().run(command, folder, time_limit=30).output.partition("\n")[0].strip()


def _inputs(library: SharedLibrary) -> Words:
    objects: Words = [path.absolute() for path in library.objects]
    archives: Words = [path.absolute() for path in library.archives]
    return [*objects, "-Wl,--whole-archive", *archives, "-Wl,--no-whole-archive"] if archives else objects


def _run_paths(library: SharedLibrary, origin: str) -> Words:
    """Where the library looks for others; ``origin`` stands for its own folder."""
    folders = (
        str(folder) if folder.is_absolute() else f"{origin}/{folder.as_posix()}" for folder in library.run_folders
    )
    return [word for folder in dict.fromkeys(folders) for word in ("-Xlinker", "-rpath", "-Xlinker", folder)]


def _libraries(library: SharedLibrary) -> Words:
    folders = list(dict.fromkeys(folder.absolute() for folder in library.library_folders))
    return [
        *library.flags,
        *(word for folder in folders for word in ("-L", folder)),
        *(name if "/" in name or "\\" in name else f"-l{name}" for name in library.libraries),
    ]


def _link_failure(result: ToolResult, platform: Platform) -> LinkError:
    if undefined := [next(filter(None, groups)) for groups in _UNDEFINED.findall(result.output)]:
        # The pattern for Apple's linker leaves the prefix out.
        prefix = "_" if platform.os == "macos" and "undefined symbol: " in result.output else ""
        return undefined_symbols(name.removeprefix(prefix) for name in undefined)
    return tool_failure(result)
