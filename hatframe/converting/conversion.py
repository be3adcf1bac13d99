"""What all conversions share: the places of the new files, their metadata, and writing all of them or none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hatframe import files
from hatframe.backends import Linker
from hatframe.converting.plan import HatSource, LinkPlan
from hatframe.errors import LinkError, UsageError
from hatframe.format.editing import edit_text
from hatframe.outcomes import Converted
from hatframe.packages.dependencies import Dependency
from hatframe.packages.pairing import KEY, digests
from hatframe.packages.stored import without_results
from hatframe.toolchain.linker import in_job
from hatframe.toolchain.tool import Job, private_folder


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The libraries that a conversion made in a temporary folder, by their names in the new package.

    Programs link with the first; the others are deployed with them. ``included`` are the texts of the dependencies that
    the library includes now.
    """

    libraries: Mapping[str, Path]
    included: frozenset[str]
    extra_exports: tuple[str, ...] = ()


def convert(
    plan: LinkPlan,
    output: Path,
    linker: Linker,
    names: Callable[[str], Sequence[str]],
    make: Callable[[Linker, Path, Sequence[str]], Made],
) -> Converted:
    """Convert a package, or write nothing if that fails.

    ``names`` names the new libraries by the stem of the new .hat file; ``make`` makes them in a temporary folder.
    """
    hats = _output_hats(plan, output)
    libraries = names(hats[0].stem)
    check_not_inputs([*(hats[0].parent / name for name in libraries), *hats], plan.files)
    texts: dict[Path, bytes] = {}

    def edit(included: frozenset[str] = frozenset()) -> None:
        for source, hat in zip(plan.sources, hats, strict=True):
            texts[hat] = _edited(source, hat, libraries, included).encode("utf-8")

    # Without dependencies the new texts are known before the libraries are.
    job = Job() if plan.dependencies else Job(meanwhile=edit)
    with private_folder() as folder:
        made = make(in_job(linker, job), folder, libraries)
        job.finish()
        if plan.dependencies:
            edit(made.included)
        contents = {name: path.read_bytes() for name, path in made.libraries.items()}
        for name, digest in digests(contents)[KEY].items():
            for hat, text in texts.items():
                texts[hat] = text.replace(_placeholders([name])[name].encode(), digest.encode())
        write_package({hats[0].parent / name: content for name, content in contents.items()} | texts)
    link_target, *deployed = made.libraries
    return Converted(
        hat=hats[0],
        library=hats[0].parent / link_target,
        linker=linker.name,
        deploy_files=tuple(hats[0].parent / name for name in deployed),
        other_hats=tuple(hats[1:]),
        extra_exports=made.extra_exports,
    )


def write_package(contents: Mapping[Path, bytes]) -> None:
    """Write all files of a package or none; raises :class:`LinkError` if one cannot be written."""
    with contextlib.ExitStack() as stack:
        # One for each folder, in the same order everywhere: two processes cannot block each other.
        for path in dict(sorted((os.path.realpath(path.parent), path) for path in contents)).values():
            stack.enter_context(files.locked(path))
        try:
            files.write_together(contents)
        except OSError as error:
            raise LinkError(
                f"cannot write the package: {error.strerror or error}",
                where=str(next(iter(contents)).parent),
                hint="nothing was changed",
            ) from None


def output_hat(output: Path, name: str) -> Path:
    """The absolute path of the .hat file to write: ``output``, or the file ``name`` in it if it is a folder."""
    output = output.absolute()
    path = output / name if output.is_dir() else output
    if not path.suffix and not path.exists():
        raise UsageError("this folder does not exist", where=str(path), hint="make it first, or name a .hat file")
    if path.suffix != ".hat":
        raise UsageError("the output must be a folder or a file named .hat", where=str(output))
    if not path.parent.is_dir():
        raise UsageError("this folder does not exist", where=str(path.parent), hint="make it first")
    return path


def _output_hats(plan: LinkPlan, output: Path) -> list[Path]:
    first, *others = [source.path.name for source in plan.sources]
    main = output_hat(output, first)
    hats = [main, *(main.parent / name for name in others)]
    if len(set(hats)) < len(hats):
        raise UsageError(
            f"two .hat files would be written to {main.name}", where=str(main.parent), hint="choose another name"
        )
    return hats


def check_not_inputs(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise :class:`UsageError` if writing ``outputs`` would overwrite an input or a folder."""
    for path in outputs:
        if path.is_dir():
            raise UsageError("a folder has the name of an output file", where=str(path))
        for read in inputs:
            # Only the file system knows whether two spellings are one file.
            same = path.exists() and read.samefile(path)
            if same or os.path.realpath(path) == os.path.realpath(read):
                raise UsageError(
                    "this input file would be overwritten",
                    where=str(path),
                    hint="choose another name or folder for the output",
                )


def _edited(source: HatSource, output: Path, libraries: Sequence[str], included: frozenset[str]) -> str:
    old = source.hat.document
    dependencies = {key: value for key, value in old["dependencies"].items() if key != "auxiliary"}
    dependencies["link_target"], *deployed = libraries
    dependencies["auxiliary"] = {KEY: _placeholders(libraries)}
    if deployed:
        dependencies["deploy_files"] = list(dict.fromkeys([*deployed, *dependencies.get("deploy_files", ())]))
    if "dynamic" in dependencies:
        declared = {dependency.text: dependency for dependency in source.dependencies}
        dependencies["dynamic"] = [
            _moved(reference, declared.get(text), source.path.parent, output.parent)
            for reference in dependencies["dynamic"]
            if (text := reference.get("target_file", "").strip()) not in included
        ]
    # Unchanged values are the same objects, which the editor need not compare.
    document = {**old, "dependencies": dependencies}
    if "functions" in old:
        functions = {name: _without_durations(function) for name, function in old["functions"].items()}
        if any(functions[name] is not function for name, function in old["functions"].items()):
            document["functions"] = functions
    return edit_text(source.text, document, str(source.path), old=old)


def _placeholders(libraries: Sequence[str]) -> dict[str, str]:
    """What stands for the digests of libraries until they are made."""
    return digests({name: f"placeholder of {name}".encode() for name in libraries})[KEY]


def _moved(reference: dict[str, Any], dependency: Dependency | None, old: Path, new: Path) -> dict[str, Any]:
    file = dependency.file if dependency else None
    if file is None or old.samefile(new) or Path(reference["target_file"].strip()).is_absolute():
        return reference
    return {**reference, "target_file": Path(os.path.relpath(file.path, new)).as_posix()}


def _without_durations(function: dict[str, Any]) -> dict[str, Any]:
    """A function's table without the durations that ``auxiliary`` stores, since they are of the old library."""
    auxiliary: Mapping[str, Any] = function.get("auxiliary", {})
    kept = without_results(auxiliary)
    if len(kept) == len(auxiliary):
        return function
    rest = {key: value for key, value in function.items() if key != "auxiliary"}
    return {**rest, "auxiliary": kept} if kept else rest
