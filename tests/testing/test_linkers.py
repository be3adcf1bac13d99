"""The check of linkers: a real one with one fault built in fails with the sentence for it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hatframe import Kernel
from hatframe.backends import Linker, SharedLibrary
from hatframe.errors import LinkError, PluginError, UsageError
from hatframe.machine import Platform
from hatframe.testing import check_linker


class Toy(Linker):
    """Hands on to the real one; the faults override what they break."""

    name = "toy"
    summary = "for a test"

    def __init__(self) -> None:
        try:
            self.real = Kernel().linker()
        except PluginError as error:
            pytest.skip(str(error))

    def version(self) -> str:
        return self.real.version()

    def platforms(self) -> frozenset[Platform]:
        return self.real.platforms()

    def compile(self, source: Path, output: Path, **options: Any) -> None:
        self.real.compile(source, output, **options)

    def preprocess(self, source: Path, **options: Any) -> str:
        return self.real.preprocess(source, **options)

    def optimization(self, level: int, processor: str = "", platform: Platform | None = None) -> tuple[str, ...]:
        return self.real.optimization(level, processor, platform)

    def link_shared(self, library: SharedLibrary) -> None:
        self.real.link_shared(library)

    def archive(self, objects: Sequence[Path], output: Path, *, platform: Platform | None = None) -> None:
        self.real.archive(objects, output, platform=platform)


def test_a_linker_that_keeps_the_contract_passes() -> None:
    check_linker(Toy())


class Homeless(Toy):
    def platforms(self) -> frozenset[Platform]:
        return frozenset({Platform("plan9", "mips")})


class Listed(Toy):
    def platforms(self) -> Any:
        return [Platform.host()]


class TwoLines(Toy):
    def version(self) -> str:
        return "toy 1.0\nCopyright"


class Counting(Toy):
    asked = 0

    def version(self) -> str:
        self.asked += 1
        return f"toy {self.asked}"


class ForgetsFlags(Toy):
    def compile(self, source: Path, output: Path, **options: Any) -> None:
        self.real.compile(source, output, **{**options, "flags": ()})


class SplitsPaths(Toy):
    def compile(self, source: Path, output: Path, **options: Any) -> None:
        self.real.compile(Path(str(source).split(" ")[0]), output, **options)


class Silent(Toy):
    def compile(self, source: Path, output: Path, **options: Any) -> None:
        try:
            super().compile(source, output, **options)
        except LinkError:
            raise LinkError("the compiler failed") from None


class Swallows(Toy):
    def compile(self, source: Path, output: Path, **options: Any) -> None:
        try:
            super().compile(source, output, **options)
        except LinkError:
            output.write_bytes(b"")


class MakesNothing(Toy):
    def compile(self, source: Path, output: Path, **options: Any) -> None:
        pass


class LinksAtOnce(Toy):
    def compile(self, source: Path, output: Path, **options: Any) -> None:
        super().compile(source, output, **options)
        if source.stem == "second":
            compiled = output.rename(output.with_suffix(".tmp"))
            self.real.link_shared(SharedLibrary(output=output, objects=(compiled,), exports=("second",)))


class NoLevels(Toy):
    def optimization(self, level: int, *arguments: Any, **options: Any) -> tuple[str, ...]:
        if level > 2:
            raise UsageError("too much")
        return super().optimization(level, *arguments, **options)


class OneFlag(Toy):
    def optimization(self, level: int, *arguments: Any, **options: Any) -> Any:
        return f"-O{level}"


class WrongFlags(Toy):
    def optimization(self, level: int, *arguments: Any, **options: Any) -> tuple[str, ...]:
        return ("-O2", "-std=no-such-standard")


class ForgetsHeaders(Toy):
    def preprocess(self, source: Path, **options: Any) -> str:
        return super().preprocess(source, **{**options, "include_folders": ()})


class ReadsOnly(Toy):
    def preprocess(self, source: Path, **options: Any) -> str:
        return source.read_text()


class GivesBytes(Toy):
    def preprocess(self, source: Path, **options: Any) -> Any:
        return super().preprocess(source, **options).encode()


class ForgetsDefinitions(Toy):
    def preprocess(self, source: Path, **options: Any) -> str:
        return super().preprocess(source, **{**options, "flags": ()})


class DropsComments(Toy):
    def preprocess(self, source: Path, **options: Any) -> str:
        return re.sub(r"/\*.*?\*/", "", super().preprocess(source, **options), flags=re.DOTALL)


class DropsMarkers(Toy):
    def preprocess(self, source: Path, **options: Any) -> str:
        return re.sub(r"(?m)^#.*$", "", super().preprocess(source, **options))


class GoesOn(Toy):
    def preprocess(self, source: Path, **options: Any) -> str:
        try:
            return super().preprocess(source, **options)
        except LinkError:
            return ""


class ImportsEverywhere(Toy):
    def link_shared(self, library: SharedLibrary) -> None:
        super().link_shared(library)
        if library.import_library:
            library.import_library.write_bytes(b"!<arch>\n")


class FirstOnly(Toy):
    def archive(self, objects: Sequence[Path], output: Path, **options: Any) -> None:
        super().archive(objects[:1], output, **options)


class Adds(Toy):
    former: tuple[Path, ...] = ()

    def archive(self, objects: Sequence[Path], output: Path, **options: Any) -> None:
        self.former = (*self.former, *objects)
        super().archive(self.former, output, **options)


class NoArchive(Toy):
    def archive(self, objects: Sequence[Path], output: Path, **options: Any) -> None:
        shutil.copyfile(objects[0], output)


class WhatIsNeeded(Toy):
    """Links of an archive what something refers to."""

    def link_shared(self, library: SharedLibrary) -> None:
        objects = (*library.objects, *library.archives)
        exports = tuple(name for name in library.exports if name != "second")
        self.real.link_shared(msgspec.structs.replace(library, objects=objects, archives=(), exports=exports))


class ExportsOne(Toy):
    def link_shared(self, library: SharedLibrary) -> None:
        self.real.link_shared(msgspec.structs.replace(library, exports=("second",)))


class ExportsAll(Toy):
    def link_shared(self, library: SharedLibrary) -> None:
        self.real.link_shared(msgspec.structs.replace(library, exports=(*library.exports, "inner")))


class ResolvesLater(Toy):
    def link_shared(self, library: SharedLibrary) -> None:
        self.real.link_shared(msgspec.structs.replace(library, flags=("-Wl,-z,undefs",)))


class NamesNothing(Toy):
    def link_shared(self, library: SharedLibrary) -> None:
        try:
            super().link_shared(library)
        except LinkError:
            raise LinkError("a symbol is undefined") from None


class OtherError(Toy):
    def link_shared(self, library: SharedLibrary) -> None:
        try:
            super().link_shared(library)
        except LinkError as error:
            raise OSError(str(error)) from None


class Untidy(Toy):
    def compile(self, source: Path, output: Path, **options: Any) -> None:
        super().compile(source, output, **options)
        source.with_suffix(".s").write_text("; assembly")


@pytest.mark.parametrize(
    ("linker", "clause"),
    [
        (Homeless, r"platforms\(\) names .*, which it can produce for; found: mips-plan9"),
        (Listed, r"platforms\(\) returns a frozenset of Platform"),
        (TwoLines, r"version\(\) is one line, or empty"),
        (Counting, r"version\(\) says the same of the same tool; found: 'toy 3'"),
        (ForgetsFlags, "compiles C with its headers and flags, .*; found: LinkError: .*FROM_FLAGS"),
        (SplitsPaths, "compiles C with its headers and flags, also where paths have spaces; found: LinkError"),
        (Silent, "raises LinkError with what the compiler said; found: the compiler failed"),
        (Swallows, "raises LinkError with what the compiler said; found: no error"),
        (MakesNothing, r"compile\(source, output\) makes the output; found: no file first.o"),
        (LinksAtOnce, r"compile\(source, output\) makes an object file; found: a dynamic library"),
        (NoLevels, r"optimization\(3\) returns flags for compile\(source, output\); found: UsageError: too much"),
        (OneFlag, r"optimization\(0\) returns a tuple of str; found: '-O0'"),
        (WrongFlags, r"optimization\(0\) returns flags for compile\(source, output\); found: LinkError"),
        (ForgetsHeaders, r"preprocess\(source\) reads C with its headers and flags, .*; found: LinkError: .*sizes\.h"),
        (ReadsOnly, r"preprocess\(source\) puts the headers in"),
        (GivesBytes, r"preprocess\(source\) returns text; found: bytes"),
        (ForgetsDefinitions, r"preprocess\(source\) puts macros in, also those of the flags; found: .*FROM_FLAGS"),
        (DropsComments, r"preprocess\(source\) keeps comments"),
        (DropsMarkers, r"preprocess\(source\) has line markers that name the file"),
        (GoesOn, r"preprocess\(source\) raises LinkError with what the preprocessor said; found: no error"),
        (ImportsEverywhere, r"makes an import library for Windows only; found: import library\.lib"),
        (FirstOnly, r"archive\(objects, output\) puts all objects in; found: \['first'\]"),
        (Adds, r"archive\(objects, output\) leaves nothing of a former archive; found: .*'outer'"),
        (NoArchive, r"archive\(objects, output\) makes a new archive of the objects; found: an object file"),
        (WhatIsNeeded, "links every member of an archive, whether anything refers to it or not; found: it exports"),
        (ExportsOne, r"exports all of library.exports; found: it exports \['second'\]"),
        (ExportsAll, "exports nothing but library.exports; found: it exports .*'inner'"),
        (NamesNothing, "raises LinkError that names a symbol that stays undefined; found: a symbol is undefined"),
        (OtherError, "raises LinkError that names a symbol that stays undefined; found: OSError"),
        (Untidy, "nothing is left beside the outputs and the inputs; found: .*first.s"),
    ],
)
def test_a_fault_breaks_the_clause_that_names_it(linker: type[Toy], clause: str) -> None:
    with pytest.raises(AssertionError, match=f"(?s)linker 'toy' breaks its contract: .*{clause}"):
        check_linker(linker())


@pytest.mark.skipif(Platform.host().os != "linux", reason="the flag is of the linkers of Linux")
def test_a_symbol_left_to_the_loader_breaks_a_clause() -> None:
    with pytest.raises(AssertionError, match="a symbol that stays undefined; found: no error"):
        check_linker(ResolvesLater())


class ForWindows(Toy):
    """Makes libraries for Windows."""

    def __init__(self) -> None:
        try:
            self.real = Kernel().registry.linkers.get("zig")
        except PluginError as error:
            pytest.skip(str(error))
        if not (availability := self.real.availability()):
            pytest.skip(availability.reason)


class NoImports(ForWindows):
    def link_shared(self, library: SharedLibrary) -> None:
        super().link_shared(msgspec.structs.replace(library, import_library=None))


class ImportsUnasked(ForWindows):
    def link_shared(self, library: SharedLibrary) -> None:
        beside = library.output.with_suffix(".lib")
        super().link_shared(msgspec.structs.replace(library, import_library=library.import_library or beside))


class ForgetsPlatform(ForWindows):
    def compile(self, source: Path, output: Path, **options: Any) -> None:
        super().compile(source, output, **{**options, "platform": None})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("linker", "clause"),
    [
        (NoImports, "makes the import library of a library for Windows; found: no file import library.lib"),
        (ImportsUnasked, "nothing is left beside the outputs and the inputs; found: linked library.lib"),
        (ForgetsPlatform, r"compile\(source, output\) compiles for x86_64-windows; found: an object file \(ELF"),
    ],
)
def test_a_fault_with_a_library_for_windows_breaks_a_clause(linker: type[Toy], clause: str) -> None:
    platform = Platform("windows", "x86_64")
    check_linker(ForWindows(), platform)
    with pytest.raises(AssertionError, match=f"linker 'toy' breaks its contract: .*{clause}"):
        check_linker(linker(), platform)
