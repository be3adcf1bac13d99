"""Comments above functions: what they add to the metadata, and that each mistake is reported with its line."""

from __future__ import annotations

import pytest

from hatframe.errors import FormatError
from hatframe.format.model import Function, Usage

from .preprocessing import read


def function(code: str) -> Function:
    """The only function in the code."""
    (described,) = read(code).functions
    return described.function


@pytest.mark.parametrize(
    ("comment", "description"),
    [
        ("/* Adds numbers. */", "Adds numbers."),
        ("/** Adds\n *  numbers.\n */", "Adds numbers."),
        ("/*! \\brief Adds numbers. */", "Adds numbers."),
        ("/// @brief Adds\n/// numbers.\n///\n/// All of them.", "Adds numbers. All of them."),
        ("//! Adds numbers.", "Adds numbers."),
        ("/***************\n * Adds numbers. *\n ***************/", "Adds numbers."),
        ("/*\n   Adds\n   numbers.\n*/", "Adds numbers."),
        ("/** Adds @p n numbers, \\c fast. */", "Adds n numbers, fast."),
        ("/** Adds numbers. @note Slowly.\n * And more. */", "Adds numbers."),
        ("/** Adds \\f$ x \\f$ */", "Adds"),
        ("/* Adds numbers.\n * @hat skipped is no word\n * for me@example.org */", None),
        ("/* Ask me@example.org */", "Ask me@example.org"),
        ("/* 2 * 3\n * * a list */", "2 * 3 * a list"),
        ("/** Adds.\n * @param n how many\n *\n * More. */", "Adds."),
        ("/* größer */", "größer"),
        ('/* # 5 "x.c"\n# 6 "y.c"\n */', '# 5 "x.c" # 6 "y.c"'),
        ("/* Adds.\n * @hat author: Ada\n * Numbers. */", "Adds. Numbers."),
        ("/**/", ""),
    ],
)
def test_the_text_before_the_first_command_is_the_description(comment: str, description: str | None) -> None:
    code = f"{comment}\nvoid f(int n) {{}}"
    if description is None:
        with pytest.raises(FormatError):
            function(code)
    else:
        assert function(code).description == description


def test_doxygen_commands_describe_parameters_and_the_return_value() -> None:
    code = """/**
 * Adds.
 * @param[in]  x   the numbers,
 *                 all of them
 * \\param[out] y  the sum
 * @param[in,out] z, w   both
 * @param n        how many
 *
 * @returns 0
 *          always
 * @see g
 *      h
 */
int f(int n, float x[n], float y[4], float z[2], float w[2]) { return 0; }
"""
    found = function(code)
    assert [(argument.description, argument.usage) for argument in found.arguments] == [
        ("how many", Usage.INPUT),
        ("the numbers, all of them", Usage.INPUT),
        ("the sum", Usage.OUTPUT),
        ("both", Usage.INPUT_OUTPUT),
        ("both", Usage.INPUT_OUTPUT),
    ]
    assert found.return_value.description == "0 always"


