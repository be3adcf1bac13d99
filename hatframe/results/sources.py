"""The sides of a comparison, from what the user names: results of a run, files of results, or packages to measure."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hatframe import files
from hatframe.errors import UsageError
from hatframe.packages.package import is_zip, read_packages
from hatframe.results.compared import ResultSet
from hatframe.results.model import ResultsDocument
from hatframe.results.reading import read_results, read_table

_log = logging.getLogger(__name__)

Source = str | Path | ResultsDocument
Measure = Callable[[Sequence[str]], ResultsDocument]


def result_sets(sources: Sequence[Source], measure: Measure) -> list[ResultSet]:
    """The results of each source; ``measure`` measures all packages among them in one run, so that they pair up."""
    packages = [str(source) for source in sources if not isinstance(source, ResultsDocument) and _is_package(source)]
    measured = _measured(packages, measure) if packages else {}
    return [_result_set(source, measured) for source in sources]


def _result_set(source: Source, measured: Mapping[str, ResultSet]) -> ResultSet:
    if isinstance(source, ResultsDocument):
        files = " ".join(file for package in source.run.packages for file in package.hat_files)
        return _of_document(f"{files} ({source.run.started})", source)
    if found := measured.get(str(source)):
        return found
    if _is_json(Path(source)):
        return _of_document(str(source), read_results(source))
    return ResultSet(name=str(source), results=read_table(source))


def _of_document(name: str, document: ResultsDocument) -> ResultSet:
    if not document.complete:
        _log.warning("%s: this run was interrupted; it lacks results", name)
    return ResultSet(name=name, results=document.results, run=document.run)


def _is_package(source: str | Path) -> bool:
    return Path(source).suffix == ".hat" or is_zip(source) or Path(source).is_dir()


def _is_json(path: Path) -> bool:
    """Whether a file looks like JSON; reading it reports why a file cannot be read."""
    try:
        return files.read_file(path)[: 1 << 10].lstrip().startswith(b"{")
    except OSError:
        return True


def _measured(sources: Sequence[str], measure: Measure) -> dict[str, ResultSet]:
    files = {source: _hat_files(source) for source in sources}
    owners: dict[str, str] = {}
    for source in sources:
        for file in files[source]:
            if file in owners:
                problem = f"{source} and {owners[file]} are the same package"
                raise UsageError(problem, hint="name another to compare with")
            owners[file] = source
    _log.info("measuring %s together", ", ".join(sources))
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
