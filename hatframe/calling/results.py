"""What a call returns: the return value of its function, and the outputs that were omitted."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hatframe.c.elements import ElementType
from hatframe.calling.buffers import owned_array
from hatframe.calling.checks import Array, Checker
from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode
from hatframe.format.names import base_name, python_name


class Results:
    """The results of calls that omit ``outputs``, in declared order."""

    def __init__(self, plan: CallPlan, checker: Checker, outputs: Sequence[ArgumentPlan]) -> None:
        self._plan = plan
        self._checker = checker
        self._outputs = outputs
        names = [argument.name for argument in outputs]
        if plan.returns:
            names.insert(0, plan.function.return_value.name or "returned")
        name = python_name(base_name(plan.function.name))
        self.several: Callable[..., Any] | None = None
        """Makes one value of several results; None for fewer."""
        if len(names) > 1:
            make: Callable[..., Any] = collections.namedtuple
            self.several = make(name if name.isidentifier() else "Result", names, rename=True)
        self.finish: Callable[[Any], Any] | None = None
        """Turns what the C function returns into the return value; None if it is the same."""
        if plan.returns and plan.returns.kind in ("float16", "bfloat16"):
            self.finish = functools.partial(from_bits, plan.returns)

    def of(self, returned: Any, values: Sequence[Any]) -> Any:
        """The results of a call that returned ``returned`` and was made with ``values``, in declared order."""
        results = [self._output(argument, values) for argument in self._outputs]
        if self._plan.returns:
            results.insert(0, self.finish(returned) if self.finish else returned)
        if self.several:
            return self.several(*results)
        return results[0] if results else None

    def _output(self, argument: ArgumentPlan, values: Sequence[Any]) -> Any:
        cell = values[argument.position]
        if argument.passing is not PassingMode.ALLOCATED:
            return cell[0].item()
        if argument.layout:
            return self.allocated(argument, cell, argument.layout.shape)
        assert argument.size is not None
        by_name = {other.name: values[other.position] for other in self._plan.arguments}
        sizes = {name: int(np.reshape(by_name[name], -1)[0]) for name in argument.size.names}
        return self.allocated(argument, cell, argument.size.factor_values(sizes))

    def allocated(self, argument: ArgumentPlan, cell: Array, shape: tuple[int, ...]) -> Array:
        """The array of ``shape`` that the function allocated, from the cell that received its address."""
        address = cell.item()
        if min(shape, default=0) < 0 or (not address and 0 not in shape):
            problem = "set it to no array" if not address else f"gave it the negative shape {shape}"
            raise self._checker.error(argument, f"the function {problem}")
        return owned_array(address, shape, argument.element.dtype)


def from_bits(element: ElementType, bits: int) -> Any:
    """The half-precision number that 16 bits mean, as a numpy scalar."""
    return np.array(bits, np.uint16).view(element.dtype)[()]
