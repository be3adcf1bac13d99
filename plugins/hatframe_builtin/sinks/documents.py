"""What the sinks share that write one document for the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from hatframe.plugin import FunctionResult, ResultsDocument, RunInfo, SinkError, SinkRun, write_atomically

# The whole document is written again as results arrive, for at most this part of the time: a run of many quick
# functions is not slowed down, and each result of a slow one is on disk at once.
_SHARE_OF_TIME = 0.05


class DocumentRun(SinkRun):
    """Replaces ``path`` atomically as results arrive, by what ``encode`` makes of those so far."""

    def __init__(self, run: RunInfo, path: Path, encode: Callable[[ResultsDocument], bytes]) -> None:
        self.run = run
        self.path = path
        self.encode = encode
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
            write_atomically(self.path, self.encode(document))
        except OSError as error:
            raise SinkError(f"cannot be written: {error.strerror or error}", where=str(self.path)) from None
