"""The schedule: rounds in random order over all functions, and what it does when a worker ends."""

from __future__ import annotations

import sys
from collections import Counter, deque
from pathlib import Path
from typing import Any

import pytest
from sample_packages import affine, function, make_package

from hatframe import Kernel, hookimpl
from hatframe.backends import Observer
from hatframe.bench import schedule
from hatframe.bench.options import BenchOptions
from hatframe.bench.race import Samples
from hatframe.bench.schedule import Record, Schedule
from hatframe.bench.session import Batch, Check, Drop, Needs, Warmed
from hatframe.errors import DamageError, HatError, UsageError
from hatframe.rows import Row
from hatframe.worker.messages import Request
from hatframe.worker.process import Worker, WorkerEndedError

QUICK: dict[str, Any] = {
    "verify": False,
    "processes": 1,
    "min_time": 0.0,
    "batches": 5,
    "max_time": 0.0,
    "cache": "hot",
}


class FakeWorker:
    """Answers as a worker does, with the times and failures that a test gives: what no real one does on demand."""

    def __init__(self, times: dict[int, float], fails: dict[tuple[str, int], list[HatError]], log: list[Any]) -> None:
        self.times = times
        self.fails = fails
        self.log = log
        self.requests: deque[Request] = deque()
        self.most = 0
        self.bytes = 8
        self.available: int | None = None
        self.overhead = 0.0
        self.harmful: set[int] = set()
        self.harmed_by: int | None = None
        self.dies, self.hidden = True, False
        log.append("started")

    def submit(self, request: Request) -> None:
        self.requests.append(request)
        self.most = max(self.most, len(self.requests))

    def result(self, timeout: float) -> Any:
        request = self.requests.popleft()
        method = type(request).__name__.lower()
        if isinstance(request, Drop):
            row, entry = -1, (method, request.keys)
        elif isinstance(request, Check):
            row, entry = -1, (method, -1)
        else:
            row = request.row  # type: ignore[attr-defined]
            entry = (method, row)
        self.log.append(entry)
        if errors := self.fails.get((method, row)):
            raise errors[0]
        shown = method == "check" and not self.hidden
        if self.harmed_by and (shown or row not in (-1, self.harmed_by)):
            raise WorkerEndedError("SIGSEGV") if self.dies else DamageError("MemoryError:")
        if method in ("warm", "run") and row in self.harmful:
            self.harmed_by = row
        batch = Batch(self.times.get(row, 0.01))
        if method == "describe":
            return Needs(f"key {row}", self.bytes, available=self.available)
        if method == "warm":
            return Warmed(
                seconds=0.1,
                calls=1,
                first=batch,
                overhead=self.overhead,
                overhead_subtracted=self.overhead > 0,
                timer="native",
                loader="fake",
                input_sets=1,
                input_set_bytes=8,
            )
        return batch if method == "run" else None

    def close(self) -> None:
        self.log.append("closed")


class Runner:
    def __init__(self, rows: int, times: dict[int, float] | None = None, **options: Any) -> None:
        self.records = [Record(row=Row(0, f"f{row}")) for row in range(rows)]
        self.times = times or {}
        self.fails: dict[tuple[str, int], list[HatError]] = {}
        self.log: list[Any] = []
        self.workers: list[FakeWorker] = []
        self.finished: list[str] = []
        self.saved: list[int] = []
        self.bytes = 8
        self.available: int | None = None
        self.overhead = 0.0
        self.harmful: set[int] = set()
        self.dies, self.hidden = True, False
        self.options = BenchOptions(**{**QUICK, **options})

    def run(self) -> Runner:
        def start_worker() -> Worker:
            self.workers.append(FakeWorker(self.times, self.fails, self.log))
            self.workers[-1].bytes = self.bytes
            self.workers[-1].available = self.available
            self.workers[-1].overhead = self.overhead
            self.workers[-1].harmful = self.harmful
            self.workers[-1].dies, self.workers[-1].hidden = self.dies, self.hidden
            return self.workers[-1]

        Schedule(
            self.records,
            self.options,
            start_worker=start_worker,
            observer=Observer(),
            finished=lambda record: self.finished.append(record.row.function),
            save=lambda: self.saved.append(len(self.finished)),
        ).run()
        return self

    @property
    def statuses(self) -> list[str]:
        return [record.status for record in self.records]


