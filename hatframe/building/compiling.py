"""The sources of a package: preprocessed and parsed, then compiled with checks of what the parser understood."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hatframe.backends import Linker
from hatframe.building.describing import ParsedSource, read_functions
from hatframe.c.preprocessed import files_of
from hatframe.errors import CompileError, UsageError
from hatframe.machine import Platform

# They change types or calling conventions, and metadata cannot say so.
_UNSUPPORTED_FLAG = re.compile(
    r"-funsigned-char|-fshort-wchar|-mabi=ms|-mregparm=.*|-mrtd|-fpcc-struct-return|-freg-struct-return"
    r"|/J|/G[rvz]"
)
# To parse this takes some seconds and a gigabyte; SQLite in one file has half of it.
_MOST_CODE = 16_000_000
_FOLDER_FLAGS = ("-I", "/I", "-iquote", "-isystem", "-idirafter")
_FILE_FLAGS = ("-include", "-imacros")


def check_sources(sources: Sequence[Path]) -> list[Path]:
    """The absolute paths of the sources; raises :class:`UsageError`."""
    paths = [path.absolute() for path in sources]
    for index, path in enumerate(paths):
        if not path.is_file():
            raise UsageError("source not found", where=str(path))
        if path.suffix.lower() != ".c":
            raise UsageError("not a C source: the name must end in .c", where=str(path))
        if path in paths[:index]:
            raise UsageError("duplicate source", where=str(path))
    return paths


def check_flags(flags: Sequence[str]) -> None:
    """Raise :class:`UsageError` for a flag that changes types or calling conventions."""
    if flag := next((flag for flag in flags if _UNSUPPORTED_FLAG.fullmatch(flag)), None):
        raise UsageError(
            f"{flag} changes types or calling conventions, which metadata cannot describe",
            hint="remove it, and write such types in the code, such as unsigned char for char",
        )


def with_absolute_paths(flags: Sequence[str]) -> list[str]:
    """The flags for a compiler that runs in another folder."""
    words: list[str] = []
    for flag in flags:
        before = words[-1] if words else ""
        joined = next((name for name in _FOLDER_FLAGS if flag.startswith(name) and flag != name), "")
        # A file to include that is not here is searched like other headers.
        if before in _FOLDER_FLAGS or (before in _FILE_FLAGS and Path(flag).exists()):
            words.append(str(Path(flag).absolute()))
        elif joined and before not in _FILE_FLAGS:
            words.append(f"{joined}{Path(flag.removeprefix(joined)).absolute()}")
        else:
            words.append(flag)
    return words


class Compiler(NamedTuple):
    """A linker with the settings of its compiler for all sources."""

    linker: Linker
    platform: Platform
    flags: Sequence[str]
    include_folders: Sequence[Path]

    def parse(self, source: Path) -> ParsedSource:
        text = self.linker.preprocess(
            source, platform=self.platform, include_folders=self.include_folders, flags=self.flags
        )
        if len(text) > _MOST_CODE:
            problem = f"it has {len(text):,} characters after preprocessing, and the limit is {_MOST_CODE:,}"
            raise CompileError(problem, where=str(source), hint="build it as several sources")
        # An included file may define functions for its source, and system headers define none.
        homes = [folder.resolve() for folder in (source.parent, *self.include_folders)]
        files = [name for name in files_of(text) if any(Path(name).resolve().is_relative_to(home) for home in homes)]
        originals = {
            name: Path(name).read_text(encoding="utf-8", errors="replace") for name in files if Path(name).is_file()
        }
        return read_functions(text, [str(source), *files], originals, self.platform)

    def compile(self, source: Path, parsed: ParsedSource, folder: Path) -> Path:
        """Compile a source into a new folder, and after it redeclarations that must agree with its definitions."""
        folder.mkdir()
        output = folder / f"{source.stem}.o"
        checked = source
        # An #include cannot contain these characters.
        if self.platform.os == "windows" or not any(character in str(source) for character in '"\n\\'):
            checked = folder / f"{source.stem}.c"
            code = f'#include "{source}"\n#line 1 "what hatframe understood of {source.name}"\n{_check_code(parsed)}'
            checked.write_text(code, encoding="utf-8", errors="surrogateescape")
        self.linker.compile(
            checked, output, platform=self.platform, include_folders=self.include_folders, flags=self.flags
        )
        return output


def _check_code(parsed: ParsedSource) -> str:
    """C code that compiles after a source only if hatframe understood its functions."""
    functions = [definition.function for definition in parsed.functions]
    names = {name for function in functions for name in (function.name, *(a.name for a in function.arguments)) if name}
    # Macros of the source may have these names.
    lines = [f"#undef {name}" for name in sorted(names)]
    lines += [definition.redeclaration for definition in parsed.functions]
    sizes = dict.fromkeys(size for definition in parsed.functions for size in definition.sizes)
    # An array of -1 elements is an error in every version of C.
    lines += [
        f"typedef char hatframe_size_{n}[sizeof({name}) == {size} ? 1 : -1];" for n, (name, size) in enumerate(sizes)
    ]
    return "\n".join(lines) + "\n"
