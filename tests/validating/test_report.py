"""The report: where deviations are, and which tables have errors."""

from __future__ import annotations

import pytest

from hatframe.format.positions import Keys
from hatframe.format.reading import parse_document
from hatframe.validating.report import Report

TEXT = "[a]\nb = [1, 2]\n[a.c]\nd = 1\n"


def report() -> Report:
    return Report(TEXT, parse_document(TEXT))


@pytest.mark.parametrize(
    ("path", "table", "key", "line"),
    [
        (("a", "b"), "a", "b", 2),
        (("a", "b", 1), "a", "b[1]", 2),
        (("a", "c", "d"), "a.c", "d", 4),
        (("a", "c", "missing"), "a.c", "missing", 3),
    ],
)
def test_a_deviation_has_its_table_key_and_line(path: Keys, table: str, key: str, line: int) -> None:
    found = report()
    found.warn(path, "odd")
    (deviation,) = found.deviations
    assert (deviation.table, deviation.key, deviation.line) == (table, key, line)


def test_only_errors_break_a_table() -> None:
    found = report()
    found.note(("a", "b"), "x")
    found.warn(("a", "b"), "x")
    assert not found.has_errors
    found.error(("a", "b"), "x")
    assert {("a",), ("a", "b")} <= found.broken
    assert ("a", "c") not in found.broken


def test_a_table_that_is_missing_is_empty() -> None:
    assert report().table("a", "c") == {"d": 1}
    assert report().table("a", "b") == {}
