"""The contract of a linker, on C files that are compiled, archived and linked."""

from __future__ import annotations

from pathlib import Path

from hatframe.backends import Linker, SharedLibrary
from hatframe.errors import LinkError
from hatframe.linking.libraries import Kind, LibraryFile, identify
from hatframe.linking.symbols import read_symbols
from hatframe.linking.tool import private_folder
from hatframe.machine import Platform
from hatframe.testing.contract import Contract, check_backend

_SOURCES = {
    "first": '#include "sizes.h"\nint first(int x) { return x + FROM_HEADER + FROM_FLAGS; }\n',
    # Nothing refers to it: without the whole archive it would be left out.
    "second": "int inner(int x) { return 2 * x; }\nint second(int x) { return inner(x) + 1; }\n",
    "outer": "int first(int x);\nint outer(int x) { return first(x); }\n",
    "dangling": "int nowhere_defined(int x);\nint dangling(int x) { return nowhere_defined(x); }\n",
    "broken": "int broken(void) { return no_such_name_here; }\n",
}


def check_linker(linker: Linker, platform: Platform | None = None) -> None:
    """Hold ``linker`` against :class:`hatframe.backends.Linker`: compile, archive and link, and look at what came out.

    All of it happens in folders with spaces in their names. ``platform`` is what the linker produces for; without
    it this machine.

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
        work.check_archive()
        work.check_link()
        work.check_undefined()
        work.check_clean()


def _check_identity(contract: Contract, linker: Linker, platform: Platform) -> None:
    platforms = contract.works("platforms() raises nothing", linker.platforms)
    contract.require(
        isinstance(platforms, frozenset) and all(isinstance(each, Platform) for each in platforms),
        "platforms() returns a frozenset of Platform",
        repr(platforms),
    )
    listed = ", ".join(map(str, sorted(platforms))) or "none"
    contract.require(platform in platforms, f"platforms() names {platform}, which it can produce for", listed)
    version = contract.works("version() raises nothing", linker.version)
    contract.require(isinstance(version, str) and "\n" not in version, "version() is one line, or empty", repr(version))
    contract.require(version == linker.version(), "version() says the same of the same tool", repr(linker.version()))


class _Workshop:
    """The folder that everything is made in, and what was made in it."""

    def __init__(self, contract: Contract, linker: Linker, platform: Platform, folder: Path, headers: Path) -> None:
        self.contract = contract
        self.linker = linker
        self.platform = platform
        self.folder = folder
        self.headers = headers
        self.made = {path.name for path in folder.iterdir()}

    def check_compile(self) -> None:
        for name in ("first", "second", "outer", "dangling"):
            output = self.path(f"{name}.o")
            self.contract.works(
                "compile(source, output) compiles C with its headers and flags, also where paths have spaces",
                self.compile,
                name,
                output,
            )
            found = self.identify("compile(source, output) makes the output", output)
            self.contract.require(found.kind is Kind.OBJECT, "compile(source, output) makes an object file", found)
            self.contract.require(
                found.suits(self.platform), f"compile(source, output) compiles for {self.platform}", found
            )
        clause = "compile(source, output) raises LinkError with what the compiler said"
        error = self.contract.refuses(clause, LinkError, self.compile, "broken", self.path("broken.o"))
        self.contract.require("no_such_name_here" in str(error), clause, error)

    def check_archive(self) -> None:
        output = self.path("library.a")
        clause = "archive(objects, output) makes a new archive of the objects"
        members = [self.folder / f"{name}.o" for name in ("first", "second")]
        # Once with another member, which must not stay in it.
        self.contract.works(clause, self.linker.archive, [self.folder / "outer.o"], output)
        self.contract.works(clause, self.linker.archive, members, output)
        found = self.identify(clause, output)
        self.contract.require(found.kind is Kind.ARCHIVE, clause, found)
        defined = read_symbols(output).defined
        self.contract.require(
            {"first", "second", "inner"} <= defined, "archive(objects, output) puts all objects in", sorted(defined)
        )
        self.contract.require(
            "outer" not in defined, "archive(objects, output) leaves nothing of a former archive", sorted(defined)
        )

    def check_link(self) -> None:
        exports = ("outer", "second")
        suffix = identify(self.folder / "outer.o").dynamic_suffix
        output = self.path(f"linked library{suffix}")
        library = SharedLibrary(
            output=output,
            objects=(self.folder / "outer.o",),
            archives=(self.folder / "library.a",),
            exports=exports,
        )
        self.contract.works(
            "link_shared(library) links objects and archives, also where paths have spaces",
            self.linker.link_shared,
            library,
        )
        found = self.identify("link_shared(library) makes the output", output)
        self.contract.require(found.kind is Kind.DYNAMIC, "link_shared(library) makes a dynamic library", found)
        self.contract.require(found.suits(self.platform), f"link_shared(library) links for {self.platform}", found)
        defined = read_symbols(output).defined
        self.contract.require(
            "second" in defined,
            "link_shared(library) links every member of an archive, whether anything refers to it or not",
            f"it exports {sorted(defined)}",
        )
        self.contract.require(
            set(exports) <= defined, "link_shared(library) exports what it is told to", f"it exports {sorted(defined)}"
        )
        self.contract.require(
            not {"first", "inner"} & defined,
            "link_shared(library) exports nothing but what it is told to",
            f"it exports {sorted(defined)}",
        )

    def check_undefined(self) -> None:
        clause = "link_shared(library) raises LinkError that names a symbol that stays undefined"
        library = SharedLibrary(
            output=self.path("dangling.so"), objects=(self.folder / "dangling.o",), exports=("dangling",)
        )
        error = self.contract.refuses(clause, LinkError, self.linker.link_shared, library)
        self.contract.require("nowhere_defined" in str(error), clause, error)

    def check_clean(self) -> None:
        found = {path.name for path in self.folder.iterdir()}
        # An import library stands beside a library for Windows.
        left = sorted(name for name in found - self.made if Path(name).suffix not in (".lib", ".exp"))
        self.contract.require(not left, "nothing is left beside the outputs and the inputs", ", ".join(left))
        self.contract.require(
            [path.name for path in self.headers.iterdir()] == ["sizes.h"], "nothing is left beside the headers"
        )

    def compile(self, name: str, output: Path) -> None:
        flags = ("-DFROM_FLAGS=4",)
        self.linker.compile(self.folder / f"{name}.c", output, include_folders=(self.headers,), flags=flags)

    def path(self, name: str) -> Path:
        """The path of a file that is to be made."""
        self.made.add(name)
        return self.folder / name

    def identify(self, clause: str, path: Path) -> LibraryFile:
        self.contract.require(path.is_file(), clause, f"no file {path.name}")
        return self.contract.works(clause, identify, path)
