"""When a function was measured enough."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.bench.criterion import (
    DEFAULT_BATCHES,
    DEFAULT_MIN_TIME,
    FEWEST_BATCHES,
    RUN_TIME,
    SHORTEST_SHARE,
    Criterion,
)
from hatframe.bench.options import BenchOptions
from hatframe.results.estimation import relative_half_width


def measure(criterion: Criterion, spread: float = 0.0, call: float = 1e-6, calls: int = 10_000, seed: int = 1) -> int:
    """Add batches until it is finished; the number of them."""
    noise = random.Random(seed)
    for batch in range(1, 100_000):
        criterion.add_measurement(call * calls * (1 + spread * noise.uniform(-1, 1)), calls)
        if criterion.is_finished():
            return batch
    raise AssertionError("it never ended")


def criterion(rows: int = 1, **options: Any) -> Criterion:
    return Criterion(BenchOptions(**options), rows)


def test_steady_times_end_with_the_default_minima() -> None:
    assert measure(criterion()) == DEFAULT_BATCHES
    assert measure(criterion(), calls=1000) == DEFAULT_MIN_TIME / 1e-3


@pytest.mark.parametrize("precision", [0.01, 0.003])
def test_noisy_times_end_when_the_mean_is_known_so_precisely(precision: float) -> None:
    noise = random.Random(2)
    asked = criterion(precision=precision, max_time=1e9)
    means: list[float] = []
    while not asked.is_finished():
        means.append(1e-6 * (1 + 0.05 * noise.uniform(-1, 1)))
        asked.add_measurement(means[-1] * 10_000, 10_000)
    assert relative_half_width(means) <= precision
    assert relative_half_width(means[: len(means) * 9 // 10 - 1]) > precision


def test_a_more_precise_mean_takes_more_batches() -> None:
    taken = [measure(criterion(precision=precision), spread=0.05) for precision in (0.1, 0.01, 0.005)]
    assert taken == sorted(set(taken))


def test_times_that_never_get_precise_end_with_the_maximum_time() -> None:
    assert measure(criterion(precision=0.0, max_time=1.0), spread=0.3) == pytest.approx(100, abs=3)
    assert measure(criterion(max_time=0.0), call=1.0, calls=1) == FEWEST_BATCHES


@given(
    batches=st.integers(1, 60),
    min_time=st.floats(0, 2),
    max_time=st.floats(0, 2) | st.none(),
    rows=st.integers(1, 2000),
    precision=st.floats(0, 0.5),
)
def test_what_the_user_asked_for_holds_whatever_the_maximum_time(
    batches: int, min_time: float, max_time: float | None, rows: int, precision: float
) -> None:
    asked = criterion(rows, batches=batches, min_time=min_time, max_time=max_time, precision=precision)
    total = 0.0
    for batch in range(1, 2000):
        reached = batch > batches and total >= min_time
        if asked.may_stop() or asked.is_finished() or asked.exhausted:
            assert batch > batches
            assert total >= min_time
        if reached:
            assert asked.may_stop()
            break
        asked.add_measurement(0.03, 100)
        total += 0.03


def test_the_defaults_give_way_to_a_race_but_for_a_few_batches() -> None:
    default, asked = criterion(), criterion(batches=9, min_time=0.2)
    for batch in range(1, 25):
        for each in (default, asked):
            each.add_measurement(0.01, 1)
        assert default.may_stop() == (batch >= FEWEST_BATCHES)
        assert asked.may_stop() == (batch >= 20)


@pytest.mark.parametrize("rows", [25, 60, 300])
def test_all_functions_share_the_time_of_a_run(rows: int) -> None:
    together = rows * 0.01 * measure(criterion(rows, precision=0.0), spread=0.2)
    assert together <= max(RUN_TIME, rows * SHORTEST_SHARE) + rows * 0.02


def test_time_that_was_subtracted_counts_as_time_and_not_in_the_mean() -> None:
    steady, noisy = criterion(), criterion(max_time=0.5)
    for _ in range(DEFAULT_BATCHES):
        assert not steady.is_finished()
        steady.add_measurement(1e-5, 100_000, overhead=0.01)
    assert steady.is_finished()
    batches, source = 0, random.Random(1)
    while not noisy.is_finished():
        noisy.add_measurement(1e-5 * source.uniform(1, 2), 100_000, overhead=0.01)
        batches += 1
    assert batches == pytest.approx(50, abs=1), "as many as the maximum time allows, for want of precision"


def test_progress_grows_to_one() -> None:
    asked = criterion(batches=20, min_time=0.1)
    told = []
    while not asked.may_stop():
        told.append(asked.progress)
        asked.add_measurement(0.01, 1)
    assert told[0] == 0
    assert told == sorted(told)
    assert asked.progress == 1
