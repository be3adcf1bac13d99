"""What a call costs, as a table of ratios to cffi's own call of the same function: ``python benchmarks/calling.py``.

Each function does nothing or nearly nothing. cffi's own call has ``from_buffer`` on each array, and so checks neither
dtype nor shape. Beside it: ctypes with ``ndpointer``, a loop in C, nanobind where it is installed (it checks dtypes and
shapes too; ``pip install nanobind``), and hatlib with ``--hatlib-python PATH`` (a Python 3.10 that has it, in a process
of its own). All others are measured in turn, in one process, and each figure is the least of many batches.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import json
import subprocess
import sys
import sysconfig
import tempfile
import timeit
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi
import numpy as np
from numpy.ctypeslib import ndpointer
from rich.console import Console
from rich.table import Table

from hatframe import HatError, Kernel

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from sample_packages import affine, element, function, make_package, runtime

CHECKED, PREPARED = 2.5, 1.05
"""The most that a call may cost, in calls of cffi's own."""
NUMBERS = 4.0
"""The same for calls without arrays: ctypes' conversions of numbers alone cost up to twice as much as cffi's call."""
TOLERANCE = 1.4
"""By how much a bound must be missed for an exit code of 1: other programs may run on this machine."""
BATCH = 1e-3
"""Seconds of one batch: shorter than the time slices of other programs."""

F32 = ndpointer(np.float32, flags="C_CONTIGUOUS")
SQUARE = ndpointer(np.float32, shape=(64, 64), flags="C_CONTIGUOUS")
I32, I64, F64 = ctypes.c_int32, ctypes.c_int64, ctypes.c_double

A, B, C = (np.zeros((64, 64), np.float32) for _ in range(3))
NAMES: dict[str, Any] = {
    **{name: np.zeros((64, 64), np.float32) for name in "abcdefgh"},
    "x": np.zeros(1000, np.float32),
    "y": np.zeros(1000, np.float32),
    "cell": np.zeros(1, np.int32),
    "base": np.zeros((64, 80), np.float32),
    "columns": np.zeros((64, 64), np.float32, order="F"),
}
NAMES["padded"] = NAMES["base"][:, :64]


@dataclass(frozen=True)
class Case:
    """One kind of call: ``ours`` as hatframe takes it, ``own`` as cffi does, and all arguments for the others."""

    name: str
    declaration: str
    metadata: dict[str, Any]
    ours: str
    own: str
    full: str
    argtypes: list[Any]
    raw: str
    nanobind: str
    result: str = "void"
    limit: float = CHECKED

    @property
    def symbol(self) -> str:
        return "f_" + "".join(letter if letter.isalnum() else "_" for letter in self.name)


def fixed(count: int) -> Case:
    names = "abcdefgh"[:count]
    arguments = ", ".join(names)
    return Case(
        f"{count} fixed shape{'s' if count > 1 else ''}",
        ", ".join(f"float *{name}" for name in names),
        function(*[affine(name, (64, 64), usage="input" if name != names[-1] else "output") for name in names]),
        arguments,
        ", ".join(f"buffer({name})" for name in names),
        arguments,
        [SQUARE] * count,
        ", ".join(["X"] * count),
        ", ".join(f"Square {name}" for name in names) + "|" + ", ".join(f"{name}.data()" for name in names),
    )


def axpy(name: str, ours: str) -> Case:
    return Case(
        name,
        "int32_t n, float a, const float *x, float *y",
        function(element("n", "int32_t"), element("a", "float"), runtime("x", "n"), runtime("y", "n", usage="output")),
        ours,
        "1000, 2.0, buffer(x), buffer(y)",
        "1000, 2.0, x, y",
        [I32, ctypes.c_float, F32, F32],
        "1000, 2, X, X",
        "int n, float a, Row x, Row y|n, a, x.data(), y.data()|x.shape(0) == n && y.shape(0) == n",
    )


