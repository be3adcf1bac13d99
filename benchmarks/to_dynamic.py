"""What ``to-dynamic`` costs over the compiler's own time, in one run: ``python benchmarks/to_dynamic.py``.

A package of many functions is converted, and the same header compiled and the same archive linked by the compiler
alone; the rounds alternate. The first conversion of a process, which imports lief, is shown apart. With
``--hatlib-python PATH`` (a Python 3.10 that has hatlib) hatlib's conversion is measured beside it.
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

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from packages import affine, function, make_package

HATLIB = """
import sys, time, statistics
from hatlib.hat_to_dynamic import create_dynamic_package
seconds = []
for index in range(int(sys.argv[3])):
    started = time.perf_counter()
    create_dynamic_package(sys.argv[1], sys.argv[2] + f"/hatlib{index}.hat")
    seconds.append(time.perf_counter() - started)
print(statistics.median(seconds))
"""


def make(folder: Path, functions: int) -> Path:
    """A static package like Accera's: each function, and a pointer to it that the header defines."""
    names = [f"f{index}_{index:016x}" for index in range(functions)]
    body = "(const float* A, float* B) { for (int i = 0; i < 64; ++i) B[i] += A[i]; }\n"
    table = function(affine("A", (64,)), affine("B", (64,), usage="input_output"))
    pointers = "".join(
        f"void {name}(const float*, float*);\nvoid (*{name[:-17]})(const float*, float*) = {name};\n" for name in names
    )
    source = "".join(f"void {name}{body}" for name in names)
    return make_package(folder, source, dict.fromkeys(names, table), static=True, code=pointers)


def by_hand(linker: str, hat: Path, folder: Path) -> None:
    """The compiler's part alone."""
    (folder / "definitions.c").write_text(f'#include "{hat}"\n')
    common = [linker, "-w", "-fPIC"]
    subprocess.run([*common, "-O2", "-c", "-o", "definitions.o", "definitions.c"], check=True, cwd=folder)
    whole = ["-Wl,--whole-archive", hat.with_suffix(".a"), "-Wl,--no-whole-archive"]
    subprocess.run([*common, "-shared", "-o", "made.so", "definitions.o", *whole, "-lm"], check=True, cwd=folder)


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer functions and rounds")
    parser.add_argument("--linker", default="gcc", help="gcc or clang")
    parser.add_argument("--hatlib-python", help="a Python with hatlib 0.0.41")
    options = parser.parse_args()
    rounds = 3 if options.quick else 9
    kernel = Kernel()
    with tempfile.TemporaryDirectory() as name:
        for functions in (1, 50) if options.quick else (1, 100, 1000):
            folder = Path(name) / f"package{functions}"
            hat = make(folder, functions)
            output = folder / "new.hat"

            def convert(hat: Path = hat, output: Path = output) -> None:
                kernel.to_dynamic(hat, output, linker=options.linker)

            first = seconds(convert)
            ours, theirs = [], []
            for _ in range(rounds):
                ours.append(seconds(convert))
                theirs.append(seconds(lambda hat=hat, folder=folder: by_hand(options.linker, hat, folder)))
            own, alone = statistics.median(ours), statistics.median(theirs)
            print(
                f"{functions:5} functions: {own * 1000:7.1f} ms, {own / alone:5.2f} times {options.linker} alone "
                f"({alone * 1000:.1f} ms); the first in this process {first / alone:.2f} times"
            )
            if options.hatlib_python:
                command = [options.hatlib_python, "-c", HATLIB, hat, folder, str(rounds)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                hatlib = float(done.stdout.splitlines()[-1])
                print(f"      hatlib:    {hatlib * 1000:7.1f} ms, {hatlib / alone:5.2f} times")


if __name__ == "__main__":
    main()
