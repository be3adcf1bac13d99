"""Tools run without a shell, within a time limit, in parallel, and their errors give the reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from hatframe.errors import LinkError
from hatframe.toolchain.tool import Job, ToolResult, _remove_abandoned, failure, private_folder, processors


def python(code: str, folder: Path, *arguments: str, time_limit: float = 60) -> ToolResult:
    return Job().run([sys.executable, "-c", code, *arguments], folder, time_limit=time_limit)


def test_arguments_arrive_as_they_are(tmp_path: Path) -> None:
    strange = ["a b", "$HOME", "`id`", '"quoted"', "a;b", "*", ""]
    result = python("import sys; print(sys.argv[1:])", tmp_path, *strange)
    assert result.output.strip() == repr(strange)


def test_a_tool_has_the_c_locale_and_keeps_its_files_in_the_private_folder() -> None:
    with private_folder() as folder:
        result = python(
            "import os, tempfile; print(os.environ['LC_ALL']); "
            "open('left', 'w'); print(os.getcwd() == tempfile.gettempdir())",
            folder,
        )
        assert result.output.split() == ["C", "True"]
        assert (folder / "left").exists()
    assert not folder.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_private_folders_of_processes_that_were_killed_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import sys, tempfile, time\n"
        "from hatframe.toolchain.tool import private_folder\n"
        "tempfile.tempdir = sys.argv[1]\n"
        "with private_folder() as folder: (folder / 'x').touch(); print(folder, flush=True); time.sleep(60)\n"
    )
    (tmp_path / "hatframe-run-file").touch()
    (tmp_path / "other").mkdir()
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        left = Path(process.stdout.readline().strip())
        for path in tmp_path.iterdir():
            os.utime(path, (0, 0))
        for lives in (True, False):
            if not lives:
                process.kill()
                process.wait()
            _remove_abandoned.cache_clear()
            with private_folder():
                assert left.exists() is lives
    assert {path.name for path in tmp_path.iterdir()} == {"hatframe-run-file", "other"}


def test_a_missing_tool_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="no-such-tool"):
        Job().run(["no-such-tool"], tmp_path)


@pytest.mark.slow
def test_the_time_limit_kills_the_tool_and_what_it_started(tmp_path: Path) -> None:
    marker = tmp_path / "late"
    inner = f"import time; time.sleep(2); open({str(marker)!r}, 'w')"
    with pytest.raises(LinkError, match=r"0\.5 s"):
        python(
            "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])",
            tmp_path,
            inner,
            time_limit=0.5,
        )
    time.sleep(2.5)
    assert not marker.exists()


def test_an_error_is_one_line_of_reasons() -> None:
    output = (
        "/usr/bin/ld: a.o: in function `f':\n"
        "a.c:(.text+0x1): error: it is broken\n"
        "    3 | int f(\n"
        + "".join(f"error {number}\n" for number in range(9))
        + "collect2: error: ld returned 1 exit status\n"
    )
    text = str(failure(ToolResult("gcc", 1, output), where="package.hat"))
    assert text == ("package.hat: gcc failed: a.c:(.text+0x1): error: it is broken; error 0; error 1; and 7 more lines")


def test_a_tool_without_output_and_one_that_is_killed_have_an_error() -> None:
    assert str(failure(ToolResult("ld", 1, ""))) == "ld failed"
    assert "signal 9" in str(failure(ToolResult("ld", -9, "")))


def test_code_that_cannot_be_in_a_shared_library_gets_a_hint() -> None:
    output = "ld: a.o: relocation R_X86_64_32 against `.data' can not be used; recompile with -fPIC"
    assert "-fPIC" in failure(ToolResult("gcc", 1, output)).hint


def test_the_private_folder_is_not_part_of_the_message(tmp_path: Path) -> None:
    result = python(f"print({str(tmp_path)!r} + '/definitions.c: error')", tmp_path)
    assert result.output == "definitions.c: error\n"


# ------------------------------------------------------------------------------------------------------ jobs


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_job_does_its_work_while_the_first_tool_runs(tmp_path: Path) -> None:
    done: list[str] = []
    script = f"import os, time\nwhile not os.path.exists({str(tmp_path / 'made')!r}): time.sleep(0.01)"

    def work() -> None:
        (tmp_path / "made").touch()
        done.append("work")

    job = Job(meanwhile=work)
    # The tool ends only after the work.
    assert job.run([sys.executable, "-c", script], tmp_path, time_limit=20).code == 0
    job.run([sys.executable, "-c", ""], tmp_path)
    job.finish()
    assert done == ["work"]


def test_a_job_without_tools_does_its_work_at_the_end() -> None:
    done: list[str] = []
    job = Job(meanwhile=lambda: done.append("work"))
    assert done == []
    job.finish()
    assert done == ["work"]


def test_work_that_fails_kills_the_tool(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        Job(meanwhile=lambda: [][1 // 0]).run([sys.executable, "-c", "import time; time.sleep(600)"], tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("count", [1, 3])
def test_a_signal_kills_the_tools(number: signal.Signals, count: int, tmp_path: Path) -> None:
    class Stopped(BaseException):
        pass

    def stop(number: int, frame: object) -> None:
        raise Stopped

    def interrupt() -> None:
        while not any(path.read_text() for path in tmp_path.iterdir()):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    job = Job()
    code = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
    former = signal.signal(number, stop)
    interrupter = threading.Thread(target=interrupt)
    try:
        interrupter.start()
        with pytest.raises(Stopped):
            job.map(lambda index: job.run([sys.executable, "-c", code, str(index)], tmp_path), range(count))
    finally:
        interrupter.join()
        signal.signal(number, former)
    assert all(ended(int(pid)) for path in tmp_path.iterdir() if (pid := path.read_text()))


def test_results_come_in_the_order_of_the_items(tmp_path: Path) -> None:
    job = Job()
    printed = job.map(
        lambda n: (
            job.run([sys.executable, "-c", f"import time; time.sleep({0.3 - n / 10}); print({n})"], tmp_path).output
        ),
        range(3),
    )
    assert [text.strip() for text in printed] == ["0", "1", "2"]
    assert job.map(str, []) == []


@pytest.mark.skipif(processors() < 2, reason="this machine has one processor")
def test_tools_of_a_job_run_in_parallel(tmp_path: Path) -> None:
    # Each ends only after the other has begun.
    meet = (
        "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch()\n"
        "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.01)"
    )
    job = Job()
    pairs = [("a", "b"), ("b", "a")]
    results = job.map(lambda pair: job.run([sys.executable, "-c", meet, *pair], tmp_path, time_limit=30), pairs)
    assert [result.code for result in results] == [0, 0]


def test_the_first_error_kills_the_other_tools_and_starts_no_more(tmp_path: Path) -> None:
    job = Job()

    def work(number: int) -> None:
        if number == 0:
            while processors() > 1 and not (tmp_path / "1").exists():
                time.sleep(0.01)
            raise LinkError("the first error")
        code = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
        job.run([sys.executable, "-c", code, str(number)], tmp_path)

    with pytest.raises(LinkError, match="the first error"):
        job.map(work, range(200))
    begun = [int(pid) for path in tmp_path.iterdir() if (pid := path.read_text())]
    assert len(begun) < 100
    assert all(map(ended, begun))
    with pytest.raises(LinkError, match="stopped"):
        job.run([sys.executable, "-c", ""], tmp_path)
