"""The check of observers: one that fails at an event is told which."""

from __future__ import annotations

from typing import Any

import pytest

from hatframe.backends import Observer
from hatframe.results.model import FunctionResult, ResultsDocument
from hatframe.testing import check_observer


class Printing(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def function_finished(self, result: FunctionResult) -> None:
        self.told.append(f"{result.function_name} {result.status}")

    def run_finished(self, document: ResultsDocument) -> None:
        self.told.append(f"{len(document.results)} results, complete: {document.complete}")


def test_an_observer_is_notified_of_runs_of_every_kind() -> None:
    observer = Printing()
    check_observer(observer)
    assert observer.told == [
        "add ok",
        "missing failed",
        "2 results, complete: True",
        "0 results, complete: False",
    ]
    check_observer(Observer())


def _mean_of(self: Any, result: FunctionResult) -> None:
    assert result.statistics is not None
    self.last = result.statistics.mean


def _first_result(self: Any, document: ResultsDocument) -> None:
    self.first = document.results[0]


def _nothing(self: Any) -> None:
    pass


def _percent(self: Any, name: str, fraction: float) -> None:
    self.left = 1 / (1 - fraction)


@pytest.mark.parametrize(
    ("method", "implementation", "clause"),
    [
        ("run_started", _nothing, r"run_started\(run, functions\) raises nothing; found: TypeError"),
        ("message", _nothing, r"message\(text\) raises nothing"),
        ("function_started", _nothing, r"function_started\(name\) raises nothing"),
        ("progress", _percent, r"progress\(name, fraction\) raises nothing; found: ZeroDivisionError"),
        ("function_finished", _mean_of, "whether the function was measured or failed"),
        ("run_finished", _nothing, r"run_finished\(document\) raises nothing"),
        ("run_finished", _first_result, "a run can end before its first result; found: IndexError"),
    ],
)
def test_a_fault_of_an_observer_breaks_the_clause_that_names_it(method: str, implementation: Any, clause: str) -> None:
    broken = type("Broken", (Observer,), {method: implementation})()
    with pytest.raises(AssertionError, match=f"observer Broken breaks its contract: .*{clause}"):
        check_observer(broken)


def test_something_else_is_no_observer() -> None:
    with pytest.raises(AssertionError, match="instance of a subclass of Observer"):
        check_observer("observer")  # type: ignore[arg-type]
