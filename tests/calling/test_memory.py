"""The host's memory: arrays stay where they are."""

from __future__ import annotations

import numpy as np

from hatframe.calling.memory import HostMemory
from hatframe.machine import Cache, Machine, Platform

MACHINE = Machine(
    platform=Platform.host(), caches=tuple(Cache(level=n, kind="unified", size=n << 20, line_size=64) for n in (1, 2))
)


def test_arrays_are_used_where_they_are() -> None:
    memory, array = HostMemory(MACHINE), np.zeros(3)
    placed = memory.place(array)
    assert placed is array
    assert memory.read(placed) is array
    memory.write(placed, np.ones(3))
    assert array.sum() == 3


def test_the_cache_is_the_last_one_that_a_probe_knows() -> None:
    assert HostMemory(MACHINE).cache_size == 2 << 20
    assert HostMemory(Machine(platform=Platform.host())).cache_size is None


def test_what_is_available_is_less_than_the_machine_has() -> None:
    import psutil

    available = HostMemory(MACHINE).available()
    assert available is not None
    assert 0 < available <= psutil.virtual_memory().total
