"""What ``build`` costs over the compiler's own time, in one run: ``python benchmarks/building.py``.

A sample, and 100 functions below the system's headers and its vector intrinsics (40,000 lines that are read to find
them), are built into dynamic packages; the compiler alone compiles the same source with the same flags and links it.
The rounds alternate, and the ratio is the median of theirs. In a process that builds its second package it must stay
below :data:`LIMIT`: beside compiling the source is preprocessed and read, and what was read is held against what the
compiler says.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hatframe import Kernel

LIMIT = 2.0
"""Times the compiler's own time, in one process."""

SAMPLE = Path(__file__).parent.parent / "samples" / "gemm.c"

FUNCTIONS = 100

HEADERS = ("math.h", "stdio.h", "stdlib.h", "string.h", "immintrin.h")


def many() -> str:
    """A source of many functions below headers."""
    functions = (
        f"/* Adds {index} times a to b. */\n"
        f"void f{index}(int n, const float a[n], float b[n])\n"
        f"{{\n    for (int i = 0; i < n; i++) b[i] += a[i] * {index};\n}}\n"
        for index in range(FUNCTIONS)
    )
    return "".join([*(f"#include <{name}>\n" for name in HEADERS), *functions])


def by_hand(linker: str, source: Path, folder: Path) -> None:
    """The compiler's part alone."""
    compiled = [linker, "-O3", "-march=native", "-fPIC", "-c", source, "-o", "made.o"]
    subprocess.run(compiled, check=True, cwd=folder)
    subprocess.run([linker, "-shared", "made.o", "-o", "made.so"], check=True, cwd=folder)


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure(what: str, source: Path, folder: Path, options: argparse.Namespace) -> float:
    """Print what building a source costs; gives the ratio."""
    kernel = Kernel()
    ours, alone = [], []
    for _ in range(4 if options.quick else 16):
        ours.append(seconds(lambda: kernel.build([source], folder / "made.hat", linker=options.linker)))
        alone.append(seconds(lambda: by_hand(options.linker, source, folder)))
    # The first build of a process asks the compiler for its version.
    ratio = statistics.median(time / other for time, other in zip(ours[1:], alone[1:], strict=True))
    milliseconds = [statistics.median(times[1:]) * 1000 for times in (ours, alone)]
    print(f"{what:26} {milliseconds[0]:7.1f} ms, {ratio:.2f} times {options.linker} alone ({milliseconds[1]:.1f} ms)")
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--linker", default="gcc", help="gcc or clang")
    parser.add_argument("--hatlib-python", metavar="PATH", help="taken, as by the other scripts; hatlib builds nothing")
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "many.c").write_text(many())
        for what, source in ((SAMPLE.name, SAMPLE), (f"{FUNCTIONS} functions, headers", folder / "many.c")):
            ratio = measure(what, source, folder, options)
            if ratio > LIMIT:
                found.append(f"{what} takes {ratio:.2f} times the compiler's time")
    if found:
        sys.exit(f"bound not met: {'; '.join(found)}, over {LIMIT:g}")


if __name__ == "__main__":
    main()
