"""Converting a package of objects to one with a static library that includes the objects of its dependencies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from hatframe.backends import Linker
from hatframe.binary.libraries import LibraryFile, LibraryKind, extract_objects
from hatframe.binary.symbols import read_symbols
from hatframe.converting.conversion import Made, convert
from hatframe.converting.linking import check_defined
from hatframe.converting.plan import plan_link
from hatframe.errors import LinkError
from hatframe.outcomes import Converted
from hatframe.packages.dependencies import UNTRUSTED, Trust
from hatframe.packages.package import Package


def to_static(
    package: Package, output: Path, *, linker: Linker, objects: Sequence[str] = (), trust: Trust = UNTRUSTED
) -> Converted:
    """Convert a package to one whose library is an archive of all its objects, and of those of ``objects``.

    It takes in all object files and static libraries that ``dependencies.dynamic`` gives by path; the others remain
    dependencies. Files are written as :func:`hatframe.converting.to_dynamic.to_dynamic` describes.
    """
    plan = plan_link(package, objects, trust=trust, option="--add")
    for dependency in plan.added:
        if not (dependency.file and dependency.file.is_static):
            raise LinkError(
                f"{dependency.text} is not an object file or a static library", where=str(package.path or "")
            )
    included = {
        dependency.text: dependency.file
        for dependency in plan.dependencies
        if dependency.file and dependency.file.is_static
    }

    def make(linker: Linker, folder: Path, names: Sequence[str]) -> Made:
        members = objects_of([plan.library, *included.values()], folder / "objects")
        check_defined(plan, [read_symbols(path) for path in members])
        archive = folder / names[0]
        linker.archive(members, archive, platform=plan.platform)
        return Made(libraries={names[0]: archive}, included=frozenset(included))

    return convert(plan, output, linker, lambda stem: [plan.library.static_name(stem)], make)


def objects_of(libraries: Iterable[LibraryFile], folder: Path) -> list[Path]:
    """The object files of objects and static libraries, in order; members of libraries are extracted to ``folder``."""
    objects: list[Path] = []
    for index, file in enumerate(libraries):
        objects += extract_objects(file, folder / str(index)) if file.kind is LibraryKind.ARCHIVE else [file.path]
    return objects
