"""The contract of a bound function, checked on any function whose results are known."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hatframe.backends import BoundFunction
from hatframe.errors import CallError
from hatframe.format.model import Function, Parameter, Usage
from hatframe.testing.contract import Contract
from hatframe.testing.workloads import check_workload


def check_function(
    bound: BoundFunction,
    arguments: Sequence[Any],
    expected: Mapping[str, Any],
    *,
    returns: Any = None,
    sizes: Mapping[str, int] | None = None,
    tolerance: float = 1e-5,
) -> None:
    """Hold ``bound`` against :class:`hatframe.backends.BoundFunction`, on a function whose results are known.

    :func:`check_loader` does this with functions of its own; this checks any function of a loaded package.

    Parameters
    ----------
    arguments
        Values for all parameters in declared order: numpy arrays of the layouts of the metadata, and numbers. The
        arrays are written to by the function.
    expected
        What arrays hold after a call, by the names of the parameters.
    returns
        What the call returns.
    sizes
        The dimensions of runtime-sized arrays, for its workload.
    tolerance
        The relative difference that results may have.

    Raises :class:`AssertionError` with the clause that does not hold.
    """
    contract = Contract(f"function {getattr(bound, 'name', bound)!r}")
    contract.require(isinstance(bound, BoundFunction), "bind() returns a BoundFunction", repr(bound))
    contract.require(isinstance(bound.function, Function), "it has the metadata that it was bound to", bound)
    case = _Case(contract, bound, arguments, expected, returns, tolerance)
    case.check_calls()
    case.check_refusals()
    case.check_prepared_calls()
    check_workload(contract, bound, dict(sizes or {}))


@dataclasses.dataclass
class _Case:
    """A function, with arguments that can be put back to what they were."""

    contract: Contract
    bound: BoundFunction
    arguments: Sequence[Any]
    expected: Mapping[str, Any]
    returns: Any
    tolerance: float

    def __post_init__(self) -> None:
        self.parameters = self.bound.function.arguments
        self.before = [_copied(value) for value in self.arguments]

    def arrays(self) -> list[tuple[int, Parameter, np.ndarray[Any, Any]]]:
        """The positions, parameters and values of the arguments that are arrays."""
        return [
            (position, parameter, value)
            for position, (parameter, value) in enumerate(zip(self.parameters, self.arguments, strict=True))
            if isinstance(value, np.ndarray)
        ]

    def reset(self) -> None:
        for position, _, value in self.arrays():
            value[...] = self.before[position]

    def check_calls(self) -> None:
        clause = "a call with all parameters in declared order returns the right results"
        self._check_results(clause, self.bound, *self.arguments)
        if all(parameter.name for parameter in self.parameters):
            named = {parameter.name: value for parameter, value in zip(self.parameters, self.arguments, strict=True)}
            clause = "a call with all parameters by name returns the right results"
            self._check_results(clause, self.bound, **named)

    def check_prepared_calls(self) -> None:
        clause = "prepare_call(...) takes what a call takes, and does not call"
        self.reset()
        call = self.contract.works(clause, self.bound.prepare_call, *self.arguments)
        self._require_untouched(clause)
        for _ in range(2):
            self._check_results("what prepare_call() returns makes the same call again and again", call)
        for position, parameter, value in self.arrays():
            if parameter.usage is not Usage.OUTPUT and value.size:
                wrong = self._replaced(position, value.astype(np.complex128))
                self._refused("prepare_call() refuses what a call refuses", wrong, self.bound.prepare_call)
        if all(_copied(value).strides == value.strides for _, _, value in self.arrays()):
            kept = self.bound.prepare_call(*map(_copied, self.arguments))
            gc.collect()
            self.contract.works("a prepared call keeps its arrays alive", kept)

    def check_refusals(self) -> None:
        before = "raises CallError before the function is called"
        self._refused(f"one argument too many {before}", [*self.arguments, 0])
        self._refused(
            f"an argument of an unknown name {before}",
            self.arguments,
            lambda *values: self.bound(*values[:-1], no_such_argument=values[-1]),
        )
        for position, parameter, value in self.arrays():
            label = f"argument {position}"
            other_shape = (value.shape[0] + 1, *value.shape[1:]) if value.ndim else (2,)
            wrong = {
                f"an array of another dtype for {label} {before}": value.astype(np.complex128),
                f"an array of another shape for {label} {before}": np.zeros(other_shape, value.dtype),
                f"text instead of an array for {label} {before}": "text",
            }
            if parameter.usage is not Usage.INPUT:
                locked = value.view()
                locked.flags.writeable = False
                wrong[f"a read-only array for {label}, which the function writes, {before}"] = locked
            for clause, replacement in wrong.items():
                self._refused(clause, self._replaced(position, replacement))
        for position, value in enumerate(self.arguments):
            if not isinstance(value, np.ndarray):
                clause = f"text instead of a number for argument {position} {before}"
                self._refused(clause, self._replaced(position, "text"))

    def _replaced(self, position: int, value: Any) -> list[Any]:
        return [*self.arguments[:position], value, *self.arguments[position + 1 :]]

    def _refused(self, clause: str, values: Sequence[Any], call: Callable[..., Any] | None = None) -> None:
        self.reset()
        self.contract.refuses(clause, CallError, call or self.bound, *values)
        self._require_untouched(clause)

    def _require_untouched(self, clause: str) -> None:
        for position, _, value in self.arrays():
            same = _equal(value, self.before[position], 0.0)
            self.contract.require(same, clause, f"argument {position} was written to: {value}")

    def _check_results(self, clause: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.reset()
        returned = self.contract.works(clause, call, *args, **kwargs)
        for position, parameter, value in self.arrays():
            name = parameter.name or f"arg{position}"
            if name in self.expected:
                wanted, tolerance = self.expected[name], self.tolerance
            elif parameter.usage is Usage.INPUT:
                wanted, tolerance = self.before[position], 0.0
            else:
                continue
            self.contract.require(_equal(value, wanted, tolerance), clause, f"{name} = {value}, not {wanted}")
        same = returned is None if self.returns is None else _equal(returned, self.returns, self.tolerance)
        self.contract.require(same, clause, f"it returned {returned!r}, not {self.returns!r}")


def _copied(value: Any) -> Any:
    return value.copy(order="K") if isinstance(value, np.ndarray) else value


def _equal(found: Any, wanted: Any, tolerance: float) -> bool:
    # Through double, because numpy compares no bfloat16 with a tolerance.
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape:
        return False
    return np.allclose(found.astype(np.float64), wanted.astype(np.float64), tolerance, 0.0, equal_nan=True)
