"""The results that runs stored in packages, as documents of those runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from hatframe.errors import HatError
from hatframe.machine import Machine
from hatframe.packages.package import Package, read_packages
from hatframe.packages.stored import StoredResult, stored_results
from hatframe.results.comparison import rankings
from hatframe.results.groups import Measured, group_labels
from hatframe.results.model import FunctionResult, PackageInfo, ResultsDocument, RunInfo
from hatframe.results.table import result_of

_SUFFIX = "_in_sec"
_OF_RUN = ("measured_run", "measured_date", "measured_machine")


def stored_runs(path: str | Path) -> tuple[ResultsDocument, ...]:
    """The results stored in the packages of a .hat file, a folder or a .zip file: a document for each package and run.

    Results that other tools stored have no run, and are of one. Raises :class:`HatError` if there are none.
    """
    documents = tuple(document for package in read_packages([path]) for document in _documents(package))
    if not documents:
        hint = f"store results with: hatframe bench {path} --sink hat"
        raise HatError("it has no stored results", where=str(path), hint=hint)
    return documents


def _documents(package: Package) -> Iterator[ResultsDocument]:
    runs: dict[tuple[str, ...], list[StoredResult]] = {}
    for function in package.functions.values():
        for result in stored_results(function):
            runs.setdefault(tuple(str(result.table.get(key, "")) for key in _OF_RUN), []).append(result)
    for (run, date, machine), stored in sorted(runs.items(), key=lambda entry: entry[0][1]):
        stored.sort(key=lambda result: list(result.sizes.values()))
        found = [_result(result, package.shown(package.hat_file(result.function.name).path)) for result in stored]
        measured = zip(stored, found, strict=True)
        labels = group_labels([Measured(each.function, result.sizes, result.values) for each, result in measured])
        results = tuple(
            msgspec.structs.replace(result, group=label) for result, label in zip(found, labels, strict=True)
        )
        yield ResultsDocument(
            run=RunInfo(
                id=run,
                started=date,
                machine=Machine.parse(machine),
                hatframe_version="",
                python_version="",
                packages=(PackageInfo(hat_files=tuple(package.shown(hat.path) for hat in package.hat_files)),),
            ),
            results=results,
            rankings=rankings(results),
        )


def _result(stored: StoredResult, file: str) -> FunctionResult:
    figures = {key.removesuffix(_SUFFIX): value for key, value in stored.table.items() if key.endswith(_SUFFIX)}
    cells = {
        **{name: str(value) for name, value in figures.items()},
        "mean": str(stored.mean),
        "batches": str(stored.table.get("measured_batches", 0)),
        "function_name": stored.function.name,
        "hat_file": file,
    }
    try:
        result = result_of(cells)
    except ValueError as error:
        raise HatError(f"invalid stored result of {stored.function.name}: {error}", where=file) from None
    # Dimensions are integers; what else was set may be of any kind.
    sizes = {name: value for name, value in stored.sizes.items() if isinstance(value, int)}
    values = {name: value for name, value in stored.sizes.items() if name not in sizes}
    return msgspec.structs.replace(result, sizes=sizes, values=values)
