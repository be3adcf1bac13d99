"""The estimate of a call's time: what moves it, and whether its intervals hold what they say."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.results.estimation import (
    Batches,
    estimate,
    interval,
    low_quantile,
    low_time,
    ratio_estimate,
    relative_half_width,
    student_quantile,
)

TIMES = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=60)


def bursts(source: random.Random, count: int, share: float) -> list[float]:
    """Times of 1 with noise of 1 %; bursts of ten batches, half again as long or more, hold a share of them."""
    times: list[float] = []
    while len(times) < count:
        slower = source.uniform(1.5, 3.0) if source.random() < share else 1.0
        times += [slower * source.lognormvariate(0, 0.01) for _ in range(10)]
    return times[:count]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_bursts_that_hold_half_of_the_batches_hardly_move_the_time(share: float) -> None:
    source = random.Random(5)
    found = [math.exp(estimate(Batches(bursts(source, 200, share))).log) for _ in range(50)]
    assert np.mean(found) == pytest.approx(0.99, abs=0.012)
    assert max(found) < 1.05


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 20, 40])
def test_the_low_quantile_is_that_of_harrell_and_davis(count: int) -> None:
    # The weights by a fine sum over the Beta density, beside those by the integral with a change of variable.
    values = sorted(random.Random(count).gauss(0, 1) for _ in range(count))
    a, b = (count + 1) * 0.15, (count + 1) * 0.85
    ends = np.linspace(0, 1, 400_001)[1:-1]
    density = ends ** (a - 1) * (1 - ends) ** (b - 1)
    places = np.minimum((ends * count).astype(int), count - 1)
    weights = np.bincount(places, density, count)
    assert low_quantile(values) == pytest.approx(np.dot(weights / weights.sum(), values), abs=0.02)


@given(TIMES)
def test_estimates_lie_among_the_batches(times: list[float]) -> None:
    assert min(times) * (1 - 1e-9) <= math.exp(estimate(Batches(times)).log) <= max(times) * (1 + 1e-9)
    assert low_time(times) in times


@given(TIMES, st.randoms(use_true_random=False))
def test_batches_of_a_block_may_come_in_any_order(times: list[float], source: random.Random) -> None:
    shuffled = source.sample(times, len(times))
    assert estimate(Batches(shuffled)).log == pytest.approx(estimate(Batches(times)).log)


def between_processes(source: random.Random, deviation: float, processes: int, rounds: int) -> Batches:
    """A function in new processes, each of which is faster or slower than the others by some percent."""
    of_process = [source.lognormvariate(0, deviation) for _ in range(processes)]
    numbers = [round_number % processes for round_number in range(rounds)]
    return Batches(
        [of_process[number] * source.lognormvariate(0, 0.01) for number in numbers], tuple(range(rounds)), numbers
    )


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("deviation", [0.0, 0.005, 0.01])
def test_intervals_hold_for_other_processes(deviation: float, processes: int) -> None:
    source = random.Random(processes)
    truth = math.exp(np.mean([estimate(between_processes(source, 0, 2, 100)).log for _ in range(100)]))
    held = 0
    for _ in range(300):
        low, _, high = interval(estimate(between_processes(source, deviation, processes, 100)))
        held += low <= truth <= high
    assert held / 300 > 0.91


def test_equal_functions_seldom_differ_whatever_the_processes_share() -> None:
    source = random.Random(3)
    differ = 0
    for _ in range(300):
        of_process = [source.lognormvariate(0, 0.03) for _ in range(2)]
        numbers = [number % 2 for number in range(80)]
        a, b = (
            Batches([of_process[n] * source.lognormvariate(0, 0.02) for n in numbers], range(80), numbers)
            for _ in range(2)
        )
        low, _, high = interval(ratio_estimate(a, b))
        differ += not low <= 1 <= high
    assert differ / 300 < 0.07


def test_rounds_of_different_processes_are_no_pairs() -> None:
    a = Batches([1.0] * 8, range(8), [1] * 8)
    b = Batches([2.0] * 8, range(8), [2] * 8)
    assert ratio_estimate(a, b).rounds == 0
    assert ratio_estimate(a, b._replace(processes=[1] * 8)).rounds == 8


def test_a_half_width_needs_two_positive_times() -> None:
    assert relative_half_width([]) == relative_half_width([2.5]) == math.inf
    assert relative_half_width([0.0, 0.0]) == relative_half_width([-1.0, 0.5]) == math.inf
    assert relative_half_width([2.0] * 5) < 1e-12


@pytest.mark.parametrize(
    ("freedom", "confidence", "expected"),
    # Of published tables.
    [
        (1, 0.95, 12.706),
        (2, 0.95, 4.303),
        (3, 0.95, 3.182),
        (4, 0.99, 4.604),
        (10, 0.95, 2.228),
        (29, 0.999, 3.659),
        (30, 0.5, 0.6828),
        (120, 0.95, 1.980),
        (10**9, 0.95, 1.960),
    ],
)
def test_students_quantiles(freedom: int, confidence: float, expected: float) -> None:
    assert student_quantile(freedom, confidence) == pytest.approx(expected, rel=0.007 if freedom > 200 else 3e-4)
