"""The contract of workloads."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from hatframe.backends import BoundFunction, Measurement, Memory, Workload, WorkloadSpec
from hatframe.format.model import LogicalType, Usage
from hatframe.testing.contract import Contract, require_finite

ALIGNMENT = 64
"""Bytes that arrays in the host's memory are aligned to."""

_SETS = 3
_CALLS = 7

# Of a call that takes milliseconds, the rest of what run() does is a small part; a busy machine adds to both.
_LEAST_SHARE = 0.5


def check_workload(contract: Contract, bound: BoundFunction, sizes: dict[str, int]) -> None:
    """Check what the workload of any function says of itself, its argument sets, and a batch."""
    workload = _workload(contract, bound, sizes)
    contract.require(isinstance(workload.memory, Memory), "a workload names its memory", repr(workload.memory))
    available = contract.works("the available memory can be asked for", workload.memory.available)
    known = type(available) is int and available >= 0
    clause = "the available memory is a number of bytes, or None if unknown"
    contract.require(available is None or known, clause, repr(available))
    same = _workload(contract, bound, sizes).key == workload.key
    contract.require(same, "workloads of one function and one spec have the same key", workload.key)
    _allocate(contract, workload)
    _check_values(contract, bound, workload)
    check_batch(contract, workload)
    reset = contract.works("reset() raises nothing", workload.reset)
    contract.require(type(reset) is bool, "reset() returns whether calls change what they read", repr(reset))
    if reset:
        _check_values(contract, bound, workload)
    other = _workload(contract, bound, sizes)
    contract.works("allocate(sets, like) takes a workload of the same key", other.allocate, _SETS, workload)
    check_batch(contract, other)
    contract.works("release() frees the argument sets", other.release)


def _workload(contract: Contract, bound: BoundFunction, sizes: dict[str, int], data: str = "ones") -> Workload:
    spec = WorkloadSpec(sizes=sizes, input_data=data)
    workload = contract.works("workload(spec) returns a workload", bound.workload, spec)
    contract.require(isinstance(workload, Workload), "workload(spec) returns a Workload", repr(workload))
    contract.require(workload.sets == 0, "workload(spec) allocates nothing", f"{workload.sets} sets")
    return workload


def _allocate(contract: Contract, workload: Workload) -> None:
    contract.works("allocate(sets) makes the argument sets", workload.allocate, _SETS)
    contract.require(workload.sets == _SETS, "a workload has the sets that it was asked to allocate", workload.sets)


def _check_values(contract: Contract, bound: BoundFunction, workload: Workload) -> None:
    values = contract.works("values(index) returns the arguments of a set", workload.values, 0)
    parameters = bound.function.arguments
    clause = "values(index) has a value for each parameter, in declared order"
    contract.require(len(values) == len(parameters), clause, f"{len(values)} for {len(parameters)}")
    for position, (parameter, value) in enumerate(zip(parameters, values, strict=True)):
        is_data = parameter.logical_type in (LogicalType.AFFINE_ARRAY, LogicalType.RUNTIME_ARRAY)
        if not is_data or parameter.declared_type.count("*") > 1:
            continue
        contract.require(isinstance(value, np.ndarray), "values(index) has numpy arrays for arrays", value)
        if workload.memory.name == "host" and parameter.affine_offset <= 0:
            address = value.ctypes.data
            clause = f"arrays in the host's memory are aligned to {ALIGNMENT} bytes"
            contract.require(address % ALIGNMENT == 0, clause, f"argument {position} is at {address:#x}")
        filled = parameter.usage is Usage.OUTPUT or bool((value == np.asarray(1, value.dtype)).all())
        clause = "arrays that the function reads hold the input data"
        contract.require(filled, clause, f"argument {position} holds other values")
    allocated = sum(value.nbytes for value in values if isinstance(value, np.ndarray))
    fits = allocated <= workload.set_bytes <= allocated + len(values) * 2 * ALIGNMENT
    clause = "set_bytes is the size of the arrays of one set, beside their alignment"
    contract.require(fits, clause, f"{workload.set_bytes} for arrays of {allocated}")
    restored = contract.works("restore() raises nothing", workload.restore)
    contract.require(not restored, "restore() leaves ordinary values alone")