@pytest.mark.parametrize(
    ("line", "wrong", "remedy"),
    [
        ("@hat", "@hat", "@hat NAME"),
        ("@hat x", "`x`", "@hat NAME"),
        ("@hat [3]", "[3]", "@hat NAME"),
        ("@hat x[3", "x[3", "@hat NAME"),
        ("@hat x[]", "x[]", "[n]"),
        ("@hat x[3] fast", "`fast`", "@hat NAME"),
        ("@hat x[3] ]", "`]`", "@hat NAME"),
        ("@hat x[3], input", "`,`", "@hat NAME"),
        ("@hat x[3] input output", "usage of `x`", ""),
        ("@hat x[3] row-major strides [1]", "`x`", ""),
        ("@hat x[3] strides", "strides", "strides [80][1]"),
        ("@hat x[3] offset", "offset", "offset 16"),
        ("@hat x[TILE]", "`TILE`", "macros"),
        ("@hat x[3 +]", "`3 +`", "integers"),
        ("@hat x[1); int y = (2]", "`1); int y = (2`", "integers"),
        ("@hat x[0]", "`0`", "1"),
        ("@hat x[n] column-major", "run time", "row-major"),
        ("@hat x[4][4] strides [1]", "[4, 4]", ""),
        ("@hat x[4] strides [n]", "`n`", "macros"),
        ("@hat x[4] strides [1LL << 61]", "`x`", ""),
        ("@hat c[4] output", "const", "const"),
        ("@hat c output", "const", "const"),
        ("@hat n output", "by value", "pointer"),
        ("@hat n[4]", "`n`", ""),
        ("@hat a[5]", "`4`", ""),
        ("@hat a[4][1]", "2 extents here and 1 in C", ""),
        ("@hat q[4]", "`q`", "`n`, `x`, `c`, `a`"),
        ("@hat colour: red", "colour", "flops:, group:, author:, version:, license:, comment:"),
        ("@hat author:", "author", "@hat author: …"),
        ("@hat reference", "`@hat reference`", "@hat NAME"),
        ("@hat same as", "missing name", "@hat same as gemm_naive"),
        ("@hat same as f g", "missing name", "@hat same as gemm_naive"),
        ("@hat author Jane", "colon", "@hat author: …"),
        ("@hat flops: 2*k", "`k`", "macros"),
        ("@hat flops: -1", "`-1`", "0"),
        ("Uses @hat x[n] here", "@hat", "beginning"),
        ("@param[up] x it", "[up]", "[in,out]"),
        ("@param", "@param", "@param[in] NAME"),
        ("@param[out] c it", "const", "const"),
        ("@param q it", "`q`", "`n`, `x`"),
        ("@param[out] n it", "by value", "pointer"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_a_remedy(line: str, wrong: str, remedy: str) -> None:
    code = f"\n/* Adds.\n * {line}\n */\nvoid f(int n, float *x, const float c[4], float a[4]) {{}}"
    with pytest.raises(FormatError) as raised:
        read(code)
    assert wrong in raised.value.message
    assert remedy in raised.value.hint
    assert raised.value.where == "source.c:3"


@pytest.mark.parametrize("line", ["@hat q[4]", "@hat flops: 2*k", "@param[out] c it", "@hat x[0]", "@hat colour: red"])
@pytest.mark.parametrize(
    "code",
    [
        "void f(int n, float *x, const float c[4], void *unsupported) {}",
        "long double f(int n, float *x, const float c[4]) { return 0; }",
        "__attribute__((ms_abi)) void f(int n, float *x, const float c[4]) {}",
    ],
)
def test_a_mistake_above_an_unsupported_function_is_an_error(line: str, code: str) -> None:
    with pytest.raises(FormatError) as raised:
        read(f"// {line}\n{code}")
    assert raised.value.where == "source.c:1"


@pytest.mark.parametrize(
    "lines",
    [
        "@hat x[3]\n * @hat x[3]",
        "@hat flops: 1\n * @hat flops: 1",
        "@hat group: a\n * @hat group: b",
        "@hat same as g\n * @hat same as h",
        "@param[in] x a\n * @hat x[3] output",
        "@param[in] x a\n * @param[out] x b",
    ],
)
def test_a_contradiction_is_reported_with_both_lines(lines: str) -> None:
    with pytest.raises(FormatError, match="line 3") as raised:
        read(f"\n/* Adds.\n * {lines}\n */\nvoid f(int n, float *x) {{}}")
    assert raised.value.where == "source.c:4"


@pytest.mark.parametrize(
    "code",
    [
        "/* @hat x[3] */\n\nvoid f(float *x) {}",
        "/* @hat x[3] */\n/* Adds. */\nvoid f(float *x) {}",
        "/* @hat x[3] */\nvoid f(float *x);",
        "/* @hat skip */",
        "void f(float *x) { /* @hat flops: 3 */ }",
        "void f(float *x) { /* @hat author: Ada */ }",
        "void f(/* @hat x[3] */ float *x) {}",
    ],
)
def test_an_annotation_that_is_not_above_a_function_is_an_error(code: str) -> None:
    with pytest.raises(FormatError) as raised:
        read(code)
    assert raised.value.where == "source.c:1"


def test_flops_refer_only_to_the_sizes_of_arrays() -> None:
    # A benchmark knows only their values.
    with pytest.raises(FormatError, match="refers to `k`") as raised:
        read("/* @hat flops: n*k */\nvoid f(int n, int k, float x[n]) {}")
    assert raised.value.hint.endswith(" n")


def test_layouts_count_elements() -> None:
    code = "/* @hat x[4][3] strides [-3][1] offset (3*3) output */\nvoid f(float *x) {}"
    found = function(code).arguments[0]
    assert (found.shape, found.affine_map, found.affine_offset) == ((4, 3), (-3, 1), 9)
    assert found.usage is Usage.OUTPUT
    assert function("/* @hat x[4][3] row-major */\nvoid f(float *x) {}").arguments[0].affine_map == (3, 1)


@pytest.mark.parametrize(
    ("declared", "line", "wrong", "remedy"),
    [
        ("A[4][8]", "@hat A column-major", "`A` is row-major in C", "`@hat A[8][4] column-major`"),
        ("A[4][8]", "@hat A[4][8] column-major", "`A` is row-major in C", "make it a pointer"),
        ("A[4][8]", "@hat A[32] column-major", "`A` is row-major in C", "`@hat A[8][4] column-major`"),
        ("A[4][4]", "@hat A strides [8][1]", "16 elements in C, and this layout goes from element 0 to 27", "pointer"),
        ("A[4]", "@hat A offset 3", "4 elements in C, and this layout goes from element 3 to 6", "part"),
        ("A[4]", "@hat A[2] strides [-1]", "goes from element -1 to 0", "part"),
    ],
)
def test_a_layout_that_contradicts_the_array_in_c_is_an_error(
    declared: str, line: str, wrong: str, remedy: str
) -> None:
    with pytest.raises(FormatError) as error:
        read(f"/* {line} */\nvoid f(const double {declared}) {{}}")
    assert wrong in error.value.message
    assert remedy in error.value.hint


@pytest.mark.parametrize(
    ("declared", "line", "shape", "strides", "offset"),
    [
        ("A[4][8]", "@hat A[8][4] column-major", (8, 4), (1, 8), 0),
        ("A[8][8]", "@hat A column-major", (8, 8), (1, 8), 0),
        ("A[][8]", "@hat A[8][4] column-major", (8, 4), (1, 8), 0),
        ("A[512]", "@hat A[16][32] column-major", (16, 32), (1, 16), 0),
        ("A[4][8]", "@hat A[4][4] strides [8][1] offset 2", (4, 4), (8, 1), 2),
        ("A[9]", "@hat A[9] strides [-1] offset 8", (9,), (-1,), 8),
    ],
)
def test_a_layout_within_the_array_in_c_is_accepted(
    declared: str, line: str, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    found = function(f"/* {line} */\nvoid f(const double {declared}) {{}}").arguments[0]
    assert (found.shape, found.affine_map, found.affine_offset) == (shape, strides, offset)


def test_an_example_is_the_value_of_a_scalar_in_a_usual_call() -> None:
    code = """enum { MANY = 500 };
    /* @hat n example 2*MANY
     * @hat start example -3
     * @hat scale example 0.25
     * @hat limit input example 10 */
    void f(int n, int start, double scale, const int *limit, float x[n]) {}"""
    assert function(code).auxiliary == {"examples": {"n": 1000, "start": -3, "scale": 0.25, "limit": 10}}


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("n example", "example"),
        ("n example x", "x"),
        ("n example 1.5", "1.5"),
        ("n example 5000000000", "5000000000"),
        ("scale example inf", "inf"),
        ("x example 3", "x"),
        ("count output example 3", "count"),
    ],
)
def test_an_example_that_its_parameter_cannot_have_is_an_error(line: str, named: str) -> None:
    count = "int *count, " if "count" in line else ""
    code = f"/* @hat {line} */\nvoid f(int n, double scale, {count}float x[n]) {{}}"
    with pytest.raises(FormatError) as caught:
        function(code)
    assert named in str(caught.value)


def test_what_random_values_are_like_is_kept_with_the_names_of_parameters() -> None:
    code = """enum { LAST = 9 };
    /* @hat index in 0..m sorted
     * @hat order in LAST-9..n permutation
     * @hat x input uniform -1..1
     * @hat w[2][n] normal */
    void f(int n, int m, const int index[n], int order[n], float x[n], const double *w) {}"""
    assert function(code).auxiliary == {
        "inputs": {"index": "in 0..m sorted", "order": "in 0..n permutation", "x": "uniform -1..1", "w": "normal"}
    }


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("index in", "in"),
        ("index in 0..k", "k"),
        ("index in 0..y", "y"),
        ("index normal", "normal"),
        ("index between", "between"),
        ("x in 0..3", "float"),
        ("n in 0..3", "n"),
        ("y output in 0..3", "y"),
        ("index in 0..m in 0..n", "in"),
    ],
)
def test_values_that_an_array_cannot_have_are_an_error(line: str, named: str) -> None:
    code = f"/* @hat {line} */\nvoid f(int n, int m, const int index[n], const float x[n], int y[n]) {{}}"
    with pytest.raises(FormatError) as caught:
        function(code)
    assert named in str(caught.value)
    assert caught.value.where.endswith(":1")


