"""``hatframe validate``: deviations as lines, as tables and as JSON, and the exit code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sample_packages
from command_line import hatframe

from hatframe.format.rendering import render_hat

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A file without any deviation."""
    document = sample_packages.document(
        {"f": sample_packages.function(sample_packages.affine("A", (2,)))}, "f.so", "void f(float*);"
    )
    path = tmp_path / "sound.hat"
    path.write_text(render_hat(document, "sound"))
    sample_packages.library(tmp_path, "void f(void) {}", "f")
    return path


@pytest.fixture
def straying(tmp_path: Path) -> Path:
    """A real file: it only strays."""
    (tmp_path / "vadd_Globals.o").touch()
    return Path(shutil.copy(DATA / "vadd_Globals.hat", tmp_path))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.hat"
    path.write_text("[functions.f]\nname = 'f'\n")
    return path


def test_a_valid_file_is_ok(sound: Path) -> None:
    done = hatframe("validate", "--strict", sound)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{sound}: ok\n", "")


def test_warnings_are_lines_and_fail_only_with_strict(straying: Path) -> None:
    done = hatframe("validate", straying)
    assert done.returncode == 0
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{straying}:12: warning: functions: ")
    assert second.startswith(f"{straying}:34: warning: declaration.code: ")
    assert hatframe("validate", straying, "--strict").returncode == 1


def test_errors_fail(broken: Path) -> None:
    done = hatframe("validate", broken)
    assert done.returncode == 1
    assert f"{broken}:1: error: functions.f.arguments: arguments is missing" in done.stdout.splitlines()


def test_a_folder_stands_for_its_hat_files(sound: Path, straying: Path, broken: Path) -> None:
    done = hatframe("validate", sound.parent, sound)
    assert {line.partition(":")[0] for line in done.stdout.splitlines()} == {str(sound), str(straying), str(broken)}
    assert done.stdout.count(f"{sound}: ok") == 1


def test_json_has_every_part(broken: Path, sound: Path) -> None:
    done = hatframe("validate", "--json", broken, sound)
    assert done.returncode == 1
    first, second = json.loads(done.stdout)
    assert second == {"file": str(sound), "deviations": []}
    assert {
        "severity": "error",
        "table": "functions.f",
        "key": "arguments",
        "line": 1,
        "message": "arguments is missing",
        "hint": "",
    } in first["deviations"]


def test_a_terminal_shows_a_table(straying: Path, sound: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("there is no pty on Windows")
    import pty

    controller, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm"}
    command = [sys.executable, "-m", "hatframe", "validate", straying, sound]
    process = subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    shown = b""
    # The end of a terminal is an error on Linux, and an empty read elsewhere.
    while True:
        try:
            part = os.read(controller, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(controller)
    assert process.wait() == 0
    text = " ".join(shown.decode().split())  # a narrow terminal wraps lines
    assert "0 errors, 2 warnings" in text
    assert "severity" in text
    assert "sound.hat: ok" in text.replace("\r\n", "")


@pytest.mark.parametrize("name", ["none.hat", ".", "junk.hat"])
def test_an_unreadable_file_is_an_error_of_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "junk.hat").write_bytes(b"\xff\xfe\0")
    path = tmp_path / "folder" if name == "." else tmp_path / name
    done = hatframe("validate", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"hatframe: error: {path}: ")
    assert done.stderr.count("\n") == 1


def test_no_file_is_wrong_usage() -> None:
    assert hatframe("validate").returncode == 2


@pytest.mark.slow
@pytest.mark.skipif(sample_packages.ARCHITECTURE == "aarch64", reason="this is that machine")
def test_a_package_for_another_machine_is_noted_and_does_not_fail(tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    (tmp_path / "f.c").write_text("/** @hat x output */ void f(float x[4]) { x[0] = 1; }")
    hatframe("build", tmp_path / "f.c", "-o", tmp_path / "f.hat", "--target", "aarch64-linux", "--static", status=0)
    done = hatframe("validate", "--strict", tmp_path / "f.hat")
    assert done.returncode == 0
    assert ": note: target.required: " in done.stdout
    assert "aarch64" in done.stdout
