"""What a bound function shows of its metadata: name, signature, documentation, parameters, address."""

from __future__ import annotations

import ctypes
import inspect
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import pytest
from sample_packages import affine, element, function, make_package, runtime

import hatframe
from hatframe.calling.loaded import LoadedPackage

SOURCE = """
double half_0123456789abcdef(double x) { return x / 2; }
void scale(long n, const double *in, double *lambda) { for (long i = 0; i < n; i++) lambda[i] = 2 * in[i]; }
void columns(const float *a, float *b) {}
void measure(int *count) { *count = 3; }
"""
DOUBLE = {
    "name": "",
    "description": "half of x",
    "logical_type": "element",
    "usage": "output",
    "declared_type": "double",
    "element_type": "double",
}


def functions() -> dict[str, Any]:
    half = function(element("x", "double"), returns=DOUBLE)
    half["description"] = "Divides by two."
    half["arguments"][0]["description"] = "the number to divide"
    return {
        "half_0123456789abcdef": half,
        "scale": function(
            element("n", "long"), runtime("in", "n", "double"), runtime("lambda", "n", "double", "output")
        ),
        "columns": function(affine("a", [2, 3], affine_map=[1, 2]), affine("b", [2, 3], usage="input_output")),
        "measure": function(element("count", "int", "output", declared="int *")),
    }


@pytest.fixture(params=["cffi", "compiled", "ctypes"])
def package(request: pytest.FixtureRequest, tmp_path: Path) -> LoadedPackage:
    return hatframe.load(make_package(tmp_path, SOURCE, functions()), loader=request.param)


def test_a_function_has_its_name_and_parameters(package: LoadedPackage) -> None:
    assert package.half.__name__ == "half_0123456789abcdef"
    assert list(package.half.parameters) == ["x"]
    assert package.columns.parameters["a"].shape == (2, 3)


def test_the_signature_is_one_that_can_be_called(package: LoadedPackage) -> None:
    assert list(inspect.signature(package.half).parameters) == ["x"]
    signature = inspect.signature(package.scale)
    assert list(signature.parameters) == ["in_", "lambda_", "n"]
    values, scaled = np.ones(3), np.zeros(3)
    bound = signature.bind(values, scaled)
    package.scale(*bound.args, **bound.kwargs)
    package.scale(in_=values, lambda_=scaled, n=3)
    package.scale(**{"in": values, "lambda": scaled})
    np.testing.assert_array_equal(scaled, [2, 2, 2])
    with pytest.raises(TypeError):
        signature.bind(values)


def test_the_documentation_has_what_the_metadata_say(package: LoadedPackage) -> None:
    documentation = inspect.getdoc(package.half)
    assert documentation
    for text in ("Divides by two.", "x : float64, input", "the number to divide", "half of x"):
        assert text in documentation
    documentation = inspect.getdoc(package.columns) or ""
    assert "a : float32 array of shape (2, 3) and strides (1, 2)" in documentation
    assert "b : float32 array of shape (2, 3), input and output" in documentation
    assert "array of n elements, output" in (inspect.getdoc(package.scale) or "")


def test_the_pointer_is_an_address_that_others_can_call(package: LoadedPackage) -> None:
    pointer = package.half.pointer
    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(pointer)(3.0) == 1.5
    assert cffi.FFI().cast("double(*)(double)", pointer)(5.0) == 2.5


def test_the_class_keeps_its_own_documentation(package: LoadedPackage) -> None:
    assert type(package.half).__doc__ != package.half.__doc__
