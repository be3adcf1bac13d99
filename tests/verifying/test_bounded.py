"""Bounded arrays: every right computation stays within the bound, and the values are numpy's."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatframe.c.elements import element_type
from hatframe.format.numpy_expressions import FUNCTIONS
from hatframe.verifying.bounded import Arithmetic
from hatframe.verifying.references import parse_reference
from hatframe.verifying.tolerances import Expected, compare

from .functions import array, plan, runtime, scalar

FLOATS = ("float", "double", "float16_t", "bfloat16_t")


def values(element: str, seed: int, *shape: int, low: float = -1, high: float = 1) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(seed).uniform(low, high, shape)
    return random.astype(element_type(element).dtype)


def reference(text: str, element: str, /, **inputs: Any) -> Expected:
    """The expected ``y`` of a function with arrays and scalars of one type."""
    parameters = [array(name, element, np.shape(value)) for name, value in inputs.items() if name != "y"]
    y = array("y", element, np.shape(inputs["y"]), "input_output")
    return parse_reference(text, plan(*parameters, y))(inputs)["y"]


# ------------------------------------------------------------------------------------- no false alarm


def elementwise() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["x", "z", "y", "s", "2", "0.1", "-3", "x[::-1]", "sum(z)", "A @ x", "mean(A, axis=0)"])

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pairs = st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner)
        unary = st.sampled_from(["abs", "sqrt", "exp", "tanh", "square", "sin", "floor", "log1p", "cumsum", "sort"])
        return st.one_of(
            pairs.map(lambda parts: f"({' '.join(parts)})"),
            st.tuples(unary, inner).map(lambda parts: f"{parts[0]}({parts[1]} + 0 * x)"),
            st.tuples(inner, inner).map(lambda parts: f"maximum({parts[0]}, {parts[1]})"),
            st.tuples(inner, inner, inner).map(lambda parts: f"where({parts[0]} > {parts[1]}, {parts[2]} + 0 * x, x)"),
        )

    return st.recursive(leaves, grow, max_leaves=6)


@given(elementwise(), st.sampled_from(FLOATS), st.integers(0, 1000))
@settings(max_examples=80, deadline=None)
def test_an_expression_computed_in_its_own_precision_is_within_the_bound(text: str, element: str, seed: int) -> None:
    length = 6
    inputs: dict[str, Any] = {name: values(element, seed + place, length) for place, name in enumerate("xzy")}
    inputs |= {"A": values(element, seed + 3, length, length), "s": values(element, seed + 4)}
    expected = reference(f"y = {text}", element, **inputs)
    with np.errstate(all="ignore"):
        # The test's own text; numpy computes it with the rounding errors of the type.
        functions = {name: getattr(np, name) for name in FUNCTIONS if hasattr(np, name)}
        computed = eval(text, {"__builtins__": {}}, {**functions, **inputs})
        actual = np.broadcast_to(np.asarray(computed).astype(inputs["y"].dtype), (length,))
    mismatch = compare(expected, actual, element_type(element))
    finite = np.isfinite(expected.values)
    # Where nothing is ordinary, as after a division by zero, low precision may have another kind of infinity.
    assert mismatch is None or not finite[mismatch.index], mismatch


@given(st.integers(1, 200), st.sampled_from(FLOATS), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_any_order_of_a_sum_is_within_the_bound(length: int, element: str, random: Any) -> None:
    x = values(element, length, length, low=random.choice([-1, 0]))
    dtype = x.dtype
    expected = reference("y = 3 + sum(x)", element, x=x, y=np.zeros(1, dtype))
    terms = [dtype.type(3), *x]
    random.shuffle(terms)
    while len(terms) > 1:  # a random tree
        at = random.randrange(len(terms) - 1)
        terms[at : at + 2] = [dtype.type(terms[at] + terms[at + 1])]
    assert compare(expected, np.array(terms, dtype), element_type(element)) is None


@pytest.mark.parametrize("element", ["float", "float16_t", "bfloat16_t"])
@pytest.mark.parametrize("tile", [1, 4, 64])
@pytest.mark.parametrize("fused", [False, True])
def test_any_tiling_of_a_product_is_within_the_bound(element: str, tile: int, fused: bool) -> None:
    a, b, c = (values(element, seed, 16, 64 if seed < 2 else 16) for seed in range(3))
    b = b.reshape(64, 16)
    expected = reference("y = y + a @ b", element, a=a, b=b, y=c)
    dtype = a.dtype
    y = c.copy()
    for start in range(0, 64, tile):
        block = np.zeros((16, 16), dtype) if tile > 1 else y
        for k in range(start, start + tile):
            products = np.outer(a[:, k].astype(np.float64), b[k].astype(np.float64))
            block[...] = (block + (products if fused else products.astype(dtype))).astype(dtype)
        if tile > 1:
            y = (y + block).astype(dtype)
    assert compare(expected, y, element_type(element)) is None


def test_subnormal_numbers_may_be_flushed() -> None:
    x = np.array([1e-20, 1e-39, 3], np.float32)
    expected = reference("y = x * x + x", "float", x=x, y=np.zeros_like(x))
    assert compare(expected, np.array([1e-20, 0, 12], np.float32), element_type("float")) is None


# ------------------------------------------------------------------------------------------- tightness


@pytest.mark.parametrize("element", FLOATS)
def test_sums_of_products_of_whole_numbers_are_exact(element: str) -> None:
    dtype = element_type(element).dtype
    random = np.random.default_rng(1)
    a, b, c = (random.integers(-2, 3, (8, 8)).astype(dtype) for _ in range(3))
    expected = reference("y = 2 * y + a @ b - sum(a, axis=0)", element, a=a, b=b, y=c)
    assert not np.any(expected.bound)
    wrong = expected.values.astype(dtype)
    wrong[3, 5] += 1
    mismatch = compare(expected, wrong, element_type(element))
    assert mismatch is not None
    assert mismatch.index == (3, 5)


def test_whole_numbers_that_exceed_the_significand_have_a_bound() -> None:
    x = np.array([2**24, 1], np.float32)
    expected = reference("y = x[0] + x[1]", "float", x=x, y=np.zeros(1, np.float32))
    assert compare(expected, np.array([2**24], np.float32), element_type("float")) is None


@pytest.mark.parametrize("text", ["y = x", "y = x[::-1]", "y = sort(x)", "y = maximum(x, 0.5)", "y = abs(x)"])
@pytest.mark.parametrize("element", FLOATS)
def test_what_only_moves_or_chooses_elements_is_exact(text: str, element: str) -> None:
    x = values(element, 2, 9)
    assert not np.any(reference(text, element, x=x, y=x).bound)


def test_the_bound_of_a_product_is_far_below_one_term_of_it() -> None:
    a, b, c = (values("float", seed, 256, 256, low=0) for seed in range(3))
    expected = reference("y = y + a @ b", "float", a=a, b=b, y=c)
    assert np.max(expected.bound) < 1e-2 * np.mean(a) * np.mean(b)


def test_a_comparison_that_rounding_could_change_is_uncertain() -> None:
    x = np.array([0.1, 0.5, 0.9], np.float32)
    expected = reference("y = where(x * x > 0.25, 100, 0)", "float", x=x, y=x)
    bound = np.broadcast_to(expected.bound, (3,))
    assert list(bound > 0) == [False, True, False]
    certain = reference("y = where(x > x[1], 100, 0)", "float", x=x, y=x)
    assert not np.any(certain.bound)


# ----------------------------------------------------------------------------------------- the values

CALLS = {
    "clip": "clip(x, -0.5, 0.5)",
    "where": "where(x > 0, x, -x)",
    "power": "power(x, 3)",
    "fmod": "fmod(x, 0.3)",
    "dot": "dot(A, x)",
    "matmul": "matmul(A, x)",
    "outer": "outer(x, x)[2]",
    "convolve": "convolve(x, x, mode='same')",
    "einsum": "einsum('ij,j,j->i', A, x, x)",
    "sqrt": "sqrt(abs(x))",
    "log": "log(abs(x))",
    "log2": "log2(abs(x))",
    "log10": "log10(abs(x))",
    "logical_and": "logical_and(x > 0, x < 0.5)",
    "logical_or": "logical_or(x > 0.5, x < 0)",
    "logical_not": "logical_not(x > 0)",
    "arange": "arange(3, 9)",
    "full_like": "full_like(x, 2)",
    "reshape": "reshape(A, (9, 4))[2:8, 1]",
    "broadcast_to": "broadcast_to(x[1:2], (6,))",
    "ravel": "ravel(A)[3:9]",
    "transpose": "transpose(A)[1]",
    "flip": "flip(x)",
    "squeeze": "squeeze(A[:, :1], axis=1)",
    "roll": "roll(x, 2)",
    "expand_dims": "expand_dims(x, 0)[0]",
    "swapaxes": "swapaxes(A, 0, 1)[2]",
    "concatenate": "concatenate((x[3:], x[:3]))",
    "stack": "stack([x, x], axis=1)[:, 0]",
    "tril": "tril(A, -1)[3]",
    "triu": "triu(A, 1)[3]",
    "diag": "diag(A)",
    "size": "size(A) + x",
}
BINARY = ("minimum", "maximum", "add", "subtract", "multiply", "divide")


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_each_function_is_numpys(name: str) -> None:
    x, a = values("double", 5, 6), values("double", 6, 6, 6)
    text = CALLS.get(name, f"{name}(x, x[::-1])" if name in BINARY else f"{name}(x)")
    expected = reference(f"y = {text}", "double", x=x, A=a, y=x)
    functions = {each: getattr(np, each, None) for each in FUNCTIONS}
    computed = eval(text, {"__builtins__": {}}, {**functions, "fabs": np.abs, "x": x, "A": a})
    assert np.allclose(expected.values.astype(np.float64), np.broadcast_to(computed, (6,)), rtol=1e-12)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "prod", "min", "max"])
def test_reductions_have_axes(name: str, axis: int | None, keepdims: bool) -> None:
    a = values("double", 7, 3, 3)
    expected = reference(f"y = a + {name}(a, axis={axis}, keepdims={keepdims})", "double", a=a, y=a)
    assert np.allclose(expected.values.astype(float), a + getattr(np, name)(a, axis=axis, keepdims=keepdims))


def test_every_function_has_a_method_with_the_same_arguments() -> None:
    aliases = {"abs", "fabs", "amin", "amax"}
    assert [name for name in FUNCTIONS if name not in aliases and not hasattr(Arithmetic, name)] == []


# ------------------------------------------------------------------------------------------- integers

INTEGERS = ("int8_t", "uint8_t", "int16_t", "uint16_t", "int32_t", "uint32_t", "int64_t", "uint64_t")


@pytest.mark.parametrize("element", INTEGERS)
@pytest.mark.parametrize("text", ["y + A @ x", "x * y - 3", "-x + sum(y)", "cumsum(x)", "prod(A, axis=0)"])
def test_integers_wrap_around_as_their_type_does(element: str, text: str) -> None:
    kind = element_type(element)
    random = np.random.default_rng(3)
    low, high = kind.integer_range
    x, y, a = (random.integers(low, high, shape, kind.dtype, endpoint=True) for shape in (5, 5, (5, 5)))
    found = reference(f"y = {text}", element, x=x, y=y, A=a)
    exact = {"x": x.astype(object), "y": y.astype(object), "A": a.astype(object)}
    functions = {"sum": np.sum, "cumsum": np.cumsum, "prod": np.prod}
    numbers = eval(text, functions, exact)
    modulus = 1 << 8 * kind.size
    wrapped = [(int(number) - low) % modulus + low for number in numbers]
    assert found.values.tolist() == wrapped
    assert not np.any(found.bound)


def test_unsigned_differences_wrap_before_a_division() -> None:
    x, y = np.array([1], np.uint32), np.array([3], np.uint32)
    assert reference("y = (x - y) // 2", "uint32_t", x=x, y=y).values.tolist() == [(2**32 - 2) // 2]
    x, y = x.astype(np.uint8), y.astype(np.uint8)
    assert reference("y = maximum(x - y, 0)", "uint8_t", x=x, y=y).values.tolist() == [0]  # computed in int


def test_bits_are_combined() -> None:
    x, y = np.array([12, 5], np.int32), np.array([10, 3], np.int32)
    for text, result in {
        "x & y": [8, 1],
        "x | y": [14, 7],
        "x ^ y": [6, 6],
        "x << 2": [48, 20],
        "~x >> 1": [-7, -3],
    }.items():
        assert reference(f"y = {text}", "int", x=x, y=y).values.tolist() == result


def test_floating_point_numbers_become_integers_as_in_c() -> None:
    x = np.array([1.9, -1.9, 0.3 * 10, 5e20], np.float32)
    function = plan(array("x", "float", (4,)), array("y", "int", (4,), "output"))
    expected = parse_reference("y = x * 1.0", function)({"x": x, "y": np.zeros(4, np.int32)})["y"]
    assert expected.values[:2].tolist() == [1, -1]
    assert compare(expected, np.array([1, -1, 3, -(2**31)], np.int32), element_type("int")) is None
    assert compare(expected, np.array([1, -2, 3, 7], np.int32), element_type("int")) is not None


def test_counting_uncertain_elements_has_a_bound() -> None:
    x = np.array([0.5, 0.1, 0.9], np.float32)
    function = plan(array("x", "float", (3,)), returns="int")
    expected = parse_reference("return = sum(x * x > 0.25)", function)({"x": x})["return"]
    assert [compare(expected, number, element_type("int")) is None for number in range(4)] == [True, True, True, False]


# --------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    "text",
    [
        "y = sum(arange(n))",
        "y = sum(x[:, None, None, None, None] * x[:, None, None, None] * x[:, None, None] * x[:, None] * x)",
        "y = sum(outer(outer(x, x), outer(x, x)))",
        "y = broadcast_to(x, (1000000, 1000, 100))[0, 0]",
        "y = einsum('i,j,k,l,m->ijklm', x, x, x, x, x)[0, 0, 0, 0]",
        "y = einsum('i,j,k,l,m->i', x, x, x, x, x)",
        "y = x[arange(1000000)[:, None] * 0 + arange(1000) * 0][0, 0]",
        "y = diag(arange(100000) * 0)[0]",
        "y = sum(outer(x, x)[outer(x, x) > 0][:, None] * x[:, None, None] * x)",
    ],
)
def test_an_expression_cannot_take_all_memory(text: str) -> None:
    function = plan(scalar("n"), runtime("x", "n"), runtime("y", "n", usage="input_output"))
    x = np.ones(400, np.float32)
    parsed = parse_reference(text, function)
    with pytest.raises(Exception, match="limit is"):
        parsed({"n": 10**9, "x": x, "y": x})


def test_shapes_broadcast_and_mismatches_are_errors() -> None:
    function = plan(array("x", "float", (4,)), array("y", "float", (3, 4), "output"))
    parsed = {text: parse_reference(text, function) for text in ("y = x", "y = x[:3]", "y = x @ x[:2]", "y = x[9]")}
    inputs = {"x": np.ones(4, np.float32), "y": np.zeros((3, 4), np.float32)}
    assert parsed["y = x"](inputs)["y"].values.shape == (3, 4)
    for text in itertools.islice(parsed, 1, None):
        with pytest.raises(Exception, match="cannot be computed"):
            parsed[text](inputs)
