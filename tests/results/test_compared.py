"""The outcome of a comparison, and what fails it."""

from __future__ import annotations

import pytest
from result_documents import failed, result

from hatframe.results.compared import ComparedFunction, Comparison, problem_of
from hatframe.results.model import FunctionResult, Ratio


def row(ratio: Ratio | None, other: FunctionResult | None, problem: str = "") -> ComparedFunction:
    return ComparedFunction(function_name="f", sizes={}, results=(result("f"), other), ratios=(ratio,), problem=problem)


@pytest.mark.parametrize(
    ("low", "high", "fails"), [(1.06, 1.2, True), (1.04, 1.5, False), (0.5, 0.6, False), (1.05, 1.2, False)]
)
def test_only_a_whole_interval_above_the_limit_fails(low: float, high: float, fails: bool) -> None:
    compared = row(Ratio(ratio=(low + high) / 2, low=low, high=high), result("f"))
    assert bool(problem_of(compared, ("a", "b"), 0.05)) is fails


def test_a_function_that_has_no_figures_fails_with_the_reason_and_the_side() -> None:
    problem = problem_of(row(None, failed("f", "SIGSEGV")), ("a", "b.json"), 0.05)
    assert "SIGSEGV" in problem
    assert "b.json" in problem


def test_a_side_without_the_function_does_not_fail() -> None:
    assert problem_of(row(None, None), ("a", "b"), 0.05) == ""


def test_a_comparison_is_a_collection_and_knows_what_failed() -> None:
    good, bad = row(Ratio(ratio=1, low=0.9, high=1.1), result("f")), row(None, None, "slower")
    found = Comparison(names=("a", "b"), functions=(good, bad), unmatched=((), ()), warnings=())
    assert list(found) == [good, bad]
    assert len(found) == 2
    assert found.failed == (bad,)
    assert "\n" not in repr(found)
    assert len(found.to_dataframe()) == 1, "a side without the function has no row"
    assert "<table" in found._repr_html_()
