"""The overhead of ``build`` over the compiler alone, in one run: ``python benchmarks/building.py``.

It builds dynamic packages from a sample, from 100 functions below system headers with vector intrinsics (40,000 lines),
and from 100 sources with a function each. The compiler alone compiles the same sources with the same flags, one after
the other, and links them.

Rounds of both alternate, and the ratio is the median of the rounds. From the second package of a process on it must
stay below :data:`LIMIT`: besides compiling, ``build`` preprocesses and parses each source, and has the compiler check
what it understood.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hatframe import Kernel

LIMIT = 2.5
"""The largest accepted ratio to the compiler's own time, in one process."""

SAMPLE = Path(__file__).parent.parent / "samples" / "gemm.c"

FUNCTIONS = 100

HEADERS = ("math.h", "stdio.h", "stdlib.h", "string.h", "immintrin.h")


def functions() -> list[str]:
    return [
        f"/* Adds {index} times a to b. */\n"
        f"void f{index}(int n, const float a[n], float b[n])\n"
        f"{{\n    for (int i = 0; i < n; i++) b[i] += a[i] * {index};\n}}\n"
        for index in range(FUNCTIONS)
    ]


def packages(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """The sources of each package, with a title."""
    yield SAMPLE.name, [SAMPLE]
    headers = [f"#include <{name}>\n" for name in HEADERS]
    one = folder / "one.c"
    one.write_text("".join([*headers, *functions()]))
    yield f"{FUNCTIONS} functions, headers", [one]
    each = [folder / f"f{index}.c" for index in range(FUNCTIONS)]
    for path, text in zip(each, functions(), strict=True):
        path.write_text("#include <math.h>\n" + text)
    yield f"{FUNCTIONS} sources", each


def by_hand(linker: str, sources: list[Path], folder: Path) -> None:
    """The work of the compiler alone."""
    objects = [f"{source.stem}.o" for source in sources]
    for source, made in zip(sources, objects, strict=True):
        compiled = [linker, "-O3", "-march=native", "-fPIC", "-c", str(source), "-o", made]
        subprocess.run(compiled, check=True, cwd=folder)
    subprocess.run([linker, "-shared", *objects, "-o", "made.so"], check=True, cwd=folder)


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure(what: str, sources: list[Path], folder: Path, options: argparse.Namespace) -> float:
    """Print the time that building takes, and return its ratio to the compiler's."""
    kernel = Kernel()
    ours, alone = [], []
    for _ in range(4 if options.quick else 16):
        ours.append(seconds(lambda: kernel.build(sources, folder / "made.hat", linker=options.linker)))
        alone.append(seconds(lambda: by_hand(options.linker, sources, folder)))
    # The first build of a process also runs the compiler to get its version.
    ratio = statistics.median(time / other for time, other in zip(ours[1:], alone[1:], strict=True))
    milliseconds = [statistics.median(times[1:]) * 1000 for times in (ours, alone)]
    print(f"{what:26} {milliseconds[0]:7.1f} ms, {ratio:.2f} times {options.linker} alone ({milliseconds[1]:.1f} ms)")
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--linker", default="gcc", help="gcc or clang")
    parser.add_argument("--hatlib-python", metavar="PATH", help="ignored; the other scripts use it")
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, sources in packages(folder):
            ratio = measure(what, sources, folder, options)
            if ratio > LIMIT:
                found.append(f"{what}: {ratio:.2f} times the compiler's time")
    if found:
        sys.exit(f"over the limit of {LIMIT:g}: {'; '.join(found)}")


if __name__ == "__main__":
    main()
