"""What it costs to start: imports, the command line, and opening a large package: ``python benchmarks/starting.py``.

Each is a process of its own, with bytecode in the cache, measured in turn with a bare ``python -c pass``; what counts
is the least processor time of several runs. The bounds are multiples of that of the bare Python, some 10 ms:
150 ms for ``--help``, 20 ms for ``import hatframe`` beside numpy, and 100 ms for opening a package of 1,000 functions
and calling one; the first time all that is imported for that comes on top. The ``--help`` of other tools is measured
where they are installed. With ``--hatlib-python PATH`` (a Python 3.10 that has hatlib) hatlib opens the package too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from scale import COUNT, many

STEPS = ("import hatframe, beside numpy", "hatframe.load, beside numpy", "opening a package", "opening it again")
OPENING = """
import sys, time, numpy
a, b = numpy.ones(64, "float32"), numpy.zeros(64, "float32")
def cost(): return time.process_time(), time.perf_counter()
def show(start): print(*(now - then for now, then in zip(cost(), start)))
start = cost()
import {package}
show(start)
load = {load}
show(start)
for name in ("scale_0500", "scale_0501"):
    start = cost()
    load(sys.argv[1])[name](a, b)
    show(start)
"""
PEERS = ("ruff", "uv", "black", "pytest", "mypy", "meson")

BARE = "python -c pass"
# Multiples of the bare Python.
LIMITS = {STEPS[0]: 2, STEPS[1]: 3, "hatframe --help": 15, STEPS[2]: 12, STEPS[3]: 10}


class Cost(NamedTuple):
    """Milliseconds of the processor, and on the clock."""

    busy: float
    clock: float

    def least(self, other: Cost) -> Cost:
        return Cost(*map(min, self, other))


def started(command: Sequence[str], environment: Mapping[str, str]) -> tuple[Cost, str]:
    """What a process costs from its start to its end, and what it prints."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    with process.stdout:
        printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    clock = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}: {process.stderr and process.stderr.read()}")
    return Cost(1e3 * (usage.ru_utime + usage.ru_stime), 1e3 * clock), printed


def opened(python: str, package: str, load: str, hat: Path, environment: Mapping[str, str]) -> dict[str, Cost]:
    """What importing a package and opening a HAT package with it cost."""
    _, printed = started([python, "-c", OPENING.format(package=package, load=load), str(hat)], environment)
    lines = printed.splitlines()[-len(STEPS) :]
    return {step: Cost(*(1e3 * float(word) for word in line.split())) for step, line in zip(STEPS, lines, strict=True)}


def program(name: str) -> str | None:
    """The path of a program in this environment, or on the PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def measure(hat: Path, repeats: int) -> dict[str, Cost]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["OPENBLAS_NUM_THREADS"] = "1"  # whose idle threads take processor time too
    hatframe = program("hatframe")
    assert hatframe, "hatframe is not installed"
    commands = {
        BARE: [sys.executable, "-c", "pass"],
        "import numpy": [sys.executable, "-c", "import numpy"],
        "hatframe --help": [hatframe, "--help"],
        "hatframe bench --help": [hatframe, "bench", "--help"],
        "hatframe plugins": [hatframe, "plugins"],
        "hatframe inspect": [hatframe, "inspect", str(hat)],
        **{f"{name} --help": [found, "--help"] for name in PEERS if (found := program(name))},
    }
    least: dict[str, Cost] = {}
    for repeat in range(repeats + 1):
        costs = {name: started(command, environment)[0] for name, command in commands.items()}
        costs |= opened(sys.executable, "hatframe", "hatframe.load", hat, environment)
        if repeat:  # the first run fills the caches
            least = {name: cost.least(least.get(name, cost)) for name, cost in costs.items()}
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    parser.add_argument("--hatlib-python", metavar="PATH", help="a Python 3.10 with hatlib")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hat = many(Path(folder))
        costs = measure(hat, 5 if options.quick else 20)
        if options.hatlib_python:
            theirs = opened(options.hatlib_python, "hatlib", "lambda path: hatlib.load(path)[1]", hat, os.environ)
            costs["opening it with hatlib"] = theirs[STEPS[2]]
    broken = []
    print(f"the package has {COUNT} functions, one of which is called")
    print(f"{'':32}{'processor':>12}{'clock':>12}   times python")
    for name, cost in costs.items():
        ratio = cost.busy / costs[BARE].busy
        limit = f"   (at most {LIMITS[name]})" if name in LIMITS else ""
        print(f"{name:32}{cost.busy:9.1f} ms{cost.clock:9.1f} ms   {ratio:6.1f}{limit}")
        if name in LIMITS and ratio > LIMITS[name]:
            broken.append(f"{name} takes {ratio:.1f} times as long as {BARE}, over {LIMITS[name]}")
    if broken:
        sys.exit("; ".join(broken))


if __name__ == "__main__":
    main()
