"""C functions of this process: their addresses, and the timers that measure them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_packages import affine, element, function, make_package, runtime

from hatframe import Kernel
from hatframe.calling.host_function import HostFunction, signature
from hatframe.errors import HatError

SOURCE = """
#include <stdint.h>
#include <stdlib.h>
double scale(int32_t n, double factor, const double *x, double *y) { y[0] = n * factor * x[0]; return y[0]; }
void step(int32_t *counter) { counter[0]++; }
void make(int32_t *count, float **out) { *count = 2; *out = calloc(2, 4); }
"""
FUNCTIONS = {
    "scale": function(
        element("n", "int32_t"),
        element("factor", "double"),
        affine("x", [1], "double"),
        affine("y", [1], "double", "output"),
        returns=element("", "double", "output", "double"),
    ),
    "step": function(affine("counter", [1], "int32_t", "input_output")),
    "make": function(
        element("count", "int32_t", "output"), runtime("out", "count", usage="output", declared="float**")
    ),
}


@pytest.fixture(params=["cffi", "compiled", "ctypes"])
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with Kernel().load(make_package(tmp_path, SOURCE, FUNCTIONS), loader=request.param) as loaded:
        yield loaded


def host_function(package: Any, name: str) -> HostFunction:
    bound = package[name]
    assert isinstance(bound, HostFunction)
    return bound


def test_its_signature_has_numbers_by_their_types_and_pointers(package: Any) -> None:
    assert signature(host_function(package, "scale").plan) == ("double", ("int32_t", "double", "void *", "void *"))
    assert signature(host_function(package, "step").plan)[0] is None


def test_others_can_call_its_address_until_the_package_is_closed(package: Any) -> None:
    step, counter = host_function(package, "step"), np.zeros(1, np.int32)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(step.pointer)(counter.ctypes.data)
    assert counter[0] == 1
    package.close()
    with pytest.raises(HatError):
        step.pointer  # noqa: B018


@pytest.mark.parametrize("choice", ["native", "python"])
def test_a_timer_calls_with_each_set_in_turn(tmp_path: Path, choice: str) -> None:
    hat = make_package(tmp_path, SOURCE, FUNCTIONS)
    with Kernel().load(hat, timer=choice) as loaded:
        sets = [[np.zeros(1, np.int32)] for _ in range(3)]
        timer = host_function(loaded, "step").timer(sets)
        assert timer.name.startswith(choice)
        timer.run(4)
        assert sorted(int(counter[0]) for (counter,) in sets) == [1, 1, 2]


def test_what_a_timed_function_allocates_is_freed(tmp_path: Path) -> None:
    with Kernel().load(make_package(tmp_path, SOURCE, FUNCTIONS), timer="python") as loaded:
        count, address = np.zeros(1, np.int32), np.zeros(1, np.uintp)
        host_function(loaded, "make").timer([[count, address]]).run(3)
        assert (count[0], address[0]) == (2, 0)
