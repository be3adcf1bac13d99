"""The entry of the command line: exit codes, errors in one line, and tracebacks only on request."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
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


LONG = "x" * 300


def odd_files(folder: Path) -> None:
    """Files whose reading would fail in Python's words, or never end."""
    (folder / "loop.hat").symlink_to("loop.hat")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "zero.hat").symlink_to("/dev/zero")
    for name in ("fifo.hat", "fifo.json", "fifo.a", "fifo.c"):
        os.mkfifo(folder / name)
    (folder / "huge").mkdir()
    with (folder / "huge" / "huge.hat").open("wb") as file:
        file.truncate(1 << 40)
    deep = "a." * 59 + "a"
    (folder / "deep").mkdir()
    (folder / "deep" / "deep.hat").write_text(f"[{deep}]\n" + f"{deep} = {{{deep} = " * 20 + "1" + "}" * 20)
    (folder / "big").mkdir()
    (folder / "big" / "big.hat").write_text("[functions.f.auxiliary]\nn = 1" + "0" * 30)
    for name, library in (("library", "fifo.a"), ("objects", "empty.a")):
        table = sample_packages.document({"f": sample_packages.function()}, library)
        (folder / f"{name}.hat").write_text(sample_packages.hat_text(table))
    (folder / "empty.a").write_bytes(b"!<arch>\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["inspect", "fifo.hat"], "fifo.hat"),
        (["inspect", "zero.hat"], "zero.hat"),
        (["inspect", "huge/huge.hat"], "huge.hat"),
        (["inspect", "loop.hat"], "loop.hat"),
        (["inspect", "deep/deep.hat"], "deep.hat"),
        (["inspect", "--json", "big/big.hat"], "functions.f.auxiliary.n"),
        (["inspect", f"{LONG}.hat"], LONG),
        (["inspect", LONG], LONG),
        (["inspect", f"{LONG}.zip"], LONG),
        (["validate", LONG], LONG),
        (["validate", "fifo.hat"], "fifo.hat"),
        (["compare", "fifo.json", "fifo.json"], "fifo.json"),
        (["compare", "loop.json", "loop.json"], "loop.json"),
        (["compare", LONG, LONG], LONG),
        (["build", "fifo.c", "-o", "out.hat"], "fifo.c"),
        (["build", f"{LONG}.c", "-o", "out.hat"], LONG),
        (["bench", "library.hat"], "fifo.a"),
        (["to-dynamic", "library.hat", "out.hat"], "fifo.a"),
        (["to-dynamic", "objects.hat", f"{LONG}/out.hat"], LONG),
        (["pack", "library.hat", "-o", "out"], "fifo.a"),
        (["bench", "library.hat", "--sink", f"csv={LONG}"], LONG),
        (["bench", "library.hat", "--timeout", "1e300"], "timeout"),
        (["bench", "library.hat", "--timeout", "inf"], "--timeout"),
        (["bench", "library.hat", "--input-sets-size", "inf"], "--input-sets-size"),
        (["bench", "library.hat", "--input-sets-size", "1e300"], "input_sets_size"),
        (["bench", "library.hat", "--precision", "nan"], "--precision"),
        (["bench", "library.hat", "--seed", "9" * 30], "seed"),
        (["bench", "library.hat", "--threads", "9" * 30], "threads"),
        (["cache", "clear", "--older-than", "inf"], "--older-than"),
    ],
)
def test_what_the_system_refuses_is_an_error_that_names_the_place(
    tmp_path: Path, arguments: list[str], place: str
) -> None:
    odd_files(tmp_path)
    done = hatframe(*arguments, folder=tmp_path, time_limit=20)
    assert done.returncode in (1, 2), done.stdout
    assert "Traceback" not in done.stderr
    assert "Error:" not in done.stderr.replace("\nError: Invalid value", "")
    assert place in done.stderr


def redirected(arguments: str, folder: Path) -> tuple[int, str]:
    """The exit status and the standard error of a command line of the shell."""
    command = f"{shlex.quote(sys.executable)} -m hatframe {arguments}"
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_output_that_cannot_be_written_is_an_error_in_one_line(tmp_path: Path) -> None:
    status, errors = redirected("schema > /dev/full", tmp_path)
    assert (status, len(errors.splitlines())) == (1, 1)
    assert redirected("inspect nowhere.hat 2> /dev/full", tmp_path) == (1, "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_as_if_nobody_read_them(tmp_path: Path, closed: str) -> None:
    assert redirected(f"schema {closed} {'>/dev/null' if '1' in closed else ''}", tmp_path) == (0, "")
    assert redirected(f"inspect nowhere.hat {closed}", tmp_path)[0] == 1


def test_a_removed_folder_is_an_error_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = f"cd gone && rmdir ../gone && {shlex.quote(sys.executable)} -P -m hatframe schema"
    command = command.replace(" -P", "" if sys.version_info < (3, 11) else " -P")
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


@pytest.mark.slow
def test_paths_beyond_ascii_work_where_the_system_has_only_ascii(tmp_path: Path) -> None:
    folder = tmp_path / "Größe"
    folder.mkdir()
    (folder / "f.c").write_text("int f(int a) { return a; }\n")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for arguments in (
        ["build", folder / "f.c", "-o", folder / "f.hat"],
        ["inspect", folder / "f.hat"],
        ["inspect", "--json", folder / "f.hat"],
        ["validate", folder],
        ["bench", folder / "f.hat", "--max-time", "0.01", "--sink", f"csv={folder / 'r.csv'}", "--sink", "hat"],
        ["bench", folder / "f.hat", "--max-time", "0.01", "--sink", f"json={folder / 'r.json'}"],
        ["compare", folder / "r.csv", folder / "r.json"],
        ["pack", folder / "f.hat", "-o", folder / "é"],
        ["inspect", folder / "nowhere.hat"],
    ):
        command = [sys.executable, "-m", "hatframe", *map(str, arguments)]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, timeout=120)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert done.returncode == (1 if "nowhere.hat" in command[-1] else 0), done.stderr.decode()


SIGNALLED = """
import os, signal
from hatframe.cli import main

class Status:
    def __bool__(self):
        os.kill(os.getpid(), signal.SIGHUP)
        return False

def run(reporting):
    signal.signal(signal.SIGHUP, main._terminate)
    raise SystemExit(Status())

main._run = run
main.main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_a_signal_while_the_outcome_is_reported_ends_without_a_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True)
    assert done.returncode == 129
    assert "Traceback" not in done.stderr


INTERRUPTED = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path, target=None):
        if name == "hatframe.kernel":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from hatframe.__main__ import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_ctrl_c_while_modules_are_imported_ends_without_a_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


AT_THE_END = """
import atexit, os, signal, sys
from hatframe.__main__ import main
atexit.register(os.kill, os.getpid(), signal.SIGINT)
sys.argv = ["hatframe", "--version"]
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_ctrl_c_at_the_very_end_leaves_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True)
    assert done.returncode == -signal.SIGINT
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
