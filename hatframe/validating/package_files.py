"""The files that the metadata name: whether they are there, in the package's folder, and those of this build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hatframe.errors import PackageError
from hatframe.format.model import HatFile
from hatframe.format.positions import Keys
from hatframe.packages.confinement import confined
from hatframe.packages.pairing import HINT, KEY, changed_libraries
from hatframe.validating.report import Report


def check_files(report: Report, folder: Path, needs_library: bool) -> bool:
    """Check every file that the metadata name; returns whether the library is there, in the folder."""
    dependencies = report.table("dependencies")
    target = dependencies.get("link_target", "")
    where: Keys = ("dependencies", "link_target")
    is_there = False
    if target == "" and needs_library:
        report.error(where, "missing link_target, the library of the host functions")
    elif not isinstance(target, str) or not target or _is_outside(report, folder, where, target):
        pass
    elif not _holds((folder / target).is_file):
        report.error(where, f"library not found beside the .hat file: {target!r}")
    else:
        is_there = True
    for index, name in enumerate(_list(dependencies.get("deploy_files"))):
        where = ("dependencies", "deploy_files", index)
        if not isinstance(name, str) or _is_outside(report, folder, where, name):
            continue
        if not _holds((folder / name).exists):
            report.warn(where, f"file not found beside the .hat file: {name!r}")
    for index, reference in enumerate(_list(dependencies.get("dynamic"))):
        name = reference.get("target_file") if isinstance(reference, dict) else None
        if isinstance(name, str) and Path(name).is_absolute() and not _holds(Path(name).exists):
            report.warn(("dependencies", "dynamic", index, "target_file"), f"file not found: {name!r}")
    for function, table in report.table("device_functions").items():
        provider = table.get("provider") if isinstance(table, dict) else None
        where = ("device_functions", function, "provider")
        if isinstance(provider, str) and provider and not _holds((folder / provider).is_file):
            report.error(where, f"file not found beside the .hat file: {provider!r}")
    return is_there


def check_pairing(report: Report, hat: HatFile) -> None:
    """Report the libraries that are not those that the .hat file was written with."""
    for library in changed_libraries(hat):
        message = f"{library} is not the library that this file was written with"
        report.error(("dependencies", "auxiliary", KEY), message, HINT)


def _is_outside(report: Report, folder: Path, path: Keys, text: str) -> bool:
    """Whether a path leaves the package's folder; other machines do not have such files."""
    try:
        confined(folder.absolute(), text, "")
    except PackageError as error:
        report.warn(path, error.message, "move the file into the folder, or pass --allow-outside")
        return True
    return False


def _holds(question: Callable[[], bool]) -> bool:
    """The answer about a file; no for a name that the system refuses."""
    try:
        return question()
    except OSError:
        return False


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