def test_each_round_has_all_functions_in_another_order() -> None:
    runner = Runner(8, batches=7, race=False).run()
    runs = [row for method, row in (entry for entry in runner.log if isinstance(entry, tuple)) if method == "run"]
    rounds = [runs[start : start + 8] for start in range(0, len(runs), 8)]
    assert len(rounds) == 6, "the warm-up measured the first batch"
    assert all(sorted(each) == list(range(8)) for each in rounds)
    assert len({tuple(each) for each in rounds}) > 4
    assert [record.samples.rounds for record in runner.records] == [list(range(1, 8))] * 8
    assert runner.statuses == ["ok"] * 8
    again = Runner(8, batches=7, race=False).run()
    assert again.log == runner.log, "the seed chooses the orders"
    assert Runner(8, batches=7, race=False, seed=1).run().log != runner.log


def test_who_is_far_behind_gets_only_the_first_rounds() -> None:
    runner = Runner(3, {0: 0.01, 1: 0.010001, 2: 0.02}, max_time=2.0, batches=3, min_time=1.0).run()
    batches = [len(record.samples.means) for record in runner.records]
    assert batches[2] == 50, "which the least time makes more of"
    runner = Runner(3, {0: 0.01, 1: 0.010001, 2: 0.02}, max_time=2.0, batches=60).run()
    assert min(len(record.samples.means) for record in runner.records) >= 60, "what was asked for holds for all"


@pytest.mark.parametrize("phase", ["describe", "warm", "run"])
def test_a_worker_that_ends_takes_one_function_with_it(phase: str) -> None:
    runner = Runner(6)
    runner.fails = {(phase, 2): [WorkerEndedError("SIGSEGV")], (phase, 4): [WorkerEndedError("late", "timeout")]}
    runner.run()
    assert runner.statuses == ["ok", "ok", "crashed", "ok", "timeout", "ok"]
    assert runner.records[2].message == "f2 crashed: SIGSEGV"
    assert runner.records[4].message == "f4 late"
    assert all(len(runner.records[row].samples.means) >= 5 for row in (0, 1, 3, 5))
    assert runner.log.count("started") == runner.log.count("closed") <= 5
    assert Counter(runner.finished) == Counter(f"f{row}" for row in range(6))


@pytest.mark.parametrize("dies", [True, False])
def test_a_function_that_damages_its_worker_is_the_only_one_that_fails(dies: bool) -> None:
    runner = Runner(6)
    runner.harmful, runner.dies = {3}, dies
    runner.run()
    assert [row for row, status in enumerate(runner.statuses) if status != "ok"] == [3]
    assert Counter(runner.finished) == Counter(f"f{row}" for row in range(6))
    # The figures are of workers in which it did not run.
    last = max(index for index, entry in enumerate(runner.log) if entry in (("warm", 3), ("run", 3)))
    after = Counter(entry[1] for entry in runner.log[last:] if isinstance(entry, tuple) and entry[0] == "run")
    for row in (0, 1, 2, 4, 5):
        assert len(runner.records[row].samples.means) == after[row] + 1


def test_functions_that_fail_only_together_are_measured_each_in_its_own_worker() -> None:
    runner = Runner(4)
    # It harms what runs after it, and nothing shows it when it runs alone.
    runner.harmful = {3}
    runner.hidden = True
    runner.run()
    assert runner.statuses == ["ok"] * 4
    ran: list[set[int]] = []
    for entry in runner.log:
        if entry == "started":
            ran.append(set())
        elif isinstance(entry, tuple) and entry[0] == "run":
            ran[-1].add(entry[1])
    assert sorted(map(sorted, [each for each in ran if each][-4:])) == [[0], [1], [2], [3]]


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, 1e300])
def test_an_impossible_time_is_damage(seconds: float) -> None:
    runner = Runner(3, {1: seconds}).run()
    assert runner.statuses == ["ok", "failed", "ok"]


