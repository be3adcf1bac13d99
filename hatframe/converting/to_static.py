"""Turning a package of objects into one with a static library, with the objects that it depends on in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from hatframe.backends import Linker
from hatframe.binary.libraries import LibraryFile, LibraryKind, extract_objects
from hatframe.binary.symbols import read_symbols
from hatframe.converting.conversion import Made, convert
from hatframe.converting.plan import check_defined, plan_link
from hatframe.errors import LinkError
from hatframe.outcomes import Converted
from hatframe.packages.dependencies import UNTRUSTED, Trust
from hatframe.packages.package import Package


def to_static(
    package: Package,
    output: Path,
    *,
    linker: Linker,
    objects: Sequence[str] = (),
    trust: Trust = UNTRUSTED,
) -> Converted:
    """Convert a package to one whose library is an archive (``.a``, ``.lib``) of all its objects.

    Its own object or archive goes in, with every object file and static library that ``dependencies.dynamic`` names
    by a path, and those of ``objects``. What is known by name only, and dynamic libraries, stay dependencies. The
    .hat file changes, and files are written, as :func:`hatframe.converting.to_dynamic.to_dynamic` says.

    Raises
    ------
    UsageError
        ``output`` is no name for a .hat file, or an input would be overwritten.
    PackageError, SymbolError, LinkError
        As :func:`hatframe.converting.plan.plan_link` says, where the objects do not define a function, and where the
        archive cannot be made.
    """
    plan = plan_link(package, objects, trust=trust, option="--add")
    for dependency in plan.added:
        if not dependency.file or dependency.file.kind not in (LibraryKind.OBJECT, LibraryKind.ARCHIVE):
            raise LinkError(
                f"{dependency.text} is no object file or static library that could be put in",
                where=str(package.path or ""),
            )
    held = [
        dependency
        for dependency in plan.dependencies
        if dependency.file and dependency.file.kind in (LibraryKind.OBJECT, LibraryKind.ARCHIVE)
    ]
    inputs = [plan.library, *(dependency.file for dependency in held if dependency.file)]

    def make(folder: Path, names: Sequence[str]) -> Made:
        members = objects_of(inputs, folder / "objects")
        check_defined(plan, [read_symbols(path) for path in members])
        archive = folder / names[0]
        linker.archive(members, archive, platform=plan.platform)
        return Made(libraries={names[0]: archive}, gone=frozenset(dependency.text for dependency in held))

    return convert(plan, output, linker.name, lambda stem: [f"{stem}{plan.library.static_suffix}"], make)


def objects_of(inputs: Iterable[LibraryFile], folder: Path) -> list[Path]:
    """The object files of objects and static libraries, in their order; libraries are taken apart in ``folder``."""
    objects: list[Path] = []
    for index, file in enumerate(inputs):
        objects += extract_objects(file, folder / str(index)) if file.kind is LibraryKind.ARCHIVE else [file.path]
    return objects
