"""The sink ``csv``: appends a row for each result, as soon as it is final."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
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
    locked,
    result_columns,
    result_row,
)
from hatframe_builtin.sinks.checks import check_file

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
        self._append(b"")
        self._check_header()

    def add(self, result: FunctionResult) -> None:
        self._append(_line(result_row(result, self.run)))
        self.rows += 1

    def close(self, document: ResultsDocument) -> str:
        return f"rows appended to {self.path}: {self.rows}"

    def _append(self, line: bytes) -> None:
        """Append a line, and before it what the file lacks: its header, or the end of its last line."""
        try:
            with locked(self.path), self.path.open("a+b") as file:
                lead = b""
                if file.tell() == 0:
                    lead = _line(result_columns())
                elif line:
                    file.seek(-1, io.SEEK_END)
                    lead = b"" if file.read(1) == b"\n" else b"\n"
                file.write(lead + line)
        except OSError as error:
            raise SinkError(f"cannot be written: {error.strerror or error}", where=str(self.path)) from None

    def _check_header(self) -> None:
        try:
            with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                header = next(csv.reader(io.StringIO(file.read(_LONGEST_HEADER), newline="")), [])
        except OSError as error:
            raise SinkError(f"cannot be read: {error.strerror or error}", where=str(self.path)) from None
        except csv.Error:
            header = []
        if tuple(header) != result_columns():
            raise SinkError(
                "the header of this file is not that of hatframe's results; nothing was appended",
                where=str(self.path),
                hint="name another file with --results-file, or move this one away",
            )


def _line(cells: Iterable[Cell]) -> bytes:
    text = io.StringIO(newline="")
    # Older Pythons quote a carriage return in a cell only if the line ends with one too; files have line feeds alone.
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return (text.getvalue()[:-2] + "\n").encode("utf-8", "surrogateescape")


@hookimpl
def hatframe_sinks() -> list[CsvSink]:
    return [CsvSink()]
