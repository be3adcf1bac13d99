"""The sink ``markdown``: a table of the results for a pull request or a wiki; and a command that makes one later."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hatframe import hookimpl
from hatframe.plugin import FunctionResult, Option, ResultsDocument, RunInfo, Sink, SinkError, SinkRun

if TYPE_CHECKING:
    import typer

TITLE = "Results"


class MarkdownSink(Sink):
    """One file for each run, the fastest function first."""

    name = "markdown"
    summary = "writes a Markdown table of the results (results.md)"
    options = (Option(names=("--markdown-title",), help=f"The heading above the Markdown table [default: {TITLE}]."),)

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        path = path or Path("results.md")
        # Fail now, not after an hour of measuring.
        if not path.parent.is_dir() or path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise SinkError("this file cannot be written", where=str(path), hint="choose another: --sink markdown=PATH")
        return MarkdownRun(path, self.settings.get("markdown_title", TITLE))


class MarkdownRun(SinkRun):
    """The table is sorted by speed, so it is written at the end of the run."""

    def __init__(self, path: Path, title: str) -> None:
        self._path = path
        self._title = title

    def add(self, result: FunctionResult) -> None:
        pass

    def close(self, document: ResultsDocument) -> str:
        try:
            self._path.write_text(table(document, self._title), encoding="utf-8")
        except OSError as error:
            raise SinkError(f"cannot be written: {error.strerror or error}", where=str(self._path)) from None
        return f"table of {len(document.results)} results written to {self._path}"


def table(document: ResultsDocument, title: str) -> str:
    """The results as Markdown: durations in microseconds, with the counters that were measured."""
    counters = sorted({name for result in document.results for name in result.counters})
    lines = [f"# {title}", ""]
    lines += [_row(["function", "sizes", "mean (µs)", "min (µs)", *counters]), _row(["---"] * (4 + len(counters)))]
    for result in sorted(document.results, key=_mean):
        sizes = " ".join(f"{name}={value}" for name, value in result.sizes.items())
        if result.statistics:
            times = [f"{seconds * 1e6:.3f}" for seconds in (result.statistics.mean, result.statistics.min_of_means)]
        else:
            times = [result.message or result.status, ""]
        counted = (f"{result.counters[name]:g}" if name in result.counters else "" for name in counters)
        lines.append(_row([f"`{result.function_name}`", sizes, *times, *counted]))
    if not document.complete:
        lines += ["", "This run was interrupted."]
    return "\n".join([*lines, ""])


def _mean(result: FunctionResult) -> float:
    return result.statistics.mean if result.statistics else float("inf")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


@hookimpl
def hatframe_sinks() -> list[Sink]:
    return [MarkdownSink()]


@hookimpl
def hatframe_commands(app: typer.Typer) -> None:
    # typer needs no more than plain types here, so that loading a package does not import it.
    @app.command()
    def markdown(results: Path, title: str = TITLE) -> None:
        """Print the Markdown table of RESULTS, a document written by the sink json."""
        from hatframe.plugin import read_results

        print(table(read_results(results), title), end="")
