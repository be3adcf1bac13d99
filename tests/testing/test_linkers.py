"""The check of linkers: a real one with one fault built in fails with the sentence for it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hatframe import Kernel
from hatframe.backends import Linker, SharedLibrary
from hatframe.errors import LinkError, PluginError
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

    def compile(
        self, source: Path, output: Path, *, include_folders: Sequence[Path] = (), flags: Sequence[str] = ()
    ) -> None:
        self.real.compile(source, output, include_folders=include_folders, flags=flags)

    def link_shared(self, library: SharedLibrary) -> None:
        self.real.link_shared(library)

    def archive(self, objects: Sequence[Path], output: Path) -> None:
        self.real.archive(objects, output)


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
        self.real.compile(source, output, include_folders=options["include_folders"])


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


class FirstOnly(Toy):
    def archive(self, objects: Sequence[Path], output: Path) -> None:
        super().archive(objects[:1], output)


class Adds(Toy):
    former: tuple[Path, ...] = ()

    def archive(self, objects: Sequence[Path], output: Path) -> None:
        self.former = (*self.former, *objects)
        super().archive(self.former, output)


class NoArchive(Toy):
    def archive(self, objects: Sequence[Path], output: Path) -> None:
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
        (FirstOnly, r"archive\(objects, output\) puts all objects in; found: \['first'\]"),
        (Adds, r"archive\(objects, output\) leaves nothing of a former archive; found: .*'outer'"),
        (NoArchive, r"archive\(objects, output\) makes a new archive of the objects; found: an object file"),
        (WhatIsNeeded, "links every member of an archive, whether anything refers to it or not; found: it exports"),
        (ExportsOne, r"exports what it is told to; found: it exports \['second'\]"),
        (ExportsAll, "exports nothing but what it is told to; found: it exports .*'inner'"),
        (NamesNothing, "raises LinkError that names a symbol that stays undefined; found: a symbol is undefined"),
        (OtherError, "raises LinkError that names a symbol that stays undefined; found: OSError"),
        (Untidy, "nothing is left beside the outputs and the inputs; found: .*first.s"),
    ],
)
def test_a_fault_is_told_by_the_clause_that_it_breaks(linker: type[Toy], clause: str) -> None:
    with pytest.raises(AssertionError, match=f"linker 'toy' breaks its contract: .*{clause}"):
        check_linker(linker())


@pytest.mark.skipif(Platform.host().os != "linux", reason="the flag is of the linkers of Linux")
def test_a_symbol_that_is_left_to_the_loader_is_told() -> None:
    with pytest.raises(AssertionError, match="a symbol that stays undefined; found: no error"):
        check_linker(ResolvesLater())
