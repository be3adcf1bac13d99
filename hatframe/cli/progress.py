"""The progress bar of a benchmark on a terminal, and the details that ``--verbose`` shows."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from hatframe.backends import Observer
from hatframe.cli.common import console, log
from hatframe.errors import printable
from hatframe.results.text import sized_name

if TYPE_CHECKING:
    import rich.progress

    from hatframe.results.model import FunctionResult, ResultsDocument, RunInfo


class Progress(Observer):
    """Observes a run for the user. It shows no bar without a terminal or with ``--quiet``."""

    def __init__(self, bar: bool) -> None:
        self._bar = bar and sys.stderr.isatty() and log.isEnabledFor(logging.INFO)
        self._progress: rich.progress.Progress | None = None
        self._task: rich.progress.TaskID | None = None
        self._fractions: dict[str, float] = {}

    def run_started(self, run: RunInfo, functions: int) -> None:
        cache = run.machine.last_level_cache
        size = f"{cache.size / 2**20:g} MiB last-level cache" if cache else "unknown caches"
        log.debug(f"measuring {functions} functions on {run.machine.platform} with {size}")
        if not self._bar:
            return
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Bar(*columns, console=console(stderr=True), transient=True)
        self._progress.start()
        self._task = self._progress.add_task("", total=functions)

    def progress(self, name: str, fraction: float) -> None:
        # Each function has its share of the bar; all of them grow together, as they take turns.
        self._fractions[name] = max(fraction, self._fractions.get(name, 0.0))
        if self._progress and self._task is not None:
            self._progress.update(self._task, completed=sum(self._fractions.values()), description=printable(name))

    def function_finished(self, result: FunctionResult) -> None:
        self.progress(sized_name(result.function_name, {**result.sizes, **result.values}), 1.0)
        if result.statistics:
            log.debug(
                f"{result.function_name}: {result.input_sets} input sets of {result.input_set_bytes} bytes, "
                f"{result.batches} batches of {result.calls_per_batch} calls, {result.timer} timer, "
                f"whose loop costs {result.overhead * 1e9:.3g} ns per call"
            )

    def run_finished(self, document: ResultsDocument) -> None:
        if self._progress:
            self._progress.stop()
            self._progress = None

    def message(self, text: str) -> None:
        log.info(text)
