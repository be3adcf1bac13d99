"""Reporting: what observers and sinks learn of a run; one that fails leaves the others working."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from hatframe.backends import Observer, Sink, SinkRun
from hatframe.errors import HatError, SinkError
from hatframe.results.model import FunctionResult, ResultsDocument, RunInfo


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
    """All sinks of a run. A sink that cannot be opened ends the run; one that fails later leaves the others working."""

    def __init__(self, sinks: Sequence[tuple[Sink, Path | None]], run: RunInfo, observer: Observer) -> None:
        self._sinks = sinks
        self._run = run
        self._observer = observer
        self._opened: dict[str, SinkRun] = {}
        self._errors: list[HatError] = []

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
                self._observer.message(said)

    def raise_first_error(self) -> None:
        if self._errors:
            raise self._errors[0]

    def _guarded(self, name: str, call: Callable[[Any], Any], value: Any) -> Any:
        try:
            return call(value)
        except HatError as error:
            problem = error
        except Exception as error:
            problem = _sink_failed(name, error)
        self._errors.append(problem)
        del self._opened[name]
        return None


def _sink_failed(name: str, error: Exception) -> SinkError:
    return SinkError(f"sink {name!r} failed: {type(error).__name__}: {error}")
