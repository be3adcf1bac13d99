"""The sink ``csv``: appends a row for each result, as soon as it is final."""

from __future__ import annotations

import contextlib
import csv
import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hatframe import hookimpl
from hatframe.plugin import (
    Cell,
    FunctionResult,
    Option,
    ResultsDocument,
    RunInfo,
    Sink,
    SinkError,
    SinkRun,
    UsageError,
    check_file,
    locked,
    result_columns,
    result_row,
)

_log = logging.getLogger(__name__)

# No header is longer; the file may be any other.
_LONGEST_HEADER = 1 << 16


class CsvSink(Sink):
    """Rows in the layout of :mod:`hatframe.results.table`, in UTF-8, times in seconds.

    A failed function has a row too: its figures are empty, and its ``status`` and ``message`` say why. The rows of one
    run share their ``run``, a unique identifier, and have the ``date`` of its start and the ``machine``.
    """

    name = "csv"
    summary = "appends one row for each result to a CSV file (results.csv)"
    # If two sinks have the same option, the one with the higher priority gets it: existing scripts mean this one.
    priority = 10
    options = (
        Option(
            names=("--results-file", "--results_file"),
            help="The CSV file to append the results to; it is made where there is none.",
            metavar="PATH",
        ),
    )

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        by_option = self.settings.get(self.options[0].key)
        if path and by_option and path != Path(by_option):
            raise UsageError(
                f"the CSV file is given twice, as {path} and as {by_option}",
                hint=f"use --sink {self.name}={path} or --results-file {by_option}",
            )
        return _CsvRun(run, path or Path(by_option or "results.csv"))


class _CsvRun(SinkRun):
    def __init__(self, run: RunInfo, path: Path) -> None:
        check_file(path)
        self.run = run
        self.path = path
        self.rows = 0
        self._present: set[tuple[str, ...]] = set()
        with self._locked_file() as file:
            self._prepare(file)

    def add(self, result: FunctionResult) -> None:
        cells = result_row(result, self.run)
        key = _key(["" if cell is None else str(cell) for cell in cells])
        if key in self._present:
            return  # since a run before the one that this resumes
        with self._locked_file() as file:
            if file.seek(0, io.SEEK_END) and file.seek(-1, io.SEEK_END) and file.read(1) == b"\n":
                _append(file, _line(cells))
            else:
                self._prepare(file)
                _append(file, _line(cells))
        self._present.add(key)
        self.rows += 1

    def close(self, document: ResultsDocument) -> str:
        return f"rows appended to {self.path}: {self.rows}"

    @contextlib.contextmanager
    def _locked_file(self) -> Iterator[io.FileIO]:
        try:
            with locked(self.path), self.path.open("a+b", buffering=0) as file:
                yield file
        except OSError as error:
            raise SinkError(f"cannot be written: {error.strerror or error}", where=str(self.path)) from None

    def _prepare(self, file: io.FileIO) -> None:
        """Write what the file lacks: its header, or the end of its last line; cut off a row that is incomplete."""
        file.seek(0)
        data = file.read()
        if not data:
            _append(file, _line(result_columns()))
            return
        header = next(iter(_rows(data[:_LONGEST_HEADER])), [])
        if tuple(header) != result_columns():
            raise SinkError(
                "the header of this file is not that of hatframe's results; nothing was appended",
                where=str(self.path),
                hint="name another file with --results-file, or move this one away",
            )
        whole = _whole_rows(data)
        torn = data[whole:]
        if torn and whole:
            (*_, cells) = _rows(torn) or [[]]
            # An editor may have left out the end of the last line, but a run leaves it out only where it was killed.
            if len(cells) == len(header) and cells[header.index("run")] != self.run.id and torn.count(b'"') % 2 == 0:
                _append(file, b"\n")
            else:
                _log.warning("%s: removed the last row, which was incomplete", self.path)
                file.truncate(whole)
                data = data[:whole]
        elif torn:
            _append(file, b"\n")
        if self.run.id and self.run.id.encode() in data:
            run = header.index("run")
            self._present = {
                _key(cells) for cells in _rows(data) if len(cells) == len(header) and cells[run] == self.run.id
            }


_IDENTITY = ("function_name", "hat_file", "sizes", "values")


def _key(cells: Sequence[str]) -> tuple[str, ...]:
    """What distinguishes a row from the others of its run."""
    columns = result_columns()
    return tuple(cells[columns.index(name)] for name in _IDENTITY)


def _rows(data: bytes) -> list[list[str]]:
    """The rows in a part of a file; those before the first that is not CSV."""
    found: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        found.extend(csv.reader(io.StringIO(data.decode("utf-8-sig", "surrogateescape"), newline="")))
    return found


def _whole_rows(data: bytes) -> int:
    """The length of all rows that end with a line feed, which in quotes ends no row."""
    end = len(data) if data.endswith(b"\n") else data.rfind(b"\n") + 1
    while end and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def _append(file: io.FileIO, line: bytes) -> None:
    """Append a line, or nothing where that fails."""
    start = file.seek(0, io.SEEK_END)
    try:
        written = 0
        while written < len(line):
            written += file.write(line[written:])
    except OSError:
        file.truncate(start)
        raise


def _line(cells: Iterable[Cell]) -> bytes:
    text = io.StringIO(newline="")
    # Older Pythons quote a carriage return in a cell only if the line ends with one too; files have line feeds alone.
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return (text.getvalue()[:-2] + "\n").encode("utf-8", "surrogateescape")


@hookimpl
def hatframe_sinks() -> list[CsvSink]:
    return [CsvSink()]
