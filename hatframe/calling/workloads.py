"""Workloads: functions with argument sets made from their metadata, in the memory of the host or of a device."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from hatframe.backends import Measurement, Memory, Timer, Workload, WorkloadSpec
from hatframe.calling.arguments import argument_bytes, argument_layout, make_arguments
from hatframe.calling.distributions import Values
from hatframe.calling.drift import DriftWatch
from hatframe.calling.guards import GuardedArrays
from hatframe.calling.inputs import input_data, input_values
from hatframe.calling.plans import CallPlan, PassingMode
from hatframe.errors import BenchmarkError

Array = np.ndarray[Any, Any]

# Values drift alike in all sets: the first few show it.
_WATCHED_SETS = 4


class ArrayWorkload(Workload):
    """The workload of a function whose arguments are arrays and numbers; only its memory and its timer are its own.

    Parameters
    ----------
    plan, spec
        The function, and what the benchmark asks for.
    memory
        Where the arrays live.
    timer
        Makes the timer over argument sets: each is a sequence of placed arrays and numbers in declared order. It is
        called once they are allocated, with the same list for all workloads that share them.
    """

    def __init__(
        self,
        plan: CallPlan,
        spec: WorkloadSpec,
        memory: Memory,
        timer: Callable[[Sequence[Sequence[Any]]], Timer],
    ) -> None:
        self.memory = memory
        self.set_bytes = argument_bytes(plan, spec.sizes)
        input_data(spec.seed, spec.input_data).check(plan, lambda argument: argument_layout(plan, argument, spec.sizes))
        arguments = [msgspec.structs.replace(argument, description="") for argument in plan.function.arguments]
        self._values = input_values(plan, {**spec.values, **spec.sizes})
        self.key = repr((memory.name, arguments, spec, self._values))
        self._plan = plan
        self._spec = spec
        self._make_timer = timer
        self._argument_sets: _ArgumentSets | None = None
        self._timer: Timer | None = None

    def allocate(self, sets: int, like: Workload | None = None) -> None:
        if isinstance(like, ArrayWorkload) and like._argument_sets:
            self._argument_sets = like._argument_sets
        else:
            available = self.memory.available()
            if available is not None and sets * self.set_bytes > available:
                raise BenchmarkError(
                    f"{sets} input sets of {self.set_bytes / 1e6:,.1f} MB each do not fit in the "
                    f"{available / 1e6:,.1f} MB that are available ({self.memory.name} memory)",
                    where=self._plan.function.name,
                    hint="choose smaller ones with --size, or fewer with --cache hot or --input-sets-size",
                )
            self._argument_sets = _ArgumentSets(self._plan, self._spec, self._values, self.memory, sets)
        self.sets = len(self._argument_sets.placed)
        self._timer = self._make_timer(self._argument_sets.placed)
        self.timer, self.overhead = self._timer.name, self._timer.overhead
        self.overhead_subtracted = self._timer.subtracts_overhead

    def run(self, calls: int) -> Measurement:
        assert self._timer is not None, "run() before allocate()"
        assert self._argument_sets is not None, "run() before allocate()"
        measured = self._timer.run(calls)
        self._argument_sets.mark_used(getattr(measured, "first", None), calls)
        return measured

    def reset(self) -> bool:
        assert self._argument_sets is not None, "reset() before allocate()"
        return self._argument_sets.reset()

    def restore(self) -> bool:
        assert self._argument_sets is not None, "restore() before allocate()"
        return self._argument_sets.restore()

    def damage(self) -> str:
        return self._argument_sets.guards.damage() if self._argument_sets else ""

    def values(self, index: int) -> list[Any]:
        assert self._argument_sets is not None, "values() before allocate()"
        return self._argument_sets.values(index)

    def release(self) -> None:
        if self._argument_sets:
            self._argument_sets.free()
        self._argument_sets = self._timer = None


class _FirstValue(NamedTuple):
    """The first value of an argument that is read and written: drawn from ``begin`` of the input data, or ``value``."""

    name: str
    placed: Any
    begin: int
    value: Array | None


class _ArgumentSets:
    """Argument sets in one memory, with what is needed to write their first values again."""

    def __init__(
        self, plan: CallPlan, spec: WorkloadSpec, values: Mapping[str, Values], memory: Memory, count: int
    ) -> None:
        self._memory = memory
        self._values = values
        self._data = input_data(spec.seed, spec.input_data)
        self.guards = GuardedArrays(argument_bytes(plan, spec.sizes))
        self._by_value = [argument.passing is PassingMode.VALUE for argument in plan.arguments]
        self.placed: list[list[Any]] = []
        self._changed: list[list[_FirstValue]] = []
        self._used = np.zeros(count, np.bool_)
        changed = [argument for argument in plan.arguments if argument.read and argument.written]
        begins: dict[str, int] = {}

        def fill(name: str, array: Array) -> None:
            begins[name] = self._data.position
            self._data.fill(name, array, values.get(name))

        self._data.position = 0
        for _ in range(count):
            made = make_arguments(plan, {**spec.values, **spec.sizes}, fill, self.guards.array)
            placed = [
                value if by_value else memory.place(value) for value, by_value in zip(made, self._by_value, strict=True)
            ]
            self.placed.append(placed)
            self._changed.append(
                [
                    _FirstValue(each.name, placed[each.position], begins[each.name], None)
                    if each.name in begins
                    else _FirstValue(each.name, placed[each.position], 0, made[each.position].copy())
                    for each in changed
                ]
            )
        watched = [first.placed for of_set in self._changed[:_WATCHED_SETS] for first in of_set]
        self._watch = DriftWatch([functools.partial(memory.read, placed) for placed in watched])

    def restore(self) -> bool:
        if not self._watch.drifted():
            return False
        self._used[:] = True
        return self.reset()

    def mark_used(self, first: int | None, calls: int) -> None:
        """Calls were made with sets from ``first`` on, or from an unknown one."""
        count = len(self._used)
        if first is None or calls >= count:
            self._used[:] = True
            return
        end = first % count + calls
        self._used[first % count : end] = True
        self._used[: max(0, end - count)] = True

    def reset(self) -> bool:
        """Write the first values to all sets that were used; returns whether calls change any."""
        if not self._changed[0]:
            return False
        for index in np.flatnonzero(self._used):
            for name, placed, begin, value in self._changed[index]:
                if value is None:
                    value = self._memory.read(placed)
                    self._data.position = begin
                    self._data.fill(name, value, self._values.get(name))
                self._memory.write(placed, value)
        self._used[:] = False
        return True

    def values(self, index: int) -> list[Any]:
        return [
            value if by_value else self._memory.read(value)
            for value, by_value in zip(self.placed[index], self._by_value, strict=True)
        ]

    def free(self) -> None:
        for placed in self.placed:
            for value, by_value in zip(placed, self._by_value, strict=True):
                if not by_value:
                    self._memory.free(value)
