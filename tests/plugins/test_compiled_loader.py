"""The loader ``compiled``: which calls its callers in C make, which they leave to Python, and how they are kept."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hatframe_builtin.loaders import callers, compiled_loader
from sample_packages import LINKERS, affine, element, function, make_package, runtime

from hatframe import HatError, Kernel
from hatframe.calling.loaded import LoadedPackage
from hatframe.errors import CallError, PluginError
from hatframe.plugin import Function, LogicalType, Parameter, Usage, plan_call

SOURCE = """
#include <stdint.h>
#include <stdlib.h>
void add(const float *a, const float *b, float *c) { for (int i = 0; i < 12; i++) c[i] = a[i] + b[i]; }
void halves(const uint16_t *a, uint16_t *b) { for (int i = 0; i < 3; i++) b[i] = a[i]; }
uint16_t float16(uint16_t x) { return x; }
uint16_t bfloat16(uint16_t x) { return x; }
double twice(double x) { return 2 * x; }
uint64_t same(uint64_t x) { return x; }
int8_t small(int8_t x) { return x; }
_Bool not(_Bool x) { return !x; }
void store(int32_t x, int32_t *y) { *y = x; }
void fetch(const int32_t *x, int32_t *y) { *y = *x; }
void scale(int64_t M, int64_t K, const float *a, float *b) { for (int64_t i = 0; i < M * K; i++) b[i] = 2 * a[i]; }
void column(const double *a, double *b) { for (int i = 0; i < 12; i++) b[i] = a[i]; }
void padded(const float *a, float *b) {
  for (int i = 0; i < 3; i++) for (int j = 0; j < 4; j++) b[2 + 8 * i + j] = 2 * a[2 + 8 * i + j]; }
