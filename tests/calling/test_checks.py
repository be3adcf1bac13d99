"""Arrays against their layouts and their memory, and arrays of other libraries: DLPack, and the buffer protocol."""

from __future__ import annotations

import array
import ctypes
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided
from sample_packages import affine, element, function, make_package, runtime

import hatframe
from hatframe.backends import Library
from hatframe.c.layouts import Layout
from hatframe.calling.loaded import LoadedPackage
from hatframe.errors import CallError
from hatframe.format.model import Function

SOURCE = """
void twice(const float *a, float *b) { for (int i = 0; i < 6; i++) b[i] = 2 * a[i]; }
void columns(const float *a, float *b) { for (int i = 0; i < 6; i++) b[i] = i + a[i]; }
void scale(int n, const double *a, double *b) { for (int i = 0; i < n; i++) b[i] = 3 * a[i]; }
void count(int *n) { *n += 1; }
"""
FUNCTIONS = {
    "twice": function(affine("a", [2, 3]), affine("b", [2, 3], usage="output")),
    "columns": function(affine("a", [2, 3], affine_map=[1, 2]), affine("b", [2, 3], usage="output", affine_map=[1, 2])),
    "scale": function(element("n", "int"), runtime("a", "n", "double"), runtime("b", "n", "double", "output")),
    "count": function(element("n", "int", "input_output", declared="int *")),
}


class Tensor:
    """What a library of tensors exports: memory by DLPack, and no buffer."""

    def __init__(self, values: Any, dtype: Any = np.float32) -> None:
        self.array = np.array(values, dtype)

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class DeviceTensor(Tensor):
    def __dlpack__(self, **options: Any) -> Any:
        raise BufferError("the memory is on a device")


@pytest.fixture(params=["cffi", "compiled", "ctypes"])
def package(request: pytest.FixtureRequest, tmp_path: Path) -> LoadedPackage:
    return hatframe.load(make_package(tmp_path, SOURCE, FUNCTIONS), loader=request.param)


def test_dlpack_memory_is_read_and_written_in_place(package: LoadedPackage) -> None:
    a, b = Tensor(np.arange(6).reshape(2, 3)), Tensor(np.zeros((2, 3)))
    package.twice(a, b)
    np.testing.assert_array_equal(b.array, 2 * a.array)
    package.twice.prepare_call(b, a)()
    np.testing.assert_array_equal(a.array, 2 * b.array)


def test_strides_of_dlpack_memory_count(package: LoadedPackage) -> None:
    a, b = Tensor(np.zeros((3, 2))), Tensor(np.zeros((3, 2)))
    a.array, b.array = a.array.T, b.array.T
    package.columns(a, b)
    np.testing.assert_array_equal(b.array, np.arange(6).reshape(3, 2).T)
    with pytest.raises(CallError, match="strides"):
        package.columns(Tensor(np.zeros((2, 3))), b)


def test_buffers_are_read_and_written_in_place(package: LoadedPackage) -> None:
    a, b = array.array("d", [1, 2, 3]), array.array("d", [0, 0, 0])
    package.scale(a, b)
    assert list(b) == [3, 6, 9]
    prepared = package.scale.prepare_call(a=a, b=b)
    a[0] = 5
    prepared()
    assert list(b) == [15, 6, 9]
    memory = memoryview(bytearray(24)).cast("B").cast("f", (2, 3))
    package.twice(memory, memory)
    n = ctypes.c_int(4)
    package.count(n)
    assert n.value == 5


