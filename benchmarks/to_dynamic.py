"""What ``to-dynamic`` costs over the compiler's own time, in one run: ``python benchmarks/to_dynamic.py``.

A package of many functions is converted, and the same header compiled and the same archive linked by the compiler
alone; the rounds alternate, and the ratio is the median of theirs. In a process that converts its second package it
must stay below the bound of each case: 1.3 where nothing in the library refers to what the header defines, as in real
packages (then hatframe does not compile it), and 1.5 where the header is needed, and for 1,000 functions of one line,
whose .hat file is almost a megabyte. The few rounds of ``--quick`` on a busy machine are less exact: there those two
fail above 2.5.

Shown without a bound are one function whose header is needed, the first conversion of a process, and the whole command
with the start of Python; and with ``--hatlib-python PATH`` (a Python 3.10 that has hatlib) hatlib's conversion.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hatframe import Kernel

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from sample_packages import affine, function, make_package

SHARP = 1.5
PACKAGES = ((1, False, 1.3), (1, True, None), (100, False, 1.3), (100, True, SHARP), (1000, False, SHARP))
"""The number of functions, whether the header is needed, and the bound: times the compiler's own time."""

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


def make(folder: Path, functions: int, header_needed: bool) -> Path:
    """A static package like Accera's: each function, and a pointer to it that the header defines.

    With ``header_needed`` the first function calls one that the header defines.
    """
    names = [f"f{index}_{index:016x}" for index in range(functions)]
    body = "(const float* A, float* B) { for (int i = 0; i < 64; ++i) B[i] += A[i]; }\n"
    table = function(affine("A", (64,)), affine("B", (64,), usage="input_output"))
    pointers = "".join(
        f"void {name}(const float*, float*);\nvoid (*{name[:-17]})(const float*, float*) = {name};\n" for name in names
    )
    source = "".join(f"void {name}{body}" for name in names)
    if header_needed:
        source = f"void helper(void);\n{source.replace('{ for', '{ helper(); for', 1)}"
        pointers += "void helper(void) {}\n"
    return make_package(folder, source, dict.fromkeys(names, table), static=True, code=pointers)


def by_hand(linker: str, hat: Path, folder: Path) -> None:
    """The compiler's part alone."""
    (folder / "definitions.c").write_text(f'#include "{hat}"\n')
    common = [linker, "-w", "-fPIC"]
    subprocess.run([*common, "-O2", "-c", "-o", "definitions.o", "definitions.c"], check=True, cwd=folder)
    whole = ["-Wl,--whole-archive", str(hat.with_suffix(".a")), "-Wl,--no-whole-archive"]
    subprocess.run([*common, "-shared", "-o", "made.so", "definitions.o", *whole, "-lm"], check=True, cwd=folder)


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure(functions: int, header_needed: bool, folder: Path, options: argparse.Namespace) -> float:
    """Print what converting a package costs; returns the ratio that has a bound."""
    hat, output = make(folder, functions, header_needed), folder / "new.hat"
    kernel = Kernel()
    command = [sys.executable, "-m", "hatframe", "to-dynamic", hat, output, "--linker", options.linker]
    first = seconds(lambda: kernel.to_dynamic(hat, output, linker=options.linker))
    ours, alone = [], []
    for _ in range(11 if options.quick else 15):
        # Replacing a package waits for the disk, as the compiler never does.
        output.unlink()
        output.with_name(f"lib{output.stem}.so").unlink()
        ours.append(seconds(lambda: kernel.to_dynamic(hat, output, linker=options.linker)))
        alone.append(seconds(lambda: by_hand(options.linker, hat, folder)))
    start = functools.partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
    whole = [seconds(start) for _ in range(3 if options.quick else 15)]
    compiler = statistics.median(alone)

    def figures(times: list[float]) -> str:
        return f"{statistics.median(times) * 1000:7.1f} ms, {ratio(times, alone):5.2f} times {options.linker} alone"

    needed = ", whose header is needed" if header_needed else ""
    print(f"{functions:5} functions{needed}: {figures(ours)} ({compiler * 1000:.1f} ms)")
    print(f"      the first:   {figures([first] * len(alone))}")
    print(f"      the command: {statistics.median(whole) * 1000:7.1f} ms")
    if options.hatlib_python:
        called = [options.hatlib_python, "-c", HATLIB, hat, folder, "3"]
        done = subprocess.run(called, check=True, capture_output=True, text=True)
        hatlib = float(done.stdout.splitlines()[-1])
        print(f"      hatlib:      {hatlib * 1000:7.1f} ms, {hatlib / compiler:5.2f} times {options.linker} alone")
    return ratio(ours, alone)


def ratio(times: list[float], others: list[float]) -> float:
    """The median over the rounds: what else runs on the machine slows both of a round."""
    return statistics.median(time / other for time, other in zip(times, others, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--linker", default="gcc", help="gcc or clang")
    parser.add_argument("--hatlib-python", metavar="PATH", help="a Python with hatlib 0.0.41")
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as name:
        for functions, header_needed, bound in PACKAGES:
            measured = measure(functions, header_needed, Path(name) / f"package{functions}{header_needed}", options)
            if bound == SHARP and options.quick:
                bound = 2.5
            if bound and measured > bound:
                found.append(f"{functions} functions take {measured:.2f} times the compiler's time, over {bound}")
    if found:
        sys.exit(f"bound not met: {'; '.join(found)}")


if __name__ == "__main__":
    main()
