"""Positions: the line of every table and key, in every style of TOML."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from toml_styles import TABLES, styled

from hatframe.format.positions import Keys, Positions
from hatframe.format.rendering import same

DATA = Path(__file__).parent.parent / "data"

TEXT = '''\
top = 1

[a]
"quoted.key" = 2
dotted.inner = 3
many = [
    1,
    2,  # [three]
    3,
]

[a.b.c]
x = """
[not.a.table]
y = 1
"""
z = 2

[[list]]
v = 1
[list.sub]
w = { p = 1, q = [ { r = 1 } ] }
[[list]]
v = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("top",), 1),
        (("a",), 3),
        (("a", "quoted.key"), 4),
        (("a", "dotted"), 5),
        (("a", "dotted", "inner"), 5),
        (("a", "many"), 6),
        (("a", "many", 0), 7),
        (("a", "many", 2), 9),
        (("a", "b"), 12),
        (("a", "b", "c"), 12),
        (("a", "b", "c", "x"), 13),
        (("a", "b", "c", "z"), 17),
        (("list",), 19),
        (("list", 0, "v"), 20),
        (("list", 0, "sub"), 21),
        (("list", 0, "sub", "w", "q", 0, "r"), 22),
        (("list", 1), 23),
        (("list", 1, "v"), 24),
    ],
)
def test_each_table_and_key_has_the_line_that_it_stands_on(path: Keys, line: int) -> None:
    assert Positions(TEXT).line(path) == line
    assert Positions(TEXT.replace("\n", "\r\n")).line(path) == line


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("none",), 1),
        (("a", "none"), 3),
        (("a", "many", 7), 6),
        (("list", 1, "none", "x"), 23),
        (("a", "b", "c", "x", 1), 13),
    ],
)
def test_what_is_not_there_has_the_line_of_the_closest_around_it(path: Keys, line: int) -> None:
    assert Positions(TEXT).line(path) == line


def test_a_header_after_the_use_of_its_path_is_the_place_of_the_table() -> None:
    positions = Positions("[a.b]\nx = 1\n[a]\ny = 2\n")
    assert positions.line(("a",)) == 3
    assert positions.line(("a", "b")) == 1


def test_inline_tables_over_several_lines_are_followed() -> None:
    positions = Positions("f = {\n  x = 1, # }\n  y.z = 2,\n}\n")
    assert [positions.line(("f", "x")), positions.line(("f", "y")), positions.line(("f", "y", "z"))] == [2, 3, 3]


@pytest.mark.parametrize(
    "value",
    [
        "[1, # ]\n  2]",
        "[[[[[[[[1]]], '[']]]], { a = [ { b = [[{ c = 1 }]] } ] }]",
        """["]", ']"]', '''\n]\n[b]\n''', "\\"]"]""",
        '["]", """\n]\n[b]\n"]""", 2]',
        "{ a = [\n[], # [b]\n], b = '#' }",
        "1979-05-27 07:32:00",
        '"""\\"""]\n[b]\n"""""',
        "'''\n[b]\nx = 1''''",
        '""',
        "''",
    ],
)
def test_a_value_ends_where_it_does_whatever_looks_like_an_end(value: str) -> None:
    for comment in ("", " # [b]", "\t"):
        text = f"[a]\nx = {value}{comment}\n[b]\ny.z = 1\n"
        assert tomli.loads(text)["b"] == {"y": {"z": 1}}
        _, first, second = Positions(text).sections
        (statement,) = first.statements
        assert statement.value.text == value.encode()
        assert [item.path for item in second.statements] == [("b", "y", "z")]


@pytest.mark.parametrize("unread", ['x = "\\e"', "x = 07:32", 'x = """a\\ \n  b"""', "x = { a = 1, }"])
def test_what_goes_beyond_toml_1_0_leaves_other_tables_in_their_places(unread: str) -> None:
    text = f"[a]\ny = 1\n{unread}\n[b]\nz = 1\n"
    positions = Positions(text)
    lines = text.splitlines()
    assert lines[positions.line(("a", "y")) - 1] == "y = 1"
    assert lines[positions.line(("b", "z")) - 1] == "z = 1"


def test_arguments_spread_over_lines_have_a_line_each() -> None:
    text = (DATA / "gemm_cuda.hat").read_text()
    name = "gemm_gpu_dd300edb3009cc4b"
    spread = text.replace("}, {name", "},\n  {name", 2)
    positions = Positions(spread)
    first = positions.line(("functions", name, "arguments"))
    assert [positions.line(("functions", name, "arguments", i, "usage")) for i in range(3)] == [
        first,
        first + 1,
        first + 2,
    ]


def test_every_path_of_the_real_files_is_on_a_line_that_names_its_key() -> None:
    for path in sorted(DATA.glob("*.hat")):
        text = path.read_text()
        positions = Positions(text)
        lines = text.splitlines()
        for keys, _ in _leaves(tomli.loads(text)):
            last = next(key for key in reversed(keys) if isinstance(key, str))
            assert last in lines[positions.line(keys) - 1]


def _leaves(value: Any, path: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


def _numbered(value: Any, numbers: Iterator[int]) -> Any:
    """The value with a different number for each leaf, which identifies its line."""
    if isinstance(value, dict):
        return {key: _numbered(item, numbers) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbered(item, numbers) for item in value]
    return next(numbers)


@given(styled(TABLES.map(lambda table: _numbered(table, itertools.count(1_000_000)))))
def test_every_leaf_is_on_the_line_that_holds_its_value(case: tuple[str, dict[str, Any]]) -> None:
    text, document = case
    assert same(tomli.loads(text.removeprefix("\ufeff")), document)
    positions = Positions(text)
    lines = text.split("\n")
    for path, number in _leaves(document):
        assert str(number) in lines[positions.line(path) - 1]


@given(styled())
def test_every_value_is_where_its_statement_says(case: tuple[str, dict[str, Any]]) -> None:
    text, document = case
    for section in Positions(text).sections:
        for statement in section.statements:
            value: Any = document
            for key in statement.path:
                value = value[key]
            assert statement.value.text is not None
            parsed = tomli.loads(f"key = {statement.value.text.decode()}")["key"]
            assert same(parsed, value)


@given(styled(), st.lists(st.one_of(st.text(max_size=3), st.integers(0, 3)), max_size=4).map(tuple))
def test_any_path_has_a_line_of_the_text(case: tuple[str, dict[str, Any]], path: Keys) -> None:
    text, _ = case
    assert 1 <= Positions(text).line(path) <= text.count("\n") + 1
