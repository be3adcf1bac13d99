"""Calls of real compiled functions: every element type, layout and kind of parameter, with both loaders."""

from __future__ import annotations

import functools
import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from sample_packages import VOID, affine, element, function, make_package, runtime

from hatframe import HatError, Kernel
from hatframe.calling.loaded import LoadedPackage
from hatframe.errors import CallError, FormatError, PackageError, SymbolError, UnknownFunctionError

C_TYPES = {
    "bool": np.bool_,
    "int8_t": np.int8,
    "int16_t": np.int16,
    "int32_t": np.int32,
    "int64_t": np.int64,
    "uint8_t": np.uint8,
    "uint16_t": np.uint16,
    "uint32_t": np.uint32,
    "uint64_t": np.uint64,
    "float": np.float32,
    "double": np.float64,
    "int": np.intc,
    "long": np.dtype("l"),
    "size_t": np.uintp,
    "unsigned char": np.uint8,
    "unsigned long long": np.ulonglong,
    "short": np.short,
}

HALVES = {"float16_t": np.float16, "bfloat16_t": ml_dtypes.bfloat16}


def c_name(c_type: str) -> str:
    return c_type.replace(" ", "_")


SOURCE = (
    """
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
typedef uint16_t float16_t;
typedef uint16_t bfloat16_t;
"""
    + "".join(
        f"""
void copy_{c_name(t)}(const {t} *a, {t} *b) {{ for (int i = 0; i < 6; i++) b[i] = a[i]; }}
{t} back_{c_name(t)}({t} x) {{ return x; }}
void store_{c_name(t)}({t} x, {t} *y) {{ *y = x; }}
void fetch_{c_name(t)}(const {t} *x, {t} *y) {{ *y = *x; }}
"""
        for t in (*C_TYPES, *HALVES)
    )
    + """
void add_0123456789abcdef(const float *a, const float *b, float *c) { for (int i = 0; i < 12; i++) c[i] = a[i] + b[i]; }
void nothing(void) {}
void rank3(const int32_t *a, int32_t *b) { for (int i = 0; i < 24; i++) b[i] = 10 * a[i]; }
void column(const double *a, double *b) {      /* 3x4, column-major */
  for (int j = 0; j < 4; j++) for (int i = 0; i < 3; i++) b[j * 3 + i] = a[j * 3 + i] + 100 * i + j; }
void padded(const float *a, float *b) {        /* 3x4, rows 8 apart, from the third element on */
  for (int i = 0; i < 3; i++) for (int j = 0; j < 4; j++) b[2 + 8 * i + j] = 2 * a[2 + 8 * i + j]; }
void backwards(const float *a, float *b) {     /* 4, from the end to the front */
  for (int i = 0; i < 4; i++) b[3 - i] = a[3 - i] + i; }
void zero_dimensional(const float *a, float *b) { *b = *a + 1; }
void scale(int64_t M, int64_t K, const float *a, float *b) { for (int64_t i = 0; i < M * K; i++) b[i] = 2 * a[i]; }
void after(const float *a, float *b, int n) { for (int i = 0; i < n; i++) b[i] = a[i] + n; }
float total(const float *x, uint32_t n) { float s = 0; for (uint32_t i = 0; i < n; i++) s += x[i]; return s; }
void leading(const double *a, int lda, int rows, int cols, double *out) {
  for (int i = 0; i < rows; i++) for (int j = 0; j < cols; j++) out[i * cols + j] = a[i * lda + j]; }
void range_of(const int32_t *start, const int32_t *limit, int32_t **out, uint32_t *n) {
  *n = *limit > *start ? *limit - *start : 0;
  *out = *n ? malloc(*n * sizeof **out) : NULL;
  for (uint32_t i = 0; i < *n; i++) (*out)[i] = *start + i; }
int32_t outer(const double *x, int n, double **out, int *rows, int *cols) {
  *rows = n; *cols = n; *out = malloc(sizeof(double) * n * n);
  for (int i = 0; i < n; i++) for (int j = 0; j < n; j++) (*out)[i * n + j] = x[i] * x[j];
  return 7; }
void forgets(float **out, int *n) { *n = 3; *out = NULL; }
void short_(const int8_t *n, float *x) { for (int i = 0; i < *n; i++) x[i] = i; }
void grow(int *n, float *x) { for (int i = 0; i < *n; i++) x[i] = i; *n = 2; }
int64_t seven(int a, float b, double c, int8_t d, uint64_t e, bool f, int16_t g) {
  return a + (int64_t)b + (int64_t)c + d + (int64_t)e + f + g; }
"""
)

