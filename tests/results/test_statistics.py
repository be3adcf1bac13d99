"""The statistics of a measurement: their definitions, and relations that hold for any times."""

from __future__ import annotations

import math
import statistics as stdlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.errors import BenchmarkError
from hatframe.results.statistics import statistics

TIMES = st.lists(st.floats(0, 1e9, allow_subnormal=False), min_size=1, max_size=60)


def test_ten_batches_by_hand() -> None:
    found = statistics([9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0, 100.0])
    assert found.mean == 14.5
    assert found.median_of_means == 6.0
    assert found.mean_of_small_means == 3.0
    assert found.robust_mean == 5.5
    assert found.min_of_means == 1.0
    assert found.max_of_means == 100.0
    assert found.standard_deviation == pytest.approx(math.sqrt(8182.5 / 9))


def test_one_batch_has_no_deviation() -> None:
    found = statistics([2.5])
    assert found.standard_deviation == 0.0
    assert {found.mean, found.median_of_means, found.mean_of_small_means, found.robust_mean} == {2.5}


def test_four_batches_lose_none_to_the_robust_mean() -> None:
    assert statistics([1.0, 2.0, 3.0, 10.0]).robust_mean == 4.0


@given(TIMES)
def test_every_mean_lies_between_the_fastest_and_the_slowest_batch(times: list[float]) -> None:
    found = statistics(times)
    assert found.min_of_means == min(times)
    assert found.max_of_means == max(times)
    for mean in (found.mean, found.median_of_means, found.mean_of_small_means, found.robust_mean):
        assert min(times) <= mean <= max(times)


@given(TIMES)
def test_the_faster_half_is_no_slower_than_all_and_the_median(times: list[float]) -> None:
    found = statistics(times)
    assert found.mean_of_small_means <= found.mean
    assert found.mean_of_small_means <= found.median_of_means


@given(TIMES, st.randoms())
def test_the_order_of_the_batches_does_not_matter(times: list[float], random: object) -> None:
    shuffled = list(times)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert statistics(shuffled) == statistics(times)


@given(st.floats(1e-9, 10), st.integers(1, 40))
def test_batches_of_one_time_have_that_mean_to_the_last_bit(time: float, count: int) -> None:
    found = statistics([time] * count)
    assert found.mean == found.robust_mean == found.mean_of_small_means == time
    assert found.standard_deviation == 0.0


@given(TIMES.filter(lambda times: len(times) > 1))
def test_the_deviation_is_that_of_a_sample(times: list[float]) -> None:
    found = statistics(times).standard_deviation
    assert math.isclose(found, stdlib.stdev(times), rel_tol=1e-12)


@given(st.lists(st.floats(1e-6, 1), min_size=5, max_size=60))
def test_the_robust_mean_does_not_see_one_outlier(times: list[float]) -> None:
    with_outlier = [*sorted(times)[:-1], 1e6]
    assert statistics(with_outlier).robust_mean == statistics(times).robust_mean


@pytest.mark.parametrize("times", [[], [1.0, math.nan], [math.inf]])
def test_no_batches_and_times_that_are_no_numbers_are_refused(times: list[float]) -> None:
    with pytest.raises(BenchmarkError):
        statistics(times)
