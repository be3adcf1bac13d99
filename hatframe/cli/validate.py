"""``hatframe validate``: list the deviations of .hat files from the format."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hatframe.cli.common import counted, kernel_of, print_json, print_table, show, show_line
from hatframe.cli.options import Json, Packages
from hatframe.errors import FormatError
from hatframe.packages.package import hat_folder, is_zip

if TYPE_CHECKING:
    from hatframe.outcomes import Deviation

_STYLES = {"error": "bold red", "warning": "yellow", "note": ""}


def validate(
    context: typer.Context,
    packages: Packages,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 1 for warnings too.")] = False,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Also report instruction sets that the code uses but the metadata do not require (x86 only)."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """List every deviation of .hat files from the format, their C code and their libraries, with its line.

    No code of a package runs. Errors break use: a function cannot be called, or the library lacks it. hatframe can use
    files that have only warnings. Notes are worth knowing.

    The exit status is 1 if there are errors, and with --strict also if there are warnings.
    """
    kernel = kernel_of(context)
    found = {shown: kernel.validate(path, deep=deep) for shown, path in _hat_files(packages).items()}
    if json:
        print_json([{"file": path, "deviations": deviations} for path, deviations in found.items()])
    elif sys.stdout.isatty():
        _print_tables(found)
    else:
        _print_lines(found)
    severities = {deviation.severity for deviations in found.values() for deviation in deviations}
    if "error" in severities or (strict and "warning" in severities):
        raise typer.Exit(1)


def _hat_files(packages: Sequence[Path]) -> dict[Path, Path]:
    """The paths of all .hat files, by the paths to show."""
    paths: dict[Path, Path] = {}
    for package in packages:
        folder = hat_folder(package) if is_zip(package) else package
        inside = sorted(path for path in folder.glob("*.hat") if path.is_file()) if folder.is_dir() else [package]
        if not inside:
            raise FormatError("this folder contains no .hat file", where=str(package))
        paths.update((package / path.name if folder is not package else path, path) for path in inside)
    return paths


def _place(deviation: Deviation) -> str:
    return ".".join(filter(None, (deviation.table, deviation.key)))


def _text(deviation: Deviation) -> str:
    return f"{deviation.message}; {deviation.hint}" if deviation.hint else deviation.message


def _print_lines(found: Mapping[Path, Sequence[Deviation]]) -> None:
    for path, deviations in found.items():
        for deviation in deviations:
            words = filter(None, (deviation.severity, _place(deviation), _text(deviation)))
            show_line(f"{path}:{deviation.line}: {': '.join(words)}")
        if not deviations:
            show_line(f"{path}: ok")


def _print_tables(found: Mapping[Path, Sequence[Deviation]]) -> None:
    from rich.text import Text

    for path, deviations in found.items():
        if not deviations:
            show_line(f"{path}: ok")
            continue
        counts = {name: sum(each.severity == name for each in deviations) for name in _STYLES}
        shown = (counted(count, name) for name, count in counts.items() if count or name != "note")
        show(f"{path}: {', '.join(shown)}")
        rows = []
        for deviation in deviations:
            severity = Text(deviation.severity, _STYLES[deviation.severity])
            rows.append((str(deviation.line), severity, _place(deviation), _text(deviation)))
        print_table(("line", "severity", "where", "what"), rows, right=("line",))
