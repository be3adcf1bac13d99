"""What conversions share: where the new package goes, what its metadata say, and writing it whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hatframe import files
from hatframe.converting.plan import HatSource, LinkPlan, path_of
from hatframe.errors import LinkError, UsageError
from hatframe.format.editing import edit_text
from hatframe.outcomes import Converted
from hatframe.packages.dependencies import Dependency
from hatframe.toolchain.tool import meanwhile, private_folder


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The libraries that a conversion made in a temporary folder, by their names in the new package.

    The first is what programs link with, and the rest are deployed beside them. ``gone`` are the texts of the
    dependencies that are in it now.
    """

    libraries: Mapping[str, Path]
    gone: frozenset[str]
    extra_exports: tuple[str, ...] = ()


def convert(
    plan: LinkPlan,
    output: Path,
    linker: str,
    names: Callable[[str], Sequence[str]],
    make: Callable[[Path, Sequence[str]], Made],
) -> Converted:
    """Write the package that ``make`` makes the libraries of.

    ``names`` gives the names of the libraries for the name that the new .hat file has without its suffix, and ``make``
    makes them from a temporary folder and those names. Nothing is written where it fails.

    Raises :class:`UsageError` where ``output`` is no name for a .hat file or an input would be overwritten, and
    :class:`LinkError` where the files cannot be written.
    """
    hats = _output_hats(plan, output)
    libraries = names(hats[0].stem)
    check_not_inputs([*(hats[0].parent / name for name in libraries), *hats], plan.files)
    texts: dict[Path, bytes] = {}

    def edit(gone: frozenset[str] = frozenset()) -> None:
        for header, hat in zip(plan.headers, hats, strict=True):
            texts[hat] = _converted(header, hat, libraries, gone).encode("utf-8")

    with private_folder() as folder:
        if plan.dependencies:
            made = make(folder, libraries)
            edit(made.gone)
        else:
            # Nothing can turn out to be in the library now, so that the texts need not wait for it.
            with meanwhile(edit):
                made = make(folder, libraries)
        contents = {hats[0].parent / name: path.read_bytes() for name, path in made.libraries.items()} | texts
    write_package(contents)
    link_target, *deployed = made.libraries
    return Converted(
        hat=hats[0],
        library=hats[0].parent / link_target,
        linker=linker,
        deploy_files=tuple(hats[0].parent / name for name in deployed),
        other_hats=tuple(hats[1:]),
        extra_exports=made.extra_exports,
    )


def write_package(contents: Mapping[Path, bytes]) -> None:
    """Write the files of a package, all or none; :class:`LinkError` where they cannot be."""
    with contextlib.ExitStack() as stack:
        # Always in one order, so that two that write the same files do not wait for each other.
        for path in sorted(contents):
            stack.enter_context(files.locked(path))
        try:
            files.write_together(contents)
        except OSError as error:
            raise LinkError(
                f"cannot be written: {error.strerror or error}",
                where=str(next(iter(contents)).parent),
                hint="nothing was changed",
            ) from None


# ------------------------------------------------------------------------------------------------ the outputs


def output_hat(output: Path, name: str) -> Path:
    """The absolute path of the .hat file to write: ``output``, or the file ``name`` in it where it is a folder.

    Raises :class:`UsageError` where it is neither.
    """
    output = output.absolute()
    path = output / name if output.is_dir() else output
    if path.suffix != ".hat":
        raise UsageError("the output must be named .hat, or be a folder", where=str(output))
    if not path.parent.is_dir():
        raise UsageError("there is no such folder", where=str(path.parent), hint="make it first")
    return path


def _output_hats(plan: LinkPlan, output: Path) -> list[Path]:
    """Where the .hat files go, in the order of the package's."""
    names = [path_of(header.hat).name for header in plan.headers]
    main = output_hat(output, names[0])
    hats = [main, *(main.parent / name for name in names[1:])]
    if len(set(hats)) < len(hats):
        raise UsageError(
            f"two .hat files would be written to {main.name}",
            where=str(main.parent),
            hint="choose another name",
        )
    return hats


def check_not_inputs(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise :class:`UsageError` where writing ``outputs`` would overwrite one of ``inputs``, or a folder."""
    for path in outputs:
        if path.is_dir():
            raise UsageError("this is a folder, where a file would be written", where=str(path))
        for read in inputs:
            # The file system knows whether two names, or two spellings of one, are the same file.
            same = path.exists() and read.samefile(path)
            if same or os.path.realpath(path) == os.path.realpath(read):
                raise UsageError(
                    "this is read for the conversion, and would be overwritten",
                    where=str(path),
                    hint="choose another name or folder for the output",
                )


# ------------------------------------------------------------------------------------------- the new metadata


def _converted(header: HatSource, output: Path, libraries: Sequence[str], gone: frozenset[str]) -> str:
    old = header.hat.document
    dependencies = {key: value for key, value in old["dependencies"].items() if key != "auxiliary"}
    dependencies["link_target"], *deployed = libraries
    if deployed:
        dependencies["deploy_files"] = list(dict.fromkeys([*deployed, *dependencies.get("deploy_files", ())]))
    declared = {dependency.text: dependency for dependency in header.dependencies}
    stay = []
    for reference in dependencies.get("dynamic", ()):
        dependency = declared.get(reference.get("target_file", "").strip())
        if dependency is None or dependency.text not in gone:
            stay.append(_moved(reference, dependency, path_of(header.hat).parent, output.parent))
    if "dynamic" in dependencies:
        dependencies["dynamic"] = stay
    # What does not change is shared, so that no time is spent on comparing it.
    document = {**old, "dependencies": dependencies}
    if "functions" in old:
        document["functions"] = {name: _without_durations(function) for name, function in old["functions"].items()}
    return edit_text(header.text, document, str(path_of(header.hat)), old=old)


def _moved(reference: dict[str, Any], dependency: Dependency | None, old: Path, new: Path) -> dict[str, Any]:
    """The reference as it reads from the new folder."""
    file = dependency.file if dependency else None
    if file is None or old.samefile(new) or Path(reference["target_file"].strip()).is_absolute():
        return reference
    return {**reference, "target_file": Path(os.path.relpath(file.path, new)).as_posix()}


def _without_durations(function: dict[str, Any]) -> dict[str, Any]:
    auxiliary: Mapping[str, Any] = function.get("auxiliary", {})
    kept = {key: value for key, value in auxiliary.items() if "_in_sec" not in key and key != "measured_sizes"}
    if len(kept) == len(auxiliary):
        return function
    rest = {key: value for key, value in function.items() if key != "auxiliary"}
    return {**rest, "auxiliary": kept} if kept else rest
