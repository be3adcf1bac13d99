"""What a call costs, as ratios to cffi's own calls in the same run: ``python benchmarks/calling.py``.

A function of three arrays that does nothing is called: checked, against cffi with ``from_buffer`` on each array;
prepared in advance, against cffi with pointers cast beforehand. With ``--hatlib-python PATH`` (a Python 3.10
that has hatlib) hatlib's checked call is measured beside it, against cffi's or, where that Python has none,
ctypes' call in the same process.
"""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cffi
import numpy as np

from hatframe import Kernel

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from sample_packages import affine, function, make_package

SOURCE = "void three(const float *a, const float *b, float *c) { (void)a; (void)b; (void)c; }"
SHAPE = (64, 64)

HATLIB = """
import sys, timeit, ctypes, numpy as np, hatlib
_, functions = hatlib.load(sys.argv[1])
call = functions["three"]
arrays = [np.zeros((64, 64), np.float32) for _ in range(3)]
n = int(sys.argv[2])
best = lambda f: min(timeit.repeat(f, number=n, repeat=7)) / n
native = ctypes.CDLL(sys.argv[3]).three
pointers = [ctypes.c_void_p(a.ctypes.data) for a in arrays]
print(best(lambda: call(*arrays)), best(lambda: native(*pointers)))
"""


def best(call: Callable[[], object], calls: int) -> float:
    """Seconds of one call: the least of several runs."""
    return min(timeit.repeat(call, number=calls, repeat=7)) / calls


def measure(hat: Path, calls: int) -> dict[str, float]:
    """Ratios by name."""
    a, b, c = (np.zeros(SHAPE, np.float32) for _ in range(3))
    ffi = cffi.FFI()
    ffi.cdef("void three(void *, void *, void *);")  # the cheapest form: from_buffer then needs no type
    library: Any = ffi.dlopen(str(hat.with_suffix(".so")))
    native = library.three
    from_buffer: Callable[..., Any] = ffi.from_buffer
    pointers = [ffi.cast("void *", from_buffer(array)) for array in (a, b, c)]
    first, second, third = pointers

    def own_checked() -> None:
        native(from_buffer(a), from_buffer(b), from_buffer(c))

    def own_prepared() -> None:
        native(first, second, third)

    ratios = {}
    for loader in ("cffi", "ctypes"):
        call = Kernel().load(hat, loader=loader).three
        prepared = call.prepare_call(a, b, c)
        # Each pair right after one another, so that a change of the machine's speed falls on both.
        ratios[f"checked, {loader}"] = best(functools.partial(call, a, b, c), calls) / best(own_checked, calls)
        ratios[f"prepared, {loader}"] = best(prepared, calls) / best(own_prepared, calls)
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer calls")
    parser.add_argument("--hatlib-python", metavar="PATH", help="a Python 3.10 with hatlib")
    options = parser.parse_args()
    calls = 20_000 if options.quick else 200_000
    with tempfile.TemporaryDirectory() as folder:
        three = [affine("a", SHAPE), affine("b", SHAPE), affine("c", SHAPE, usage="output")]
        hat = make_package(Path(folder), SOURCE, {"three": function(*three)})
        for name, ratio in measure(hat, calls).items():
            limit = 2.5 if name.startswith("checked") else 1.3
            print(f"{name}: {ratio:.2f} times cffi's own call (at most {limit})")
        if options.hatlib_python:
            command = [
                options.hatlib_python,
                "-c",
                HATLIB,
                str(hat),
                str(calls // 10),
                str(hat.with_suffix(".so")),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            checked, native = map(float, done.stdout.split())
            print(f"hatlib, checked: {checked / native:.1f} times ctypes' call with pointers made beforehand")


if __name__ == "__main__":
    main()
