"""The race: functions that are clearly slower than the leader drop out, and near-ties go on until they are decided."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import msgspec

from hatframe.bench.criterion import median
from hatframe.results.comparison import clearly_slower

# Seconds of measuring that all functions together get before the first drops out. The slower ones are then known to
# a percent or two even on a noisy machine, so that the whole ranking can be trusted, not only its head …
FIRST_SECONDS = 10.0

# … but of many functions each gets at least so many rounds, and of few none more than so many.
FEWEST_ROUNDS, MOST_ROUNDS = 10, 40

# So much slower by the medians that no interval is needed …
FAR_BEHIND = 1.5

# … and with its whole interval beyond this difference, a function is out of the race for the first place.
BEHIND = 0.02

# Intervals are worked out only every so many rounds: they cost more than a batch is worth.
ROUNDS_BETWEEN = 5


class Samples(msgspec.Struct, kw_only=True):
    """The batches of one row so far: the mean seconds of a call in each, and the round that it was measured in."""

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
        for row in looked_at:
            if row in out:
                continue
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
        """Whether the row may yet be the fastest, beside others of which that is true."""
        return len(self._ties) > 1 and row in self._ties
