"""Describing functions of random shapes, types and comments."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hatframe.building.describing import ParsedSource, read_functions
from hatframe.c.size_expressions import SizeExpression
from hatframe.calling.plans import plan_call
from hatframe.errors import FormatError
from hatframe.format.model import LogicalType, Usage

from .preprocessing import COMPILERS, compile_text, preprocessed, read

ELEMENTS = ["float", "double", "int8_t", "uint64_t", "int", "unsigned char", "long long", "size_t", "char", "bool"]
extents = st.lists(st.integers(1, 99), min_size=1, max_size=4).map(tuple)
arrays = st.tuples(
    extents,
    st.sampled_from(ELEMENTS),
    st.sampled_from(list(Usage)),
    st.sampled_from(["array", "pointer", "runtime", "column"]),
)


def declared(name: str, shape: tuple[int, ...], element: str, usage: Usage, form: str) -> tuple[str, str]:
    """A parameter in C and the line of a comment for it."""
    const = "const " if usage is Usage.INPUT else ""
    brackets = "".join(f"[{extent}]" for extent in shape)
    line = f"@hat {name} {usage}"
    if form == "runtime":
        brackets = "".join(f"[n + {extent}]" for extent in shape)
    elif form == "column":
        # In C the indices have the opposite order.
        line = f"@hat {name}{brackets} {usage} column-major"
        brackets = "".join(f"[{extent}]" for extent in reversed(shape))
    if form == "pointer":
        return f"{const}{element} *{name}", f"@hat {name}{brackets} {usage}"
    return f"{const}{element} {name}{brackets}", line


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(arrays, max_size=4), min_size=1, max_size=6))
def test_random_declarations_give_their_metadata(
    tmp_path: Path, functions: list[list[tuple[tuple[int, ...], str, Usage, str]]]
) -> None:
    code = "#include <stdint.h>\n#include <stddef.h>\n#include <stdbool.h>\n"
    for number, parameters in enumerate(functions):
        written = [declared(f"x{position}", *each) for position, each in enumerate(parameters)]
        lines = "".join(f"/// {line}\n" for _, line in written)
        code += f"{lines}void f{number}({', '.join(['int n', *(text for text, _ in written)])}) {{}}\n"
    reading = read_functions(preprocessed(tmp_path, code), ["source.c"])
    assert not reading.unsupported
    assert len(reading.functions) == len(functions)
    for described, parameters in zip(reading.functions, functions, strict=True):
        plan_call(described.function)
        for argument, (shape, element, usage, form) in zip(described.function.arguments[1:], parameters, strict=True):
            assert (argument.element_type, argument.usage) == (element, usage)
            if form == "runtime":
                assert argument.logical_type is LogicalType.RUNTIME_ARRAY
                assert SizeExpression(argument.size or "").value({"n": 5}) == math.prod(5 + each for each in shape)
            else:
                assert argument.shape == shape
                assert argument.affine_map is not None
                fastest = 0 if form == "column" else -1
                assert argument.affine_map[fastest] == 1
    exact = "\n".join(described.redeclaration for described in reading.functions)
    compile_text(tmp_path, COMPILERS[0], f'#include "source.c"\n{exact}\n', "-Werror", "-std=gnu11")


OPERATORS = "+ - * / % & | ^ << >> < > <= >= == != && ||".split()  # noqa: SIM905
constants = st.recursive(
    st.sampled_from(["1", "7", "0x1f", "3u", "2L", "5ULL", "'A'", "E", "sizeof(int)", "-3", "100000"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(
            st.sampled_from(["~", "-", "!", "(unsigned char)", "(short)", "(unsigned)", "(long long)"]), inner
        ).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})"),
    ),
    max_leaves=6,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(constants, min_size=30, max_size=60))
def test_constants_have_the_values_that_the_compiler_gives_them(tmp_path: Path, expressions: list[str]) -> None:
    # In an extent, so that a wrong type or value shows in the shape.
    code = "enum { E = 11 };\n"
    for number, text in enumerate(expressions):
        code += f"void f{number}(float x[(({text}) & 0xff) + 1]) {{}}\n"
    reading = read(code)
    checks = ["enum { E = 11 };"]
    for described in reading.functions:
        number = int(described.function.name[1:])
        (extent,) = described.function.arguments[0].shape or ()
        checks.append(f'_Static_assert((({expressions[number]}) & 0xff) + 1 == {extent}, "{number}");')
    path = tmp_path / "constants.c"
    path.write_text("\n".join(checks) + "\n")
    done = subprocess.run([COMPILERS[0], "-w", "-fsyntax-only", path], capture_output=True, text=True)
    assert not done.returncode, done.stderr


COMMENT_WORDS = "@hat x [n] [ ] [3] input output strides offset column-major : flops author skip @param [in] [out]"
COMMENT_WORDS += " @brief \\return @ \\ * / // ( ) n + 2 -1 \\f$"
CODE_WORDS = 'void int f ( ) { } [ ] * float x n , ; # "s" \' typedef enum const struct = 1 - / ... static __restrict'
LINES = ["\n", "\n * ", "\n@hat x", "\n@hat ", "\t", "\n# 3", "\n/* @hat x[n] */\nvoid f("]
comment_texts = st.lists(st.one_of(st.text(max_size=12), st.sampled_from(COMMENT_WORDS.split() + LINES)), max_size=14)
code_texts = st.lists(st.one_of(st.text(max_size=8), st.sampled_from(CODE_WORDS.split() + LINES)), max_size=30)


@settings(max_examples=400, deadline=None)
@given(comment_texts.map(" ".join))
def test_any_comment_is_read_or_a_format_error(text: str) -> None:
    code = f"/* {text.replace('*/', '')} */\nvoid f(int n, float *x, const float y[n]) {{}}"
    try:
        reading = read(code)
    except FormatError as error:
        where = error.where
        reading = ParsedSource()
    else:
        where = "source.c:"
    assert where.startswith("source.c:")
    for described in reading.functions:
        plan_call(described.function)


@settings(max_examples=400, deadline=None)
@given(code_texts.map(" ".join))
def test_any_code_is_read_or_a_format_error(text: str) -> None:
    try:
        for described in read(text).functions:
            plan_call(described.function)
    except FormatError:
        pass
