"""Tools run without a shell, in a private folder, within a time limit, and their errors say what matters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hatframe.errors import LinkError
from hatframe.toolchain.tool import Finished, failure, meanwhile, private_folder, processors, run, run_parallel


def python(code: str, folder: Path, *arguments: str, time_limit: float = 60) -> Finished:
    return run([sys.executable, "-c", code, *arguments], folder, time_limit)


def test_arguments_arrive_as_they_are(tmp_path: Path) -> None:
    strange = ["a b", "$HOME", "`id`", '"quoted"', "a;b", "*", ""]
    finished = python("import sys; print(sys.argv[1:])", tmp_path, *strange)
    assert finished.output.strip() == repr(strange)


def test_a_tool_speaks_c_and_keeps_its_files_in_the_private_folder() -> None:
    with private_folder() as folder:
        finished = python(
            "import os, tempfile; print(os.environ['LC_ALL']); "
            "open('left', 'w'); print(os.getcwd() == tempfile.gettempdir())",
            folder,
        )
        assert finished.output.split() == ["C", "True"]
        assert (folder / "left").exists()
    assert not folder.exists()


def test_a_missing_tool_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="no-such-tool cannot be run"):
        run(["no-such-tool"], tmp_path)


@pytest.mark.slow
def test_after_the_time_limit_the_tool_and_what_it_started_are_ended(tmp_path: Path) -> None:
    marker = tmp_path / "late"
    inner = f"import time; time.sleep(2); open({str(marker)!r}, 'w')"
    with pytest.raises(LinkError, match=r"had not ended after 0\.5 s"):
        python(
            "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])",
            tmp_path,
            inner,
            time_limit=0.5,
        )
    time.sleep(2.5)
    assert not marker.exists()


def test_an_error_is_one_line_of_what_tells_why() -> None:
    output = (
        "/usr/bin/ld: a.o: in function `f':\n"
        "a.c:(.text+0x1): error: it is broken\n"
        "    3 | int f(\n"
        + "".join(f"error {number}\n" for number in range(9))
        + "collect2: error: ld returned 1 exit status\n"
    )
    text = str(failure(Finished("gcc", 1, output), where="package.hat"))
    assert text == ("package.hat: gcc failed: a.c:(.text+0x1): error: it is broken; error 0; error 1; and 7 more lines")


def test_a_tool_that_says_nothing_and_one_that_is_killed_are_told() -> None:
    assert str(failure(Finished("ld", 1, ""))) == "ld failed"
    assert str(failure(Finished("ld", -9, ""))) == "ld was ended by signal 9"


def test_code_that_cannot_be_in_a_shared_library_gets_a_hint() -> None:
    output = "ld: a.o: relocation R_X86_64_32 against `.data' can not be used; recompile with -fPIC"
    assert "compile it anew with -fPIC" in failure(Finished("gcc", 1, output)).hint


def test_the_private_folder_is_not_part_of_the_message(tmp_path: Path) -> None:
    finished = python(f"print({str(tmp_path)!r} + '/definitions.c: error')", tmp_path)
    assert finished.output == "definitions.c: error\n"


def test_work_is_done_while_the_first_tool_runs(tmp_path: Path) -> None:
    done: list[str] = []
    script = f"import os, time\nwhile not os.path.exists({str(tmp_path / 'made')!r}): time.sleep(0.01)"

    def work() -> None:
        (tmp_path / "made").touch()
        done.append("work")

    with meanwhile(work):
        # It ends only once the work was done, and the second does not see it done again.
        assert run([sys.executable, "-c", script], tmp_path, time_limit=20).code == 0
        run([sys.executable, "-c", ""], tmp_path)
    assert done == ["work"]


def test_work_that_no_tool_leaves_time_for_is_done_at_the_end(tmp_path: Path) -> None:
    done: list[str] = []
    with meanwhile(lambda: done.append("work")):
        assert done == []
    assert done == ["work"]
    with pytest.raises(ZeroDivisionError), meanwhile(lambda: done.append("again")):
        1 / 0  # noqa: B018
    assert done == ["work"]


def test_a_tool_ends_where_the_work_fails(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError), meanwhile(lambda: [][1 // 0]):
        run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
    assert time.monotonic() - started < 30


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_tool_starts_ends_it_too(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(BaseException):
        pass

    def stop(number: int, frame: object) -> None:
        raise Stopped

    started: list[int] = []

    class Interrupted(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self.pid)
            os.kill(os.getpid(), number)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    former = signal.signal(number, stop)
    try:
        with pytest.raises(Stopped):
            python("import time; time.sleep(60)", tmp_path)
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, former)
    (pid,) = started
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# ----------------------------------------------------------------------------------------------------- several at once


def test_what_is_made_at_once_comes_in_the_order_of_its_items(tmp_path: Path) -> None:
    said = run_parallel(
        lambda n: python(f"import time; time.sleep({0.3 - n / 10}); print({n})", tmp_path).output, range(3)
    )
    assert [text.strip() for text in said] == ["0", "1", "2"]
    assert run_parallel(str, []) == []


@pytest.mark.skipif(processors() < 2, reason="this machine has one processor")
def test_tools_run_at_once(tmp_path: Path) -> None:
    # Each ends only once the other has begun.
    meet = (
        "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch()\n"
        "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.01)"
    )
    done = run_parallel(lambda pair: python(meet, tmp_path, *pair, time_limit=30).code, [("a", "b"), ("b", "a")])
    assert done == [0, 0]


def test_the_first_error_ends_the_tools_of_the_others_and_none_is_started_after(tmp_path: Path) -> None:
    def work(number: int) -> None:
        if number == 0:
            while processors() > 1 and not (tmp_path / "1").exists():
                time.sleep(0.01)
            raise LinkError("no")
        code = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"
        python(code, tmp_path, str(number))

    started = time.monotonic()
    with pytest.raises(LinkError, match="no"):
        run_parallel(work, range(200))
    assert time.monotonic() - started < 30
    begun = [int(pid) for path in tmp_path.iterdir() if (pid := path.read_text())]
    assert len(begun) < 100
    for pid in begun:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
