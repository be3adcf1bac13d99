"""The worker process: requests and replies, crashes, time limits, and forged messages."""

from __future__ import annotations

import functools
import io
import os
import pickle
import queue
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sample_packages import LINKERS, affine, function, make_package

from hatframe.bench.options import BenchOptions
from hatframe.bench.session import Describe, Drop, Run, Session, Setup, Warm
from hatframe.errors import DamageError, HatError, SymbolError, UsageError
from hatframe.kernel import Kernel
from hatframe.rows import Row
from hatframe.selection import RunBackends
from hatframe.worker.messages import Done, Failed, Message, Note, Request, read_message, write_message
from hatframe.worker.process import LocalWorker, ProcessWorker, Worker, WorkerEndedError, pin, receive

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")

SOURCE = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
void works(float *x) { x[0] += 1; }
void crashes(float *x) { *(volatile int *)8 = 1; }
void exits(float *x) { exit(7); }
void hangs(float *x) { for (;;) pause(); }
void kills(float *x) { kill(getpid(), 9); }
void reads(float *x) { if (getchar() != EOF) abort(); printf("it said\\n"); fflush(stdout); }
void takes_long(float *x) { usleep(60000); }
void leaves(float *x) { atexit(abort); }
void forges(float *x) { for (int fd = 3; fd < 64; fd++) write(fd, "forged message", 14); exit(0); }
"""
NAMES = ("works", "crashes", "exits", "hangs", "kills", "reads", "takes_long", "leaves", "forges", "missing")


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = {name: function(affine("x", [4], usage="input_output")) for name in NAMES}
    return make_package(tmp_path_factory.mktemp("worker"), SOURCE, table, flags=["-include", "signal.h"])


def setup_of(hat: Path, *names: str, **more: Any) -> Setup:
    plain = Setup(
        packages=((hat,),),
        rows=tuple(Row(0, name) for name in names),
        batch_length=0.001,
        input_bytes=0,
    )
    return msgspec.structs.replace(plain, **more)


def service(setup: Setup, timer: str = "python") -> Any:
    return functools.partial(Session, setup, RunBackends(Kernel(), BenchOptions(backend_options={"timer": timer})))


@pytest.fixture
def worker(hat: Path) -> Iterator[Callable[..., ProcessWorker]]:
    made: list[ProcessWorker] = []

    def make(*names: str, notify: Callable[[str], None] = print, timer: str = "python", **more: Any) -> ProcessWorker:
        setup = setup_of(hat, *names, **more)
        made.append(ProcessWorker(service(setup, timer), notify, {"SET_FOR_IT": "1"}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def ask(worker: Worker, request: Request, timeout: float = 30.0) -> Any:
    worker.submit(request)
    return worker.result(timeout)


def test_a_row_is_described_warmed_up_and_measured(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("works", "missing")
    assert ask(running, Describe(0)).bytes == 16
    warmed = ask(running, Warm(0))
    assert warmed.calls > 1
    assert warmed.first.seconds > 0
    assert warmed.timer == "python"
    assert warmed.overhead_subtracted
    assert (warmed.input_sets, warmed.input_set_bytes) == (1, 16)
    assert ask(running, Run(0, 10)).seconds > 0
    with pytest.raises(SymbolError, match="does not export missing"):
        ask(running, Describe(1))
    assert ask(running, Run(0, 10)).seconds > 0, "an error does not end it"


def test_here_and_in_another_process_the_same_is_done(hat: Path, worker: Callable[..., ProcessWorker]) -> None:
    here = LocalWorker(service(setup_of(hat, "works", "missing")))
    there = worker("works", "missing")
    for each in (here, there):
        each.submit(Describe(0))
        each.submit(Warm(0))
        each.submit(Run(0, 3))
        each.submit(Describe(1))
    assert here.result(30).key == there.result(30).key
    for each in (here, there):
        assert each.result(30).calls > 1
        assert each.result(30).seconds > 0
        with pytest.raises(SymbolError):
            each.result(30)
    here.close()


@posix
@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("crashes", "crashed", "SIGSEGV"),
        ("kills", "crashed", "SIGKILL"),
        ("exits", "exited", r"called exit\(7\)"),
        ("hangs", "timeout", "did not return within 0.5 s"),
    ],
)
def test_how_it_ended_is_reported(worker: Callable[..., ProcessWorker], name: str, status: str, reason: str) -> None:
    running = worker(name, "works")
    running.submit(Warm(0))
    running.submit(Warm(1))
    with pytest.raises(WorkerEndedError, match=reason) as caught:
        running.result(0.5)
    assert caught.value.status == status
    assert running._process.poll() is not None


@posix
def test_functions_have_no_input_and_print_elsewhere(
    worker: Callable[..., ProcessWorker], capfd: pytest.CaptureFixture[str]
) -> None:
    assert ask(worker("reads"), Run(0, 1)).seconds > 0
    captured = capfd.readouterr()
    assert "it said" in captured.err
    assert captured.out == ""


@posix
def test_what_a_function_leaves_for_the_end_of_the_process_does_not_run(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("leaves")
    ask(running, Run(0, 1))
    running._requests.close()
    assert running._process.wait(10) == 0


@posix
def test_the_time_limit_is_for_the_function_and_not_for_what_comes_before(worker: Callable[..., ProcessWorker]) -> None:
    # The worker's start takes longer than this limit, and so do the calls all together, but none of them alone.
    running = worker("takes_long")
    warmed = ask(running, Warm(0), timeout=0.35)
    assert warmed.calls == 1
    for _ in range(8):
        running.submit(Run(0, 1))
    assert all(running.result(0.35).seconds > 0.05 for _ in range(8))


@pytest.mark.slow
@posix
def test_a_batch_of_many_calls_may_take_longer_than_one_of_them(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("takes_long", min_iterations=10)
    warmed = ask(running, Warm(0), timeout=0.35)
    assert warmed.calls == 10
    assert warmed.first.seconds > 0.6
    assert ask(running, Run(0, 10), timeout=0.35).seconds > 0.6


@posix
def test_a_row_is_warmed_up_where_a_new_worker_is_asked_for_a_batch(worker: Callable[..., ProcessWorker]) -> None:
    assert ask(worker("works"), Run(0, 5)).seconds > 0


def test_input_sets_that_are_dropped_are_made_anew(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("works", "reads")
    key = ask(running, Describe(0)).key
    assert key == ask(running, Describe(1)).key, "functions with the same arguments share their inputs"
    ask(running, Warm(0))
    ask(running, Drop((key,)))
    assert ask(running, Run(0, 5)).seconds > 0


def test_a_problem_of_the_start_fails_every_request(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("works", cpu=99_999)
    for _ in range(2):
        with pytest.raises(UsageError, match="99999"):
            ask(running, Describe(0))


def test_a_service_that_cannot_be_made_fails_every_request() -> None:
    # int() raises a TypeError there, as a plugin that cannot be imported raises an error of its own.
    running = ProcessWorker(functools.partial(int, base=16), print, {})  # type: ignore[arg-type]
    try:
        with pytest.raises(HatError, match="TypeError") as caught:
            ask(running, Describe(0))
        assert not isinstance(caught.value, WorkerEndedError)
    finally:
        running.close()


def test_notes_come_through(worker: Callable[..., ProcessWorker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HATFRAME_DISABLE_PLUGINS", ",".join(LINKERS))
    notes: list[str] = []
    assert ask(worker("works", notify=notes.append, timer="auto"), Warm(0)).timer == "python"
    assert len(notes) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_it_ends_when_nobody_asks_any_more(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("works")
    ask(running, Warm(0))
    running._requests.close()
    assert running._process.wait(10) == 0
    assert not Path(f"/proc/{running._process.pid}").exists()


def test_messages_are_whole_or_an_end() -> None:
    stream = io.BytesIO()
    for text in ("short", "x" * 100_000):
        write_message(stream, Note(text))
    stream.seek(0)
    assert [read_message(stream, Message) for _ in range(2)] == [Note("short"), Note("x" * 100_000)]
    with pytest.raises(EOFError):
        read_message(stream, Message)
    for cut in (3, 8, 12):
        with pytest.raises(EOFError):
            read_message(io.BytesIO(stream.getvalue()[:cut]), Message)


def test_errors_arrive_as_the_kind_that_they_were_and_no_other() -> None:
    for error in (UsageError("a", where="b", hint="c"), SymbolError("d"), WorkerEndedError("e"), ValueError("f")):
        with pytest.raises(HatError) as caught:
            Failed.of(error).raise_error()
        kinds = {UsageError: UsageError, SymbolError: SymbolError, ValueError: DamageError}
        assert type(caught.value) is kinds.get(type(error), HatError)
    for kind in ("importlib", "Any", "__builtins__", "system"):
        with pytest.raises(HatError):
            Failed(kind, "forged").raise_error()


def forged(tmp_path: Path, content: bytes) -> list[Any]:
    """The messages that arrive if a worker's output holds ``content``."""
    (tmp_path / "pipe").write_bytes(content)
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    receive((tmp_path / "pipe").open("rb"), messages)
    found = []
    while not messages.empty():
        found.append(messages.get())
    return found


