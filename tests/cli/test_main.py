"""The entry of the command line: exit codes, errors in one line, and tracebacks only on request."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import hatframe

from hatframe import __version__


def test_the_version_is_that_of_the_package() -> None:
    assert hatframe("--version", status=0).stdout == f"hatframe {__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["inspect"], ["inspect", "a.hat", "--nonsense"]])
def test_wrong_usage_is_2_on_stderr(arguments: list[str]) -> None:
    done = hatframe(*arguments, status=2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_an_error_is_1_and_one_line_and_a_traceback_with_debug(tmp_path: Path) -> None:
    done = hatframe("inspect", "nowhere.hat", folder=tmp_path, status=1)
    (line,) = done.stderr.splitlines()
    assert "nowhere.hat" in line
    done = hatframe("inspect", "nowhere.hat", "--debug", folder=tmp_path)
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "nowhere.hat" in done.stderr


def test_an_unknown_plugin_to_disable_is_a_warning() -> None:
    done = hatframe("--disable-plugin", "nonesuch", "--version")
    assert done.returncode == 0
    assert "nonesuch" in done.stderr


@pytest.mark.parametrize("shadow", ["json", "numpy", "typer", "hatframe_builtin"])
def test_python_m_imports_nothing_from_the_current_folder(tmp_path: Path, shadow: str) -> None:
    (tmp_path / f"{shadow}.py").write_text("open('imported', 'w')\n")
    done = subprocess.run(
        [sys.executable, "-m", "hatframe", "plugins"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "imported").exists()
