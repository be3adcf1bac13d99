"""What measures: real functions with their inputs, batch by batch."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
from facts import assert_names
from sample_packages import RANGE_SOURCE, affine, function, make_package, range_function

from hatframe import Kernel, hookimpl
from hatframe.backends import Measurement, Meter, MeterSession, Workload
from hatframe.bench import session as module
from hatframe.bench.options import BenchOptions
from hatframe.bench.session import (
    LONGEST_WARM_UP,
    MAX_SETS,
    SHORTEST_BATCH,
    Describe,
    Drop,
    Run,
    Session,
    Setup,
    Warm,
    set_count,
)
from hatframe.rows import Row
from hatframe.selection import RunBackends

SOURCE = """
#include <stdint.h>
#include <unistd.h>
void quick(float *x) { x[0] = 1; }
void slow(float *x) { usleep(150000); }
void adds(float *x) { x[0] += 1; }
void drains(int32_t *x) { for (volatile int spin = x[0] * 20000; spin > 0; spin--); x[0] = 0; }
void keeps(int32_t *x) { for (volatile int spin = 20000; spin > 0; spin--); }
void last(int32_t *a, const float *b, float *c, float *d) { d[3] *= 2; }
"""
BOTH = "input_output"
FUNCTIONS = {
    "quick": function(affine("x", [4], usage=BOTH)),
    "slow": function(affine("x", [4], usage=BOTH)),
    "adds": function(affine("x", [4], usage=BOTH)),
    "drains": function(affine("x", [4], "int32_t", BOTH)),
    "keeps": function(affine("x", [4], "int32_t", BOTH)),
    "last": function(
        affine("a", [4], "int32_t", BOTH), affine("b", [4]), affine("c", [4], usage=BOTH), affine("d", [4], usage=BOTH)
    ),
}


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("session"), SOURCE, FUNCTIONS)


class Announced:
    """Keeps the seconds that are announced before calls."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def calling(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def returned(self) -> None:
        self.seconds.clear()


def session(hat: Path, *names: str, context: Announced | None = None, kernel: Kernel | None = None, **more: Any) -> Any:
    plain: dict[str, Any] = {"batch_length": 0.01, "input_bytes": 0, "input_data": "ones"}
    rows = tuple(Row(0, name) for name in names)
    setup = Setup(packages=((hat,),), **{"rows": rows, **plain, **more})
    return Session(setup, RunBackends(kernel or Kernel(), BenchOptions()), context or Announced())


def test_batches_last_as_long_as_they_shall(hat: Path) -> None:
    context = Announced()
    warmed = session(hat, "quick", context=context).handle(Warm(0))
    assert warmed.calls > 1000
    assert 0.003 < warmed.first.seconds < 0.1
    assert SHORTEST_BATCH <= warmed.seconds < 3 * LONGEST_WARM_UP
    assert context.seconds == [0.0, pytest.approx(0.01, rel=0.01)]
    assert session(hat, "quick", min_iterations=5_000_000).handle(Warm(0)).calls >= 5_000_000


def test_a_long_function_is_called_once_to_warm_up_and_once_to_measure(hat: Path) -> None:
    context = Announced()
    warmed = session(hat, "slow", context=context).handle(Warm(0))
    assert warmed.calls == 1
    assert warmed.seconds == pytest.approx(0.15, rel=0.3)
    assert context.seconds == [0.0, warmed.seconds]


class MostlyLoop(Workload):
    """A function that does nothing, in a loop that costs 100 ns a call."""

    overhead = 1e-7
    overhead_subtracted = True

    def __init__(self) -> None:
        self.calls = 0

    def allocate(self, sets: int, like: Workload | None = None) -> None: ...

    def restore(self) -> bool:
        return False

    def values(self, index: int) -> list[Any]:
        return []

    def run(self, calls: int) -> Measurement:
        self.calls += calls
        return Measurement(calls * 1e-10)


def test_the_time_of_a_loop_counts_although_it_is_subtracted() -> None:
    workload = MostlyLoop()
    per_call, total = module._warm_up(workload, workload.run)[:2]
    assert per_call == pytest.approx(1e-7, rel=0.01)
    assert total == pytest.approx(workload.calls * 1e-7, rel=0.01)
    assert total < 2 * LONGEST_WARM_UP