RETURN = {"name": "", "description": "", "logical_type": "element", "usage": "output"}


def returns(c_type: str) -> dict[str, Any]:
    return {**RETURN, "declared_type": c_type, "element_type": c_type}


def functions() -> dict[str, Any]:
    table: dict[str, Any] = {}
    for t in (*C_TYPES, *HALVES):
        table[f"copy_{c_name(t)}"] = function(affine("a", [2, 3], t), affine("b", [2, 3], t, "output"))
        table[f"back_{c_name(t)}"] = function(element("x", t), returns=returns(t))
        table[f"store_{c_name(t)}"] = function(element("x", t), element("y", t, "output"))
        table[f"fetch_{c_name(t)}"] = function(
            element("x", t, declared=f"const {t} *"), element("y", t, "input_output")
        )
    three = [affine("A", [3, 4]), affine("B", [3, 4]), affine("C", [3, 4], usage="output")]
    table |= {
        "add_0123456789abcdef": function(*three),
        "nothing": function(),
        "rank3": function(affine("a", [2, 3, 4], "int32_t"), affine("b", [2, 3, 4], "int32_t", "output")),
        "column": function(
            affine("a", [3, 4], "double", affine_map=[1, 3]),
            affine("b", [3, 4], "double", "input_output", affine_map=[1, 3]),
        ),
        "padded": function(
            affine("a", [3, 4], affine_map=[8, 1], offset=2),
            affine("b", [3, 4], usage="output", affine_map=[8, 1], offset=2),
        ),
        "backwards": function(
            affine("a", [4], affine_map=[-1], offset=3),
            affine("b", [4], usage="output", affine_map=[-1], offset=3),
        ),
        "zero_dimensional": function(affine("a", []), affine("b", [], usage="output")),
        "scale": function(
            element("M", "int64_t"),
            element("K", "int64_t"),
            runtime("a", "M*K"),
            runtime("b", "M * K", usage="output"),
        ),
        "after": function(runtime("a", "n"), runtime("b", "n", usage="input_output"), element("n")),
        "total": function(runtime("x", "n"), element("n", "uint32_t"), returns=returns("float")),
        "leading": function(
            runtime("a", "rows*lda", "double"),
            element("lda"),
            element("rows"),
            element("cols"),
            runtime("out", "rows*cols", "double", "output"),
        ),
        "range_of": function(
            affine("start", [], "int32_t"),
            affine("limit", [], "int32_t"),
            runtime("out", "n", "int32_t", "output", "int32_t**"),
            element("n", "uint32_t", "output"),
        ),
        "outer": function(
            runtime("x", "n", "double"),
            element("n"),
            runtime("out", "rows*cols", "double", "output", "double **"),
            element("rows", usage="output"),
            element("cols", usage="output"),
            returns=returns("int32_t"),
        ),
        "forgets": function(runtime("out", "n", usage="output", declared="float**"), element("n", usage="output")),
        "short_": function(element("n", "int8_t", declared="const int8_t *"), runtime("x", "n", usage="input_output")),
        "grow": function(element("n", usage="input_output"), runtime("x", "n", usage="output")),
        "seven": function(
            element("a"),
            element("b", "float"),
            element("c", "double"),
            element("d", "int8_t"),
            element("e", "uint64_t"),
            element("f", "bool"),
            element("g", "int16_t"),
            returns=returns("int64_t"),
        ),
        "not_there": function(),
        "gemm_0000000000000001": function(*three),
        "gemm_0000000000000002": function(*three),
        "contradicts": function({**affine("A", [2], "float"), "declared_type": "double*"}),
        "unknown_size": function(runtime("x", "rows")),
        "returns_pointer": function(returns={**returns("float"), "declared_type": "float*"}),
        "by_value_output": function({**element("x", usage="output"), "declared_type": "int"}),
        "long_double": function(element("x", "long double")),
    }
    return table


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("calls"), SOURCE, functions())


