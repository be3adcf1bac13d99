"""``hatframe build`` and ``to-static`` as commands: what they print, and how they fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import hatframe
from sample_packages import compiler

from hatframe.format.editing import store_in_auxiliary

SOURCE = """
/* Adds one. */
int next(int x) { return x + STEP; }
void bare(float *x) { *x = 0; }
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return hatframe(*arguments)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    compiler()
    (tmp_path / "a folder").mkdir()
    path = tmp_path / "a folder" / "next.c"
    path.write_text(SOURCE)
    return path


def test_it_reports_what_it_wrote_and_left_out(source: Path, tmp_path: Path) -> None:
    done = run("build", source, "-o", tmp_path / "out.hat", "-D", "STEP=1", "--linker", "gcc")
    assert done.returncode == 0
    assert done.stdout == f"wrote {tmp_path}/out.hat and {tmp_path}/libout.so, made with gcc\n"
    assert f"bare ({source}:4)" in done.stderr
    assert "@hat x[n]" in done.stderr


def test_json_has_the_same_facts(source: Path, tmp_path: Path) -> None:
    done = run("build", source, "-o", tmp_path, "--cflags", "-DSTEP='2 - 1'", "--static", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert (said["hat"], said["library"]) == (str(tmp_path / "next.hat"), str(tmp_path / "libnext.a"))
    assert said["functions"] == ["next"]
    assert [(each["name"], each["line"]) for each in said["unsupported"]] == [("bare", 4)]


def test_strict_writes_nothing_if_a_function_is_left_out(source: Path, tmp_path: Path) -> None:
    done = run("build", source, "-o", tmp_path / "out.hat", "-D", "STEP=1", "--strict")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"bare ({source}:4)" in done.stderr
    assert "@hat x[n]" in done.stderr
    assert not list(tmp_path.glob("*out*"))
    source.write_text(SOURCE.replace("void bare", "/* @hat skip */\nvoid bare"))
    assert run("build", source, "-o", tmp_path / "out.hat", "-D", "STEP=1", "--strict").returncode == 0


def test_it_says_what_becomes_of_results_that_were_stored(source: Path, tmp_path: Path) -> None:
    arguments = ("build", source, "-o", tmp_path / "out.hat", "-D", "STEP=1")
    assert "results" not in run(*arguments).stderr
    store_in_auxiliary(tmp_path / "out.hat", {"next": {"mean_duration_in_sec": 1e-9}})
    assert json.loads(run(*arguments, "--json").stdout)["dropped_results"] == ["next"]
    store_in_auxiliary(tmp_path / "out.hat", {"next": {"mean_duration_in_sec": 1e-9}})
    assert f"hatframe bench {tmp_path / 'out.hat'} --sink hat" in run(*arguments).stderr
    assert "mean_duration_in_sec" not in (tmp_path / "out.hat").read_text()


def test_errors_have_one_line(source: Path, tmp_path: Path) -> None:
    for arguments, status, mentioned in (
        (("-o", tmp_path / "out.hat"), 1, "next.c:3:30: error: "),
        (("-o", tmp_path / "out.so"), 2, "out.so"),
        (("-o", tmp_path / "out.hat", "--target", "nowhere"), 2, "'nowhere'"),
        (("-o", tmp_path / "out.hat", "--target", "mips-plan9"), 1, "mips-plan9"),
        (("-o", tmp_path / "out.hat", "--linker", "gcc", "--target", "aarch64-windows"), 1, "aarch64-windows"),
        (("-o", tmp_path / "out.hat", "--cflags", "'"), 2, "cflags"),
        (("-o", tmp_path / "out.hat", "-D", "STEP=1", "--functions", "bare"), 1, "bare: "),
    ):
        done = run("build", source, *arguments)
        assert done.returncode == status, done.stderr
        assert done.stdout == ""
        assert mentioned in done.stderr
        assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("out*"))


def test_a_read_only_folder_is_an_error(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "libout.so").mkdir()
    done = run("build", source, "-o", folder / "out.hat", "-D", "STEP=1")
    assert done.returncode == 2
    assert "libout.so" in done.stderr


def test_objects_become_a_static_library(source: Path, tmp_path: Path) -> None:
    assert run("build", source, "-o", tmp_path / "one.hat", "-DSTEP=1", "--static").returncode == 0
    (tmp_path / "more.c").write_text("int more(void) { return 1; }")
    subprocess.run([compiler(), "-c", tmp_path / "more.c", "-o", tmp_path / "more.o"], check=True)
    done = run("to-static", tmp_path / "one.hat", tmp_path / "two.hat", "--add", tmp_path / "more.o", "--linker", "gcc")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote {tmp_path}/two.hat and {tmp_path}/libtwo.a, made with gcc\n"
    listed = subprocess.run([compiler("ar"), "t", tmp_path / "libtwo.a"], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["next.o", "more.o"]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_kills_the_compiler_and_leaves_no_files(
    source: Path, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    programs, temporary = tmp_path / "programs", tmp_path / "temporary"
    programs.mkdir()
    temporary.mkdir()
    slow = programs / "gcc"
    slow.write_text(f"#!/bin/sh\necho $$ > '{tmp_path}/'$$.pid\nexec sleep 100\n")
    slow.chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(temporary)}
    (source.parent / "more.c").write_text("int more(void) { return 1; }\n")
    command = [sys.executable, "-m", "hatframe", "build", source, source.parent / "more.c", "-o", tmp_path / "out.hat"]
    running = subprocess.Popen([*command, "--linker", "gcc"], env=environment, stderr=subprocess.PIPE)
    while not any(path.read_text().strip() for path in tmp_path.glob("*.pid")):
        time.sleep(0.02)
    running.send_signal(number)
    running.communicate(timeout=30)
    assert running.returncode == status
    for path in tmp_path.glob("*.pid"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.stem), 0)
    assert list(temporary.iterdir()) == []
    assert not list(tmp_path.glob("out*"))
