"""What reading and storing cost on a package of 1,000 functions: ``python benchmarks/reading.py``.

Reading into the typed model is compared with tomli's parse of the same text, both in this run; it must cost at
most 1.5 times as much. Storing a result for every function is one edit that keeps the rest of the file. With
``--hatlib-python PATH`` (a Python 3.10 that has hatlib) hatlib's figures stand beside.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tomli

from hatframe.format.editing import store_in_auxiliary
from hatframe.format.reading import read_hat
from hatframe.format.rendering import render_hat

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from sample_packages import affine, document, function

LIMIT = 1.5

HATLIB = """
import sys, time, hatlib
start = time.perf_counter()
hat = hatlib.HATFile.Deserialize(sys.argv[1])
read = time.perf_counter()
for function in hat.functions:
    function.auxiliary["mean_duration_in_sec"] = 1e-6
hat.Serialize(sys.argv[1])
print(read - start, time.perf_counter() - start)
"""


def write_package(path: Path, count: int) -> list[str]:
    """Write a package of ``count`` functions of three arrays; gives their names."""
    arguments = [affine("", (256, 256)), affine("", (256, 256)), affine("", (256, 256), usage="input_output")]
    names = [f"gemm_{index:016x}" for index in range(count)]
    code = "".join(f"void {name}(float*, float*, float*);\n" for name in names)
    functions = {name: function(*arguments) for name in names}
    path.write_text(render_hat(document(functions, "gemm.so", code), path.name))
    return names


def best(action: Callable[[], object], other: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Seconds of both, the least of several runs, taken in turn so that a slower moment falls on both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for kept, call in zip(times, (action, other), strict=True):
            start = time.perf_counter()
            call()
            kept.append(time.perf_counter() - start)
    return min(times[0]), min(times[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--hatlib-python", metavar="PATH", help="a Python 3.10 with hatlib")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.hat"
        names = write_package(path, 1000)
        text = path.read_text()
        print(f"{len(names)} functions, {len(text) / 1e6:.2f} MB")

        reading, parsing = best(lambda: read_hat(path), lambda: tomli.loads(text), 3 if options.quick else 15)
        ratio = reading / parsing
        print(f"reading into the model    {reading:8.3f} s   {ratio:.2f} times tomli's parse (at most {LIMIT})")

        results = {name: {"mean_duration_in_sec": 1e-6, "duration_in_sec": 1e-6} for name in names}
        for what in ("storing new results", "storing them again"):
            start = time.perf_counter()
            store_in_auxiliary(path, results)
            print(f"{what:25} {time.perf_counter() - start:8.3f} s")
            results = {name: {key: 2 * value for key, value in stored.items()} for name, stored in results.items()}

        if options.hatlib_python:
            other = Path(folder) / "hatlib.hat"
            write_package(other, 1000)
            command = [options.hatlib_python, "-c", HATLIB, other]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            read, stored = map(float, done.stdout.split()[-2:])
            print(f"hatlib, reading           {read:8.3f} s   {read / reading:.0f} times ours")
            print(f"hatlib, storing           {stored:8.3f} s")
    if ratio > LIMIT:
        sys.exit(f"reading costs {ratio:.2f} times tomli's parse, over {LIMIT}")


if __name__ == "__main__":
    main()
