"""Reading the results of runs: a results document, a CSV file, or those stored in a package."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path

import msgspec

from hatframe import files
from hatframe.errors import HatError, listed
from hatframe.machine import Machine
from hatframe.packages.package import is_zip
from hatframe.results.comparison import rankings
from hatframe.results.model import FORMAT, FORMAT_VERSION, FunctionResult, ResultsDocument, RunInfo
from hatframe.results.table import check_durations, check_header, result_of

_log = logging.getLogger(__name__)


class _Header(msgspec.Struct, frozen=True):
    """What every version of the format begins with."""

    format: str = ""
    format_version: int = 0


def read_runs(path: str | Path) -> tuple[ResultsDocument, ...]:
    """Read the runs in a results document or a CSV file, or the results stored in a package, which may be a folder."""
    if is_package(path):
        from hatframe.results.stored import stored_runs

        return stored_runs(path)
    return (read_results(path),) if _is_json(Path(path)) else read_table(path)


def is_package(path: str | Path) -> bool:
    """Whether a path is one of a package rather than of a file of results."""
    return Path(path).suffix == ".hat" or is_zip(path) or Path(path).is_dir()


def _is_json(path: Path) -> bool:
    """Whether a file looks like JSON; reading it reports why a file cannot be read."""
    try:
        return files.read_file(path)[: 1 << 10].lstrip().startswith(b"{")
    except OSError:
        return True


def read_results(path: str | Path) -> ResultsDocument:
    """Read a results document; keys that this version does not know are ignored."""
    where = str(path)
    data = _read(path)
    try:
        header = msgspec.json.decode(data, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        header = _Header()
    if header.format != FORMAT:
        raise HatError("not a results document of hatframe", where=where, hint="write one with --sink json=PATH")
    if header.format_version > FORMAT_VERSION:
        problem = f"its format is version {header.format_version}, but this hatframe reads up to {FORMAT_VERSION}"
        raise HatError(problem, where=where, hint="use a newer hatframe")
    try:
        document = _decoded(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = str(error)
        raise HatError(f"invalid results document: {message[:1].lower()}{message[1:]}", where=where) from None
    try:
        for result in document.results:
            check_durations(result)
    except ValueError as error:
        raise HatError(f"invalid results document: {error}", where=where) from None
    if document.rankings:
        return document
    # Interrupted runs and those of earlier versions have none.
    return msgspec.structs.replace(document, rankings=rankings(document.results))


def _decoded(data: bytes) -> ResultsDocument:
    try:
        return msgspec.json.decode(data, type=ResultsDocument)
    except msgspec.ValidationError:
        plain = msgspec.json.decode(data)
        results = plain.get("results") if isinstance(plain, dict) else None
        for result in results if isinstance(results, list) else ():
            figures = result.get("statistics") if isinstance(result, dict) else None
            if isinstance(figures, dict):
                # Documents of hatframe 0.1.0 have no estimate: the mean takes its place.
                for name in ("time", "time_low", "time_high"):
                    figures.setdefault(name, figures.get(name.replace("time", "mean")))
        return msgspec.convert(plain, ResultsDocument)


def read_table(path: str | Path) -> tuple[ResultsDocument, ...]:
    """Read the runs in a CSV file that hatframe wrote, in the order of their first rows; results have no batches.

    Rows without a run, as former versions wrote them, are of one. Broken rows are skipped with a warning.
    """
    # pandas would take half a second to import. Paths may have undecodable bytes; spreadsheets put a mark in front.
    text = _read(path).decode("utf-8-sig", "surrogateescape")
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(rows, [])
        check_header(header)
    except (ValueError, csv.Error) as error:
        hint = "use a file that hatframe wrote with --sink csv or --sink json"
        raise HatError(str(error), where=str(path), hint=hint) from None
    runs: dict[str, tuple[RunInfo, list[FunctionResult]]] = {}
    broken: list[str] = []
    while True:
        try:
            cells = next(rows, None)
            if cells is None:
                break
            if cells:
                row = dict(zip(header, cells, strict=True))
                result = result_of(row)
                runs.setdefault(row.get("run", ""), (_run_of(row), []))[1].append(result)
        except (ValueError, csv.Error) as error:
            broken.append(f"line {rows.line_num}: {error}")
    if broken:
        _log.warning("%s: skipped %d broken rows: %s", path, len(broken), listed(broken, 3))
    return tuple(
        ResultsDocument(run=run, results=tuple(results), rankings=rankings(results)) for run, results in runs.values()
    )


def _run_of(row: dict[str, str]) -> RunInfo:
    return RunInfo(
        id=row.get("run", ""),
        started=row.get("date", ""),
        machine=Machine.parse(row.get("machine", "")),
        hatframe_version="",
        python_version="",
    )


def _read(path: str | Path) -> bytes:
    try:
        return files.read_file(Path(path))
    except OSError as error:
        raise HatError(f"the results cannot be read: {error.strerror or error}", where=str(path)) from None