def test_references_and_functions_that_compute_the_same_are_kept_in_the_metadata() -> None:
    code = """/* @hat x[n]
     * @hat reference y = exp(in_ - max(in_))
     * @hat reference: y = y / sum(y); return = n
     * @hat same as softmax_naive */
    int f(int n, const float in[n], float y[n]) { return n; }""".replace("@hat x[n]", "Softmax.")
    assert function(code).auxiliary == {
        "same_as": "softmax_naive",
        "reference": "y = exp(in_ - max(in_))\ny = y / sum(y); return = n",
    }


@pytest.mark.parametrize(
    ("statement", "wrong", "remedy"),
    [
        ("sum(x)", "not an assignment", "C = C + A @ B"),
        ("x = q", "'q' at column 5", "c, n, x"),
        ("x = x +", "column 8", "numpy"),
        ("c = x", "does not write 'c'", "x"),
        ("return = n", "does not write 'return'", "x"),
    ],
)
def test_a_mistake_in_a_reference_has_a_remedy(statement: str, wrong: str, remedy: str) -> None:
    with pytest.raises(FormatError) as raised:
        read(f"\n// @hat reference {statement}\nvoid f(int n, float x[n], const float c[n]) {{}}")
    assert wrong in raised.value.message
    assert remedy in raised.value.hint
    assert raised.value.where == "source.c:2"