@pytest.fixture(params=["ctypes", "cffi", "compiled"])
def package(hat: Path, request: pytest.FixtureRequest) -> LoadedPackage:
    return Kernel().load(hat, loader=request.param)


def sample_values(dtype: Any) -> np.ndarray[Any, Any]:
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = [limits.min, limits.max, 0, 1, 2, 3]
    elif dtype.kind == "b":
        values = [True, False, True, True, False, False]
    else:
        values = [0.5, -1.25, 0.0, 96.0, -0.0, 2.0]
    return np.array(values, dtype).reshape(2, 3)


@pytest.mark.parametrize("c_type", [*C_TYPES, *HALVES])
def test_arrays_of_every_element_type_go_through(package: LoadedPackage, c_type: str) -> None:
    given = sample_values((C_TYPES | HALVES)[c_type])
    received = np.zeros_like(given)
    assert package[f"copy_{c_name(c_type)}"](given, received) is None
    assert np.array_equal(given, received)


@pytest.mark.parametrize("c_type", [*C_TYPES, *HALVES])
def test_numbers_of_every_element_type_go_by_value_and_come_back(package: LoadedPackage, c_type: str) -> None:
    for value in sample_values((C_TYPES | HALVES)[c_type]).ravel():
        assert package[f"back_{c_name(c_type)}"](value) == value
        assert package[f"back_{c_name(c_type)}"](value.item()) == value
        cell = np.zeros(1, value.dtype)
        package[f"store_{c_name(c_type)}"](value, cell)
        assert cell[0] == value


@pytest.mark.parametrize("c_type", [*C_TYPES, *HALVES])
def test_a_pointer_to_an_input_number_takes_a_number_or_an_array_of_one(package: LoadedPackage, c_type: str) -> None:
    fetch = package[f"fetch_{c_name(c_type)}"]
    for value in sample_values((C_TYPES | HALVES)[c_type]).ravel():
        for given in (value, value.item(), np.array([value]), np.array(value)):
            cell = np.zeros((), value.dtype)
            fetch(given, cell)
            assert cell == value
    read_only = np.ones(1, (C_TYPES | HALVES)[c_type])
    read_only.flags.writeable = False
    fetch(read_only, cell)
    assert cell == read_only[0]


def test_many_arguments_of_mixed_types(package: LoadedPackage) -> None:
    assert package.seven(1, 2.0, 3.0, 4, 5, True, 6) == 22
    assert package.seven(g=6, a=1, b=2, c=3, d=np.int8(4), e=np.uint64(5), f=np.bool_(True)) == 22


def test_a_function_without_arguments(package: LoadedPackage) -> None:
    assert package.nothing() is None


def test_layouts_of_any_rank_and_map(package: LoadedPackage) -> None:
    cube = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    out = np.zeros_like(cube)
    package.rank3(cube, out)
    assert np.array_equal(out, 10 * cube)

    a = np.asfortranarray(np.random.default_rng(0).random((3, 4)))
    b = np.zeros((3, 4), order="F")
    package.column(a, b)
    assert np.array_equal(b, a + 100 * np.arange(3)[:, None] + np.arange(4))

    for name, shape in (("padded", (3, 4)), ("backwards", (4,))):
        call = package[name]
        first, second = call.empty("a"), call.empty("b")
        assert first.shape == shape
        first[...] = np.arange(first.size).reshape(shape)
        call(first, second)
        expected = 2 * first if name == "padded" else first + np.arange(4)
        assert np.array_equal(second, expected)

    given, result = np.array(2, np.float32), np.zeros(1, np.float32)
    package.zero_dimensional(given, result)
    assert result[0] == 3


