"""Numpy expressions: what is allowed parses, and anything else is an error that names the text and the position."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.errors import FormatError
from hatframe.format.numpy_expressions import MAX_LENGTH, RETURN, parse

PARAMETERS = ("n", "x", "y", "in_")
WRITTEN = ("y", "only_written", RETURN)


@pytest.mark.parametrize(
    ("text", "targets", "names"),
    [
        ("y = x", ["y"], {"x"}),
        ("y = y + x @ x.T", ["y"], {"x", "y"}),
        ("y += 2 * x", ["y"], {"x", "y"}),
        ("y[1:-1] = x[:-2] + x[2:]", ["y"], {"x"}),
        ("y[n] = -x[0, ..., None]", ["y"], {"n", "x"}),
        ("return = sum(x, axis=0, keepdims=True)", [RETURN], {"x"}),
        ("return=np.sum(x) ; y = x.sum(axis=0)", [RETURN, "y"], {"x"}),
        ("\n  y = where((x > 0) & ~(x <= 1), x ** 2, 1e-3)\n  return = x.shape[0] + .5\n", ["y", RETURN], {"x"}),
        ("total = sum(x); y = x / total", ["total", "y"], {"x", "total"}),
        ("y = in_ // 0x10 % 3 << 1", ["y"], {"in_"}),
        ("only_written[0] = 1; only_written += 1", ["only_written"] * 2, {"only_written"}),
        ("y = einsum('ij,jk->ik', x, x)", ["y"], {"x"}),
        ("y = concatenate([x, x[:1]])", ["y"], {"x"}),
        ("y = convolve(x, x, mode='same')", ["y"], {"x"}),
        ("return = -return_ + 1", None, None),
    ],
)
def test_statements_have_targets_and_names(text: str, targets: list[str] | None, names: set[str] | None) -> None:
    if targets is None:
        with pytest.raises(FormatError, match="return_"):
            parse(text, PARAMETERS, WRITTEN)
        return
    statements = parse(text, PARAMETERS, WRITTEN)
    assert [statement.target for statement in statements] == targets
    assert frozenset().union(*(statement.names for statement in statements)) == names


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "empty"),
        ("x", "column 1"),
        ("y = x; sum(x)", "column 8"),
        ("y = q", "'q' at column 5"),
        ("y = only_written", "does not read 'only_written' at column 5"),
        ("only_written += 1", "does not read 'only_written'"),
        ("y = x\ny = q + 1", "'q' at line 2, column 5"),
        ("y = x +", "column 8"),
        ("y = (x", "syntax"),
        ("x = y", "does not write 'x' at column 1"),
        ("z = y", "'z'"),
        ("z[0] = y", "'z'"),
        ("sum = y", "'sum'"),
        ("y = z = x", "column 1"),
        ("y, return_ = x", "column 1"),
        ("return[0] = 1", "syntax"),
        ("return = return + 1", "syntax"),
        ("y.T = x", "column 1"),
        ("y = x.__class__", "column 5"),
        ("y = x.dtype", "column 5"),
        ("y = x.base.sum()", "column 5"),
        ("y = open(x)", "'open'"),
        ("y = __import__(x)", "'__import__'"),
        ("y = x.exp()", "'exp'"),
        ("y = os.system(x)", "'system'"),
        ("y = sum()", "sum(a, axis, keepdims)"),
        ("y = sum(x, 0, True, x)", "sum(a, axis, keepdims)"),
        ("y = sum(x, a=x)", "sum(a, axis, keepdims)"),
        ("y = sum(x, **x)", "sum(a, axis, keepdims)"),
        ("y = sum(*x)", "sum(a, axis, keepdims)"),
        ("y = einsum(x, x)", "subscripts"),
        ("y = einsum('i.', x)", "subscripts"),
        ("y = 'x'", "column 5"),
        ("y = 1j * x", "number"),
        ("y = 1if x else 2", "number"),
        ("y = x if n else y", "column 5"),
        ("y = [x for x in y]", "column 5"),
        ("y = lambda: 1", "column 5"),
        ("y = (z := x)", "column 6"),
        ("y = {x}", "'{'"),
        ("y = x\\", "'\\\\'"),
        ("y = x # sum", "'#'"),
        ("y = 0 < x < 1", "column 5"),
        ("y = not x", "column 5"),
        ("y = x and x", "column 5"),
        ("y = x in y", "column 5"),
        ("import x", "column 1"),
        ("y: x = 1", "column 1"),
        ("y = 99999999999999999999", "64 bits"),
        ("y = x\x00", "'\\x00'"),
        ("y = " + "(" * 300 + "x" + ")" * 300, "syntax"),
        ("y = " + "-" * 200 + "x", "nested"),
        ("y = x" + " + x" * MAX_LENGTH, str(MAX_LENGTH)),
    ],
)
def test_anything_else_is_an_error_that_says_where(text: str, named: str) -> None:
    with pytest.raises(FormatError) as raised:
        parse(text, PARAMETERS, WRITTEN)
    assert named in f"{raised.value.message}; {raised.value.hint}"


def test_a_keyword_of_python_as_a_name_has_a_hint() -> None:
    with pytest.raises(FormatError) as raised:
        parse("y = in + 1", PARAMETERS, WRITTEN)
    assert "in_" in raised.value.hint


_WORDS = "x y n in_ return = + - * @ ( ) [ ] : ; 1 2.5 1e sum sum(x) .T . , ' np lambda if __import__ 0x _ é # { < ~ \\"
_PIECES = st.sampled_from([*re.findall(r"\S+", _WORDS), " ", "\n", '"'])


@given(st.lists(_PIECES, max_size=30).map("".join) | st.text(max_size=40))
def test_any_text_parses_or_is_a_format_error(text: str) -> None:
    try:
        statements = parse(text, PARAMETERS, WRITTEN)
    except FormatError:
        return
    assert {statement.target for statement in statements} & set(WRITTEN)
