"""The loop in Python: it goes through the calls in turn, and subtracts its own cost."""

from __future__ import annotations

import gc
import time

from hatframe.calling.timing import SHORTEST_CALL, PythonTimer


def nothing() -> None:
    pass


def test_calls_take_turns_from_any_set_on() -> None:
    made: list[int] = []
    firsts = set()
    timer = PythonTimer([lambda n=n: made.append(n) for n in range(3)], [nothing] * 3)  # type: ignore[misc]
    for _ in range(50):
        made.clear()
        timer.run(5)
        assert made == [(made[0] + number) % 3 for number in range(5)]
        firsts.add(made[0])
    assert firsts == {0, 1, 2}


def test_cleaning_up_is_outside_the_clock() -> None:
    cleaned: list[float] = []
    timer = PythonTimer([nothing], [nothing], [lambda: cleaned.append(time.sleep(0) or 1.0)])
    cleaned.clear()
    timer.run(5)
    assert len(cleaned) == 5


def test_a_function_that_does_nothing_takes_no_negative_time() -> None:
    timer = PythonTimer([nothing], [nothing])
    assert timer.overhead > 0
    assert timer.run(1000).seconds >= 1000 * SHORTEST_CALL


def test_garbage_collection_is_restored() -> None:
    assert gc.isenabled()
    PythonTimer([nothing], [nothing]).run(3)
    assert gc.isenabled()
