"""Results that are stored in .hat files."""

from __future__ import annotations

from typing import Any

import pytest

from hatframe.format.model import Function
from hatframe.packages.stored import stored_mean, stored_results, without_results


def function(**auxiliary: Any) -> Function:
    return Function(name="f", arguments=(), auxiliary=auxiliary)


@pytest.mark.parametrize(
    ("auxiliary", "seconds"),
    [
        ({}, None),
        ({"mean_duration_in_sec": 1.5}, 1.5),
        ({"duration_in_sec": 2}, 2.0),
        ({"mean_duration_in_sec": 1.0, "duration_in_sec": 2.0}, 1.0),
        ({"mean_duration_in_sec": "fast", "duration_in_sec": 2.0}, 2.0),
        ({"mean_duration_in_sec": True}, None),
        ({"mean_duration_in_sec": -1.0}, None),
        ({"mean_duration_in_sec": float("nan")}, None),
    ],
)
def test_stored_means_are_read_under_both_names(auxiliary: dict[str, Any], seconds: float | None) -> None:
    assert stored_mean(Function(name="f", arguments=(), auxiliary=auxiliary)) == seconds


def test_each_size_has_a_result_and_the_last_run_is_last() -> None:
    stored = function(
        measured_sizes="n=8",
        duration_in_sec=1.0,
        time_in_sec=0.9,
        results_by_sizes={
            "n=8": {"mean_duration_in_sec": 1.0, "time_in_sec": 0.9},
            "n=9 limit=0.5": {"mean_duration_in_sec": 2.0},
            "nonsense": {"mean_duration_in_sec": 3.0},
            "n=10": "nonsense",
        },
    )
    found = stored_results(stored)
    assert [(result.sizes, result.mean, result.time) for result in found] == [
        ({"n": 9, "limit": 0.5}, 2.0, None),
        ({"n": 8}, 1.0, 0.9),
    ]


def test_the_means_that_earlier_versions_stored_are_read() -> None:
    by_sizes = {"n=8": 1.0, "n=9": 2.0}
    found = stored_results(
        function(measured_sizes="n=8", mean_duration_in_sec=1.0, mean_duration_in_sec_by_sizes=by_sizes)
    )
    assert {(result.sizes["n"], result.mean) for result in found} == {(8, 1.0), (9, 2.0)}


def test_a_function_without_sizes_has_one_result() -> None:
    assert [result.sizes for result in stored_results(function(duration_in_sec=1.0))] == [{}]
    assert stored_results(function(flops=3)) == []
    assert stored_results(function(results_by_sizes="nonsense", measured_sizes=3)) == []


def test_all_that_a_run_stores_can_be_left_out() -> None:
    stored = {"time_in_sec": 1.0, "measured_sizes": "n=8", "measured_date": "2024", "results_by_sizes": {"n=8": {}}}
    assert without_results({"flops": 3, **stored, "measure": 1}) == {"flops": 3, "measure": 1}
