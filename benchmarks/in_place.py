"""A sort in place, as ``hatframe bench`` measures it, beside a C loop: ``python benchmarks/in_place.py``.

Both call the function of ``samples/sort.c`` with random numbers that nothing has sorted: hatframe because it notices
what the function does to its input, the C program because it copies the numbers back before each pass over its sets.
They take turns, and what counts is the median over the rounds. ``never`` is what a benchmark measures that restores
nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles

import hatframe

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from sample_packages import compiler

LIMIT_RATIO = 0.3
"""How far the two may be apart."""

LENGTHS = (100, 1000, 10000)

BYTES = 64 << 20
"""Of all sets together."""

ATTEMPTS = 3
"""Another program that runs at the same time can break a bound; it hardly does so three times."""

C_LOOP = """
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}
int main(int count, char **words) {
    void (*sort)(int, int *) = (void (*)(int, int *))dlsym(dlopen(words[1], RTLD_NOW), "sort");
    const int n = atoi(words[2]), sets = atoi(words[3]);
    const size_t bytes = sizeof(int) * n * sets;
    int *numbers = malloc(bytes), *first = malloc(bytes);
    enum { PARTS = 64, PASSES = 5 };
    const int part = sets / PARTS;
    double times[PARTS * PASSES];
    if (count != 4 || !sort || !numbers || !first) return 1;
    for (size_t i = 0; i < (size_t)n * sets; i++) first[i] = (int)((unsigned)rand() << 16 ^ (unsigned)rand());
    for (int pass = 0; pass < PASSES; pass++) {
        memcpy(numbers, first, bytes);
        for (int k = 0; k < PARTS; k++) {
            const double start = now();
            for (int i = k * part; i < (k + 1) * part; i++) sort(n, numbers + (size_t)i * n);
            times[pass * PARTS + k] = (now() - start) / part;
        }
    }
    for (int i = 0; i < PARTS * PASSES; i++) printf("%.17g\\n", times[i]);
    return 0;
}
"""


def own(hat: Path, length: int, restore: str) -> float:
    """Seconds of a call as hatframe measures it."""
    (result,) = hatframe.bench(hat, size={"n": length}, max_time=0.2, restore=restore, input_sets_size=BYTES)
    assert result.time is not None, result.message
    return result.time


def is_close(hat: Path, program: Path, library: Path, length: int, rounds: int) -> bool:
    """Measure sorts of one length, print their line, and return whether they are within the bound."""
    times: dict[str, list[float]] = {"hatframe": [], "C loop": [], "never": []}
    sets = min(16384, BYTES // (4 * length))
    for _ in range(rounds):
        times["hatframe"].append(own(hat, length, "auto"))
        command: list[str | Path] = [program, library, str(length), str(sets)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        # Other programs disturb most parts little: as hatframe does, take the time of the fast ones.
        times["C loop"].append(quantiles(map(float, output.split()), n=10)[0])
        times["never"].append(own(hat, length, "never"))
    ratio = median(a / b for a, b in zip(times["hatframe"], times["C loop"], strict=True))
    figures = "".join(f"   {name} {median(each) * 1e6:9.2f} µs" for name, each in times.items())
    print(f"n={length:<6}{figures}   hatframe / C loop {ratio:.2f}", flush=True)
    return abs(ratio - 1) <= LIMIT_RATIO


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--hatlib-python", metavar="PATH", help="taken, as by the other scripts; not used here")
    options = parser.parse_args()
    rounds = 1 if options.quick else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = hatframe.build(Path(__file__).parent.parent / "samples" / "sort.c", folder / "sort.hat")
        (folder / "loop.c").write_text(C_LOOP)
        subprocess.run([compiler(), "-O2", folder / "loop.c", "-o", folder / "loop", "-ldl"], check=True)
        hat = built.written.hat
        library = hatframe.read_package(hat).library
        assert library is not None
        left = list(LENGTHS)
        for _ in range(ATTEMPTS):
            left = [length for length in left if not is_close(hat, folder / "loop", library, length, rounds)]
            if not left:
                return
    sys.exit(f"more than {LIMIT_RATIO:.0%} apart {ATTEMPTS} times: n={', '.join(map(str, left))}")


if __name__ == "__main__":
    main()
