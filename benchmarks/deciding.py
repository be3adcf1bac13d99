"""What hatframe itself does between batches and after a run costs: ``python benchmarks/deciding.py``.

After each batch values that a function accumulates are checked for drift, and the stopping rule asks how well a mean is
known; after each round the functions that race are compared with the leader; at the end all are ranked. Each is held
against a time that disappears beside what is measured: batches of 10 ms, and a run of seconds.
"""

from __future__ import annotations

import argparse
import functools
import random
import sys
import timeit
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hatframe.calling.drift import DriftWatch
from hatframe.results.comparison import batches_of, rank, ratio_of_batches
from hatframe.results.estimation import relative_half_width
from hatframe.results.model import FunctionResult

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from result_documents import result

ROUNDS = 50
FUNCTIONS = 1000


def run_of(means: list[float], rounds: int) -> list[FunctionResult]:
    """Results of one run, measured in the same rounds of a machine that drifts by some 2 % from one to the next."""
    source = random.Random(0)
    factors = [1.0]
    while len(factors) < rounds:
        factors.append(factors[-1] * source.lognormvariate(0, 0.02))
    return [
        result(
            f"f{position}",
            times=[mean * factor * source.lognormvariate(0, 0.01) for factor in factors],
            rounds=tuple(range(rounds)),
        )
        for position, mean in enumerate(means)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--hatlib-python", metavar="PATH", help="taken, as by the other scripts; not used here")
    options = parser.parse_args()
    watch = DriftWatch([functools.partial(np.asarray, np.ones((512, 512), np.float32)) for _ in range(8)])
    first, second = run_of([1.01, 1.0], ROUNDS)
    many = run_of([1 + number / FUNCTIONS for number in range(FUNCTIONS)], 30)
    parts: list[tuple[str, Callable[[], object], int, float]] = [
        ("a check of eight arrays for drift", watch.drifted, 1000, 50e-6),
        ("how well a time is known", lambda: relative_half_width(first.batch_means), 1000, 100e-6),
        (
            "the ratio of two functions",
            lambda: ratio_of_batches(batches_of(first), batches_of(second)),
            100,
            1e-3,
        ),
        (f"the ranking of {FUNCTIONS:,} functions", lambda: rank(many, range(FUNCTIONS)), 1, 2.0),
    ]
    found = []
    for what, call, number, limit in parts:
        # The least of several: another program that runs at the same time makes it longer, never shorter.
        seconds = min(timeit.repeat(call, number=number, repeat=3 if options.quick else 10)) / number
        print(f"{what:34} {seconds * 1e6:12.1f} us   (at most {limit * 1e6:g})")
        if seconds > limit:
            found.append(f"{what} takes {seconds * 1e6:.1f} us, over {limit * 1e6:g}")
    if found:
        sys.exit(f"bound not met: {'; '.join(found)}")


if __name__ == "__main__":
    main()