def test_dimensions_follow_from_shapes_or_are_given(package: LoadedPackage) -> None:
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    for arguments, named in (
        ((2, 3, a), {}),
        ((a,), {}),
        ((2, 3, a.ravel()), {}),
        ((), {"a": a}),
        ((), {"M": 2, "a": a}),
        ((), {"M": np.int64(2), "K": 3, "a": a.ravel()}),
    ):
        b = np.zeros(a.shape, np.float32)
        if named:
            package.scale(**named, b=b)
        else:
            package.scale(*arguments, b)
        assert np.array_equal(b, 2 * a)

    x, y = np.ones(5, np.float32), np.zeros(5, np.float32)
    package.after(x, y)
    package.after(x, y, 5)
    assert (y == 6).all()
    assert package.total(x) == 5
    assert package.total(x, n=5) == 5

    wide = np.arange(12.0).reshape(2, 6)
    out = np.zeros((2, 4))
    package.leading(wide, out)
    assert np.array_equal(out, wide[:, :4])


def test_arrays_that_the_function_allocates_come_back_and_free_themselves(package: LoadedPackage) -> None:
    start, limit = np.array(3, np.int32), np.array(8, np.int32)
    out, n = package.range_of(start, limit)
    assert n == 5
    assert np.array_equal(out, [3, 4, 5, 6, 7])
    view = out[2:]
    del out
    gc.collect()
    assert np.array_equal(view, [5, 6, 7])
    empty, n = package.range_of(limit, start)
    assert n == 0
    assert empty.shape == (0,)

    result = package.outer(np.array([1.0, 2.0, 3.0]))
    assert result._fields == ("returned", "out", "rows", "cols")
    assert result[0] == 7
    assert np.array_equal(result.out, np.outer([1, 2, 3], [1, 2, 3]))


def test_repeated_allocation_does_not_leak(package: LoadedPackage) -> None:
    start, limit = np.array(0, np.int32), np.array(250_000, np.int32)

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    for _ in range(20):
        package.range_of(start, limit)
    before = resident()
    for _ in range(300):  # 300 MB, were it not freed
        package.range_of(start, limit)
    assert resident() - before < 30e6


def test_an_allocated_array_can_be_received_as_an_address(package: LoadedPackage) -> None:
    address, n = np.zeros(1, np.uintp), np.zeros(1, np.uint32)
    package.range_of(np.array(1, np.int32), np.array(4, np.int32), address, n)
    from hatframe.calling.buffers import owned_array

    assert np.array_equal(owned_array(int(address[0]), (int(n[0]),), np.dtype(np.int32)), [1, 2, 3])


def test_a_function_that_allocates_nothing_for_a_size_is_an_error(package: LoadedPackage) -> None:
    with pytest.raises(CallError, match=r"forgets: argument 0 \(out\): the function set it to no array"):
        package.forgets()


def test_an_input_output_dimension_follows_and_comes_back(package: LoadedPackage) -> None:
    x = np.zeros(4, np.float32)
    assert package.grow(x) == 2
    assert np.array_equal(x, [0, 1, 2, 3])


def test_a_prepared_call_is_the_same_call_again(package: LoadedPackage) -> None:
    a, b, c = (np.full((3, 4), value, np.float32) for value in (1, 2, 0))
    call = package.add.prepare_call(a, b, c)
    del b
    gc.collect()
    call()
    assert (c == 3).all()
    a += 1
    call()
    assert (c == 4).all()
    assert package.total.prepare_call(np.ones(3, np.float32))() == 3
    again = package.range_of.prepare_call(np.array(0, np.int32), np.array(2, np.int32))
    first, second = again().out, again().out
    assert np.array_equal(first, second)
    assert first.ctypes.data != second.ctypes.data
    assert package.back_float16_t.prepare_call(1.5)() == 1.5


def test_a_prepared_call_begins_with_the_same_dimension_each_time(package: LoadedPackage) -> None:
    x = np.zeros(4, np.float32)
    call = package.grow.prepare_call(x)  # which sets its dimension to 2
    assert call() == 2
    x[:] = 0
    call()
    assert np.array_equal(x, [0, 1, 2, 3])