class Code:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("kind", ["pickle", "text", "another type", "a huge length", "half a message"])
def test_a_forged_message_runs_no_code_and_ends_the_worker(tmp_path: Path, kind: str) -> None:
    evil = tmp_path / "evil"
    data = {
        "pickle": pickle.dumps(Code(evil)),
        "text": b"hello",
        "another type": msgspec.msgpack.encode({"type": "Done"}),
        "half a message": b"",
    }.get(kind, b"")
    length = {"a huge length": 1 << 60, "half a message": 10}.get(kind, len(data))
    *before, last = forged(tmp_path, struct.pack("<Q", length) + data)
    assert last is None
    assert all(isinstance(message, WorkerEndedError) for message in before)
    assert not evil.exists()


@posix
def test_a_library_that_writes_to_the_pipe_is_reported_as_ended(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("forges")
    with pytest.raises(WorkerEndedError):
        ask(running, Run(0, 1))


def test_a_reply_of_another_type_ends_the_worker(tmp_path: Path) -> None:
    stream = io.BytesIO()
    write_message(stream, Done(msgspec.Raw(msgspec.msgpack.encode({"seconds": "many"}))))
    stream.seek(0)
    message = read_message(stream, Message)
    assert isinstance(message, Done)
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(message.value, type=Run.reply)


# ------------------------------------------------------------------------------------------------- the process itself


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_a_pinned_process_stays_on_its_core_with_its_threads_and_children() -> None:
    code = (
        "import os, subprocess, sys, threading\n"
        "from hatframe.worker.process import pin\n"
        "pin(int(sys.argv[1]))\n"
        "seen = [os.sched_getaffinity(0)]\n"
        "thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))\n"
        "thread.start(); thread.join()\n"
        "child = [sys.executable, '-c', 'import os; print(*os.sched_getaffinity(0))']\n"
        "print(*seen[0], *seen[1], *os.sched_getaffinity(0), subprocess.check_output(child, text=True))\n"
    )
    core = max(os.sched_getaffinity(0))
    done = run(code, core)
    assert done.stdout.split() == [str(core)] * 4, done.stderr


@pytest.mark.parametrize("core", [-1, 100_000, 1 << 70])
def test_a_core_that_does_not_exist_is_an_error_that_lists_the_others(core: int) -> None:
    with pytest.raises(UsageError) as caught:
        pin(core)
    assert caught.value.where == "--cpu"
    assert caught.value.hint


# ----------------------------------------------------------------------------------------- what Python code it imports

# All that the start of a worker imports, and what a benchmark imports later.
SHADOWS = ("signal", "json", "site", "hatframe", "ctypes", "pickle", "msgspec", "numpy", "cffi", "random", "typing")


@pytest.fixture
def untrusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, whose modules leave a file ``imported`` there."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'imported')!r}, 'a').write('{name} ')\n")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("entry", ["", "folder"])
def test_nothing_is_imported_from_the_current_folder(
    untrusted: Path, worker: Callable[..., ProcessWorker], monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    # As Python starts scripts in the current folder, code of -c, and modules of -m.
    monkeypatch.setattr(sys, "path", [str(untrusted) if entry else "", *sys.path])
    assert ask(worker("works", timer="auto"), Warm(0)).calls > 1
    assert not (untrusted / "imported").exists()


def test_a_plugin_that_was_given_may_come_from_the_current_folder(
    tmp_path: Path, hat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "helper_of_it.py").write_text("")
    (tmp_path / "given_plugin.py").write_text("import helper_of_it\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    import given_plugin  # type: ignore[import-not-found]

    kernel = Kernel([given_plugin])
    make = functools.partial(Session, setup_of(hat, "works"), RunBackends(kernel, BenchOptions()))
    running = ProcessWorker(make, print, {})
    try:
        assert ask(running, Describe(0)).bytes == 16
    finally:
        running.close()
