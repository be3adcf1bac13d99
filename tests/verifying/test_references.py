"""References: expressions and functions of the user compute what a C function should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hatframe.c.elements import element_type
from hatframe.calling.plans import CallPlan
from hatframe.errors import FormatError, HatError, UsageError
from hatframe.verifying.references import Reference, parse_reference, reference_from_file, remembered
from hatframe.verifying.tolerances import compare

from .functions import array, plan, runtime, scalar

FLOAT = element_type("float")
GEMM = plan(
    *(scalar(name) for name in "mnk"),
    runtime("A", "m*k"),
    runtime("B", "k*n"),
    runtime("C", "m*n", usage="input_output"),
)


def gemm_inputs() -> dict[str, Any]:
    random = np.random.default_rng(1)
    a, b, c = (random.random(shape, np.float32) for shape in ((3, 5), (5, 4), (3, 4)))
    return {"m": 3, "n": 4, "k": 5, "A": a, "B": b, "C": c}


# ----------------------------------------------------------------------------------------- expressions


def test_an_expression_gives_the_outputs_by_name_in_float64() -> None:
    inputs = gemm_inputs()
    expected = parse_reference("C = C + A @ B", GEMM)(inputs)
    assert list(expected) == ["C"]
    assert expected["C"].values.dtype == np.float64
    exact = inputs["C"].astype(float) + inputs["A"].astype(float) @ inputs["B"].astype(float)
    assert np.allclose(expected["C"].values, exact, rtol=1e-15)


def test_the_inputs_stay_as_they_are() -> None:
    inputs = gemm_inputs()
    before = {name: np.array(value) for name, value in inputs.items()}
    parse_reference("C[1:] = 0; C = C * 2; C[0, 0] += 1", GEMM)(inputs)
    assert all(np.array_equal(inputs[name], before[name]) for name in before)


def test_doubles_are_computed_in_long_double() -> None:
    function = plan(scalar("n"), runtime("x", "n", "double"), returns="double")
    x = np.array([1, 2**-60])
    expected = parse_reference("return = sum(x) - 1", function)({"n": 2, "x": x})["return"]
    assert expected.values.dtype == np.longdouble


def test_statements_see_what_those_before_assigned() -> None:
    function = plan(array("x", "float", (3,)), array("y", "float", (3,), "output"), returns="float")
    text = "top = max(x)\ny = exp(x - top)\ny = y / sum(y)\nreturn = y[0]"
    x = np.array([1, 2, 3], np.float32)
    expected = parse_reference(text, function)({"x": x, "y": np.zeros_like(x)})
    softmax = np.exp(x - 3.0) / np.exp(x - 3.0).sum()
    assert np.allclose(expected["y"].values, softmax)
    assert np.isclose(expected["return"].values, softmax[0])


def test_a_part_that_is_not_assigned_keeps_its_values_from_before() -> None:
    function = plan(array("in", "float", (4,)), array("y", "float", (4,), "output"))
    x = np.arange(4, dtype=np.float32)
    expected = parse_reference("y[1:-1] = in_[:-2] + in_[2:]", function)({"in": x, "y": np.full(4, 9, np.float32)})
    assert expected["y"].values.tolist() == [9, 2, 4, 9]


def test_parts_of_an_unknown_output_that_are_not_assigned_may_hold_anything() -> None:
    function = plan(scalar("n"), array("x", "float", (4,)), runtime("y", "n", usage="output"))
    expected = parse_reference("y[1:-1] = x[:-2] + x[2:]; y[0] = 7", function)({"n": 4, "x": np.arange(4, dtype="f")})
    assert compare(expected["y"], np.array([7, 2, 4, -5], np.float32), FLOAT) is None
    assert compare(expected["y"], np.array([6, 2, 4, -5], np.float32), FLOAT) is not None


def test_allocated_outputs_have_the_size_that_they_get() -> None:
    function = plan(
        scalar("n"),
        runtime("x", "n"),
        scalar("threshold", "float"),
        scalar("count", "int", "output"),
        runtime("found", "count", usage="output", pointers="**"),
    )
    inputs = {"n": 4, "x": np.array([3, -1, 4, 1], np.float32), "threshold": 2, "count": np.zeros(1, np.int32)}
    expected = parse_reference("count = sum(x > threshold); found = x[x > threshold]", function)(inputs)
    assert expected["count"].values == 2
    assert expected["found"].values.tolist() == [3, 4]
    with pytest.raises(FormatError, match="'found'"):
        parse_reference("count = size(found)", function)


def test_half_precision_scalars_are_given_as_their_bits() -> None:
    function = plan(scalar("a", "float16_t"), array("y", "float", (1,), "output"))
    bits = int(np.array(1.5, np.float16).view(np.uint16))
    expected = parse_reference("y = a", function)({"a": bits, "y": np.zeros(1, np.float32)})
    assert expected["y"].values.tolist() == [1.5]


def test_the_error_of_a_statement_has_the_shortest_type_that_it_uses() -> None:
    narrow = plan(array("x", "float16_t", (2,)), array("y", "double", (2,), "output"))
    wide = plan(array("x", "double", (2,)), array("y", "double", (2,), "output"))
    x = np.array([0.3, 0.7])
    bounds = [
        np.max(parse_reference("y = x * x", each)({"x": x.astype(np.float16), "y": x})["y"].bound)
        for each in (narrow, wide)
    ]
    assert bounds[0] > 1e-4
    assert bounds[1] < 1e-15


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("C = A", "C = A"),
        ("C = A @ A", "column 5"),
        ("C = C[m + 10]", "column 5"),
        ("C = A + ~0.5", "column 9"),
        ("C = C.shape[:1]", "slice"),
        ("C = C.shape[:, 0]", "slice"),
    ],
)
def test_what_cannot_be_computed_names_the_statement(text: str, named: str) -> None:
    with pytest.raises(FormatError) as raised:
        parse_reference(text, GEMM)(gemm_inputs())
    assert named in raised.value.message
    assert raised.value.where == "f"


def test_a_mistake_names_the_function() -> None:
    with pytest.raises(FormatError) as raised:
        parse_reference("C = Q", GEMM)
    assert raised.value.where == "f"


def test_an_output_without_a_value_cannot_be_read() -> None:
    with pytest.raises(FormatError, match="no value"):
        parse_reference("C = C + A @ B", GEMM)({**{"A": 1, "B": 1}, **dict.fromkeys("mnk", 1)})


def test_equal_references_compute_once_for_equal_inputs() -> None:
    calls: list[str] = []

    def counting(inputs: Any) -> Any:
        calls.append("called")
        return parse_reference("C = C + A @ B", GEMM)(inputs)

    results: dict[Any, Any] = {}
    one, other = (remembered(counting, "product", results) for _ in range(2))
    inputs = gemm_inputs()
    first = one(inputs)
    assert other({**inputs, "A": inputs["A"].copy()}) is first
    assert len(calls) == 1
    changed = {**inputs, "A": inputs["A"] + 1}
    assert not np.array_equal(other(changed)["C"].values, first["C"].values)
    remembered(counting, "another", results)(inputs)
    assert len(calls) == 3
    for number in range(40):
        one({**inputs, "m": number})
    assert len(results) <= 16


# ------------------------------------------------------------------------------------ files of the user


def from_file(folder: Path, code: str, function: CallPlan = GEMM, name: str = "reference") -> Reference:
    path = folder / "mine.py"
    path.write_text(code)
    return reference_from_file(f"{path}:{name}", function)


@pytest.mark.parametrize(
    "code",
    [
        "def reference(A, B, C): return C + A @ B",
        "def reference(C, B, A): return {'C': C + A @ B}",
        "def reference(A, B, C): C += A @ B",
        "def reference(**given): return given['C'] + given['A'] @ given['B']",
        "def reference(rows, columns, inner, left, right, out): return out + left @ right",
        "def reference(*given): given[-1][...] = given[-1] + given[-3] @ given[-2]",
        "def reference(m, A, B, C, *, n): return [C + A @ B][0]",
        "class Made:\n    def __call__(self, A, B, C): return C + A @ B\nreference = Made()",
    ],
)
def test_a_function_takes_arrays_and_returns_outputs(tmp_path: Path, code: str) -> None:
    inputs = gemm_inputs()
    found = from_file(tmp_path, code)(inputs)
    expected = parse_reference("C = C + A @ B", GEMM)(inputs)
    assert np.array_equal(found["C"].values, expected["C"].values)
    assert 0 < np.max(found["C"].bound) < 1e-3


def test_a_tuple_has_the_return_value_first(tmp_path: Path) -> None:
    function = plan(
        scalar("n", "int64_t"), array("x", "int16_t", (3,)), array("y", "int16_t", (3,), "output"), returns="double"
    )
    found = from_file(tmp_path, "def reference(x): return x.mean(), x + x.dtype.type(1)", function)
    x = np.array([1, 2, 32767], np.int16)
    outputs = found({"n": 3, "x": x, "y": np.zeros_like(x)})
    assert list(outputs) == ["return", "y"]
    assert outputs["y"].values.tolist() == [2, 3, -32768]
    assert float(outputs["return"].values) == x.mean()


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("def reference(A, B, C): raise RuntimeError('boom')", "RuntimeError: boom"),
        ("def reference(A): return {'D': A}", "'D'"),
        ("def reference(A): return 'text'", "numbers"),
        ("def reference(x): return x", "TypeError"),
    ],
)
def test_a_function_that_fails_is_an_error_that_names_it(tmp_path: Path, code: str, named: str) -> None:
    with pytest.raises(HatError) as raised:
        from_file(tmp_path, code)(gemm_inputs())
    assert named in raised.value.message
    assert "mine.py:reference" in raised.value.where


def test_a_wrong_number_of_outputs_is_an_error(tmp_path: Path) -> None:
    function = plan(array("x", "float", (2,), "input_output"), returns="int")
    with pytest.raises(HatError, match="1 of 2") as raised:
        from_file(tmp_path, "def reference(x): return x", function)({"x": np.zeros(2, np.float32)})
    assert "return, x" in raised.value.hint


def test_files_and_functions_that_are_missing_are_errors(tmp_path: Path) -> None:
    for text in ("mine.py", ":f", "mine.py:", "mine.py:a b"):
        with pytest.raises(UsageError):
            reference_from_file(text, GEMM)
    with pytest.raises(UsageError):
        reference_from_file(f"{tmp_path / 'none.py'}:f", GEMM)
    with pytest.raises(UsageError, match="'other'"):
        from_file(tmp_path, "def reference(A): pass", name="other")
    with pytest.raises(UsageError, match="SyntaxError"):
        from_file(tmp_path, "def reference(A:")
