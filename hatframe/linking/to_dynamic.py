"""From a static package to a dynamic one: a new library, and .hat files that are the old ones but for it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hatframe import files
from hatframe.backends import Linker
from hatframe.errors import LinkError, UsageError
from hatframe.format.editing import edit_text
from hatframe.format.package import Package
from hatframe.format.reading import parse_document, read_hat
from hatframe.linking.dependencies import Dependency, inside
from hatframe.linking.plan import Header, LinkPlan, link, path_of, plan_link
from hatframe.linking.tool import private_folder


class DynamicPackage(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: the .hat file that was asked for, the library, and the other .hat files of it.

    ``linker`` is the name of the linker that made the library.
    """

    hat: Path
    library: Path
    linker: str
    other_hats: tuple[Path, ...] = ()


def same_library(path: Path) -> Package:
    """The package of a .hat file and all those in its folder that are of the same library.

    Raises :class:`hatframe.errors.FormatError` where a .hat file of the folder cannot be read.
    """
    hat = read_hat(path)
    others = (read_hat(other) for other in sorted(path.parent.glob("*.hat")) if not other.samefile(path))
    return Package([hat, *(other for other in others if hat.library and other.library == hat.library)])


def to_dynamic(
    package: Package,
    output: Path,
    *,
    linker: Linker,
    libraries: Sequence[str] = (),
    library_folders: Sequence[Path] = (),
) -> DynamicPackage:
    """Convert a static package to a dynamic one.

    The first .hat file becomes ``output``, or the file of the same name in it where ``output`` is a folder;
    others keep their names beside it, and the library has the name of ``output`` with the platform's suffix.
    Each of them appears whole, and none where linking fails: then what was there before stays.

    A new .hat file is the old one byte for byte, except for

    - ``dependencies.link_target``;
    - the ``dependencies.dynamic`` that are in the library now (object files, static libraries, and what the
      library does not need at run time); paths that stay are relative to the new place;
    - ``dependencies.auxiliary``, where tools name the old libraries, and the durations that were stored in
      the ``auxiliary`` of functions, for they were measured of the old one. What else ``auxiliary`` tables
      tell of the functions, such as the parameters that they were made with, stays.

    Files that metadata name beside the library (``deploy_files``, ``provider``) are not copied.

    Parameters
    ----------
    libraries
        What to link beside the declared dependencies: names (``m``), or paths of objects and libraries.
    library_folders
        Where libraries are looked for by name, now and when the library is loaded.

    Raises
    ------
    UsageError
        ``output`` is no name for a .hat file, or an input would be overwritten.
    PackageError, SymbolError, LinkError
        As :func:`hatframe.linking.plan.plan_link` and :func:`hatframe.linking.plan.link` say, and where the
        files cannot be written. Nothing has changed then.
    """
    plan = plan_link(package, libraries, library_folders)
    hats = _output_hats(plan, output)
    library = hats[0].with_suffix(plan.library.dynamic_suffix)
    _check_outputs(plan, [library, *hats])
    with private_folder() as folder:
        made = folder / "linked" / library.name
        made.parent.mkdir()
        linked = link(plan, linker, made, folder)
        gone = inside(plan.dependencies, linked.needed)
        contents = {library: made.read_bytes()}
    for header, hat in zip(plan.headers, hats, strict=True):
        contents[hat] = _converted(header, hat, library.name, gone).encode("utf-8")
    with contextlib.ExitStack() as stack:
        # Always in one order, so that two that write the same files do not wait for each other.
        for path in sorted(contents):
            stack.enter_context(files.locked(path))
        try:
            files.write_together(contents)
        except OSError as error:
            raise LinkError(
                f"cannot be written: {error.strerror or error}",
                where=str(error.filename or hats[0].parent),
                hint="nothing was changed",
            ) from None
    return DynamicPackage(hat=hats[0], library=library, linker=linker.name, other_hats=tuple(hats[1:]))


# ------------------------------------------------------------------------------------------------ the outputs


def _output_hats(plan: LinkPlan, output: Path) -> list[Path]:
    """Where the .hat files go, in the order of the package's."""
    names = [path_of(header.hat).name for header in plan.headers]
    output = output.absolute()
    main = output / names[0] if output.is_dir() else output
    if main.suffix != ".hat":
        raise UsageError("the output must be named .hat, or be a folder", where=str(output))
    if not main.parent.is_dir():
        raise UsageError("there is no such folder", where=str(main.parent), hint="make it first")
    hats = [main, *(main.parent / name for name in names[1:])]
    if len(set(hats)) < len(hats):
        raise UsageError(
            f"two .hat files would be written to {main.name}",
            where=str(main.parent),
            hint="choose another name",
        )
    return hats


def _check_outputs(plan: LinkPlan, outputs: Sequence[Path]) -> None:
    for path in outputs:
        if path.is_dir():
            raise UsageError("this is a folder, where a file would be written", where=str(path))
        for read in plan.files:
            # The file system knows whether two names, or two spellings of one, are the same file.
            same = path.exists() and read.samefile(path)
            if same or os.path.realpath(path) == os.path.realpath(read):
                raise UsageError(
                    "this is read for the conversion, and would be overwritten",
                    where=str(path),
                    hint="choose another name or folder for the output",
                )


# ------------------------------------------------------------------------------------------- the new metadata


def _converted(header: Header, output: Path, library_name: str, gone: set[str]) -> str:
    where = str(path_of(header.hat))
    document = parse_document(header.text, where)
    dependencies = document["dependencies"]
    dependencies["link_target"] = library_name
    dependencies.pop("auxiliary", None)
    declared = {dependency.text: dependency for dependency in header.dependencies}
    stay = []
    for reference in dependencies.get("dynamic", ()):
        dependency = declared.get(reference.get("target_file", "").strip())
        if dependency is None or dependency.text not in gone:
            stay.append(_moved(reference, dependency, path_of(header.hat).parent, output.parent))
    if "dynamic" in dependencies:
        dependencies["dynamic"] = stay
    for function in document.get("functions", {}).values():
        _drop_durations(function)
    return edit_text(header.text, document, where)


def _moved(reference: dict[str, Any], dependency: Dependency | None, old: Path, new: Path) -> dict[str, Any]:
    """The reference as it reads from the new folder."""
    file = dependency.file if dependency else None
    if file is None or old.samefile(new) or Path(reference["target_file"].strip()).is_absolute():
        return reference
    return {**reference, "target_file": Path(os.path.relpath(file.path, new)).as_posix()}


def _drop_durations(function: dict[str, Any]) -> None:
    auxiliary: Mapping[str, Any] = function.get("auxiliary", {})
    kept = {key: value for key, value in auxiliary.items() if "_in_sec" not in key and key != "measured_sizes"}
    if len(kept) == len(auxiliary):
        return
    function["auxiliary"] = kept
    if not kept:
        del function["auxiliary"]
