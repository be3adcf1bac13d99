"""Functions that change their inputs: found by their times, whatever the noise, and called with the first values."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from hatframe.backends import Measurement, Workload
from hatframe.bench.restoring import MOST_SETS, PARTS, SLOW, inputs_matter, run_pristine
from hatframe.errors import BenchmarkError


class Simulated(Workload):
    """Calls that take ``pristine`` seconds with first values, ``reused`` seconds with others, and noise."""

    set_bytes = 16

    def __init__(self, pristine: float, reused: float, noise: Callable[[], float] = lambda: 0.0) -> None:
        self._times = {True: pristine, False: reused}
        self._noise = noise
        self.fresh: list[bool] = []
        self.seen: list[bool] = []
        self.runs: list[int] = []
        self._next = 0

    def allocate(self, sets: int, like: Workload | None = None) -> None:
        self.sets = sets
        self.fresh = [True] * sets

    def run(self, calls: int) -> Measurement:
        self.runs.append(calls)
        total = 0.0
        for _ in range(calls):
            self.seen.append(self.fresh[self._next])
            total += self._times[self.fresh[self._next]]
            self.fresh[self._next] = False
            self._next = (self._next + 1) % self.sets
        return Measurement(total * (1 + self._noise()), {"calls": float(calls)})

    def reset(self) -> bool:
        self.fresh = [True] * self.sets
        return True

    def restore(self) -> bool:
        return False

    def values(self, index: int) -> list[Any]:
        return []


def matters(pristine: float, reused: float, noise: Callable[[], float] = lambda: 0.0) -> tuple[bool, list[int]]:
    made: list[int] = []

    def make(sets: int) -> Workload:
        workload = Simulated(pristine, reused, noise)
        workload.allocate(sets)
        made.append(sets)
        return workload

    return inputs_matter(make), made


def bursts(seed: int) -> Callable[[], float]:
    """Noise that only adds time: a little to each run, and several times its length to one in four."""
    numbers = random.Random(seed)
    return lambda: numbers.random() * 0.02 + (numbers.random() < 0.25) * numbers.random() * 5


@pytest.mark.parametrize(
    ("pristine", "reused"), [(26e-6, 1e-6), (1e-6, 26e-6), (1e-3, 1e-3 / 1.2), (40e-9, 20e-9), (SLOW / 2, 1e-9)]
)
@pytest.mark.parametrize("seed", range(20))
def test_a_difference_is_found_in_noise(pristine: float, reused: float, seed: int) -> None:
    assert matters(pristine, reused, bursts(seed))[0]


@pytest.mark.parametrize("seconds", [1e-9, 1e-7, 1e-5, 1e-3])
def test_equal_times_rarely_pass_for_different_ones(seconds: float) -> None:
    assert sum(matters(seconds, seconds, bursts(seed))[0] for seed in range(100)) <= 5


def test_short_functions_are_tried_with_many_sets_and_long_ones_with_one() -> None:
    assert matters(1e-9, 1e-9)[1][-1] == MOST_SETS
    assert matters(1e-3, 1e-3)[1] == [1]


def test_slow_functions_are_restored_after_one_pair() -> None:
    assert matters(2 * SLOW, 2 * SLOW) == (True, [1])


def test_where_no_trial_fits_inputs_are_restored() -> None:
    def make(sets: int) -> Workload:
        raise BenchmarkError("out of memory")

    assert inputs_matter(make)


@pytest.mark.parametrize("sets", [1, 3, 8, 100])
@pytest.mark.parametrize("calls", [1, 7, 250])
def test_every_call_of_a_pristine_run_finds_first_values(sets: int, calls: int) -> None:
    workload = Simulated(2.0, 1.0)
    workload.allocate(sets)
    workload.run(2)
    workload.seen.clear()
    workload.runs.clear()
    measured = run_pristine(workload, calls, workload.run)
    assert workload.seen == [True] * calls
    assert max(workload.runs) <= max(1, sets // PARTS)
    assert measured == Measurement(2.0 * calls, {"calls": float(calls)})
    assert all(workload.fresh)
