"""The criterion that decides when a function was measured enough. The loop that measures does not know."""

from __future__ import annotations

from hatframe.bench.options import BenchOptions
from hatframe.results.estimation import relative_half_width

# Fewer batches show neither an interval nor an outlier.
DEFAULT_BATCHES = 10

# A default that a function of 100 µs reaches with 500 calls.
DEFAULT_MIN_TIME = 0.05

# Seconds that a run may take, shared among its functions. A share below the shortest has too few batches to be precise,
# and one above the longest adds no precision that lasts.
RUN_TIME, SHORTEST_SHARE, LONGEST_SHARE = 22.0, 0.1, 2.0

BATCH_LENGTH = 0.002
"""Seconds of a batch: short ones escape other programs more often, and longer ones need fewer messages."""

# For a function whose batches take longer than the maximum time.
FEWEST_BATCHES = 3


class Criterion:
    """Requires the minima, and then a precise estimate or the maximum time.

    What the user asks for applies to every function. Defaults yield to the maximum time and to the race, except for
    :data:`FEWEST_BATCHES`.
    """

    def __init__(self, options: BenchOptions, rows: int) -> None:
        self._asked_batches = options.batches or FEWEST_BATCHES
        self._asked_time = options.min_time or 0.0
        self._batches = DEFAULT_BATCHES if options.batches is None else options.batches
        self._time = DEFAULT_MIN_TIME if options.min_time is None else options.min_time
        self._max_time = max(_share(rows) if options.max_time is None else options.max_time, self._asked_time)
        self._precision = options.precision
        self._means: list[float] = []
        self._total = 0.0
        self._next_look = 0
        self._precise = False

    def add_measurement(self, seconds: float, calls: int, overhead: float = 0.0) -> None:
        """A batch of ``calls`` calls took ``seconds``, from which ``overhead`` seconds are already subtracted."""
        self._means.append(seconds / calls)
        # For a function that does next to nothing, a second without the overhead would take minutes.
        self._total += seconds + overhead

    def is_finished(self) -> bool:
        if self.exhausted:
            return True
        if len(self._means) < self._batches or self._total < self._time:
            return False
        # Each look costs as much as some batches: only a tenth more of them is worth another.
        if len(self._means) >= self._next_look:
            self._next_look = 1 + int(len(self._means) * 1.1)
            self._precise = relative_half_width(self._means) <= self._precision
        return self._precise

    def may_stop(self) -> bool:
        """Whether it may be stopped for another reason, since it has what the user asked for."""
        return len(self._means) >= self._asked_batches and self._total >= self._asked_time

    @property
    def exhausted(self) -> bool:
        return self.may_stop() and self._total >= self._max_time

    @property
    def progress(self) -> float:
        batches = len(self._means) / max(1, self._batches)
        time = self._total / self._time if self._time else 1.0
        return min(1.0, batches, time)


def _share(rows: int) -> float:
    """Seconds for each of ``rows`` functions: a run of 60 near-ties, which all want more, ends within a minute."""
    return min(LONGEST_SHARE, max(SHORTEST_SHARE, RUN_TIME / max(1, rows)))
