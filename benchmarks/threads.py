"""What threads gain: calls by eight threads at once, beside the same calls by one: ``python benchmarks/threads.py``.

A function that takes some 100 µs is called with the checks of each loader, by one thread and by eight, and by plain
ctypes, which shows what the processors have to give at the time: twice as much on two that do nothing else. A loader
must gain at least 85 % of that: its checks hold Python's lock, and the function itself does not.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from hatframe import Kernel

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from random_calls import host_loaders
from sample_packages import affine, function, make_package

SOURCE = """
void work(const float *x, float *y) {
    for (int turn = 0; turn < 4000; turn++) for (int i = 0; i < 64; i++) y[i] = 0.5f * y[i] + x[i];
}
"""
THREADS = 8
PLAIN = "plain ctypes"
LEAST = 0.85


Making = Callable[[np.ndarray, np.ndarray], Callable[[], object]]


def seconds(make: Making, threads: int, calls: int) -> float:
    """The time of ``calls`` calls that are shared out to threads, each with arrays of its own."""
    barrier = threading.Barrier(threads + 1)

    def run() -> None:
        x, y = np.ones(64, np.float32), np.zeros(64, np.float32)
        call = make(x, y)
        barrier.wait()
        for _ in range(calls // threads):
            call()

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    barrier.wait()
    start = time.perf_counter()
    for thread in running:
        thread.join()
    return time.perf_counter() - start


def gains(makings: Mapping[str, Making], calls: int, repeats: int) -> dict[str, float]:
    """How many times as many calls eight threads make as one, by the least times of several runs, taken in turn."""
    least: dict[tuple[str, int], float] = {}
    for _ in range(repeats):
        for name, make in makings.items():
            for threads in (1, THREADS):
                taken = seconds(make, threads, calls)
                least[name, threads] = min(taken, least.get((name, threads), taken))
    return {name: least[name, 1] / least[name, THREADS] for name in makings}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer calls")
    parser.add_argument("--hatlib-python", metavar="PATH", help="not used: all benchmarks take it")
    options = parser.parse_args()
    calls, repeats = (800, 7) if options.quick else (8_000, 15)
    broken = []
    with tempfile.TemporaryDirectory() as folder:
        table = {"work": function(affine("x", (64,)), affine("y", (64,), usage="input_output"))}
        hat = make_package(Path(folder), SOURCE, table)
        plain = ctypes.CDLL(str(hat.with_suffix(".so"))).work

        def by_ctypes(x: np.ndarray, y: np.ndarray) -> Callable[[], object]:
            return functools.partial(plain, ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data))

        kernel = Kernel()
        calling = {name: kernel.load(hat, loader=name).work for name in host_loaders()}
        makings = {name: functools.partial(functools.partial, call) for name, call in calling.items()}
        found = gains({PLAIN: by_ctypes, **makings}, calls, repeats)
        print(f"{THREADS} threads beside one, on {len(os.sched_getaffinity(0))} processors")
        for name, gain in found.items():
            limit = "" if name == PLAIN else f"   (at least {LEAST * found[PLAIN]:.2f})"
            print(f"{name:14}{gain:6.2f} times the calls{limit}")
            if gain < LEAST * found[PLAIN]:
                broken.append(f"threads gain {gain:.2f} with {name}, under {LEAST} of {found[PLAIN]:.2f}")
    if broken:
        sys.exit("; ".join(broken))


if __name__ == "__main__":
    main()
