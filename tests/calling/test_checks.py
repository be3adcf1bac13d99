"""Arrays of other libraries, given to functions without a copy: DLPack on the CPU, and the buffer protocol."""

from __future__ import annotations

import array
import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_packages import affine, element, function, make_package, runtime

import hatframe
from hatframe.calling.loaded import LoadedPackage
from hatframe.errors import CallError

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


@pytest.fixture(params=["cffi", "ctypes"])
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