def test_an_error_fails_one_function_in_the_same_worker() -> None:
    runner = Runner(3)
    runner.fails = {("warm", 1): [HatError("no such thing")]}
    runner.run()
    assert runner.statuses == ["ok", "failed", "ok"]
    assert runner.records[1].message == "no such thing"
    assert len(runner.workers) == 1


def test_what_was_asked_for_wrongly_ends_the_run_and_the_worker() -> None:
    runner = Runner(3)
    runner.fails = {("describe", 0): [UsageError("no such core")]}
    with pytest.raises(UsageError, match="no such core"):
        runner.run()
    assert runner.log[-1] == "closed"
    assert runner.finished == []


def test_a_worker_that_ends_after_the_last_function_ends_nothing_else() -> None:
    runner = Runner(2)
    runner.fails = {("drop", -1): [WorkerEndedError("SIGABRT")]}
    assert runner.run().statuses == ["ok", "ok"]


def test_only_so_many_requests_are_under_way_as_a_pipe_can_hold() -> None:
    runner = Runner(5000, batches=3)
    runner.fails = {("run", 4000): [WorkerEndedError("SIGSEGV")]}
    runner.run()
    assert Counter(runner.statuses) == {"ok": 4999, "crashed": 1}
    assert 1 < max(worker.most for worker in runner.workers) <= schedule._AHEAD


def test_functions_whose_inputs_do_not_fit_together_are_measured_one_after_another() -> None:
    runner = Runner(5, race=False)
    runner.available = 1000
    runner.bytes = 300
    runner.run()
    assert runner.statuses == ["ok"] * 5
    live: set[str] = set()
    for entry in runner.log:
        if isinstance(entry, tuple):
            method, what = entry
            if method == "warm":
                live.add(f"key {what}")
            elif method == "drop":
                live -= set(what)
            assert len(live) <= 2
    assert not live


def test_what_is_final_is_saved_in_the_same_round() -> None:
    runner = Runner(3, {0: 0.01, 1: 0.01, 2: 0.05}, max_time=1.0, batches=3)
    runner.fails = {("warm", 0): [WorkerEndedError("SIGSEGV")]}
    runner.run()
    assert runner.saved == sorted(runner.saved)
    assert {1, 3} <= set(runner.saved)


def test_a_run_goes_on_with_the_batches_it_had_and_its_leader_anew() -> None:
    runner = Runner(4, {row: 0.01 + 0.001 * row for row in range(4)}, batches=10, race=False)
    for row, record in enumerate(runner.records[:3]):
        record.calls = 1
        record.samples = Samples(means=[0.01 + 0.001 * row] * 12, rounds=list(range(1, 13)))
        record.status, record.reported = "ok", True
    # One lucky batch does not make a leader.
    runner.records[1].samples.means[3] = 0.001
    runner.records[3].calls = 1
    runner.records[3].samples = Samples(means=[0.013] * 8, rounds=list(range(1, 9)))
    runner.run()
    assert runner.statuses == ["ok"] * 4
    called = {row for method, row in (entry for entry in runner.log if isinstance(entry, tuple)) if method == "run"}
    assert called == {0, 3}
    assert len(runner.records[3].samples.means) == 10
    assert runner.records[3].samples.rounds == [*range(1, 9), 13, 14]
    anchor = runner.records[0].samples
    assert len(anchor.means) == 12 + 10, "as many new batches as of any other"
    assert set(anchor.rounds) >= {13, 14}


def test_the_leader_of_each_group_is_measured_anew_with_the_open_ones_of_its_group() -> None:
    runner = Runner(6, dict.fromkeys(range(6), 0.01), batches=4, race=False)
    for row, record in enumerate(runner.records):
        record.row = Row(0, f"f{row}", group="one" if row < 3 else "two" if row < 5 else "three")
        record.calls = 1
        if row not in (2, 4):
            record.samples = Samples(means=[0.01 + 0.001 * row] * 4, rounds=list(range(1, 5)))
            record.status, record.reported = "ok", True
    runner.run()
    assert runner.statuses == ["ok"] * 6
    assert [len(record.samples.means) for record in runner.records] == [8, 4, 4, 8, 4, 4]


