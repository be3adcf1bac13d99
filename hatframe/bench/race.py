"""The race: functions that are clearly slower than the leader drop out, and near-ties continue until decided."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import msgspec

from hatframe.bench.criterion import median
from hatframe.results.comparison import clearly_slower

# Seconds of measuring for all functions together before the first drops out. The slower ones are then known to
# a percent or two even on a noisy machine, so that the whole ranking can be trusted, not only its top …
FIRST_SECONDS = 10.0

# … but each of many functions gets at least the first number of rounds, and each of few at most the second.
FEWEST_ROUNDS, MOST_ROUNDS = 10, 40

# Slower than this by the medians, a function needs no interval …
FAR_BEHIND = 1.5

# … and with its whole interval beyond this difference, it cannot be the fastest.
BEHIND = 0.02

# Intervals are computed only once in this number of rounds: they cost more than a batch is worth.
ROUNDS_BETWEEN = 5


class Samples(msgspec.Struct, kw_only=True):
    """The batches of one row so far: the mean seconds of a call in each, and its round."""

    means: list[float] = []
    rounds: list[int] = []


class Race:
    """Decides for a group of rows that are measured in the same rounds, in batches of ``batch`` seconds."""

    def __init__(self, rows: int, batch: float) -> None:
        rounds = int(FIRST_SECONDS / (max(1, rows) * batch))
        self._first = min(MOST_ROUNDS, max(FEWEST_ROUNDS, rounds))
        self._ties: set[int] = set()

    def behind(self, samples: Mapping[int, Samples], rows: Sequence[int], round_number: int) -> set[int]:
        """Those of ``rows`` that are clearly slower than the leader of all ``samples``."""
        medians = {row: median(taken.means) for row, taken in samples.items() if len(taken.means) >= self._first}
        if not medians:
            return set()
        leader = min(medians, key=medians.__getitem__)
        looked_at = [row for row in rows if row in medians and row != leader]
        out = {row for row in looked_at if medians[row] > FAR_BEHIND * medians[leader]}
        if round_number % ROUNDS_BETWEEN:
            return out
        self._ties = {leader}
        for row in set(looked_at) - out:
            one, other = samples[row], samples[leader]
            slower = functools.partial(
                clearly_slower, one.means, one.rounds, other.means, other.rounds, among=len(medians)
            )
            if slower(margin=BEHIND):
                out.add(row)
            elif not slower(margin=0.0):
                self._ties.add(row)
        return out

    def undecided(self, row: int) -> bool:
        """Whether this row and others may yet be the fastest."""
        return len(self._ties) > 1 and row in self._ties
