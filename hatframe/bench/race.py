"""The race: functions that are clearly slower than the leader drop out, and near-ties continue until decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hatframe.bench.criterion import BATCH_LENGTH
from hatframe.results.comparison import clearly_slower
from hatframe.results.estimation import Batches, low_time

# Seconds of measuring for all functions together before the first drops out. The slower ones are then known to
# a percent or two even on a noisy machine, so that the whole ranking can be trusted, not only its top …
FIRST_SECONDS = 10.0

# … but each of many functions gets at least the first number of rounds, and each of few at most the second.
FEWEST_ROUNDS, MOST_ROUNDS = 20, 100

# Slower than this by its fast batches, a function needs no interval …
FAR_BEHIND = 1.5

# … and with its whole interval beyond this difference, it cannot be the fastest.
BEHIND = 0.02

# Intervals are computed only once in this number of rounds, and in a tenth more: they cost more than a batch is worth.
ROUNDS_BETWEEN = 5


class Samples(msgspec.Struct, kw_only=True):
    """The batches of one row so far: the mean seconds of a call in each, its round, and its worker process."""

    means: list[float] = []
    rounds: list[int] = []
    processes: list[int] = []

    @property
    def batches(self) -> Batches:
        return Batches(self.means, self.rounds, self.processes)


class Race:
    """Decides for a group of rows that compete, of ``measured`` rows that are measured in the same rounds."""

    def __init__(self, measured: int) -> None:
        rounds = int(FIRST_SECONDS / (max(1, measured) * BATCH_LENGTH))
        self._first = min(MOST_ROUNDS, max(FEWEST_ROUNDS, rounds))
        self._ties: set[int] = set()
        self._looked_at = 0

    def behind(self, samples: Mapping[int, Samples], rows: Sequence[int], round_number: int) -> set[int]:
        """Those of ``rows`` that are clearly slower than the leader of all ``samples``."""
        times = {row: low_time(taken.means) for row, taken in samples.items() if len(taken.means) >= self._first}
        if not times:
            return set()
        leader = min(times, key=times.__getitem__)
        looked_at = [row for row in rows if row in times and row != leader]
        out = {row for row in looked_at if times[row] > FAR_BEHIND * times[leader]}
        if round_number < max(self._looked_at + ROUNDS_BETWEEN, int(self._looked_at * 1.1)):
            return out
        self._looked_at = round_number
        self._ties = {leader}
        first = samples[leader].batches
        for row in set(looked_at) - out:
            if clearly_slower(samples[row].batches, first, BEHIND, len(times)):
                out.add(row)
            elif not clearly_slower(samples[row].batches, first, 0.0, len(times)):
                self._ties.add(row)
        return out

    def undecided(self, row: int) -> bool:
        """Whether this row and others may yet be the fastest."""
        return len(self._ties) > 1 and row in self._ties