def test_a_prepared_call_keeps_a_buffer_from_being_resized(package: LoadedPackage) -> None:
    a, b = array.array("d", [1, 2, 3]), array.array("d", [0, 0, 0])
    prepared = package.scale.prepare_call(a, b)
    with pytest.raises(BufferError):
        a.append(4)
    prepared()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (DeviceTensor(np.zeros((2, 3))), "on a device"),
        (Tensor(np.zeros((2, 3)), np.float64), "float64"),
        (memoryview(bytes(24)).cast("f", (2, 3)), "read-only"),
        (bytearray(24), "uint8"),
        ([[0.0] * 3] * 2, "list"),
        ("text", "str"),
    ],
    ids=["device", "dtype", "read-only", "bytes", "list", "str"],
)
def test_what_cannot_be_shared_is_an_error_that_says_why(package: LoadedPackage, value: Any, message: str) -> None:
    with pytest.raises(CallError, match=message):
        package.twice(np.zeros((2, 3), np.float32), value)


LAYOUTS = """
#include <stdint.h>
static int64_t n, m, row, column, offset;
void configure(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e) { n = a; m = b; row = c; column = d; offset = e; }
void fill(float *p) {
  for (int64_t i = 0; i < n; i++) for (int64_t j = 0; j < m; j++) p[offset + i * row + j * column] = 1; }
"""
ELEMENTS = 64


@pytest.fixture(scope="module", params=["cffi", "compiled", "ctypes"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    names = [element(name, "int64_t") for name in "nmrco"]
    functions = {"configure": function(*names), "fill": function(affine("x", [4], usage="output"))}
    hat = make_package(tmp_path_factory.mktemp("layouts"), LAYOUTS, functions)
    return hatframe.load(hat, loader=request.param)._libraries[request.param]


def bind(library: Library, name: str, *arguments: dict[str, Any]) -> Any:
    return library.bind(msgspec.convert({**function(*arguments), "name": name}, Function))


def fill(library: Library, shape: list[int], strides: list[int], offset: int) -> Any:
    """A function that fills an array of that layout, and trusts its caller as C does."""
    configure = bind(library, "configure", *[element(name, "int64_t") for name in "nmrco"])
    configure(*shape, *strides, max(0, offset))
    return bind(library, "fill", affine("x", shape, usage="output", affine_map=strides, offset=offset))


extents, steps = st.integers(1, 4), st.integers(-9, 9)


@given(st.tuples(extents, extents), st.tuples(steps, steps), st.integers(-1, 12), st.integers(0, ELEMENTS - 1))
def test_a_function_writes_the_elements_of_any_view_and_never_leaves_its_base(
    library: Library, shape: tuple[int, int], strides: tuple[int, int], offset: int, start: int
) -> None:
    call = fill(library, list(shape), list(strides), offset)
    base = np.zeros(ELEMENTS, np.float32)
    view = as_strided(base[start:], shape, [4 * step for step in strides])
    reached = {start + i * strides[0] + j * strides[1] for i in range(shape[0]) for j in range(shape[1])}
    inside = reached <= set(range(ELEMENTS))
    # numpy itself never makes a dense view that leaves its base.
    layout = Layout.of(shape, strides, offset)
    assume(inside or not (layout.row_major or layout.column_major))
    if inside and start >= max(0, offset):
        call(view)
        assert set(np.flatnonzero(base)) == reached
    else:
        with pytest.raises(CallError):
            call(view)
        assert not base.any()


def test_an_offset_of_minus_one_writes_only_what_was_passed(library: Library) -> None:
    b = np.zeros(6, np.float32)
    fill(library, [4, 1], [1, 1], -1)(b[:4].reshape(4, 1))
    assert list(b) == [1, 1, 1, 1, 0, 0]


def test_a_pointer_before_the_memory_of_an_array_is_refused(library: Library) -> None:
    call = fill(library, [2, 3], [4, 1], 5)
    memory = np.zeros(16, np.float32)
    with pytest.raises(CallError, match=r"argument 0 \(x\).*affine_offset 5"):
        call(memory[4:12].reshape(2, 4)[:, :3])
    call(memory[5:13].reshape(2, 4)[:, :3])
    assert memory.sum() == 6
    whole = call.empty("x")
    call(whole)
    assert (whole == 1).all()
