"""The check of workloads: one that keeps the contract passes, and each fault fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_packages import affine, function, make_package

from hatframe import Kernel
from hatframe.backends import Measurement, Workload, WorkloadSpec
from hatframe.testing.contract import Contract
from hatframe.testing.workloads import check_workload

CONTRACT = Contract("function 'step'")
STEP = {"step": function(affine("counter", [16], "int32_t", "input_output"))}


@pytest.fixture
def step(tmp_path: Path) -> Iterator[Any]:
    source = "void step(int *counter) { for (int i = 0; i < 16; i++) counter[i]++; }"
    with Kernel().load(make_package(tmp_path, source, STEP)) as loaded:
        yield loaded["step"]


class Broken:
    """A bound function like ``real``, whose workloads are changed by ``change``."""

    def __init__(self, real: Any, change: Any) -> None:
        self.function = real.function
        self.name = "step"
        self._real = real
        self._change = change

    def workload(self, spec: WorkloadSpec) -> Workload:
        workload: Workload = self._real.workload(spec)
        self._change(workload)
        return workload


def test_a_workload_that_keeps_the_contract_passes(step: Any) -> None:
    check_workload(CONTRACT, step, {})


def allocate_at_once(workload: Workload) -> None:
    workload.allocate(2)


def change_the_key(workload: Workload) -> None:
    workload.key = f"{workload.key} {id(workload)}"


def make_one_set_too_few(workload: Workload) -> None:
    allocate = workload.allocate
    workload.allocate = lambda sets, like=None: allocate(sets - 1)  # type: ignore[method-assign]


def measure_nothing(workload: Workload) -> None:
    workload.run = lambda calls: Measurement(float("nan"))  # type: ignore[method-assign]


@pytest.mark.parametrize("change", [allocate_at_once, change_the_key, make_one_set_too_few, measure_nothing])
def test_a_fault_is_an_assertion_error_that_names_the_function(step: Any, change: Any) -> None:
    with pytest.raises(AssertionError) as caught:
        check_workload(CONTRACT, Broken(step, change), {})  # type: ignore[arg-type]
    assert "step" in str(caught.value)