def gemm(name: str, ours: str) -> Case:
    sizes = [element(letter, "int64_t") for letter in "MNK"]
    arrays = [runtime("A", "M*K"), runtime("B", "K*N"), runtime("C", "M*N", usage="input_output")]
    return Case(
        name,
        "int64_t M, int64_t N, int64_t K, const float *A, const float *B, float *C",
        function(*sizes, *arrays),
        ours,
        "64, 64, 64, buffer(a), buffer(b), buffer(c)",
        "64, 64, 64, a, b, c",
        [I64, I64, I64, F32, F32, F32],
        "64, 64, 64, X, X, X",
        "int64_t M, int64_t N, int64_t K, Matrix A, Matrix B, Matrix C|M, N, K, A.data(), B.data(), C.data()|"
        "A.shape(0) == M && A.shape(1) == K && B.shape(0) == K && B.shape(1) == N && C.shape(0) == M && C.shape(1) == N",  # noqa: E501
    )


def cases() -> Iterator[Case]:
    yield from map(fixed, (1, 2, 3, 8))
    yield axpy("axpy, sizes given", "1000, 2.0, x, y")
    yield axpy("axpy, sizes omitted", "2.0, x, y")
    yield axpy("axpy, keywords", "n=1000, a=2.0, x=x, y=y")
    yield gemm("gemm M*K, sizes given", "64, 64, 64, a, b, c")
    yield gemm("gemm M*K, sizes omitted", "a, b, c")
    yield Case(
        "sum, size omitted",
        "const float *x, int32_t n",
        function(runtime("x", "n"), element("n", "int32_t"), returns=element("", "float", "output", "float")),
        "x",
        "buffer(x), 1000",
        "x, 1000",
        [F32, I32],
        "X, 1000",
        "Row x, int n|x.data(), n|x.shape(0) == n",
        "float",
    )
    yield Case(
        "4 scalars",
        "int32_t i, int64_t j, double p, float q",
        function(
            element("i", "int32_t"),
            element("j", "int64_t"),
            element("p", "double"),
            element("q", "float"),
            returns=element("", "double", "output", "double"),
        ),
        "1, 2, 3.0, 4.0",
        "1, 2, 3.0, 4.0",
        "1, 2, 3.0, 4.0",
        [I32, I64, F64, ctypes.c_float],
        "1, 2, 3, 4",
        "int i, int64_t j, double p, float q|i, j, p, q",
        "double",
        NUMBERS,
    )
    yield Case(
        "1 scalar",
        "int64_t i",
        function(element("i", "int64_t"), returns=element("", "int64_t", "output", "int64_t")),
        "1",
        "1",
        "1",
        [I64],
        "1",
        "int64_t i|i",
        "int64_t",
        NUMBERS,
    )
    yield Case(
        "element output",
        "const float *a, int32_t *count",
        function(affine("a", (64, 64)), element("count", "int32_t", "output")),
        "a, cell",
        "buffer(a), buffer(cell)",
        "a, cell",
        [SQUARE, ndpointer(np.int32, flags="C_CONTIGUOUS")],
        "X, (int32_t *)X",
        "Square a, Cell count|a.data(), count.data()",
    )
    yield Case(
        "element input by pointer",
        "const float *a, const int32_t *count",
        function(affine("a", (64, 64)), element("count", "int32_t", declared="const int32_t *")),
        "a, 3",
        "buffer(a), new('int32_t *', 3)",
        "a, byref(I32(3))",
        [SQUARE, ctypes.POINTER(I32)],
        "X, (int32_t *)X",
        "Square a, int32_t count|a.data(), &count",
    )
    yield Case(
        "allocated output",
        "int32_t n, int32_t *count, float **out",
        function(
            element("n", "int32_t"),
            element("count", "int32_t", "output"),
            runtime("out", "count", usage="output", declared="float**"),
        ),
        "100",
        "100, (p := new('int32_t *')), (q := new('void **'))); frombuffer(ffi_buffer(gc(q[0], free), 4 * p[0]), float32",  # noqa: E501
        "100, byref(count := I32()), byref(out := c_void_p())); free_address(out",
        [I32, ctypes.POINTER(I32), ctypes.POINTER(ctypes.c_void_p)],
        "100, (int32_t *)X, (void *)(X + 2)); free(*(void **)(X + 2)",
        "",
    )
    yield Case(
        "padded rows",
        "const float *a, float *b",
        function(affine("a", (64, 64), affine_map=[80, 1]), affine("b", (64, 64), usage="output", affine_map=[80, 1])),
        "padded, padded",
        "buffer(base), buffer(base)",
        "padded, padded",
        [ndpointer(np.float32, shape=(64, 64))] * 2,
        "X, X",
        "Strided a, Strided b|a.data(), b.data()|a.stride(0) == 80 && a.stride(1) == 1 && b.stride(0) == 80",
    )
    yield Case(
        "column-major",
        "const float *a, float *b",
        function(affine("a", (64, 64), affine_map=[1, 64]), affine("b", (64, 64), usage="output", affine_map=[1, 64])),
        "columns, columns",
        "buffer(columns.T), buffer(columns.T)",
        "columns, columns",
        [ndpointer(np.float32, shape=(64, 64), flags="F_CONTIGUOUS")] * 2,
        "X, X",
        "Columns a, Columns b|a.data(), b.data()",
    )


