"""Reading the results of a run: a results document, or a CSV file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import msgspec

from hatframe import files
from hatframe.errors import HatError
from hatframe.results.comparison import rankings
from hatframe.results.model import FORMAT, FORMAT_VERSION, FunctionResult, ResultsDocument
from hatframe.results.table import columns, result_of


class _Header(msgspec.Struct, frozen=True):
    """What every version of the format begins with."""

    format: str = ""
    format_version: int = 0


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
        document = msgspec.json.decode(data, type=ResultsDocument)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = str(error)
        raise HatError(f"invalid results document: {message[:1].lower()}{message[1:]}", where=where) from None
    if document.rankings:
        return document
    # Interrupted runs and those of earlier versions have none.
    return msgspec.structs.replace(document, rankings=rankings(document.results))


def read_table(path: str | Path) -> tuple[FunctionResult, ...]:
    """Read the results in a CSV file that hatframe wrote, one for each row; they have no batches."""
    # pandas would take half a second to import. Paths may have undecodable bytes; spreadsheets put a mark in front.
    text = _read(path).decode("utf-8-sig", "surrogateescape")
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        if tuple(next(rows, ())) != columns():
            hint = "use a file that this version wrote with --sink csv or --sink json"
            raise HatError("not a CSV file of hatframe's results: its header differs", where=str(path), hint=hint)
        return tuple(result_of(dict(zip(columns(), cells, strict=True))) for cells in rows if cells)
    except (ValueError, csv.Error) as error:
        raise HatError(f"invalid row: {error}", where=f"{path}, line {rows.line_num}") from None


def _read(path: str | Path) -> bytes:
    try:
        return files.read_file(Path(path))
    except OSError as error:
        raise HatError(f"the results cannot be read: {error.strerror or error}", where=str(path)) from None
