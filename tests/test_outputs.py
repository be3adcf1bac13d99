"""Checks of the places that results go to; tests of sinks hold the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hatframe.errors import SinkError
from hatframe.outputs import check_file, check_kind, check_replaceable


@pytest.mark.parametrize("check", [check_file, check_replaceable, lambda path: check_kind(path, re.compile(b"a"), "a")])
def test_a_file_that_is_there_or_can_be_made_passes_and_nothing_changes(check: object, tmp_path: Path) -> None:
    assert callable(check)
    (tmp_path / "here").write_text("a")
    check(tmp_path / "here")
    check(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    for path in (tmp_path, tmp_path / "none" / "new", tmp_path / "here" / "new", tmp_path / ("x" * 300)):
        with pytest.raises(SinkError):
            check(path)


def test_only_a_file_that_is_empty_or_begins_so_is_of_a_kind(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"", b"<a/>", b" <a>\n"):
        path.write_bytes(content)
        check_kind(path, re.compile(rb"\s*<a"), "an a")
    for content in (b"text", b"x <a/>"):
        path.write_bytes(content)
        with pytest.raises(SinkError, match="an a"):
            check_kind(path, re.compile(rb"\s*<a"), "an a")
