"""The sink ``json``: one results document for the run."""

from __future__ import annotations

import time
from pathlib import Path

from hatframe import hookimpl
from hatframe.plugin import (
    FunctionResult,
    HatError,
    Option,
    ResultsDocument,
    RunInfo,
    Sink,
    SinkError,
    SinkRun,
    encode_results,
    read_results,
    write_atomically,
)
from hatframe_builtin.sinks.checks import check_replaceable

# The whole document is written again as results arrive, for at most this part of the time: a run of many quick
# functions is not slowed down, and each result of a slow one is on disk at once.
_SHARE_OF_TIME = 0.05


class JsonSink(Sink):
    """The results document, replaced atomically as results arrive: after a crash it holds all results before.

    The document of another run is replaced only with ``--overwrite``, and then with the first result; no other file is.
    ``--resume`` continues the document of an interrupted run.
    """

    name = "json"
    summary = "writes all results, with the machine and the packages, to one document (results.json)"
    options = (Option(names=("--overwrite",), help="Replace a results document that another run wrote.", flag=True),)

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        path = path or Path("results.json")
        check_replaceable(path)
        if path.exists() and path.stat().st_size:
            try:
                existing = read_results(path)
            except HatError as error:
                raise SinkError(
                    f"it is not replaced: {error.message}", where=str(path), hint="name another file, or move it away"
                ) from None
            same = bool(run.id) and existing.run.id == run.id
            resumed = same or (bool(run.options.get("resume")) and not existing.complete)
            if not (resumed or self.settings.get(self.options[0].key)):
                raise SinkError(
                    f"it holds the results of another run ({existing.run.started})",
                    where=str(path),
                    hint="name another file, or replace it with --overwrite",
                )
        return _JsonRun(run, path)


class _JsonRun(SinkRun):
    def __init__(self, run: RunInfo, path: Path) -> None:
        self.run = run
        self.path = path
        self.results: list[FunctionResult] = []
        self.next_write = 0.0

    def add(self, result: FunctionResult) -> None:
        self.results.append(result)
        started = time.monotonic()
        if started >= self.next_write:
            self._write(ResultsDocument(run=self.run, results=tuple(self.results), complete=False))
            ended = time.monotonic()
            self.next_write = ended + (ended - started) / _SHARE_OF_TIME

    def close(self, document: ResultsDocument) -> str:
        if not document.results and not document.complete:
            return f"no results: {self.path} was not written"
        self._write(document)
        return f"results written to {self.path}: {len(document.results)}"

    def _write(self, document: ResultsDocument) -> None:
        try:
            write_atomically(self.path, encode_results(document))
        except OSError as error:
            raise SinkError(f"cannot be written: {error.strerror or error}", where=str(self.path)) from None


@hookimpl
def hatframe_sinks() -> list[JsonSink]:
    return [JsonSink()]
