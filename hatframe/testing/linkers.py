"""The contract of a linker, on C files that are compiled, archived and linked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hatframe.backends import Linker, SharedLibrary
from hatframe.binary.libraries import LibraryFile, LibraryKind, identify
from hatframe.binary.symbols import read_symbols
from hatframe.errors import LinkError
from hatframe.machine import Platform
from hatframe.testing.contract import Contract, check_backend
from hatframe.toolchain.tool import private_folder

_SOURCES = {
    "first": '#include "sizes.h"\nint first(int x) { return x + FROM_HEADER + FROM_FLAGS; }\n',
    # Nothing refers to it: without the whole archive it would be left out.
    "second": "int inner(int x) { return 2 * x; }\nint second(int x) { return inner(x) + 1; }\n",
    "outer": "int first(int x);\nint outer(int x) { return first(x); }\n",
    "dangling": "int nowhere_defined(int x);\nint dangling(int x) { return nowhere_defined(x); }\n",
    "broken": "int broken(void) { return no_such_name_here; }\n",
    "plain": (
        '#include "sizes.h"\n/* said of it */\n#define TWICE(x) ((x) + (x))\n'
        "int plain = TWICE(FROM_HEADER) + FROM_FLAGS;\n"
    ),
    "refused": "#error no_such_thing_here\n",
}


def check_linker(linker: Linker, platform: Platform | None = None) -> None:
    """Hold ``linker`` against :class:`hatframe.backends.Linker`: compile, archive and link, and look at what came out.

    All of it happens in folders with spaces in their names. ``platform`` is what the linker produces for; without
    it this machine. Nothing that it makes is run.

    Raises :class:`AssertionError` with the clause that does not hold, and :class:`hatframe.errors.PluginError`
    where the linker cannot work here.
    """
    contract = check_backend(linker, Linker)
    platform = platform or Platform.host()
    _check_identity(contract, linker, platform)
    with private_folder() as private:
        folder = private / "a folder with spaces"
        headers = folder / "header files"
        headers.mkdir(parents=True)
        (headers / "sizes.h").write_text("enum { FROM_HEADER = 3 };\n")
        for name, text in _SOURCES.items():
            (folder / f"{name}.c").write_text(text)
        work = _Workshop(contract, linker, platform, folder, headers)
        work.check_compile()
        work.check_optimization()
        work.check_preprocess()
        work.check_archive()
        work.check_link()
        work.check_import_library()
        work.check_undefined()
        work.check_clean()


def _check_identity(contract: Contract, linker: Linker, platform: Platform) -> None:
    platforms = contract.works("platforms() raises nothing", linker.platforms)
    typed = isinstance(platforms, frozenset) and all(isinstance(each, Platform) for each in platforms)
    contract.require(typed, "platforms() returns a frozenset of Platform", repr(platforms))
    listed = ", ".join(map(str, sorted(platforms))) or "none"
    named = any(each.fits(platform) for each in platforms)
    contract.require(named, f"platforms() names {platform}, which it can produce for", listed)
    version = contract.works("version() raises nothing", linker.version)
    contract.require(isinstance(version, str) and "\n" not in version, "version() is one line, or empty", repr(version))
    contract.require(version == linker.version(), "version() says the same of the same tool", repr(linker.version()))


@dataclasses.dataclass
class _Workshop:
    """The folder that everything is made in, and what was made in it."""

    contract: Contract
    linker: Linker
    platform: Platform
    folder: Path
    headers: Path

    def __post_init__(self) -> None:
        self.made = {path.name for path in self.folder.iterdir()}

    def check_compile(self) -> None:
        for name in ("first", "second", "outer", "dangling"):
            output = self.path(f"{name}.o")
            clause = "compile(source, output) compiles C with its headers and flags, also where paths have spaces"
            self.contract.works(clause, self.compile, name, output)
            self.check_output("compile(source, output)", output, LibraryKind.OBJECT, "an object file", "compiles")
        clause = "compile(source, output) raises LinkError with what the compiler said"
        self.refuses(clause, "no_such_name_here", self.compile, "broken", self.path("broken.o"))

    def check_optimization(self) -> None:
        output = self.path("optimized.o")
        for level in range(4):
            clause = f"optimization({level}) returns flags for compile(source, output)"
            flags = self.contract.works(clause, self.linker.optimization, level, platform=self.platform)
            typed = isinstance(flags, tuple) and all(isinstance(flag, str) for flag in flags)
            self.contract.require(typed, f"optimization({level}) returns a tuple of str", repr(flags))
            self.contract.works(clause, self.compile, "second", output, flags)

    def check_preprocess(self) -> None:
        clause = "preprocess(source) reads C with its headers and flags, also where paths have spaces"
        text = self.contract.works(clause, self.preprocess, "plain")
        self.contract.require(isinstance(text, str), "preprocess(source) returns text", type(text).__name__)
        without_spaces = re.sub(r"\s", "", text)
        with_macros = "intplain=((FROM_HEADER)+(FROM_HEADER))+4;" in without_spaces
        marked = re.search(r"^#(?:line)? *\d+ +\"[^\"\n]*plain\.c\"", text, re.MULTILINE)
        for holds, does in (
            ("enum{FROM_HEADER=3};" in without_spaces, "puts the headers in"),
            (with_macros, "puts macros in, also those of the flags"),
            ("said of it" in text, "keeps comments"),
            (marked, "has line markers that name the file"),
        ):
            self.contract.require(holds, f"preprocess(source) {does}", text[-300:])
        clause = "preprocess(source) raises LinkError with what the preprocessor said"
        self.refuses(clause, "no_such_thing_here", self.preprocess, "refused")

    def check_archive(self) -> None:
        output = self.path("library.a")
        clause = "archive(objects, output) makes a new archive of the objects"
        members = [self.folder / f"{name}.o" for name in ("first", "second")]
        # Once with another member, which must not stay in it.
        for objects in ([self.folder / "outer.o"], members):
            self.contract.works(clause, self.linker.archive, objects, output, platform=self.platform)
        found = self.identify(clause, output)
        self.contract.require(found.kind is LibraryKind.ARCHIVE, clause, found)
        defined = read_symbols(output).defined
        complete = {"first", "second", "inner"} <= defined
        self.contract.require(complete, "archive(objects, output) puts all objects in", sorted(defined))
        clause = "archive(objects, output) leaves nothing of a former archive"
        self.contract.require("outer" not in defined, clause, sorted(defined))

    def check_link(self) -> None:
        exports = ("outer", "second")
        objects, archives = (self.folder / "outer.o",), (self.folder / "library.a",)
        library = self.library("linked library", objects=objects, archives=archives, exports=exports)
        clause = "link_shared(library) links objects and archives, also where paths have spaces"
        self.contract.works(clause, self.linker.link_shared, library)
        self.check_output("link_shared(library)", library.output, LibraryKind.DYNAMIC, "a dynamic library", "links")
        defined = read_symbols(library.output).defined
        for holds, does in (
            ("second" in defined, "links every member of an archive, whether anything refers to it or not"),
            (set(exports) <= defined, "exports all of library.exports"),
            (not {"first", "inner"} & defined, "exports nothing but library.exports"),
        ):
            self.contract.require(holds, f"link_shared(library) {does}", f"it exports {sorted(defined)}")

    def check_import_library(self) -> None:
        imports = self.folder / "import library.lib"
        archives = (self.folder / "library.a",)
        library = self.library("with imports", archives=archives, exports=("second",), import_library=imports)
        clause = "link_shared(library) makes the import library of a library for Windows"
        self.contract.works(clause, self.linker.link_shared, library)
        if self.platform.os == "windows":
            self.made.add(imports.name)
            # As Microsoft's tools write them, and as GNU's do.
            found = self.identify(clause, imports)
            self.contract.require(found.kind in (LibraryKind.IMPORT, LibraryKind.ARCHIVE), clause, found)
            self.contract.require(found.suits(self.platform), clause, found)
        else:
            clause = "link_shared(library) makes an import library for Windows only"
            self.contract.require(not imports.exists(), clause, imports.name)

    def check_undefined(self) -> None:
        clause = "link_shared(library) raises LinkError that names a symbol that stays undefined"
        library = self.library("dangling", objects=(self.folder / "dangling.o",), exports=("dangling",))
        self.refuses(clause, "nowhere_defined", self.linker.link_shared, library)

    def check_clean(self) -> None:
        left = sorted({path.name for path in self.folder.iterdir()} - self.made)
        self.contract.require(not left, "nothing is left beside the outputs and the inputs", ", ".join(left))
        headers = [path.name for path in self.headers.iterdir()]
        self.contract.require(headers == ["sizes.h"], "nothing is left beside the headers")

    def refuses(self, clause: str, word: str, call: Callable[..., Any], *args: Any) -> None:
        error = self.contract.refuses(clause, LinkError, call, *args)
        self.contract.require(word in str(error), clause, error)

    def library(self, name: str, **contents: Any) -> SharedLibrary:
        output = self.path(identify(self.folder / "outer.o").dynamic_name(name))
        return SharedLibrary(output=output, platform=self.platform, **contents)

    def compile(self, name: str, output: Path, flags: Sequence[str] = ()) -> None:
        self.linker.compile(self.folder / f"{name}.c", output, **self.reading(flags))

    def preprocess(self, name: str) -> str:
        return self.linker.preprocess(self.folder / f"{name}.c", **self.reading())

    def reading(self, flags: Sequence[str] = ()) -> dict[str, Any]:
        """How C files are read: for the platform, with a folder of headers, and with a macro among the flags."""
        return {"platform": self.platform, "include_folders": (self.headers,), "flags": (*flags, "-DFROM_FLAGS=4")}

    def path(self, name: str) -> Path:
        """The path of a file that is to be made."""
        self.made.add(name)
        return self.folder / name

    def check_output(self, call: str, path: Path, kind: LibraryKind, what: str, does: str) -> None:
        found = self.identify(f"{call} makes the output", path)
        self.contract.require(found.kind is kind, f"{call} makes {what}", found)
        self.contract.require(found.suits(self.platform), f"{call} {does} for {self.platform}", found)

    def identify(self, clause: str, path: Path) -> LibraryFile:
        self.contract.require(path.is_file(), clause, f"no file {path.name}")
        return self.contract.works(clause, identify, path)
