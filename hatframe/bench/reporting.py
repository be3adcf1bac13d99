"""Reporting: what observers and sinks learn of a run; one that fails leaves the others working."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from hatframe import files
from hatframe.backends import Observer, Sink, SinkRun
from hatframe.errors import HatError, SinkError
from hatframe.packages.store import KEY, Bucket
from hatframe.results.model import FunctionResult, ResultsDocument, RunInfo
from hatframe.results.writing import encode_results

RESULTS = Bucket(
    name="results",
    summary="results that sinks could not write, for hatframe store",
    pattern=rf"{KEY}\.json",
    rebuilt=False,
)


class Observers(Observer):
    """Notifies all observers; one that raises is dropped, and the run continues."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = list(observers)

    def _notify(self, method: str, *arguments: Any) -> None:
        for observer in list(self._observers):
            try:
                getattr(observer, method)(*arguments)
            except Exception as error:
                self._observers.remove(observer)
                self.message(f"observer {type(observer).__name__} failed in {method}: {error}")

    def run_started(self, run: RunInfo, functions: int) -> None:
        self._notify("run_started", run, functions)

    def function_started(self, name: str) -> None:
        self._notify("function_started", name)

    def progress(self, name: str, fraction: float) -> None:
        self._notify("progress", name, fraction)

    def function_finished(self, result: FunctionResult) -> None:
        self._notify("function_finished", result)

    def run_finished(self, document: ResultsDocument) -> None:
        self._notify("run_finished", document)

    def message(self, text: str) -> None:
        self._notify("message", text)


class Sinks:
    """All sinks of a run. A sink that cannot be opened ends the run; one that fails later leaves the others working.

    ``errors`` has the error of each sink that failed, by name; ``notify`` gets the lines that the others say.
    """

    def __init__(self, sinks: Sequence[tuple[Sink, Path | None]], run: RunInfo, notify: Callable[[str], None]) -> None:
        self.errors: dict[str, HatError] = {}
        self._sinks = sinks
        self._run = run
        self._notify = notify
        self._opened: dict[str, SinkRun] = {}

    def __enter__(self) -> Sinks:
        for sink, path in self._sinks:
            try:
                self._opened[sink.name] = sink.open(self._run, path)
            except HatError:
                raise
            except Exception as error:
                raise _sink_failed(sink.name, error) from error
        return self

    def __exit__(self, *exception: Any) -> None:
        self._opened.clear()

    def add(self, result: FunctionResult) -> None:
        for name, opened in list(self._opened.items()):
            self._guarded(name, opened.add, result)

    def close(self, document: ResultsDocument) -> None:
        for name, opened in list(self._opened.items()):
            if said := self._guarded(name, opened.close, document):
                self._notify(said)

    def raise_errors(self, document: ResultsDocument) -> None:
        """Raise :class:`SinkError` if sinks failed, with the results, which are kept in the state folder too."""
        if not self.errors:
            return
        paths = {sink.name: path for sink, path in self._sinks}
        failed = " ".join(
            f"--sink {shlex.quote(f'{name}={path}' if (path := paths.get(name)) else name)}" for name in self.errors
        )
        try:
            kept = _keep(document)
            command = f"hatframe store {shlex.quote(str(kept))} {failed}"
            hint = f"all results are in {kept}: repeat the command with --resume, or run: {command}"
        except OSError as error:
            hint = f"the results could not be kept: {error.strerror or error}"
        raised = self.error(hint)
        raised.results = document
        raise raised

    def error(self, hint: str = "") -> SinkError:
        """The errors of the sinks that failed as one, with a hint of what else to do."""
        first, *others = self.errors.values()
        message = "; ".join([first.message, *map(str, others)])
        return SinkError(message, where=first.where, hint="; ".join(filter(None, (first.hint, hint))))

    def _guarded(self, name: str, call: Callable[[Any], Any], value: Any) -> Any:
        try:
            return call(value)
        except HatError as error:
            problem = error
        except Exception as error:
            problem = _sink_failed(name, error)
        self.errors[name] = problem
        del self._opened[name]
        return None


def _keep(document: ResultsDocument) -> Path:
    """Write results to the state folder, or to a temporary one; raises :class:`OSError` where both fail."""
    data = encode_results(document)
    path = RESULTS.folder / f"{document.run.id}.json"
    try:
        files.make_private(path.parent)
        files.write_atomically(path, data)
    except (OSError, HatError):
        path = Path(tempfile.mkdtemp(prefix="results-of-hatframe-"), path.name)
        files.write_atomically(path, data)
    return path


def forget(document: ResultsDocument) -> None:
    """Remove what was kept of a run, since all sinks have its results now."""
    with contextlib.suppress(OSError):
        (RESULTS.folder / f"{document.run.id}.json").unlink()


def store(document: ResultsDocument, sinks: Sequence[tuple[Sink, Path | None]], notify: Callable[[str], None]) -> None:
    """Write the results of a run that has ended to sinks; raises the errors of those that fail."""
    with Sinks(sinks, document.run, notify) as outputs:
        for result in document.results:
            outputs.add(result)
        outputs.close(document)
    if outputs.errors:
        raise outputs.error()


def _sink_failed(name: str, error: Exception) -> SinkError:
    return SinkError(f"sink {name!r} failed: {type(error).__name__}: {error}")