void single(const float *a, float *b) { *b = *a; }
void empty(const float *a) { (void)a; }
void odd(int64_t n, int64_t m, const float *x) { (void)n; (void)m; (void)x; }
void named(int n, int other, int third) { (void)n; (void)other; (void)third; }
void make(int32_t *count, float **out) { *count = 2; *out = calloc(2, 4); }
double busy(int64_t n) { double x = 0; for (int64_t i = 1; i <= n; i++) x += 1.0 / (double)i; return x; }
"""


def returns(c_type: str) -> dict[str, Any]:
    return element("", c_type, "output", c_type)


PADDED = {"affine_map": [8, 1], "offset": 2}
COLUMN = {"affine_map": [1, 3]}
FUNCTIONS = {
    "add": function(affine("a", [3, 4]), affine("b", [3, 4]), affine("c", [3, 4], usage="output")),
    "halves": function(affine("a", [3], "bfloat16_t"), affine("b", [3], "bfloat16_t", "output")),
    "float16": function(element("x", "float16_t"), returns=returns("float16_t")),
    "bfloat16": function(element("x", "bfloat16_t"), returns=returns("bfloat16_t")),
    "twice": function(element("x", "double"), returns=returns("double")),
    "same": function(element("x", "uint64_t"), returns=returns("uint64_t")),
    "small": function(element("x", "int8_t"), returns=returns("int8_t")),
    "not": function(element("x", "bool"), returns=returns("bool")),
    "store": function(element("x", "int32_t"), element("y", "int32_t", "output")),
    "fetch": function(element("x", "int32_t", declared="const int32_t *"), element("y", "int32_t", "output")),
    "scale": function(
        element("M", "int64_t"), element("K", "int64_t"), runtime("a", "M*K"), runtime("b", "M*K", usage="output")
    ),
    "column": function(affine("a", [3, 4], "double", **COLUMN), affine("b", [3, 4], "double", "output", **COLUMN)),
    "padded": function(affine("a", [3, 4], **PADDED), affine("b", [3, 4], usage="output", **PADDED)),
    "single": function(affine("a", []), affine("b", [], usage="output")),
    "empty": function(affine("a", [0, 3])),
    "odd": function(element("n", "int64_t"), element("m", "int64_t"), runtime("x", "(n - 3) / 2 * -m % 1000 + n*m")),
    "named": function(element("in"), element("größe"), element("third")),
    "make": function(
        element("count", "int32_t", "output"), runtime("out", "count", usage="output", declared="float**")
    ),
    "busy": function(element("n", "int64_t"), returns=returns("double")),
}


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("compiled"), SOURCE, FUNCTIONS)


@pytest.fixture
def package(hat: Path) -> Iterator[LoadedPackage]:
    with Kernel().load(hat, loader="compiled") as loaded:
        yield loaded


@pytest.fixture
def other(hat: Path) -> Iterator[LoadedPackage]:
    """The same package, called over ctypes."""
    with Kernel().load(hat, loader="ctypes") as loaded:
        yield loaded


class LeftToPythonError(Exception):
    """A call was not made by its caller in C."""


def only_in_c(bound: Any, *first: Any) -> Any:
    """The function after its first call, such that it raises for a call that its caller leaves to Python."""
    bound(*first)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise LeftToPythonError

    bound.call_by_python = refuse
    return bound


def test_usual_calls_never_come_to_python(package: LoadedPackage) -> None:
    a, b, c = (np.arange(12, dtype=np.float32).reshape(3, 4) for _ in range(3))
    add = only_in_c(package["add"], a, b, c)
    for call in (lambda: add(a, b, c), lambda: add(a, c=c, b=b), lambda: add(**{"".join("a"): a, "b": b, "c": c})):
        c[...] = 0
        call()
        assert np.array_equal(c, a + b)
    flat = array("f", range(12))
    shared = memoryview(flat).cast("B").cast("f", (3, 4))
    add(shared, b, c)
    assert np.array_equal(c, 2 * a)
    add(a, b, shared)
    assert list(flat) == list((a + b).ravel())

    scale = only_in_c(package["scale"], 3, 4, a, c)
    for arguments, named in (
        ((3, 4, a, c), {}),
        ((a, c), {}),
        ((), {"a": a, "b": c}),
        ((), {"K": np.int32(4), "a": a, "b": c.ravel()}),
        ((np.int64(3), 4, a.ravel(), c.ravel()), {}),
    ):
        c[...] = 0
        scale(*arguments, **named)
        assert np.array_equal(c, 2 * a)


def test_every_kind_of_argument_and_result_is_handled_in_c(package: LoadedPackage) -> None:
    twice = only_in_c(package["twice"], 1)
    assert [twice(1.5), twice(3), twice(np.float32(0.5)), twice(np.int8(-1)), twice(x=2)] == [3, 6, 1, -2, 4]
    assert only_in_c(package["same"], 0)(2**64 - 1) == 2**64 - 1
    assert package["same"](np.uint64(2**63)) == 2**63
    assert only_in_c(package["small"], 0)(-128) == -128
    assert only_in_c(package["not"], True)(False) is True
    cell = np.zeros(1, np.int32)
    only_in_c(package["store"], 0, cell)(-7, cell)
    assert cell[0] == -7
    fetch = only_in_c(package["fetch"], 0, cell)
    for given in (3, np.int32(3), np.array(3, np.int32), np.array([[3]], np.int32)):
        cell[0] = 0
        fetch(given, cell)
        assert cell[0] == 3
    given, received = np.array([1, 2, 3], ml_dtypes.bfloat16), np.zeros(3, ml_dtypes.bfloat16)
    only_in_c(package["halves"], given, received)(given, received)
    assert np.array_equal(given, received)
    columns = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    result = np.zeros((3, 4), order="F")
    only_in_c(package["column"], columns, result)(columns, result)
    assert np.array_equal(columns, result)
    first, second = package["padded"].empty("a"), package["padded"].empty("b")
    first[...] = np.arange(12).reshape(3, 4)
    only_in_c(package["padded"], first, second)(first, second)
    assert np.array_equal(second, 2 * first)
    value, out = np.array(5, np.float32), np.zeros(1, np.float32)
    only_in_c(package["single"], value, out)(value, out)
    assert out[0] == 5
    nothing = np.zeros((0, 3), np.float32)
    only_in_c(package["empty"], nothing)(nothing)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_precision_numbers_are_rounded_as_numpy_rounds_them(
    package: LoadedPackage, other: LoadedPackage, name: str
) -> None:
    random = np.random.default_rng(0)
    numbers = [*random.normal(0, 100, 300), *(random.normal(0, 1, 300) * 2.0 ** random.integers(-20, 16, 300))]
    numbers += [0.0, -0.0, 1.0, 65504.0, 65519.9, 2.0**-14, 2.0**-24, 1e-300, float("inf"), 1 + 2.0**-8, 1 + 2.0**-11]
    for number in map(float, numbers):
        ours, theirs = package[name](number), other[name](number)
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes(), number


WRONG: dict[str, list[tuple[Any, ...]]] = {
    "add": [
        (),
        (1, 2, 3),
        tuple(np.zeros((3, 4)) for _ in range(3)),
        tuple(np.zeros((4, 3), np.float32) for _ in range(3)),
        tuple(np.zeros((4, 3), np.float32).T for _ in range(3)),
        tuple(np.zeros((3, 8), np.float32)[:, ::2] for _ in range(3)),
        tuple(np.zeros((3, 4), ">f4") for _ in range(3)),
        tuple(array("f", range(12)) for _ in range(3)),
        tuple(np.zeros(49, np.uint8)[1:].view(np.float32).reshape(3, 4) for _ in range(3)),
        tuple(np.float32(1) for _ in range(3)),
        ("text", None, b"bytes"),
    ],
    "same": [(-1,), (2**64,), (1.5,), ("1",), (None,), (np.float32(1),), (np.array([1]),)],
    "small": [(128,), (-129,), (np.int16(128),), (2**70,)],
    "not": [(2,), (1.0,), (np.array([True, False]),), ("",)],
    "twice": [("1",), (None,), (np.array([1.0]),), (10**400,), (1j,)],
    "store": [(1, 2), (1, np.zeros(2, np.int32)), (1, np.zeros(1)), (2**31, np.zeros(1, np.int32))],
    "fetch": [(2**31, np.zeros(1, np.int32)), (np.zeros(0, np.int32), np.zeros(1, np.int32)), (np.float32(1),) * 2],
    "scale": [
        (2, 3, np.zeros((3, 2), np.float32), np.zeros((2, 3), np.float32)),
        (2, 3, np.zeros(7, np.float32), np.zeros(6, np.float32)),
        (-2, -3, np.zeros(6, np.float32), np.zeros(6, np.float32)),
        (2**62, 2**62, np.zeros(0, np.float32), np.zeros(0, np.float32)),
        (np.zeros((3, 2), np.float32), np.zeros((2, 3), np.float32)),
        (np.zeros(6, np.float32), np.zeros(6, np.float32)),
        (np.zeros((4, 4), np.float32)[:, :3], np.zeros((4, 3), np.float32)),
    ],
    "column": [(np.zeros((3, 4)), np.zeros((3, 4)))],
    "padded": [
        (np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32)),
        (np.zeros((3, 8), np.float32)[:, :4], np.zeros((3, 8), np.float32)[:, :4]),
    ],
    "empty": [(np.zeros((3, 0), np.float32),), (np.zeros((0, 3)),)],
    "odd": [(2**62, 2**62, np.zeros(1, np.float32)), (0, 0, np.zeros(1, np.float32))],
}


def error_of(call: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    with pytest.raises(CallError) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("way", ["struct", "buffer"])
def test_wrong_arguments_raise_the_same_errors_as_elsewhere(
    package: LoadedPackage, other: LoadedPackage, name: str, way: str
) -> None:
    bound: Any = package[name]
    if way == "buffer":
        bound.callers.use_numpy_struct(False)
    bound.callers.set_address(bound, bound.pointer)
    for arguments in WRONG[name]:
        assert error_of(bound, arguments) == error_of(other[name], arguments)
    bound.callers.use_numpy_struct(True)


def test_read_only_arrays_are_inputs_only(package: LoadedPackage) -> None:
    a, b, c = (np.ones((3, 4), np.float32) for _ in range(3))
    package["add"](a, b, c)
    a.flags.writeable = False
    package["add"](a, b, c)
    for locked in (a, memoryview(a)):
        with pytest.raises(CallError):
            package["add"](b, b, locked)


def test_the_buffer_protocol_serves_where_numpy_has_another_struct(package: LoadedPackage) -> None:
    a, b, c = (np.arange(12, dtype=np.float32).reshape(3, 4) for _ in range(3))
    add: Any = only_in_c(package["add"], a, b, c)
    add.callers.use_numpy_struct(False)
    try:
        c[...] = 0
        add(a, b, c)
        assert np.array_equal(c, a + b)
        before = sys.getrefcount(a)
        for _ in range(10):
            add(a, b, c)
        assert sys.getrefcount(a) == before
        columns = np.asfortranarray(np.ones((3, 4)))
        only_in_c(package["column"], columns, columns.copy("F"))(columns, columns.copy("F"))
        with pytest.raises(LeftToPythonError):
            add(a, b, c.astype(np.float64))
    finally:
        add.callers.use_numpy_struct(True)


def test_an_array_that_another_struct_describes_is_noticed() -> None:
    def lie(array: Any, facts: Any) -> None:
        facts[0] = id(type(array))

    assert not compiled_loader._has_known_struct(lie)


def test_sizes_are_computed_as_python_computes_them(package: LoadedPackage, other: LoadedPackage) -> None:
    def outcome(call: Any, *arguments: Any) -> str:
        try:
            return str(call(*arguments))
        except HatError as error:
            return str(error)

    package["odd"](3, 1, np.zeros(3, np.float32))
    random = np.random.default_rng(1)
    for n, m in random.integers(0, 40, (200, 2)).tolist():
        size = int((n - 3) / 2) * -m
        size = int(np.fmod(size, 1000)) + n * m
        for count in (size, size + 1):
            x = np.zeros(max(0, count), np.float32)
            assert outcome(package["odd"], n, m, x) == outcome(other["odd"], n, m, x)


def test_names_of_any_text_reach_the_caller_as_they_are(package: LoadedPackage) -> None:
    named = only_in_c(package["named"], 1, 2, 3)
    named(**{"in": 1}, größe=2, third=3)
    named(third=3, in_=1, größe=2)
    named(1, 2, third=3)
    with pytest.raises(LeftToPythonError):
        named(1, 2, 3, third=3)


def test_no_text_of_a_file_becomes_code() -> None:
    text = '"*/ }??/ \\\n'
    parameter = Parameter(
        name=text, logical_type=LogicalType.ELEMENT, usage=Usage.INPUT, declared_type="int", element_type="int"
    )
    code = callers.source([plan_call(Function(name="f", arguments=(parameter,)))])
    assert text not in code
    assert "".join(f"\\{byte:03o}" for byte in text.encode()) in code


def test_what_a_function_allocates_is_made_in_python(package: LoadedPackage) -> None:
    count, out = package["make"]()
    assert count == 2
    assert np.array_equal(out, [0, 0])


def test_a_closed_package_is_not_called(hat: Path) -> None:
    package = Kernel().load(hat, loader="compiled")
    twice = package["twice"]
    assert twice(1) == 2
    assert twice(2) == 4
    package.close()
    with pytest.raises(CallError, match="closed"):
        twice(1)
    with pytest.raises(CallError, match="closed"):
        twice.prepare_call(1)


def test_prepared_calls_are_made_in_c_and_keep_what_they_need(hat: Path) -> None:
    package = Kernel().load(hat, loader="compiled")
    y = np.zeros(1, np.int32)
    call = package["fetch"].prepare_call(5, y=y)
    assert type(call) is type(len)
    total = package["twice"].prepare_call(4)
    package.close()
    del package
    gc.collect()
    call()
    assert y[0] == 5
    assert total() == 8


def test_callers_are_compiled_once(hat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Kernel().load(hat, loader="compiled")["twice"]

    def refuse(*arguments: Any) -> bytes:
        raise AssertionError

    monkeypatch.setattr(compiled_loader, "_compile", refuse)
    assert Kernel().load(hat, loader="compiled")["twice"](2) == 4


def test_it_is_the_default_for_a_package_whose_callers_are_there(hat: Path, tmp_path: Path) -> None:
    assert Kernel().load(hat)["twice"].loader == "cffi"
    assert Kernel().load(hat, loader="compiled")["twice"].loader == "compiled"
    assert Kernel().load(hat)["twice"].loader == "compiled"
    assert Kernel().load(hat, loader="cffi")["twice"].loader == "cffi"
    other = make_package(tmp_path, SOURCE, {"twice": FUNCTIONS["twice"]})
    assert Kernel().load(other)["twice"].loader == "cffi"


def test_without_a_compiler_it_is_unavailable_and_says_so(hat: Path) -> None:
    kernel = Kernel(disabled=LINKERS)
    report = next(report for report in kernel.registry.backends if report.name == "compiled")
    assert not report.available
    assert "compiler" in report.reason
    with pytest.raises(PluginError, match="compiler"):
        kernel.load(hat, loader="compiled")


def test_other_pythons_do_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.implementation, "name", "pypy")
    assert "pypy" in compiled_loader.CompiledLoader().availability().reason


@pytest.mark.slow
@pytest.mark.parametrize("linker", ["gcc", "clang", "zig"])
def test_any_compiler_makes_callers(hat: Path, linker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [name for name in LINKERS if name != linker]
    kernel = Kernel(disabled=others)
    if not kernel.registry.linkers.all():
        pytest.skip(f"no {linker} on this machine")
    real = compiled_loader._compile.__wrapped__  # type: ignore[attr-defined]
    monkeypatch.setattr(compiled_loader, "_compile", real)
    with kernel.load(hat, loader="compiled") as package:
        a, b, c = (np.ones((3, 4), np.float32) for _ in range(3))
        only_in_c(package["add"], a, b, c)(a, b, c)
        assert (c == 2).all()
        assert only_in_c(package["busy"], 1)(2) == 1.5


@pytest.mark.slow
def test_calls_errors_and_prepared_calls_leak_nothing(package: LoadedPackage) -> None:
    a, b, c = (np.ones((3, 4), np.float32) for _ in range(3))
    shared = memoryview(array("f", range(12))).cast("B").cast("f", (3, 4))
    add, twice, half = package["add"], package["twice"], package["bfloat16"]

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    def wrong() -> None:
        with pytest.raises(CallError):
            add(a, b, 1)

    kinds: list[tuple[int, Callable[[], Any]]] = [
        (1_000_000, lambda: add(a, b, c)),
        (1_000_000, lambda: add(a=a, b=b, c=c)),
        (300_000, lambda: add(shared, b, c)),
        (300_000, lambda: twice(np.float32(3))),
        (100_000, lambda: half(1.5)),
        (20_000, wrong),
        (100_000, lambda: add.prepare_call(a, b, c)()),
    ]
    for times, call in kinds:
        for _ in range(times // 100):
            call()
        before = resident()
        for _ in range(times):
            call()
        assert resident() - before < 1 << 20
    assert sys.getrefcount(a) < 20


@pytest.mark.slow
def test_threads_run_at_the_same_time(package: LoadedPackage) -> None:
    busy = package["busy"]
    busy(1)
    start = time.perf_counter()
    busy(1_000_000)
    calls = int(1e6 * 1e-3 / (time.perf_counter() - start))
    expected = busy(calls)
    results: list[bool] = []

    def work() -> None:
        results.append(all(busy(calls) == expected for _ in range(50)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


def test_its_address_is_the_one_of_the_c_function(package: LoadedPackage) -> None:
    pointer: Any = package["twice"]
    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(pointer.pointer)(4.0) == 8.0
