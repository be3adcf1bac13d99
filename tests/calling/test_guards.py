"""Guards: what is written outside of arrays is found, and named by the parameter."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import numpy as np
import pytest

from hatframe.c.layouts import Layout
from hatframe.calling.buffers import ALIGNMENT
from hatframe.calling.guards import GuardedArrays

FLOAT = np.dtype(np.float32)
LAYOUTS = {
    "dense": Layout.dense((3, 5)),
    "number": Layout.dense((1,)),
    "column-major": Layout.of((3, 4), (1, 3), 0),
    "padded": Layout.of((3, 4), (8, 1), 2),
    "backwards": Layout.of((4,), (-1,), 3),
    "before": Layout.of((4,), (-1,), 0),
    "large": Layout.dense((1 << 21,)),
}


def pointer(array: np.ndarray, layout: Layout) -> int:  # type: ignore[type-arg]
    address: int = array.__array_interface__["data"][0]
    return address - (layout.offset * array.itemsize if layout.size else 0)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_element_may_be_written_and_no_byte_around(name: str) -> None:
    layout, guarded = LAYOUTS[name], GuardedArrays(200)
    for _ in range(3):
        array = guarded.array(layout, FLOAT, name)
        assert (array.shape, array.dtype) == (layout.shape, FLOAT)
        assert pointer(array, layout) % ALIGNMENT == 0
        array[...] = 7
    assert guarded.damage() == ""
    start = pointer(array, layout) - layout.before * FLOAT.itemsize
    end = start + layout.bytes(FLOAT.itemsize)
    for address, place in ((start - 1, "before"), (end, "after"), (end + ALIGNMENT - 9, "after")):
        byte = ctypes.c_uint8.from_address(address)
        kept, byte.value = byte.value, 0
        assert place in guarded.damage()
        assert repr(name) in guarded.damage()
        byte.value = kept
    assert guarded.damage() == ""


def test_the_parameter_is_the_one_that_was_written_beyond() -> None:
    guarded = GuardedArrays(100)
    arrays = [(name, guarded.array(Layout.dense((5,)), FLOAT, name)) for _ in range(20_000) for name in "xyz"]
    name, array = arrays[31_415]
    ctypes.c_float.from_address(array.ctypes.data + array.nbytes).value = 1.0
    assert guarded.damage() == f"4 bytes after {name!r}"


@pytest.mark.skipif(sys.platform == "win32", reason="its pages are not protected there")
@pytest.mark.parametrize("offset", [-(1 << 14), 1 << 23])
def test_memory_beyond_all_arrays_cannot_be_written(offset: int) -> None:
    code = (
        "import ctypes, numpy as np, resource, sys\n"
        "from hatframe.c.layouts import Layout\n"
        "from hatframe.calling.guards import GuardedArrays\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "array = GuardedArrays().array(Layout.dense((8,)), np.dtype('f4'), 'x')\n"
        "step = 4096 if int(sys.argv[1]) > 0 else -4096\n"
        "for offset in range(0, int(sys.argv[1]), step):\n"
        "    ctypes.c_uint8.from_address(array.ctypes.data + offset).value = 1\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(offset)], capture_output=True)
    assert done.returncode < 0
