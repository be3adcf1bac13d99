"""The entry of the command line: exit codes, errors in one line, and tracebacks only on request."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sample_packages
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


HOSTILE = "\x1b]0;owned\x07\u202e\x9b"


def hostile_package(folder: Path) -> Path:
    """A package whose every text, and whose path, has escape sequences."""
    functions = {
        "f": sample_packages.function(
            {**sample_packages.affine(f"A{HOSTILE}", (2,)), "declared_type": f"float{HOSTILE}*"}, description=HOSTILE
        ),
        f"g{HOSTILE}": sample_packages.function(),
    }
    table = sample_packages.document(functions, f"lib{HOSTILE}.so")
    table["description"] = dict.fromkeys(("comment", "author", "version", "license_url"), HOSTILE)
    table["target"]["required"]["CPU"]["extensions"] = [HOSTILE]
    table["unknown" + HOSTILE] = 1
    path = folder / f"p\n{HOSTILE}" / f"p{HOSTILE}.hat"
    path.parent.mkdir()
    path.write_text(sample_packages.hat_text(table))
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect"],
        ["inspect", "--json"],
        ["validate"],
        ["validate", "--json"],
        ["bench"],
        ["bench", "--functions", f"h{HOSTILE}"],
        ["to-dynamic", "--linker", f"x{HOSTILE}", "out.hat"],
        ["to-dynamic", "out.hat"],
        ["pack", "-o", "out"],
    ],
)
@pytest.mark.parametrize("terminal", [False, True])
def test_no_escape_sequence_of_a_package_reaches_the_terminal(
    tmp_path: Path, arguments: list[str], terminal: bool
) -> None:
    path = hostile_package(tmp_path)
    arguments = [arguments[0], str(path), *arguments[1:]]
    shown = in_terminal(*arguments, folder=tmp_path) if terminal else piped(*arguments, folder=tmp_path)
    assert shown
    # Colours are hatframe's own.
    shown = re.sub(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A", "", shown)
    assert not set(shown) & set(HOSTILE + "\x00") - set("]0;owned")


def piped(*arguments: str, folder: Path) -> str:
    done = hatframe(*arguments, folder=folder)
    return done.stdout + done.stderr


def in_terminal(*arguments: str, folder: Path) -> str:
    """What a command line shows in a terminal of 80 columns."""
    pty = pytest.importorskip("pty")
    shown = bytearray()
    pid, descriptor = pty.fork()
    if not pid:
        os.chdir(folder)
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
        os.execve(sys.executable, [sys.executable, "-m", "hatframe", *arguments], environment)
    with contextlib.suppress(OSError):  # Linux: the other side is closed
        while data := os.read(descriptor, 4096):
            shown += data
    os.waitpid(pid, 0)
    os.close(descriptor)
    return shown.decode()
