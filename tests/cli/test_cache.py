"""``hatframe cache`` as a user sees it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hatframe import files
from hatframe.cli.cache import _age_text
from hatframe.cli.main import build_app
from hatframe.errors import UsageError
from hatframe.kernel import Kernel

KEY = "0123456789abcdef" * 2


@pytest.fixture
def timer() -> Path:
    path = files.cache_folder() / "timers" / KEY
    path.mkdir(parents=True)
    (path / "loop.so").write_bytes(bytes(3 << 10))
    os.utime(path / "loop.so", (time.time() - 3 * 86400,) * 2)
    return path


def run(*arguments: str) -> Any:
    result = CliRunner().invoke(build_app(Kernel(entry_points=False)), ["cache", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_a_pipe_gets_a_line_of_plain_numbers_for_each_kind(timer: Path) -> None:
    lines = [line.split("\t") for line in run("list").stdout.splitlines()]
    kinds = [line[0] for line in lines]
    assert kinds == ["callers", "compilers", "libraries", "packages", "timers", "results", "runs"]
    _, number, size, newest, oldest, where = lines[kinds.index("timers")]
    assert (number, size, newest, where) == ("1", "3072", oldest, str(timer.parent))
    assert 3 * 86400 <= int(oldest) < 3 * 86400 + 60
    assert lines[0][1:5] == ["0", "0", "", ""]


def test_json_lists_every_entry(timer: Path) -> None:
    printed = json.loads(run("list", "--json").stdout)
    assert printed["cache_folder"] == str(files.cache_folder())
    (entry,) = printed["kept"]
    assert (entry["kind"], entry["path"], entry["size"]) == ("timers", str(timer), 3072)


def test_a_terminal_shows_units(timer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("hatframe.cli.cache.in_terminal", lambda: True)
    line = next(line for line in run("list").stdout.splitlines() if line.startswith("timers"))
    assert "3 KiB" in line
    assert "3 days ago" in line


def test_clear_reports_what_it_removed(timer: Path) -> None:
    assert run("clear", "--older-than", "4").stdout == "removed nothing\n"
    assert run("clear", "libraries").stdout == "removed nothing\n"
    assert timer.exists()
    assert run("clear", "timers", "--older-than", "2.5").stdout == "removed 1 timer (3 KiB)\n"
    assert not timer.exists()


def test_clear_reports_what_it_left_and_why(timer: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hatframe")
    used = files.cache_folder() / "packages" / KEY
    used.mkdir(parents=True)
    (used / "p.hat").touch()
    with files.in_use(used):
        done = run("clear", "--json")
    (message,) = caplog.messages
    assert str(used) in message
    assert "uses it" in message
    printed = json.loads(done.stdout)
    assert [entry["path"] for entry in printed["removed"]] == [str(timer)]
    assert [entry["kept"]["path"] for entry in printed["left"]] == [str(used)]


def test_an_unknown_kind_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="'everything'"):
        run("clear", "everything")


def test_ages_have_the_largest_unit_that_they_hold_twice() -> None:
    assert [_age_text(seconds) for seconds in (0, 119, 120, 7199, 7200, 172800)] == [
        "0 seconds", "119 seconds", "2 minutes", "119 minutes", "2 hours", "2 days"
    ]  # fmt: skip
