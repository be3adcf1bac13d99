"""The sides of a comparison, from what the user names: results of a run, files of results, or packages to measure."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec

from hatframe.errors import HatError, UsageError
from hatframe.format.names import base_name, matching
from hatframe.packages.package import is_zip, read_packages
from hatframe.results.compared import ResultSet
from hatframe.results.comparison import rankings
from hatframe.results.model import FunctionResult, ResultsDocument
from hatframe.results.reading import is_package, read_runs

_log = logging.getLogger(__name__)

Source = str | Path | ResultsDocument
Sizes = list[dict[str, int]]
Values = dict[str, int | float]
Measure = Callable[[Sequence[str], Sizes, Values], ResultsDocument]


def result_sets(sources: Sequence[Source], measure: Measure) -> list[ResultSet]:
    """The results of each source; ``measure`` measures all packages among them in one run, so that they pair up.

    It gets the sizes with which other sources have results of the packages' functions, and the values of other scalars
    if these are the same in all of them.
    """
    packages = [str(source) for source in sources if not isinstance(source, ResultsDocument) and is_package(source)]
    others = [
        None if not isinstance(source, ResultsDocument) and str(source) in packages else _read(source)
        for source in sources
    ]
    sizes, values = _measured_with(packages, [result for other in others if other for result in other.results])
    measured = _measured(packages, lambda sources: measure(sources, sizes, values)) if packages else {}
    return [measured[str(source)] if other is None else other for source, other in zip(sources, others, strict=True)]


def _read(source: Source) -> ResultSet:
    if isinstance(source, ResultsDocument):
        files = " ".join(file for package in source.run.packages for file in package.hat_files)
        return _of_document(f"{files} ({source.run.started})", source)
    # In a CSV file of several runs, the last result of each function counts.
    sets = [_of_document(str(source), document) for document in read_runs(source)]
    results = tuple(result for each in sets for result in each.results)
    return ResultSet(name=str(source), results=results, run=sets[-1].run if sets else None)


def stored_results(
    files: Sequence[str | Path], functions: Sequence[str] = (), last: bool = False
) -> list[tuple[str, ResultsDocument]]:
    """Each run in ``files`` with the name of its file; of the results, those of ``functions``, or all."""
    if not files:
        raise UsageError("no results to show", hint="name a file: hatframe show run.json")
    found = []
    for file in files:
        runs = read_runs(file)
        if not runs:
            raise HatError("it has no results", where=str(file))
        found += [(Path(file).name or str(file), run) for run in (runs[-1:] if last else runs)]
    if not functions:
        return found
    names = dict.fromkeys(result.function_name for _, run in found for result in run)
    chosen: set[str] = set()
    for pattern in functions:
        matched = matching(pattern, names)
        if not matched:
            raise HatError(f"no function matches {pattern!r}", where=" and ".join(map(str, files)))
        chosen.update(matched)
    return [(name, selected) for name, run in found if (selected := _selected(run, chosen)).results]


def _selected(run: ResultsDocument, names: Collection[str]) -> ResultsDocument:
    results = tuple(result for result in run if result.function_name in names)
    return msgspec.structs.replace(run, results=results, rankings=rankings(results))


def _of_document(name: str, document: ResultsDocument) -> ResultSet:
    if not document.complete:
        _log.warning("%s: this run was interrupted; it lacks results", name)
    return ResultSet(name=name, results=document.results, run=document.run)


def _measured_with(packages: Sequence[str], results: Sequence[FunctionResult]) -> tuple[Sizes, Values]:
    """The sizes and values of results of functions that the packages have, without scalars that those functions lack.

    A value that differs between results is left out: a run has one for all.
    """
    if not packages or not any(result.measured_with for result in results):
        return [], {}
    scalars: dict[str, set[str]] = {}
    for package in read_packages(packages):
        for function in package.functions.values():
            names = (parameter.name or f"arg{position}" for position, parameter in enumerate(function.arguments))
            scalars.setdefault(base_name(function.name), set()).update(names)
    found: Sizes = []
    values: dict[str, set[int | float]] = {}
    for result in results:
        known = scalars.get(base_name(result.function_name), set())
        sizes = {name: size for name, size in result.sizes.items() if name in known}
        if sizes and sizes not in found:
            found.append(sizes)
        for name in result.values.keys() & known:
            values.setdefault(name, set()).add(result.values[name])
    return found, {name: value for name, (value, *others) in values.items() if not others}


def _measured(sources: Sequence[str], measure: Callable[[Sequence[str]], ResultsDocument]) -> dict[str, ResultSet]:
    files = {source: _hat_files(source) for source in sources}
    owners: dict[str, str] = {}
    for source in sources:
        for file in files[source]:
            if file in owners:
                problem = f"{source} and {owners[file]} are the same package"
                raise UsageError(problem, hint="name another to compare with")
            owners[file] = source
    _log.info("measuring %s%s", ", ".join(sources), " together" if len(sources) > 1 else "")
    document = measure(sources)
    return {
        source: ResultSet(
            name=source,
            results=tuple(result for result in document if os.path.realpath(result.hat_file) in files[source]),
            run=document.run,
        )
        for source in sources
    }


def _hat_files(source: str) -> set[str]:
    path = Path(source)
    if is_zip(path):
        shown = (package.shown(hat.path) for package in read_packages([path]) for hat in package.hat_files)
        return set(map(os.path.realpath, shown))
    return {os.path.realpath(file) for file in (path.glob("*.hat") if path.is_dir() else [path])}
