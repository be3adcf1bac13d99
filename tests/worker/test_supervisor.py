"""The supervisor: nothing that a worker started outlives it, and it harms no files of the process that asks."""

from __future__ import annotations

import functools
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sample_packages import affine, function, make_package

from hatframe.bench.options import BenchOptions
from hatframe.bench.session import Run, Session, Setup
from hatframe.kernel import Kernel
from hatframe.rows import Row
from hatframe.selection import RunBackends
from hatframe.worker.process import ProcessWorker, WorkerEndedError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")

SOURCE = """
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void leave_child(void) {
    static int left;
    if (left) return;
    left = 1;
    int ready[2];
    char byte;
    if (pipe(ready)) abort();
    if (fork() == 0) {
        if (fork()) _exit(0);
        setsid();
        FILE *file = fopen("child", "w");
        fprintf(file, "%d", (int)getpid());
        fclose(file);
        write(ready[1], "x", 1);
        for (;;) pause();
    }
    read(ready[0], &byte, 1);
    close(ready[0]);
    close(ready[1]);
}
void forks(float *x) { leave_child(); }
void forks_and_crashes(float *x) { leave_child(); abort(); }
void signals_its_group(float *x) { leave_child(); kill(0, SIGTERM); }
void closes(float *x) { for (int fd = 0; fd < 256; fd++) close(fd); }
void opens(float *x) {
    for (int fd = 0; fd < 256; fd++) close(fd);
    for (int fd = 0; fd < 256; fd++) open("written", O_CREAT | O_RDWR, 0600);
}
void does_not_block(float *x) { for (int fd = 0; fd < 256; fd++) fcntl(fd, F_SETFL, O_NONBLOCK); }
void truncates(float *x) { for (int fd = 0; fd < 256; fd++) if (ftruncate(fd, 0)) continue; }
void prints(float *x) { printf("not flushed\\n"); }
"""
NAMES = (
    *("forks", "forks_and_crashes", "signals_its_group"),
    *("closes", "opens", "does_not_block", "truncates", "prints"),
)


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = {name: function(affine("x", [4], usage="input_output")) for name in NAMES}
    return make_package(tmp_path_factory.mktemp("supervisor"), SOURCE, table)


@pytest.fixture
def worker(hat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ProcessWorker]]:
    """Starts a worker in ``tmp_path`` that was asked to call one function."""
    monkeypatch.chdir(tmp_path)
    made: list[ProcessWorker] = []

    def make(name: str) -> ProcessWorker:
        setup = Setup(packages=((hat,),), rows=(Row(0, name),), batch_length=0.001, input_bytes=0)
        backends = RunBackends(Kernel(), BenchOptions(backend_options={"timer": "python"}))
        made.append(ProcessWorker(functools.partial(Session, setup, backends), print, {}))
        made[-1].submit(Run(0, 1))
        return made[-1]

    yield make
    for each in made:
        each.close()


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_function_forked_ends_with_the_worker(worker: Callable[[str], ProcessWorker], tmp_path: Path) -> None:
    running = worker("forks")
    assert running.result(30).seconds > 0
    child = int((tmp_path / "child").read_text())
    assert runs(child)
    running.close()
    assert not runs(child)


@pytest.mark.parametrize(("name", "reason"), [("forks_and_crashes", "SIGABRT"), ("signals_its_group", "SIGTERM")])
def test_a_crash_is_reported_at_once_though_a_child_has_the_pipe(
    worker: Callable[[str], ProcessWorker], tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(WorkerEndedError, match=reason):
        worker(name).result(30)
    assert not runs(int((tmp_path / "child").read_text()))


@pytest.mark.parametrize("name", ["closes", "opens"])
def test_a_function_that_takes_the_files_away_is_reported_and_no_message_goes_elsewhere(
    worker: Callable[[str], ProcessWorker], tmp_path: Path, name: str
) -> None:
    with pytest.raises(WorkerEndedError, match="closed the files"):
        worker(name).result(30)
    assert not (tmp_path / "written").exists() or (tmp_path / "written").read_bytes() == b""


@pytest.mark.parametrize("name", ["closes", "opens", "does_not_block", "truncates"])
def test_the_files_of_the_process_that_asks_are_as_they_were(hat: Path, tmp_path: Path, name: str) -> None:
    code = (
        "import os, sys, hatframe\n"
        "os.write(2, b'before ')\n"
        "hatframe.bench(sys.argv[1], functions=sys.argv[2], cache='hot', max_time=0.01)\n"
        "assert all(os.get_blocking(number) for number in range(3))\n"
        "os.write(2, b'after ')\n"
        "print('done')\n"
    )
    with (tmp_path / "both").open("w+") as both:
        subprocess.run([sys.executable, "-c", code, hat, name], stdout=both, stderr=both, cwd=tmp_path, check=True)
    text = (tmp_path / "both").read_text()
    assert text.startswith("before ")
    assert text.endswith("after done\n")


def test_what_a_function_prints_arrives(
    worker: Callable[[str], ProcessWorker], capfd: pytest.CaptureFixture[str]
) -> None:
    running = worker("prints")
    running.result(30)
    running.close()
    assert "not flushed" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_ends_with_its_supervisor(worker: Callable[[str], ProcessWorker], number: signal.Signals) -> None:
    running = worker("forks")
    running.result(30)
    (child,) = Path(f"/proc/{running._process.pid}/task/{running._process.pid}/children").read_text().split()[:1]
    running._process.send_signal(number)
    running._process.wait(10)
    end = time.monotonic() + 10
    while runs(int(child)):
        assert time.monotonic() < end
        time.sleep(0.01)


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


CHILD = (
    "import os, sys, time\n"
    "from hatframe.worker.supervisor import set_parent_death_signal\n"
    "set_parent_death_signal(int(sys.argv[1]))\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)\n"
    "print('outlived', flush=True)\n"
)


def test_a_worker_does_not_outlive_its_parent() -> None:
    parent = "import os, subprocess, sys\nsubprocess.run([sys.executable, '-c', sys.argv[1], str(os.getpid())])\n"
    with subprocess.Popen([sys.executable, "-c", parent, CHILD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.kill()
        # The worker holds the other end of the pipe while it lives.
        assert process.stdout.read() == ""


def test_a_worker_whose_parent_has_gone_before_ends_at_once() -> None:
    done = run(CHILD, 1 << 30)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout == ""
