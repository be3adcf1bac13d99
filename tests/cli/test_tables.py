"""Tables that fit a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.cli.tables import Section, table_lines

COLUMNS = {name: name for name in ("function", "time", "ratio", "batches")}
RIGHT = ("time", "ratio", "batches")
ROWS = (
    {"function": "f", "time": "137.2 µs", "ratio": "1", "batches": "10 x 70"},
    {"function": "gemm_with_a_long_name", "time": "1.2 ms", "ratio": "8.75 ± 0.01", "batches": "10 x 8"},
)


def lines(width: int, *sections: Section) -> list[str]:
    return list(table_lines(COLUMNS, sections or [Section(rows=ROWS)], width=width, right=RIGHT, optional=["batches"]))


def test_columns_are_aligned_below_one_header() -> None:
    assert lines(200) == [
        "function                   time        ratio  batches",
        "f                      137.2 µs            1  10 x 70",
        "gemm_with_a_long_name    1.2 ms  8.75 ± 0.01   10 x 8",
    ]


def test_optional_columns_are_left_out_where_they_do_not_fit() -> None:
    assert lines(50)[0].split() == ["function", "time", "ratio"]


def test_names_that_do_not_fit_have_a_line_of_their_own() -> None:
    assert lines(35) == [
        "function      time        ratio",
        "f         137.2 µs            1",
        "gemm_with_a_long_name",
        "            1.2 ms  8.75 ± 0.01",
    ]


def test_columns_without_any_cell_are_left_out() -> None:
    assert lines(80, Section(rows=[{"function": "f", "time": "1 s"}]))[0].split() == ["function", "time"]
    assert lines(80, Section(rows=[])) == []


def test_sections_have_headings_and_closing_lines_that_wrap_between_words() -> None:
    section = Section(heading="n=1", rows=ROWS[:1], closing="fastest: f 137.2 µs; next: g, 2 times slower")
    shown = lines(40, section, section)
    assert shown[1:6] == ["", "n=1", shown[3], "fastest: f 137.2 µs; next: g, 2 times", "slower"]
    assert shown[6:] == shown[1:6]


def test_control_characters_are_escaped() -> None:
    assert "\\x1b" in lines(80, Section(rows=[{"function": "\x1b[2J", "time": "1 s"}]))[1]


def test_the_only_column_stays_however_narrow_the_terminal_is() -> None:
    assert lines(1, Section(rows=[{"batches": "3 x 1"}])) == ["batches", "  3 x 1"]


@pytest.mark.parametrize("width", [1, 20, 40, 60])
@given(rows=st.lists(st.fixed_dictionaries({name: st.text("aé字 ", max_size=30) for name in COLUMNS}), max_size=5))
def test_no_cell_is_split(width: int, rows: list[dict[str, str]]) -> None:
    shown = "\n".join(lines(width, Section(rows=rows)))
    for row in rows:
        for name in ("function", "time", "ratio"):
            assert row[name].strip() in shown