def test_the_number_of_sets_is_bounded() -> None:
    assert set_count(100, 1000) == 10
    assert set_count(100, 1001) == 11
    assert set_count(8, 1 << 40) == MAX_SETS
    assert set_count(8, 0) == set_count(0, 1000) == 1


def test_without_a_size_the_sets_exceed_the_last_cache_of_their_memory(hat: Path) -> None:
    running = session(hat, "quick", input_bytes=None)
    cache = Kernel().machine.last_level_cache
    assert cache
    needs = running.handle(Describe(0))
    assert (needs.memory, needs.bytes) == ("host", min(MAX_SETS * 16, 2 * cache.size))
    assert running.handle(Warm(0)).covers_cache is (2 * cache.size <= MAX_SETS * 16)


class Batches(Meter):
    name = "batches"
    summary = "for a test"

    def open(self) -> MeterSession:
        return Counting()


class Counting(MeterSession):
    started = 0

    def start(self) -> None:
        self.started += 1

    def stop(self) -> dict[str, float]:
        return {"batches": float(self.started)}


def test_meters_add_their_figures_to_each_batch(hat: Path) -> None:
    class Plugin:
        @hookimpl
        def hatframe_meters(self) -> list[Meter]:
            return [Batches()]

    running = session(hat, "quick", kernel=Kernel([Plugin()]))
    assert running.handle(Warm(0)).first.counters["batches"] == 1
    assert running.handle(Run(0, 3)).counters["batches"] == 2


def test_dropped_argument_sets_are_freed_and_made_anew_when_needed(hat: Path) -> None:
    running = session(hat, "quick", "slow", "last", input_bytes=1000)
    running.handle(Warm(0))
    running.handle(Warm(2))
    key = running.handle(Describe(0)).key
    assert key == running.handle(Describe(1)).key, "functions with the same arguments share them"
    workload = running._workloads[0]
    arrays = [weakref.ref(value) for index in range(workload.sets) for value in workload.values(index)]
    assert all(array() is not None for array in arrays)
    del workload
    running.handle(Drop((key,)))
    gc.collect()
    assert all(array() is None for array in arrays)
    assert running.handle(Run(2, 3)).seconds > 0
    assert running.handle(Run(0, 3)).seconds > 0
    running.close()


def test_functions_that_take_another_time_on_their_own_output_get_their_first_values(hat: Path) -> None:
    running = session(hat, "drains", "keeps", input_bytes=1000)
    drains = running.handle(Warm(0))
    assert drains.pristine
    assert drains.calls * 1e-5 < 1, "batches are as long as calls with first values take"
    batch = running.handle(Run(0, 10))
    assert batch.restored
    assert [values[0][0] for values in map(running._workloads[0].values, range(4))] == [1] * 4
    assert running.handle(Warm(1)).pristine, "functions that share their sets are treated alike"
    assert not session(hat, "keeps", input_bytes=1000).handle(Warm(0)).pristine


def test_restoring_can_be_chosen(hat: Path) -> None:
    never = session(hat, "drains", restore="never")
    assert not never.handle(Warm(0)).pristine
    assert never._workloads[0].values(0)[0][0] == 0
    assert session(hat, "keeps", restore="always").handle(Warm(0)).pristine


def test_a_new_process_restores_as_was_decided(hat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "inputs_matter", None)
    assert session(hat, "keeps").handle(Run(0, 3, True)).restored
    assert session(hat, "keeps").handle(Warm(0, True)).pristine
    assert not session(hat, "drains").handle(Run(0, 3, False)).restored


def test_a_long_or_large_first_call_is_reported_with_what_to_set(
    hat: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("INFO", "hatframe")
    package = make_package(tmp_path, RANGE_SOURCE, {"Range": range_function()}, name="range")
    session(package, "Range").handle(Warm(0))
    assert caplog.text == ""
    monkeypatch.setattr(module, "_LARGE_SHARE", 1e-12)
    row = Row(0, "Range", values={"limit": 4_000_000})
    session(package, rows=(row,)).handle(Warm(0))
    assert_names(caplog.text, "Range", "MB", "start=1", "limit=4000000", "delta=1", "--value")
    caplog.clear()
    monkeypatch.setattr(module, "_LONG_CALL", 0.0)
    session(hat, "quick").handle(Warm(0))
    assert_names(caplog.text, "quick")
    assert "--" not in caplog.text
