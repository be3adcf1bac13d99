"""The loaders for host functions, held against each other, and what must hold of calls by each."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from random_calls import Comparison, host_loaders, make_functions, make_known_functions

from hatframe import HatError, Kernel
from hatframe.calling.loaded import LoadedPackage


@pytest.fixture(params=host_loaders())
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LoadedPackage]:
    with Kernel().load(make_known_functions(tmp_path), loader=request.param) as loaded:
        yield loaded


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_all_loaders_make_the_same_of_random_calls(tmp_path: Path, seed: int) -> None:
    comparison = Comparison(make_functions(tmp_path, seed, 40), seed)
    assert [found for number in range(1500) if (found := comparison.difference(number))] == []
    assert 300 < comparison.accepted < 1200


def calls(package: LoadedPackage, times: int) -> None:
    """Calls of every kind, right and wrong."""
    a, x, y = np.ones(64, np.float32), np.arange(5.0), np.zeros(5)
    found, flags = np.zeros(1, np.int32), np.ones(3, np.uint8)
    add, scale, count, made = package.add, package.scale, package.count, package.series
    for number in range(times):
        add(a, 1.5)
        scale(5, x, y, 2.0)
        scale(x, y, by=2)
        count(flags, 3, found)
        made(4)
        if number % 20 == 0:
            scale.prepare_call(x, y, 2.0)()
            for wrong in ((a[:3], 1.0), (a, None), (a,), (x, 1.0)):
                with pytest.raises(HatError):
                    add(*wrong)


@pytest.mark.slow
def test_calls_leak_no_memory(package: LoadedPackage) -> None:
    calls(package, 2_000)
    before = psutil.Process().memory_info().rss
    calls(package, 20_000)
    assert psutil.Process().memory_info().rss - before < 1 << 20


def test_calls_leak_no_references(package: LoadedPackage) -> None:
    a, x, y, wrong = np.ones(64, np.float32), np.arange(5.0), np.zeros(5), np.zeros(3)
    by, name = 2.0 + len(wrong), "by"
    given = (a, x, y, wrong, by, name)

    def call() -> None:
        package.add(a, by)
        package.scale(5, x, y, by)
        package.scale(x, y, **{name: by})
        package.scale.prepare_call(x, y, by)()
        for arguments in ((a, wrong), (wrong, by), (a, by, by), (x, wrong)):
            with pytest.raises(HatError):
                package.add(*arguments)
        with pytest.raises(HatError):
            package.scale(x, wrong, by)

    call()
    before = [sys.getrefcount(each) for each in given]
    for _ in range(100):
        call()
    assert [sys.getrefcount(each) for each in given] == before


def test_threads_call_one_function_at_the_same_time(package: LoadedPackage) -> None:
    wrong: list[float] = []

    def work(thread: int) -> None:
        a, x, y = np.full(64, thread, np.float32), np.full(thread + 1, float(thread)), np.zeros(thread + 1)
        for number in range(300):
            if (result := package.add(a, number)) != 64 * thread + number:
                wrong.append(result)
            package.scale(x, y, number)
            wrong.extend(y[y != thread * number])
            wrong.extend(package.series(thread) - np.arange(thread))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each for each in wrong if each] == []