BODIES = {"float": "return 1;", "double": "return 1;", "int64_t": "return i;"}
CASES = {case.symbol: case for case in cases()}


def c_source() -> str:
    """All functions, and for each a loop in C that calls it: ``raw_NAME(calls)``."""
    lines = [
        "#include <stdint.h>",
        "#include <stdlib.h>",
        "static float X[8 * 4096];",
        "#define RAW(name, ...) void raw_##name(int64_t n) { "
        "__typeof__(name) *volatile p = name; for (int64_t i = 0; i < n; i++) { p(__VA_ARGS__); } }",
    ]
    for case in CASES.values():
        body = "*count = n; *out = malloc(4 * n);" if "**" in case.declaration else BODIES.get(case.result, "")
        lines.append(f"{case.result} {case.symbol}({case.declaration}) {{ {body} }}")
        raw = f"void raw_{case.symbol}(int64_t n) {{ __typeof__({case.symbol}) *volatile p = {case.symbol};"
        lines.append(f"{raw} for (int64_t i = 0; i < n; i++) {{ p({case.raw}); }} }}")
    return "\n".join(line for line in lines if not line.startswith("#define"))


NANOBIND = """
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
namespace nb = nanobind;
using Square = nb::ndarray<float, nb::shape<64, 64>, nb::c_contig, nb::device::cpu>;
using Columns = nb::ndarray<float, nb::shape<64, 64>, nb::f_contig, nb::device::cpu>;
using Strided = nb::ndarray<float, nb::shape<64, 64>, nb::device::cpu>;
using Row = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Cell = nb::ndarray<int32_t, nb::shape<1>, nb::device::cpu>;
extern "C" {
"""


def nanobind_module(folder: Path, library: Path) -> Any:
    """The functions as nanobind binds them; None where it is not installed."""
    if importlib.util.find_spec("nanobind") is None:
        return None
    import nanobind  # type: ignore[import-untyped,import-not-found,unused-ignore]

    lines = [NANOBIND]
    bound = [case for case in CASES.values() if case.nanobind]
    lines += [f"{case.result} {case.symbol}({case.declaration});" for case in bound]
    lines.append("}\nNB_MODULE(peer, m) {")
    for case in bound:
        parameters, arguments, *condition = case.nanobind.split("|")
        check = f"if (!({condition[0]})) throw nb::value_error(); " if condition else ""
        lines.append(f'm.def("{case.symbol}", []({parameters}) {{ {check}return {case.symbol}({arguments}); }});')
    lines.append("}")
    source = folder / "peer.cpp"
    source.write_text("\n".join(lines))
    include = Path(nanobind.include_dir())
    command = [
        "g++",
        "-O2",
        "-std=c++17",
        "-shared",
        "-fPIC",
        "-fvisibility=hidden",
        "-w",
        "-DNDEBUG",
        "-fno-strict-aliasing",
    ]
    command += [
        f"-I{path}" for path in (sysconfig.get_paths()["include"], include, include.parent / "ext/robin_map/include")
    ]
    command += [
        str(source),
        str(Path(nanobind.source_dir()) / "nb_combined.cpp"),
        str(library),
        f"-Wl,-rpath,{library.parent}",
    ]
    subprocess.run([*command, "-o", str(folder / "peer.so")], check=True)
    sys.path.insert(0, str(folder))
    import peer  # type: ignore[import-not-found,unused-ignore]

    return peer