def test_a_reference_may_assign_to_a_parameter_that_is_named_as_a_usage() -> None:
    for statement in ("output = 1", "output[1:] = 1", "output += 1", "offset = 2", "inner = 1; output = inner"):
        found = function(f"/* @hat reference {statement} */\nvoid f(int output[4], int offset[4]) {{}}")
        assert found.auxiliary == {"reference": statement}


def test_a_mistake_in_a_reference_is_reported_with_its_own_line() -> None:
    with pytest.raises(FormatError) as raised:
        read("/* @hat reference x = x\n * @hat reference x = q */\nvoid f(float x[4]) {}")
    assert raised.value.where == "source.c:2"


@pytest.mark.parametrize(
    ("line", "declared"),
    [
        ("reference[n] input", "float *reference"),
        ("reference input", "const int *reference"),
        ("reference example 4", "int reference"),
        ("reference normal", "const float reference[4]"),
        ("reference in 0..n", "const int reference[4]"),
        ("same_as input", "const int *same_as"),
    ],
)
def test_a_parameter_may_be_named_as_an_annotation(line: str, declared: str) -> None:
    found = function(f"/* @hat {line} */\nvoid f(int n, {declared}) {{}}")
    assert found.arguments[1].usage is Usage.INPUT
    assert "reference" not in found.auxiliary


@pytest.mark.parametrize("end", ["\r", "\v", "\f", "\x1c", "\u2028"])
def test_only_lines_of_the_comment_are_lines_of_a_reference(end: str) -> None:
    with pytest.raises(FormatError) as raised:
        read(f"/* @hat reference x ={end} {end}+* q */\nvoid f(float x[4]) {{}}")
    assert "reference" in raised.value.message