@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize("name", ["range_of", "outer", "back_float16_t"])
def test_threads_make_one_call_at_the_same_time(package: LoadedPackage, name: str, prepared: bool) -> None:
    arguments, check = {
        "range_of": (
            (np.array(0, np.int32), np.array(3000, np.int32)),
            lambda result: result.n == 3000 and np.array_equal(result.out, np.arange(3000)),
        ),
        "outer": ((np.ones(40),), lambda result: result.returned == 7 and result.out.shape == (40, 40)),
        "back_float16_t": ((1.5,), lambda result: result == 1.5),
    }[name]
    call = package[name].prepare_call(*arguments) if prepared else functools.partial(package[name], *arguments)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda _: check(call()), range(2000)))
    finally:
        sys.setswitchinterval(interval)
    assert all(results)


def test_a_function_that_was_called_before_its_package_was_closed_is_an_error_afterwards(hat: Path) -> None:
    a, b = np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)
    for loader in ("cffi", "ctypes"):
        with Kernel().load(hat, loader=loader) as package:
            scale = package.scale
            for _ in range(3):
                scale(a, b)
        with pytest.raises(CallError, match="closed"):
            scale(a, b)


def test_a_timer_cycles_through_its_argument_sets(package: LoadedPackage) -> None:
    sets = [
        [np.full((3, 4), k, np.float32), np.ones((3, 4), np.float32), np.zeros((3, 4), np.float32)] for k in range(3)
    ]
    timer = package.add.timer(sets)
    assert timer.overhead > 0
    assert timer.run(2).seconds > 0
    assert sum(bool(c.any()) for _, _, c in sets) == 2
    timer.run(3)
    assert (sets[2][2] == 3).all()
    # The arrays of an allocating function are freed by the timer.
    timer = package.range_of.timer(
        [[np.array(0, np.int32), np.array(9, np.int32), np.zeros(1, np.uintp), np.zeros(1, np.uint32)]]
    )
    assert timer.run(10).seconds > 0


def test_input_arrays_may_be_read_only(package: LoadedPackage) -> None:
    a = np.ones((3, 4), np.float32)
    a.flags.writeable = False
    c = np.zeros((3, 4), np.float32)
    package.add(a, a, c)
    assert (c == 2).all()


def read_only(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    array = np.zeros(shape, np.float32)
    array.flags.writeable = False
    return array


F = np.zeros((3, 4), np.float32)

WRONG_CALLS = [
    ("add", (F, F), {}, r"add_0123456789abcdef: expected 3 arguments, received 2; call add\(A, B, C\)"),
    ("add", (F, F, F, F), {}, r"\b3\b.*\b4\b"),
    ("add", (F, F, F.astype(np.float64)), {}, r"argument 2 \(C\): .*float32.*float64"),
    ("add", (F, F.astype(">f4"), F), {}, "float32.*>f4"),
    ("add", (F, F[:2], F), {}, r"argument 1 \(B\): .*\(3, 4\).*\(2, 4\)"),
    ("add", (F, np.asfortranarray(F), F), {}, r"strides \(16, 4\).*\(4, 12\)"),
    ("add", (F, F, read_only((3, 4))), {}, "read-only"),
    ("add", ([1.0] * 12, F, F), {}, "float32.*list"),
    ("add", (None, F, F), {}, "None"),
    ("add", (F, F), {"D": F}, "'D'"),
    ("add", (F, F), {"A": F}, "A.*twice"),
    ("add", (), {"A": F, "C": F}, "missing.*B"),
    ("column", (np.zeros((3, 4)), np.zeros((3, 4), order="F")), {}, r"strides \(8, 24\)"),
    ("padded", (F, F), {}, r"strides \(32, 4\).*empty"),
    (
        "scale",
        (F.ravel(), F.ravel()),
        {},
        r"argument 1 \(K\).*a \(M\*K\) with 2 axes or b",
    ),
    ("scale", (F, F[:2]), {}, r"argument 3 \(b\).*\(2, 4\).*M=2.*argument a.*3"),
    ("short_", (np.zeros(300, np.float32),), {}, r"argument 0 \(n\).*int8_t.*\b300\b"),
    ("scale", (3, 5, F, F), {}, r"K=4.*argument K.*5"),
    ("scale", (3, 5, F.ravel(), F.ravel()), {}, r"15.*M\*K with K=5, M=3.*12"),
    ("scale", (3, 4, F.T, F), {}, "row-major"),
    ("scale", (-3, -4, F.ravel(), F.ravel()), {}, "negative"),
    ("scale", (-3, 4, F.ravel(), F.ravel()), {}, r"argument 0 \(M\).*-3"),
    (
        "seven",
        (1.5, 2.0, 3.0, 4, 5, True, 6),
        {},
        r"argument 0 \(a\).*int.*1\.5",
    ),
    ("seven", (1, "2", 3.0, 4, 5, True, 6), {}, "float.*'2'"),
    ("seven", (1, 2.0, 3.0, 128, 5, True, 6), {}, r"int8_t.*-128.*\b127\b.*\b128\b"),
    ("seven", (1, 2.0, 3.0, 4, -5, True, 6), {}, r"uint64_t.*\b0\b.*-5"),
    ("seven", (1, 2.0, 3.0, 4, 5, 2, 6), {}, "bool.*2"),
    ("store_float", (1.0, 2.0), {}, "float32.*2.0"),
    ("store_float", (1.0, np.zeros(2, np.float32)), {}, r"one element.*\(2,\)"),
    ("range_of", (np.array(1, np.int32),), {}, r"\b4\b.*\b2\b.*\b1\b"),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "message"), WRONG_CALLS)
