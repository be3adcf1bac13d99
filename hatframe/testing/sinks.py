"""The contract of a sink, on a made-up run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from hatframe.backends import Sink, SinkRun
from hatframe.errors import HatError, SinkError
from hatframe.results.model import FunctionResult, ResultsDocument, RunInfo
from hatframe.testing.contract import Contract, check_backend
from hatframe.testing.runs import failed_result, ok_result, run_info
from hatframe.testing.sample import write_sample


def check_sink(sink: Sink, folder: Path, *, takes_path: bool = True, options: Mapping[str, str] | None = None) -> None:
    """Hold ``sink`` against :class:`hatframe.backends.Sink`: its options, and runs of every kind written to ``folder``.

    Parameters
    ----------
    folder
        An empty folder, such as pytest's ``tmp_path``: the results are written there, and a small .hat file for
        sinks that write to those.
    takes_path
        Whether the path of ``--sink NAME=PATH`` means something to it; one that does not must refuse it.
    options
        Options of its own to open it with, by their keys.

    Raises :class:`AssertionError` with the clause that does not hold, and :class:`hatframe.errors.PluginError`
    where the sink cannot work here.
    """
    contract = check_backend(sink, Sink)
    hat_file = write_sample(folder, "sample.a")
    trial = _Trial(contract, sink.configured(options or {}), run_info(hat_file))
    results = (
        ok_result("add", hat_file),
        ok_result("scale", hat_file, sizes={"n": 256}, threads=2, counters={"page_faults": 3.0}),
        failed_result("total", hat_file),
    )
    if takes_path:
        trial.check_path(folder, results)
        trial.check_refused_path(folder)
    else:
        clause = "a sink that takes no path refuses one with a HatError when it is opened"
        contract.refuses(clause, HatError, trial.sink.open, trial.run, folder / "results")
        trial.check_run(None, results)
    trial.check_short_runs(folder / "short" if takes_path else None, results)
    trial.check_two_at_once(folder if takes_path else None, results)


class _Trial(NamedTuple):
    """A sink with a run, opened again and again."""

    contract: Contract
    sink: Sink
    run: RunInfo

    def check_run(self, path: Path | None, results: tuple[FunctionResult, ...], complete: bool = True) -> None:
        opened = self.open(path)
        for result in results:
            self.add(opened, result)
        self.close(opened, results, complete)

    def check_path(self, folder: Path, results: tuple[FunctionResult, ...]) -> None:
        path = folder / "the results"
        self.check_run(path, results)
        self.contract.require(path.exists(), "the path of --sink NAME=PATH is where the results go", f"no {path.name}")
        try:
            again = self.sink.open(self.run, path)
        except SinkError:
            return  # it does not write over former results
        except Exception as error:
            clause = "a path that holds former results is written to, or refused with SinkError when it is opened"
            raise self.contract.broken(clause, f"{type(error).__name__}: {error}") from error
        self.add(again, results[0])
        self.close(again, results[:1])

    def check_refused_path(self, folder: Path) -> None:
        blocked = folder / "a file"
        blocked.write_text("not a folder")
        clause = "a path that cannot be written to is refused with SinkError when it is opened, not after the run"
        self.contract.refuses(clause, SinkError, self.sink.open, self.run, blocked / "results")
        same = blocked.read_text() == "not a folder"
        self.contract.require(same, "a path that is refused leaves everything as it was")

    def check_short_runs(self, folder: Path | None, results: tuple[FunctionResult, ...]) -> None:
        """Runs that ended before their end: without a result, with none that is ok, and in the middle."""
        if folder:
            folder.mkdir()
        self.check_run(folder and folder / "nothing", (), complete=False)
        self.check_run(folder and folder / "no function was left", ())
        self.check_run(folder and folder / "failed", results[-1:])
        self.check_run(folder and folder / "interrupted", results[:1], complete=False)

    def check_two_at_once(self, folder: Path | None, results: tuple[FunctionResult, ...]) -> None:
        first = self.open(folder and folder / "one")
        second = self.open(folder and folder / "two")
        self.contract.require(first is not second, "open() returns a run of its own each time")
        self.add(first, results[0])
        self.add(second, results[1])
        self.close(second, results[1:2])
        self.close(first, results[:1])

    def open(self, path: Path | None) -> SinkRun:
        opened = self.contract.works("open(run, path) gets ready for a run", self.sink.open, self.run, path)
        self.contract.require(isinstance(opened, SinkRun), "open(run, path) returns a SinkRun", repr(opened))
        return opened

    def add(self, opened: SinkRun, result: FunctionResult) -> None:
        self.contract.works(f"add(result) takes a result whose status is {result.status}", opened.add, result)

    def close(self, opened: SinkRun, results: tuple[FunctionResult, ...], complete: bool = True) -> None:
        document = ResultsDocument(run=self.run, results=results, complete=complete)
        clause = "close(document) ends any run" if results else "close(document) ends a run without results too"
        before = msgspec.json.encode(document)
        said = self.contract.works(clause, opened.close, document)
        is_line = isinstance(said, str) and "\n" not in said
        self.contract.require(is_line, "close(document) returns a line for the user", repr(said))
        same = msgspec.json.encode(document) == before
        self.contract.require(same, "close(document) leaves the document as it is", document)
