"""Sampling: the minima hold, whatever a timer tells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hatframe.backends import Measurement, Timer
from hatframe.bench.sampling import LONGEST_BATCH, sample


class SteadyTimer(Timer):
    """Tells a fixed time for each call, without taking it."""

    name = "steady"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.batches: list[int] = []

    def run(self, calls: int) -> Measurement:
        self.batches.append(calls)
        return Measurement(calls * self.seconds, {"calls": float(calls)})


@given(
    st.floats(1e-9, 0.2),
    st.floats(0, 2),
    st.integers(1, 20),
    st.integers(1, 1000),
)
def test_time_batches_and_iterations_are_all_reached(
    seconds: float, min_time: float, batches: int, min_iterations: int
) -> None:
    import hatframe.bench.sampling as sampling

    timer = SteadyTimer(seconds)
    told: list[float] = []
    original, sampling.WARM_UP_TIME = sampling.WARM_UP_TIME, 0.0
    try:
        samples = sample(timer, min_time=min_time, batches=batches, min_iterations=min_iterations, progress=told.append)
    finally:
        sampling.WARM_UP_TIME = original
    count = len(samples.batch_means)
    assert count >= batches
    assert samples.calls_per_batch >= min_iterations
    assert count * samples.calls_per_batch * seconds >= min_time * (1 - 1e-9)
    assert samples.counters["calls"] == count * samples.calls_per_batch
    assert told[-1] == 1.0
    assert told == sorted(told)
    longest = max(LONGEST_BATCH, min_iterations * seconds) + seconds
    assert samples.calls_per_batch * seconds <= longest * (1 + 1e-9)


def test_a_clock_that_stands_still_does_not_hang() -> None:
    assert sample(SteadyTimer(0.0), min_time=0.0, batches=2, min_iterations=1, progress=lambda f: None).batch_means