def check_batch(contract: Contract, workload: Workload, calls: int = 3) -> float:
    """Check how a workload measures, on one batch; returns the share of the wall time that it measured."""
    contract.require(isinstance(workload.timer, str) and workload.timer, "its timer has a name", repr(workload.timer))
    overhead = workload.overhead
    is_time = isinstance(overhead, float) and 0 <= overhead < math.inf
    contract.require(is_time, "its overhead is a number of seconds, 0 if unknown", repr(overhead))
    subtracted = workload.overhead_subtracted
    contract.require(type(subtracted) is bool, "a workload says whether it subtracts its overhead", subtracted)
    started = time.perf_counter()
    measured = contract.works("run(calls) makes the calls", workload.run, calls)
    elapsed = time.perf_counter() - started
    contract.require(isinstance(measured, Measurement), "run(calls) returns a Measurement", repr(measured))
    seconds = measured.seconds
    finite = isinstance(seconds, float) and math.isfinite(seconds)
    contract.require(finite, "run(calls) measures a finite number of seconds", repr(seconds))
    # Of the shortest functions nothing may be left.
    clause = "run(calls) measures a positive number of seconds, unless the overhead is subtracted"
    contract.require(seconds > 0 or subtracted, clause, repr(seconds))
    require_finite(contract, "counters are finite numbers by name", measured.counters)
    clause = "run(calls) measures seconds: no more than passed while it ran"
    contract.require(seconds <= elapsed, clause, f"{seconds} s of {elapsed} s")
    return seconds / elapsed


def check_counting(contract: Contract, bound: BoundFunction) -> None:
    """Check that a workload makes the calls that it is asked for; the function adds 1 to its only argument."""
    workload = _workload(contract, bound, {}, "zeros")
    _allocate(contract, workload)

    def counts() -> list[int]:
        return [int(workload.values(index)[0].reshape(-1)[0]) for index in range(_SETS)]

    contract.require(sum(counts()) == 0, "allocate(sets) makes no calls", f"{sum(counts())} calls")
    check_batch(contract, workload, _CALLS)
    made = counts()
    found = f"{sum(made)} instead of {_CALLS}"
    contract.require(sum(made) == _CALLS, "run(calls) makes exactly that many calls", found)
    in_turn = sorted(_CALLS // _SETS + (index < _CALLS % _SETS) for index in range(_SETS))
    clause = "run(calls) goes through the argument sets in turn and round again"
    contract.require(sorted(made) == in_turn, clause, f"calls with each set: {made}")
    other = _workload(contract, bound, {}, "zeros")
    other.allocate(_SETS, workload)
    contract.works("a workload that shares its sets can run", other.run, _SETS)
    made_since = sum(counts()) - _CALLS
    clause = "workloads that share argument sets call with the same arrays"
    contract.require(made_since == _SETS, clause, f"{made_since} calls instead of {_SETS}")


def check_resetting(contract: Contract, bound: BoundFunction) -> None:
    """Check that first values are written on request; each call adds 1 to the only argument."""
    workload = _workload(contract, bound, {}, "zeros")
    workload.allocate(_SETS)
    for calls in (1, _SETS - 1, 3 * _SETS):
        workload.run(calls)
        clause = "reset() returns True for a function that changes what it reads"
        contract.require(workload.reset() is True, clause)
        left = sum(int(workload.values(index)[0].reshape(-1)[0]) for index in range(_SETS))
        clause = "reset() writes the first values to every set that was used"
        contract.require(left == 0, clause, f"{left} after {calls} calls")


def check_seconds(contract: Contract, bound: BoundFunction) -> None:
    """Check that the seconds are those of the whole batch; a call of the function takes milliseconds."""
    workload = _workload(contract, bound, {})
    workload.allocate(1)
    share = max(check_batch(contract, workload) for _ in range(3))
    found = f"{share:.2%} of the time that the calls took"
    contract.require(share >= _LEAST_SHARE, "run(calls) measures the seconds of the whole batch", found)


def check_restoring(contract: Contract, bound: BoundFunction) -> None:
    """Check that values that drift are restored; each call multiplies the only argument by 1e30."""
    workload = _workload(contract, bound, {})
    workload.allocate(_SETS)
    before: list[Any] = [np.array(workload.values(index)[0]) for index in range(_SETS)]
    workload.run(2 * _SETS)
    contract.require(workload.restore(), "restore() finds values that drifted to infinity")
    same = all(np.array_equal(workload.values(index)[0], before[index]) for index in range(_SETS))
    contract.require(same, "restore() writes the first values back", repr(workload.values(0)[0]))
    contract.require(not workload.restore(), "restore() leaves restored values alone")
