"""Loaded packages: finding functions, closing, and sending them to another process."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sample_packages import affine, element, function, make_package

import hatframe
from hatframe import HatError, Kernel
from hatframe.calling.loaded import LoadedPackage

RETURN = {"name": "", "description": "", "logical_type": "element", "usage": "output"}
INT = {**RETURN, "declared_type": "int", "element_type": "int"}
NAMES = ("get", "close", "find", "items", "lambda_", "_hidden", "package")
SOURCE = """
#include <stdlib.h>
int number(void) { return 1234567; }
void add_0123456789abcdef(const float *a, float *b) { for (int i = 0; i < 4; i++) b[i] = a[i] + 1; }
void same_0000000000000001(void) {}
void same_0000000000000002(void) {}
void filled(int **out, int *n) { *n = 1000; *out = malloc(4000); for (int i = 0; i < 1000; i++) (*out)[i] = i; }
""" + "\n".join(f"int {name}(void) {{ return {len(name)}; }}" for name in NAMES)
FUNCTIONS = {
    "number": function(returns=INT),
    "add_0123456789abcdef": function(affine("a", [4]), affine("b", [4], usage="output")),
    "same_0000000000000001": function(),
    "same_0000000000000002": function(),
    "missing": function(),
    "filled": function(
        {
            "name": "out",
            "description": "",
            "logical_type": "runtime_array",
            "declared_type": "int **",
            "element_type": "int",
            "usage": "output",
            "size": "n",
        },
        element("n", "int", "output"),
    ),
    **{name: function(returns=INT) for name in NAMES},
}


@pytest.fixture
def hat(tmp_path: Path) -> Path:
    return make_package(tmp_path, SOURCE, FUNCTIONS)


@pytest.fixture(params=["cffi", "compiled", "ctypes"])
def package(request: pytest.FixtureRequest, hat: Path) -> LoadedPackage:
    return hatframe.load(hat, loader=request.param)


# -------------------------------------------------------------------------------------------------- finding


@pytest.mark.parametrize("name", NAMES)
def test_a_function_with_the_name_of_a_method_is_an_item(package: LoadedPackage, name: str) -> None:
    assert package[name]() == len(name)
    assert name in package


@pytest.mark.parametrize(
    ("name", "found"),
    [("add", True), ("add_0123456789abcdef", True), ("same", False), ("nope", False), ("*", False), (3, False)],
)
def test_membership_agrees_with_items(package: LoadedPackage, name: str, found: bool) -> None:
    assert (name in package) is found
    if found:
        assert package[name].name.startswith("add")
    else:
        with pytest.raises((HatError, KeyError, TypeError)):
            package[name]


@pytest.mark.parametrize("name", ["same", "missing", "nope", "_nope", "__array__"])
def test_hasattr_never_raises(package: LoadedPackage, name: str) -> None:
    assert not hasattr(package, name)


def test_an_attribute_that_cannot_be_used_is_an_error_that_says_why(package: LoadedPackage) -> None:
    with pytest.raises(HatError, match="same_0000000000000002"):
        package.same  # noqa: B018
    with pytest.raises(HatError, match="does not export missing"):
        package.missing  # noqa: B018


# -------------------------------------------------------------------------------------------------- closing


def test_after_closing_every_use_is_an_error(package: LoadedPackage) -> None:
    number, add = package.number, package.add
    package.close()
    package.close()
    a = np.zeros(4, np.float32)
    for use in (
        number,
        lambda: add(a, a),
        lambda: add(a=a, b=a),
        lambda: add.prepare_call(a, a),
        lambda: number.pointer,
        lambda: package["number"],
        lambda: package.number,
    ):
        with pytest.raises(HatError, match="closed"):
            use()
    assert not hasattr(package, "number")


def test_arrays_that_a_function_allocated_outlive_its_library(package: LoadedPackage) -> None:
    with package:
        out, n = package.filled()
    gc.collect()
    assert n == 1000
    np.testing.assert_array_equal(out, np.arange(1000))
    out[:] = 7
    assert out.sum() == 7000


# -------------------------------------------------------------------------------------------------- pickling


def test_packages_and_functions_pickle_by_path(package: LoadedPackage) -> None:
    again = pickle.loads(pickle.dumps(package))
    assert again is not package
    assert again.number() == 1234567
    function = pickle.loads(pickle.dumps(package.number))
    assert (function(), function.loader) == (1234567, package.number.loader)
    assert copy.copy(package.number)() == 1234567


def test_another_process_calls_a_pickled_function(package: LoadedPackage, tmp_path: Path) -> None:
    (tmp_path / "function").write_bytes(pickle.dumps((package.number, hatframe.load)))
    code = "import pickle, pathlib; f, load = pickle.loads(pathlib.Path('function').read_bytes()); print(f())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "1234567\n"


def test_a_package_of_a_kernel_that_cannot_be_sent_does_not_pickle(hat: Path) -> None:
    class Local:
        pass

    package = Kernel([Local()]).load(hat)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(package)
