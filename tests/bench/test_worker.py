"""The worker process: what becomes of requests, and of the process, whatever happens in it."""

from __future__ import annotations

import functools
import io
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sample_packages import LINKERS, affine, function, make_package

from hatframe import Kernel
from hatframe.bench.session import Row, Setup
from hatframe.bench.worker import (
    LocalWorker,
    ProcessWorker,
    Worker,
    WorkerEndedError,
    _receive,
    read_message,
    write_message,
)
from hatframe.errors import HatError, SymbolError, UsageError
from hatframe.kernel import _opener

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
"""
NAMES = ("works", "crashes", "exits", "hangs", "kills", "reads", "takes_long", "leaves", "missing")


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = {name: function(affine("x", [4], usage="input_output")) for name in NAMES}
    return make_package(tmp_path_factory.mktemp("worker"), SOURCE, table, flags=["-include", "signal.h"])


def setup_of(hat: Path, *names: str, **more: Any) -> Setup:
    plain = Setup(
        packages=((hat,),),
        rows=tuple(Row(0, name) for name in names),
        batch_length=0.001,
        min_iterations=1,
        input_bytes=0,
        input_data="random",
        seed=0,
    )
    return msgspec.structs.replace(plain, **more)


def opener(timer: str = "python") -> Any:
    return functools.partial(_opener, Kernel(), {"options": {"timer": timer}})


@pytest.fixture
def worker(hat: Path) -> Iterator[Callable[..., ProcessWorker]]:
    made: list[ProcessWorker] = []

    def make(*names: str, notify: Callable[[str], None] = print, **more: Any) -> ProcessWorker:
        made.append(ProcessWorker(setup_of(hat, *names, **more), opener(), notify, {"SET_FOR_IT": "1"}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def ask(worker: Worker, method: str, *arguments: Any, timeout: float = 30.0) -> Any:
    worker.submit(method, *arguments)
    return worker.result(timeout)


def test_a_row_is_described_warmed_up_and_measured(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("works", "missing")
    assert ask(running, "describe", 0).bytes == 16
    warmed = ask(running, "warm", 0)
    assert warmed.calls > 1
    assert warmed.first.seconds > 0
    assert warmed.timer == "python"
    assert warmed.overhead_subtracted
    assert (warmed.input_sets, warmed.input_set_bytes) == (1, 16)
    assert ask(running, "run", 0, 10).seconds > 0
    with pytest.raises(SymbolError, match="does not export missing"):
        ask(running, "describe", 1)
    assert ask(running, "run", 0, 10).seconds > 0, "an error does not end it"


def test_here_and_in_another_process_the_same_is_done(hat: Path, worker: Callable[..., ProcessWorker]) -> None:
    here = LocalWorker(setup_of(hat, "works", "missing"), opener())
    there = worker("works", "missing")
    for each in (here, there):
        each.submit("describe", 0)
        each.submit("warm", 0)
        each.submit("run", 0, 3)
        each.submit("describe", 1)
    assert here.result(30) == there.result(30)
    for each in (here, there):
        assert each.result(30).calls > 1
        assert each.result(30).seconds > 0
        with pytest.raises(SymbolError):
            each.result(30)
    here.close()


@posix
@pytest.mark.parametrize(
    ("name", "status", "told"),
    [
        ("crashes", "crashed", "SIGSEGV"),
        ("kills", "crashed", "SIGKILL"),
        ("exits", "exited", r"called exit\(7\)"),
        ("hangs", "timeout", "did not return within 0.5 s"),
    ],
)
def test_how_it_ended_is_told(worker: Callable[..., ProcessWorker], name: str, status: str, told: str) -> None:
    running = worker(name, "works")
    running.submit("warm", 0)
    running.submit("warm", 1)
    with pytest.raises(WorkerEndedError, match=told) as caught:
        running.result(0.5)
    assert caught.value.status == status
    assert running._process.poll() is not None


@posix
def test_functions_have_no_input_and_print_elsewhere(
    worker: Callable[..., ProcessWorker], capfd: pytest.CaptureFixture[str]
) -> None:
    assert ask(worker("reads"), "run", 0, 1).seconds > 0
    captured = capfd.readouterr()
    assert "it said" in captured.err
    assert captured.out == ""


@posix
def test_what_a_function_leaves_for_the_end_of_the_process_does_not_run(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("leaves")
    ask(running, "run", 0, 1)
    running._requests.close()
    assert running._process.wait(10) == 0


@posix
def test_the_time_limit_is_for_the_function_and_not_for_what_comes_before(worker: Callable[..., ProcessWorker]) -> None:
    # The worker's start takes longer than this limit, and so do the calls all together, but none of them alone.
    running = worker("takes_long")
    warmed = ask(running, "warm", 0, timeout=0.35)
    assert warmed.calls == 1
    for _ in range(8):
        running.submit("run", 0, 1)
    assert all(running.result(0.35).seconds > 0.05 for _ in range(8))


@posix
def test_a_batch_of_many_calls_may_take_longer_than_one_of_them(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("takes_long", min_iterations=10)
    warmed = ask(running, "warm", 0, timeout=0.35)
    assert warmed.calls == 10
    assert warmed.first.seconds > 0.6
    assert ask(running, "run", 0, 10, timeout=0.35).seconds > 0.6


@posix
def test_a_row_is_warmed_up_where_a_new_worker_is_asked_for_a_batch(worker: Callable[..., ProcessWorker]) -> None:
    assert ask(worker("works"), "run", 0, 5).seconds > 0


def test_input_sets_that_are_dropped_are_made_anew(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("works", "reads")
    key = ask(running, "describe", 0).key
    assert key == ask(running, "describe", 1).key, "functions with the same arguments share their inputs"
    ask(running, "warm", 0)
    ask(running, "drop", [key])
    assert ask(running, "run", 0, 5).seconds > 0


def test_a_problem_of_the_start_is_told_for_each_request(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("works", cpu=99_999)
    for _ in range(2):
        with pytest.raises(UsageError, match="there is no core 99999"):
            ask(running, "describe", 0)


def test_an_opener_that_fails_is_told_and_not_taken_for_a_crash(hat: Path) -> None:
    # int() raises a ValueError there, as a plugin that cannot be imported raises an error of its own.
    running = ProcessWorker(setup_of(hat, "works"), functools.partial(int, "x"), print, {})  # type: ignore[arg-type]
    try:
        with pytest.raises(HatError, match="ValueError") as caught:
            ask(running, "describe", 0)
        assert not isinstance(caught.value, WorkerEndedError)
    finally:
        running.close()


def test_notes_come_through(hat: Path, worker: Callable[..., ProcessWorker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HATFRAME_DISABLE_PLUGINS", ",".join(LINKERS))
    notes: list[str] = []
    running = ProcessWorker(setup_of(hat, "works"), opener("auto"), notes.append, {})
    try:
        assert ask(running, "warm", 0).timer == "python"
    finally:
        running.close()
    assert notes
    assert "timing in Python" in notes[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_it_ends_when_nobody_asks_any_more(worker: Callable[..., ProcessWorker]) -> None:
    running = worker("works")
    ask(running, "warm", 0)
    running._requests.close()
    assert running._process.wait(10) == 0
    assert not Path(f"/proc/{running._process.pid}").exists()


def test_messages_are_whole_or_an_end() -> None:
    stream = io.BytesIO()
    for message in ("short", b"x" * 100_000, None):
        write_message(stream, message)
    stream.seek(0)
    assert [read_message(stream) for _ in range(3)] == ["short", b"x" * 100_000, None]
    with pytest.raises(EOFError):
        read_message(stream)
    for cut in (3, 8, 12):
        with pytest.raises(EOFError):
            read_message(io.BytesIO(stream.getvalue()[:cut]))


class Unreadable:
    def __reduce__(self) -> tuple[Any, ...]:
        return (int, ("no number",))


def test_a_message_that_cannot_be_read_ends_the_waiting() -> None:
    reading, writing = os.pipe()
    replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
    thread = threading.Thread(target=_receive, args=(os.fdopen(reading, "rb"), replies))
    with os.fdopen(writing, "wb") as stream:
        write_message(stream, 1)
        write_message(stream, Unreadable())
    thread.start()
    thread.join(10)
    assert replies.get(timeout=5) == 1
    kind, error = replies.get(timeout=5)
    assert kind == "error"
    assert "cannot be read" in str(error)
    assert replies.get(timeout=5) is None