def test_a_wrong_call_is_refused_before_it_is_made(
    package: LoadedPackage, name: str, args: Any, kwargs: Any, message: str
) -> None:
    with pytest.raises(CallError, match=message):
        package[name](*args, **kwargs)
    with pytest.raises(CallError, match=message):
        package[name].prepare_call(*args, **kwargs)


@pytest.mark.parametrize("size", [2.5, "3", None, -1, 1 << 40, 10**30])
def test_an_array_of_an_impossible_size_is_an_error_with_the_argument(package: LoadedPackage, size: Any) -> None:
    with pytest.raises(CallError) as caught:
        package.scale.empty("a", M=size, K=1 << 20)  # type: ignore[attr-defined]
    assert "(a)" in caught.value.where
    assert package.scale.empty("a", M=np.int64(2), K=3).shape == (2, 3)  # type: ignore[attr-defined]


def test_an_unaligned_array_is_refused_where_it_is_seen(package: LoadedPackage) -> None:
    raw = np.zeros(13 * 8, np.uint8)[1:97].view(np.float64)
    with pytest.raises(CallError, match="8-byte"):
        package.column(raw.reshape((3, 4), order="F"), np.zeros((3, 4), order="F"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("contradicts", "double.*float"),
        ("unknown_size", "rows"),
        ("returns_pointer", r"return.*\*"),
        ("by_value_output", "output"),
        ("long_double", "long double"),
    ],
)
def test_metadata_that_would_make_a_call_go_wrong_are_refused(package: LoadedPackage, name: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        package[name]


def test_a_function_that_the_library_lacks_is_an_error(package: LoadedPackage) -> None:
    with pytest.raises(SymbolError, match="not_there"):
        package["not_there"]


def test_functions_are_found_by_name_base_name_and_attribute(package: LoadedPackage) -> None:
    assert package["add"] is package.add is package["add_0123456789abcdef"]
    assert "add_0123456789abcdef" in package
    assert set(package) == set(functions())
    assert len(package) == len(functions())
    with pytest.raises(PackageError, match=r"gemm_0+1.*gemm_0+2"):
        package["gemm"]
    with pytest.raises(UnknownFunctionError, match=r"scales.*\bscale\b"):
        package.find("scales")
    assert package.get("nope") is None
    assert not hasattr(package, "nope")
    with pytest.raises(KeyError):
        package["nope"]


def test_void_returns_and_close(package: LoadedPackage) -> None:
    assert VOID["logical_type"] == "void"
    with package as opened:
        assert opened.nothing() is None


def test_errors_of_calls_are_hat_errors() -> None:
    assert issubclass(CallError, HatError)