def test_batches_from_which_nearly_all_is_subtracted_take_no_longer_than_others() -> None:
    runner = Runner(1, {0: 1e-6}, batches=None, min_time=None, max_time=None)
    runner.overhead = 0.01
    runner.run()
    assert len(runner.records[0].samples.means) == 10
    assert runner.records[0].measured_seconds == pytest.approx(0.1, rel=0.01)


def test_a_run_of_which_all_is_final_starts_no_worker() -> None:
    runner = Runner(2)
    for record in runner.records:
        record.status = "failed"
    assert runner.run().log == []


# ------------------------------------------------------------------------------------------------- with real functions


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
@pytest.mark.parametrize("isolated", [True, False])
def test_a_plugin_that_cannot_be_sent_is_used_here_and_the_document_says_so(tmp_path: Path, isolated: bool) -> None:
    source = "#include <unistd.h>\nvoid who(int *pid) { *pid = getpid(); }\n"
    hat = make_package(tmp_path, source, {"who": function(affine("pid", [1], "int", "output"))})
    seen: list[Any] = []

    class Plugin:
        @hookimpl
        def hatframe_observers(self) -> list[Observer]:
            seen.append("asked")
            return []

    plugins = [] if isolated else [Plugin()]
    document = Kernel(plugins).bench(hat, **QUICK)
    assert document.run.isolated is isolated
    assert [result.status for result in document.results] == ["ok"]
    assert document.complete
    assert bool(seen) is not isolated


DAMAGING = """
void good(const float *x, float *y) { y[0] = x[0]; }
void other(const float *x, float *y) { y[1] = x[1]; }
void behind(const float *x, float *y) { for (int i = 0; i < 6; i++) y[i] = 1; }
void in_front(const float *x, float *y) { y[-1] = 1; }
void far_behind(const float *x, float *y) { for (int i = 0; i < 1 << 24; i++) y[i] = 1; }
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_functions_that_write_outside_their_arguments_fail_and_the_others_do_not(tmp_path: Path) -> None:
    table = {
        name: function(affine("x", [4]), affine("y", [4], usage="output"))
        for name in ("good", "other", "behind", "in_front", "far_behind")
    }
    hat = make_package(tmp_path, DAMAGING, table)
    document = Kernel().bench(hat, **QUICK)
    results = {result.function_name: result for result in document.results}
    assert {name for name, result in results.items() if result.status == "ok"} == {"good", "other"}
    assert results["behind"].status == results["in_front"].status == "failed"
    assert "behind" in results["behind"].message
    assert "8 bytes after 'y'" in results["behind"].message
    assert "4 bytes before 'y'" in results["in_front"].message
    assert results["far_behind"].status == "crashed"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
@pytest.mark.slow
def test_thousands_of_rows_do_not_hide_a_function_that_does_not_return(tmp_path: Path) -> None:
    source = 'void waits(float *x) { for (;;) __asm__ volatile(""); }\nvoid works(long n, float *x) { x[0] = n; }\n'
    from sample_packages import element

    table = {
        "waits": function(affine("x", [1], usage="output")),
        "works": function(element("n", "int64_t"), affine("x", [1], usage="output")),
    }
    hat = make_package(tmp_path, source, table)
    sizes = tuple({"n": n} for n in range(2500))
    told: list[str] = []

    class Teller(Observer):
        def function_finished(self, result: Any) -> None:
            told.append(result.status)
            if result.status == "timeout":
                raise KeyboardInterrupt

    options = {**QUICK, "size": sizes, "timeout": 0.5, "batches": 1}
    with pytest.raises(KeyboardInterrupt):
        Kernel().bench(hat, observers=Teller(), **options)
    assert "timeout" in told
