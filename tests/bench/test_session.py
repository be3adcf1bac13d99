"""What measures: real functions with their inputs, batch by batch."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_packages import affine, function, make_package

from hatframe import Kernel
from hatframe.backends import Measurement, Timer
from hatframe.bench.inputs import InputData, InputSets
from hatframe.bench.session import LONGEST_WARM_UP, SHORTEST_BATCH, Row, Session, Setup, _warm_up

SOURCE = """
#include <stdint.h>
#include <unistd.h>
void quick(float *x) { x[0] = 1; }
void slow(float *x) { usleep(150000); }
void last(int32_t *a, const float *b, float *c, float *d) { d[3] *= 2; }
"""
BOTH = "input_output"
FUNCTIONS = {
    "quick": function(affine("x", [4], usage=BOTH)),
    "slow": function(affine("x", [4], usage=BOTH)),
    "last": function(
        affine("a", [4], "int32_t", BOTH), affine("b", [4]), affine("c", [4], usage=BOTH), affine("d", [4], usage=BOTH)
    ),
}


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("session"), SOURCE, FUNCTIONS)


def session(hat: Path, *names: str, told: list[float] | None = None, **more: Any) -> Session:
    plain: dict[str, Any] = {"batch_length": 0.01, "min_iterations": 1, "input_bytes": 0}
    plain |= {"input_data": "ones", "seed": 0}
    setup = Setup(packages=((hat,),), rows=tuple(Row(0, name) for name in names), **{**plain, **more})
    return Session(setup, Kernel().open_package, calling=(told if told is not None else []).append)


def test_batches_last_as_long_as_they_shall(hat: Path) -> None:
    told: list[float] = []
    running = session(hat, "quick", told=told)
    warmed = running.warm(0)
    assert warmed.calls > 1000
    assert 0.003 < warmed.first.seconds < 0.1
    assert SHORTEST_BATCH <= warmed.seconds < 3 * LONGEST_WARM_UP
    assert told == [0.0, pytest.approx(0.01, rel=0.01)]
    assert session(hat, "quick", min_iterations=5_000_000).warm(0).calls >= 5_000_000


def test_a_long_function_is_called_once_to_warm_up_and_once_to_measure(hat: Path) -> None:
    told: list[float] = []
    warmed = session(hat, "slow", told=told).warm(0)
    assert warmed.calls == 1
    assert warmed.seconds == pytest.approx(0.15, rel=0.3)
    assert told == [0.0, warmed.seconds]


class MostlyLoop(Timer):
    """Of a function that does nothing, in a loop that costs 100 ns a call."""

    name = "mostly loop"
    overhead = 1e-7
    subtracts_overhead = True

    def __init__(self) -> None:
        self.calls = 0

    def run(self, calls: int) -> Measurement:
        self.calls += calls
        return Measurement(calls * 1e-10)


def test_the_time_of_a_loop_counts_although_it_is_subtracted() -> None:
    timer = MostlyLoop()
    per_call, total = _warm_up(timer)
    assert per_call == pytest.approx(1e-7, rel=0.01)
    assert total == pytest.approx(timer.calls * 1e-7, rel=0.01)
    assert total < 2 * LONGEST_WARM_UP


@pytest.mark.parametrize("sets", [1, 2, 3, 8, 100])
@pytest.mark.parametrize("name", ["c", "d"])
def test_each_array_that_is_written_is_watched_however_many_sets_there_are(hat: Path, sets: int, name: str) -> None:
    bound = Kernel().load(hat)["last"]
    inputs = InputSets(bound, {}, InputData(0, "ones"), sets * 64)
    assert len(inputs.sets) == sets
    assert not inputs.restore_if_drifted()
    position = "abcd".index(name)
    for arguments in inputs.sets:
        arguments[position][1] = np.inf
    assert inputs.restore_if_drifted()
    assert all((arguments[position] == 1).all() for arguments in inputs.sets)
    assert inputs.restored == 1


def test_inputs_that_are_dropped_are_given_back(hat: Path) -> None:
    running = session(hat, "quick", "slow", "last", input_bytes=1000)
    running.warm(0)
    running.warm(2)
    key = running.describe(0).key
    arrays = [weakref.ref(array) for arguments in running._inputs[key].sets for array in arguments]
    assert all(array() is not None for array in arrays)
    running.drop([key])
    gc.collect()
    assert all(array() is None for array in arrays)
    assert running.run(2, 3).seconds > 0
    assert running.run(0, 3).seconds > 0
    running.close()