def columns_of(case: Case, hat: Path, peer: Any, packages: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """What is timed for a case: statements, with their names."""
    library = hat.with_suffix(".so")
    ffi = cffi.FFI()
    pointers = case.declaration
    for c_type in ("const float *", "float *", "const int32_t *", "int32_t *"):
        # `void *` is the cheapest form: from_buffer then needs no type.
        if "**" not in pointers:
            pointers = pointers.replace(c_type, "void *")
    ffi.cdef(f"{case.result} {case.symbol}({pointers.replace('float **', 'void **')}); void free(void *);")
    own: Any = ffi.dlopen(str(library))
    c: Any = ffi.dlopen(None)
    native = getattr(ctypes.CDLL(str(library)), case.symbol)
    native.argtypes = case.argtypes
    native.restype = {"float": ctypes.c_float, "double": F64, "int64_t": I64, "void": None}[case.result]
    free = ctypes.CDLL(None).free
    free.argtypes = [ctypes.c_void_p]
    names = {
        **NAMES,
        "buffer": ffi.from_buffer,
        "new": ffi.new,
        "gc": ffi.gc,
        "free": c.free,
        "ffi_buffer": ffi.buffer,
        "frombuffer": np.frombuffer,
        "float32": np.float32,
        "byref": ctypes.byref,
        "I32": I32,
        "c_void_p": ctypes.c_void_p,
        "free_address": free,
    }
    columns = {
        "cffi's own": (f"call({case.own})", {**names, "call": getattr(own, case.symbol)}),
        "ctypes, ndpointer": (f"call({case.full})", {**names, "call": native}),
    }
    if peer and case.nanobind:
        full = case.full.replace("byref(I32(3))", "3")
        columns["nanobind"] = (f"call({full})", {**names, "call": getattr(peer, case.symbol)})
    for loader, package in packages.items():
        columns[loader] = (f"call({case.ours})", {**names, "call": package[case.symbol]})
    return columns


def prepared_columns(case: Case, hat: Path, packages: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """cffi's call with pointers cast beforehand, and calls that ``prepare_call`` made."""
    own, names = columns_of(case, hat, None, {})["cffi's own"]
    for array in "abc":
        names[f"p{array}"] = cffi.FFI().cast("void *", cffi.FFI().from_buffer(NAMES[array]))
    columns = {"cffi's own": (own.replace("buffer(", "(p"), names)}
    for loader, package in packages.items():
        columns[loader] = ("call()", {"call": package[case.symbol].prepare_call(*[NAMES[name] for name in "abc"])})
    return columns


def measure(columns: dict[str, tuple[str, dict[str, Any]]], batches: int) -> dict[str, float]:
    """Seconds of one call by column: the least of batches that are measured in turn."""
    timers = {name: timeit.Timer(statement, globals=names) for name, (statement, names) in columns.items()}
    calls = {}
    for name, timer in timers.items():
        timer.timeit(20)  # the first calls do more
        calls[name] = max(20, int(BATCH / (timer.timeit(100) / 100)))
    best = dict.fromkeys(timers, float("inf"))
    for _ in range(batches):
        for name, timer in timers.items():
            best[name] = min(best[name], timer.timeit(calls[name]) / calls[name])
    return best


HATLIB = """
import sys, json, timeit, numpy as np, hatlib
_, functions = hatlib.load(sys.argv[1])
arrays = {name: np.zeros((64, 64), np.float32) for name in "abcdefgh"}
names = {**arrays, "x": np.zeros(1000, np.float32), "y": np.zeros(1000, np.float32), "cell": np.zeros(1, np.int32),
         "padded": np.zeros((64, 80), np.float32)[:, :64], "columns": np.zeros((64, 64), np.float32, order="F")}
seconds = {}
for symbol, arguments in json.loads(sys.argv[2]).items():
    try:
        timer = timeit.Timer(f"call({arguments})", globals={**names, "call": functions[symbol]})
        seconds[symbol] = min(timer.repeat(number=100, repeat=int(sys.argv[3]))) / 100
    except Exception:
        pass
print(json.dumps(seconds))
"""


def hatlib_seconds(python: str, folder: Path, batches: int) -> dict[str, float]:
    """Seconds of hatlib's calls, by function; those that it cannot make, as with Python numbers, are missing."""
    # It reads no file with a function that it does not know how to call.
    cases = {case.symbol: case for case in CASES.values() if "byref" not in case.full}
    hat = make_package(
        folder / "hatlib", c_source(), {name: case.metadata for name, case in cases.items()}, flags=["-w"]
    )
    arguments = {name: case.full for name, case in cases.items()}
    command = [python, "-c", HATLIB, str(hat), json.dumps(arguments), str(batches)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def host_packages(hat: Path) -> dict[str, Any]:
    """The package by each loader for host functions that works here."""
    packages = {}
    for loader in Kernel().registry.loaders.all():
        if not loader.runtimes:
            try:
                packages[loader.name] = Kernel().load(hat, loader=loader.name)
            except HatError as error:
                print(f"without {loader.name}: {error}")
    return packages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer batches")
    parser.add_argument("--hatlib-python", metavar="PATH", help="a Python 3.10 with hatlib")
    parser.add_argument("--only", metavar="TEXT", default="", help="only the calls whose names contain this")
    options = parser.parse_args()
    batches = 12 if options.quick else 60
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hat = make_package(folder, c_source(), {case.symbol: case.metadata for case in CASES.values()}, flags=["-w"])
        packages = host_packages(hat)
        peer = nanobind_module(folder, hat.with_suffix(".so"))
        hatlib = hatlib_seconds(options.hatlib_python, folder, batches) if options.hatlib_python else {}
        raw = cffi.FFI()
        for case in CASES.values():
            raw.cdef(f"void raw_{case.symbol}(int64_t);")
        loops: Any = raw.dlopen(str(hat.with_suffix(".so")))
        heads = ["hatlib", "ctypes, ndpointer", "nanobind", *packages]
        table = Table("times cffi's own call", "in C", "cffi's own", *heads)
        for column in table.columns[1:]:
            column.justify = "right"
        for case in CASES.values():
            if options.only not in case.name:
                continue
            seconds = measure(columns_of(case, hat, peer, packages), batches)
            loop = timeit.Timer("loop(10000)", globals={"loop": getattr(loops, f"raw_{case.symbol}")})
            seconds["in C"] = min(loop.repeat(number=1, repeat=batches)) / 10000
            if case.symbol in hatlib:
                seconds["hatlib"] = hatlib[case.symbol]
            missed += add_row(table, case.name, seconds, heads, dict.fromkeys(packages, case.limit))
        three = CASES[fixed(3).symbol]
        if options.only in (name := "3 fixed shapes, prepared"):
            seconds = measure(prepared_columns(three, hat, packages), batches)
            missed += add_row(table, name, seconds, heads, dict.fromkeys(packages, PREPARED))
    Console(width=160).print(table)
    print(f"checked calls: at most {CHECKED} times cffi's own; prepared calls: at most {PREPARED} times")
    if missed:
        sys.exit("; ".join(missed))


def add_row(
    table: Table, name: str, seconds: dict[str, float], heads: list[str], limits: dict[str, float]
) -> Iterator[str]:
    """Add a row of ratios; yields the bounds that are missed by far."""
    own = seconds["cffi's own"]
    ratios = {head: seconds[head] / own for head in heads if head in seconds}
    cells = []
    for head in heads:
        ratio = ratios.get(head)
        over = ratio is not None and ratio > limits.get(head, float("inf"))
        cells.append("" if ratio is None else f"[red]{ratio:.2f}[/red]" if over else f"{ratio:.2f}")
    in_c = f"{seconds['in C'] * 1e9:.1f} ns" if "in C" in seconds else ""
    table.add_row(name, in_c, f"{own * 1e9:.0f} ns", *cells)
    for head, limit in limits.items():
        if ratios[head] > limit * TOLERANCE:
            yield f"{name}: {head} takes {ratios[head]:.2f} times cffi's own call, over {limit}"


if __name__ == "__main__":
    main()
