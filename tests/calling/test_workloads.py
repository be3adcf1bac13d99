"""Workloads: argument sets that are aligned, filled, shared, restored and freed."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_packages import affine, element, function, make_package, runtime

from hatframe import HatError, Kernel
from hatframe.backends import BoundFunction, Workload, WorkloadSpec
from hatframe.errors import BenchmarkError

BOTH = "input_output"


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = """
    #include <stdint.h>
    void f(int n, float s, const double *a, float *x, int *out) { }
    void last(int32_t *a, const float *b, float *c, float *d) { d[3] *= 2; }
    """
    mixed = [
        element("n"),
        element("s", "float"),
        affine("a", [3, 5], "double", affine_map=[8, 1], offset=2),
        runtime("x", "n", usage=BOTH),
        element("out", usage="output"),
    ]
    last = [
        affine("a", [4], "int32_t", BOTH),
        affine("b", [4]),
        affine("c", [4], usage=BOTH),
        affine("d", [4], usage=BOTH),
    ]
    table = {"f": function(*mixed), "last": function(*last)}
    return make_package(tmp_path_factory.mktemp("workloads"), source, table)


@pytest.fixture(scope="module")
def bound(hat: Path) -> BoundFunction:
    return Kernel().load(hat)["f"]


def made(bound: BoundFunction, sets: int, n: int = 1000, **spec: Any) -> Workload:
    workload = bound.workload(WorkloadSpec(sizes={"n": n}, **spec))
    workload.allocate(sets)
    return workload


def test_a_workload_describes_itself_before_anything_is_allocated(bound: BoundFunction) -> None:
    workload = bound.workload(WorkloadSpec(sizes={"n": 1 << 30}))
    assert workload.sets == 0
    assert workload.memory.name == "host"
    assert workload.memory.available() or 0 > 0
    assert workload.set_bytes == 4 + 4 + (2 + 2 * 8 + 5) * 8 + (1 << 30) * 4 + 4


def test_sets_are_aligned_and_their_values_differ(bound: BoundFunction) -> None:
    workload = made(bound, 5)
    sets = [workload.values(index) for index in range(5)]
    for n, s, a, x, _ in sets:
        assert n == 1000
        assert 0 <= s < 1
        assert (a.__array_interface__["data"][0] - 2 * 8) % 64 == 0
        assert x.__array_interface__["data"][0] % 64 == 0
    assert not np.array_equal(sets[0][3], sets[1][3])
    assert len({id(arguments[3]) for arguments in sets}) == len(sets)


def test_the_same_seed_gives_the_same_inputs(bound: BoundFunction) -> None:
    first, again, other = (made(bound, 3, 10, seed=seed).values(2) for seed in (1, 1, 2))
    assert np.array_equal(first[2], again[2])
    assert np.array_equal(first[3], again[3])
    assert not np.array_equal(first[3], other[3])


def test_inputs_that_do_not_fit_in_memory_are_an_error_before_anything_is_allocated(bound: BoundFunction) -> None:
    with pytest.raises(BenchmarkError, match="16384") as caught:
        made(bound, 16384, (1 << 31) - 1)
    assert caught.value.hint


def test_a_missing_dimension_is_an_error(bound: BoundFunction) -> None:
    with pytest.raises(HatError, match="n"):
        bound.workload(WorkloadSpec())


@pytest.mark.parametrize("sets", [1, 2, 3, 8, 100])
@pytest.mark.parametrize("name", ["c", "d"])
def test_each_array_that_is_written_is_watched_for_any_number_of_sets(hat: Path, sets: int, name: str) -> None:
    workload = Kernel().load(hat)["last"].workload(WorkloadSpec(input_data="ones"))
    workload.allocate(sets)
    assert not workload.restore()
    position = "abcd".index(name)
    for index in range(sets):
        workload.values(index)[position][1] = np.inf
    assert workload.restore()
    assert all((workload.values(index)[position] == 1).all() for index in range(sets))
    assert not workload.restore()


def test_workloads_of_one_key_share_their_sets(bound: BoundFunction) -> None:
    first = made(bound, 2)
    second = bound.workload(WorkloadSpec(sizes={"n": 1000}))
    assert first.key == second.key
    assert first.key != bound.workload(WorkloadSpec(sizes={"n": 1001})).key
    second.allocate(2, first)
    assert second.values(1)[3] is first.values(1)[3]


def test_released_sets_are_freed(bound: BoundFunction) -> None:
    workload = made(bound, 2)
    workload.run(3)
    arrays = [
        weakref.ref(value) for index in range(2) for value in workload.values(index) if isinstance(value, np.ndarray)
    ]
    assert all(array() is not None for array in arrays)
    workload.release()
    gc.collect()
    assert all(array() is None for array in arrays)


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> BoundFunction:
    source = """
    #include <stdint.h>
    void change(int *count, const float *x, float *y, double *z, int16_t *k) {
        ++*count; y[1] += x[0]; *z += 1; k[2]--;
    }
    """
    arguments = [
        element("count", "int", BOTH),
        affine("x", [4]),
        affine("y", [4], usage=BOTH),
        affine("z", [], "double", BOTH),
        affine("k", [3], "int16_t", BOTH),
    ]
    folder = tmp_path_factory.mktemp("changing")
    return Kernel().load(make_package(folder, source, {"change": function(*arguments)}))["change"]


@pytest.mark.parametrize("timer", ["native", "python"])
@pytest.mark.parametrize("data", ["random", "ones"])
def test_reset_writes_all_first_values_to_the_sets_that_were_used(
    changing: BoundFunction, timer: str, data: str
) -> None:
    assert changing.reopen
    bound = Kernel().load(changing.reopen().package.path, timer=timer)["change"]  # type: ignore[attr-defined]
    workload = bound.workload(WorkloadSpec(input_data=data, values={"count": 5}))
    workload.allocate(10)
    first = [[np.array(value) for value in workload.values(index)] for index in range(10)]
    for calls in (1, 3, 9, 10, 25):
        workload.run(calls)
        changed = [index for index in range(10) if workload.values(index)[0] != 5]
        assert len(changed) == min(calls, 10)
        assert workload.reset()
        for index in range(10):
            for now, before in zip(workload.values(index), first[index], strict=True):
                assert np.array_equal(now, before)
