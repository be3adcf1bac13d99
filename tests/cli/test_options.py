"""The options that every command has, and those that backends declare."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import hatframe
from sample_packages import affine, function, make_package

NOTE = "rewrote paths"


@pytest.fixture
def packing(tmp_path: Path) -> list[object]:
    """A command line that logs a note, but for its global options."""
    hat = make_package(tmp_path / "in", "void f(float *a) {}", {"f": function(affine("a", [1]))})
    text = hat.read_text()
    (tmp_path / "in" / "lib").mkdir()
    (tmp_path / "in" / "package.so").rename(tmp_path / "in" / "lib" / "package.so")
    hat.write_text(text.replace('"package.so"', f'"{tmp_path}/in/lib/package.so"'))
    return ["pack", hat, "-o", tmp_path / "out.zip"]


def test_quiet_and_log_level_hide_notes(packing: list[object]) -> None:
    assert NOTE in hatframe(*packing, status=0).stderr
    assert hatframe(*packing, "-q", status=0).stderr == ""
    assert hatframe("--quiet", *packing, status=0).stderr == ""
    assert hatframe(*packing, "--log-level", "error", status=0).stderr == ""
    assert NOTE in hatframe(*packing, "--log-level", "debug", status=0).stderr


def test_an_option_of_the_command_overrides_the_one_before_it(packing: list[object]) -> None:
    assert NOTE in hatframe("--quiet", *packing, "-v", status=0).stderr


def test_an_unknown_level_is_wrong_usage(tmp_path: Path) -> None:
    done = hatframe("probe", "--log-level", "loud", status=2)
    assert "'loud'" in done.stderr
    assert "warning" in done.stderr


@pytest.mark.parametrize("before", [True, False])
def test_debug_shows_the_traceback_of_an_error(tmp_path: Path, before: bool) -> None:
    arguments = ["inspect", "missing.hat"]
    done = hatframe(*(["--debug", *arguments] if before else [*arguments, "--debug"]), folder=tmp_path)
    assert "Traceback" in done.stderr
    assert "Traceback" not in hatframe(*arguments, folder=tmp_path, status=1).stderr
