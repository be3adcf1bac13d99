"""Whether the ranking of real schedules can be trusted: ``python benchmarks/ranking.py --package PATH``.

``hatframe bench --json`` runs several times, with its defaults, on a copy of a package that Accera made: the folder
``sweep`` of ``HATFRAME_ACCERA_PACKAGES``, unless another is given. Each run must end within a minute and spend at least
three tenths of its time inside of batches and their warm-up; any two must have a function in common among those that
they call the fastest or not distinguishable from it; and they must rank alike: Kendall's tau between any two runs, over
the pairs of functions whose ratios to the fastest, each the mean over all runs, differ by more than 3 %.

With ``--hatlib-python PATH`` (a Python 3.10 that has hatlib) hatlib's figures stand beside, over its own mean
durations. As its defaults take long, it measures 3 batches of 100 calls of each function.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from hatframe.format.names import base_name
from hatframe.results.model import ResultsDocument

LIMIT_SECONDS = 60.0
# Each of two processes makes inputs larger than the last cache: seconds, in runs of some ten.
LEAST_SHARE = 0.3
LEAST_TAU = 0.97

DIFFERENT = 1.03
"""Pairs of functions that are nearer than this need not be ranked alike."""

HATLIB_TIMEOUT = 120.0
"""Seconds for one run of hatlib."""

HATLIB = """
import json, sys
from hatlib.benchmark_hat_package import run_benchmark
results = run_benchmark(sys.argv[1], batch_size=3, min_time_in_sec=1, min_timing_iterations=100)
print("\\n" + json.dumps({result.function_name: result.mean for result in results}))
"""

Figures = Mapping[str, float]
"""How long functions take, by name, in any unit."""


def figures(document: ResultsDocument) -> Figures:
    """The ratios to the fastest, by function."""
    (ranking,) = document.rankings
    pairs = zip(ranking.members, ranking.ratios, strict=True)
    return {document.results[position].function_name: ratio.ratio for position, ratio in pairs}


def winners(document: ResultsDocument) -> set[str]:
    """The fastest, and those that are not distinguishable from it."""
    (ranking,) = document.rankings
    positions = (ranking.fastest, *ranking.indistinguishable)
    return {document.results[position].function_name for position in positions}


def different_pairs(runs: Sequence[Figures]) -> list[tuple[str, str]]:
    """The pairs of functions whose mean figures over all runs differ by more than 3 %."""
    means = {name: sum(run[name] for run in runs) / len(runs) for name in runs[0]}
    return [
        (one, other)
        for one, other in itertools.combinations(means, 2)
        if max(means[one], means[other]) > DIFFERENT * min(means[one], means[other])
    ]


def kendall_tau(one: Figures, other: Figures, pairs: Sequence[tuple[str, str]]) -> float:
    """How alike two runs rank: 1 where all pairs stand in the same order, -1 where none does."""
    if not pairs:
        return 1.0
    agreeing = sum((one[a] < one[b]) == (other[a] < other[b]) for a, b in pairs)
    return 2 * agreeing / len(pairs) - 1


def show(what: str, runs: Sequence[Figures]) -> float:
    """Print how alike the runs rank; gives the least tau."""
    pairs = different_pairs(runs)
    taus = [kendall_tau(one, other, pairs) for one, other in itertools.combinations(runs, 2)]
    everything = list(itertools.combinations(runs[0], 2))
    plain = [kendall_tau(one, other, everything) for one, other in itertools.combinations(runs, 2)]
    print(
        f"{what}: tau {', '.join(f'{tau:.3f}' for tau in taus)} over {len(pairs)} pairs that differ by more than "
        f"{DIFFERENT - 1:.0%}; {', '.join(f'{tau:.3f}' for tau in plain)} over all {len(everything)}"
    )
    return min(taus)


def run_hatframe(hat: Path) -> ResultsDocument:
    """One run with the defaults; prints how long it took, and which functions won."""
    command = [sys.executable, "-m", "hatframe", "bench", str(hat), "--json"]
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - start
    document = msgspec.json.decode(done.stdout, type=ResultsDocument)
    first = document.fastest
    assert first is not None
    others = sorted(base_name(name) for name in winners(document) - {first.function_name})
    print(
        f"{seconds:6.1f} s, {document.measured_seconds / document.seconds:.0%} measuring; "
        f"fastest: {base_name(first.function_name)}; not distinguishable: {', '.join(others) or 'none'}",
        flush=True,
    )
    return msgspec.structs.replace(document, seconds=seconds)


def faults(documents: Sequence[ResultsDocument], tau: float) -> list[str]:
    """The bounds that are broken."""
    found = []
    for number, document in enumerate(documents, 1):
        if document.seconds > LIMIT_SECONDS:
            found.append(f"run {number} took {document.seconds:.0f} s, over {LIMIT_SECONDS:g}")
        if document.measured_seconds < LEAST_SHARE * document.seconds:
            found.append(f"run {number} spent less than {LEAST_SHARE:.0%} of its time measuring")
    for (i, one), (j, other) in itertools.combinations(enumerate(documents, 1), 2):
        if not winners(one) & winners(other):
            found.append(f"runs {i} and {j} have no winner in common")
    if tau < LEAST_TAU:
        found.append(f"tau is {tau:.3f}, below {LEAST_TAU}")
    return found


def run_hatlib(python: str, hat: Path) -> Figures | None:
    """One run of hatlib; None where it does not end in time."""
    start = time.perf_counter()
    try:
        done = subprocess.run(
            [python, "-c", HATLIB, hat], stdout=subprocess.PIPE, text=True, check=True, timeout=HATLIB_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        print(f"hatlib did not end within {HATLIB_TIMEOUT:g} s")
        return None
    run: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    winner = base_name(min(run, key=run.__getitem__))
    print(f"hatlib {time.perf_counter() - start:6.1f} s; fastest: {winner}", flush=True)
    return run


def default_package() -> Path | None:
    folder = os.environ.get("HATFRAME_ACCERA_PACKAGES")
    return Path(folder) / "sweep" if folder else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two runs instead of three")
    parser.add_argument("--hatlib-python", metavar="PATH", help="a Python 3.10 with hatlib")
    parser.add_argument("--package", type=Path, default=default_package(), help="a folder with a package of Accera")
    options = parser.parse_args()
    if options.package is None:
        parser.error("give --package, or set HATFRAME_ACCERA_PACKAGES")
    count = 2 if options.quick else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "package"
        shutil.copytree(options.package, folder)
        hat = folder / f"{options.package.name}.hat"
        documents = [run_hatframe(hat) for _ in range(count)]
        tau = show("hatframe", [figures(document) for document in documents])
        if options.hatlib_python:
            runs = [run_hatlib(options.hatlib_python, hat) for _ in range(count)]
            ended = [run for run in runs if run]
            if len(ended) > 1:
                show("hatlib", ended)
    if found := faults(documents, tau):
        sys.exit("; ".join(found))


if __name__ == "__main__":
    main()
