"""C functions of this process, and the timers that measure them."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from hatframe.backends import Measurement, Memory, Timer
from hatframe.calling.addresses import Addresses
from hatframe.calling.bound import ArrayFunction
from hatframe.calling.buffers import free
from hatframe.calling.checks import Array, Checker
from hatframe.calling.float_mode import PreservedMode
from hatframe.calling.interface import POINTER, ForeignInterface
from hatframe.calling.native import LoopSignature
from hatframe.calling.plans import CallPlan, PassingMode
from hatframe.calling.timers import ArgumentTable, Timers
from hatframe.calling.timing import PythonTimer

_log = logging.getLogger(__name__)


class HostFunction(ArrayFunction):
    """A C function of this process, called over a foreign function interface.

    Its first call, and each batch of its timers, show whether it changes the floating-point mode. Its later calls then
    restore the mode; those of other functions need not pay for that.
    """

    def __init__(
        self,
        plan: CallPlan,
        interface: ForeignInterface,
        library: Any,
        c_function: Callable[..., Any],
        memory: Memory,
        timers: Timers | None = None,
    ) -> None:
        super().__init__(plan, interface, c_function, memory, library)
        self._interface = interface
        self._timers = timers
        self._plain_function = c_function
        self._observed = False

    @property
    def pointer(self) -> int:
        """The address of the C function, for ``scipy.LowLevelCallable``, numba and cffi.

        It is valid while this object exists and its package is open.
        """
        self._open_function()
        return self._interface.address_of(self._plain_function)

    @property
    def keeps_mode(self) -> bool | None:
        """Whether calls are the C call and nothing else, as it keeps the floating-point mode; None before its first."""
        if self._c_function is not self._plain_function:
            return False
        return True if self._observed else None

    def _call_with(self, values: Sequence[Any]) -> Any:
        if self._observed:
            return super()._call_with(values)
        prepared = self._prepare(list(values))
        with PreservedMode() as mode:
            result = prepared()
        if mode.changed:
            self.restore_mode()
        self._observed = True
        return result

    def restore_mode(self) -> None:
        """Restore the floating-point mode after each call from now on, since the function changes it."""
        if self._c_function is self._plain_function:
            _log.warning("%s changes the floating-point mode; it is restored after each call", self.name)
            self._c_function = functools.partial(_preserving, self._plain_function)
            self.answer_by(self._first_call)

    def timer(self, argument_sets: Sequence[Sequence[Any]]) -> Timer:
        """A timer that calls the function with each of ``argument_sets`` in turn.

        It is a loop in C if one can be compiled, and a loop in Python otherwise or if the user asks for it.
        """
        native = self._timers and self._native_timer(self._timers, argument_sets)
        timer = native or self._python_timer(argument_sets)
        timer.keeps_alive = self._library
        return _PreservingTimer(timer, self)

    def _native_timer(self, timers: Timers, argument_sets: Sequence[Sequence[Any]]) -> Timer | None:
        def rows() -> tuple[list[list[Any]], object]:
            addresses = Addresses()
            checker = Checker(self.plan, addresses)
            converted = [self._converted(self._bind(values, {}), checker)[0] for values in argument_sets]
            return converted, addresses

        return timers.native(
            LoopSignature(*signature(self.plan), receivers=self._allocated),
            self.pointer,
            self._interface.address_of(self._interface.noop_function(*signature(self.plan))),
            ArgumentTable(argument_sets, self.function.arguments, rows),
        )

    def _python_timer(self, argument_sets: Sequence[Sequence[Any]]) -> Timer:
        nothing = self._interface.noop_function(*signature(self.plan))
        calls, empty, clean_ups = [], [], []
        for arguments in argument_sets:
            values = self._bind(arguments, {})
            c_arguments, _ = self._converted(values, self._checker)
            call = functools.partial(self._plain_function, *c_arguments)
            call.keeps_alive = values  # type: ignore[attr-defined]
            calls.append(call)
            empty.append(functools.partial(nothing, *c_arguments))
            if receivers := [arguments[position] for position in self._allocated]:
                clean_ups.append(functools.partial(_free_received, receivers))
        return PythonTimer(calls, empty, clean_ups)

    @property
    def _allocated(self) -> tuple[int, ...]:
        """The positions of arguments that the function sets to arrays that it allocates."""
        return tuple(plan.position for plan in self.plan.arguments if plan.passing is PassingMode.ALLOCATED)


class _PreservingTimer(Timer):
    """A timer that restores the floating-point mode after each batch: other functions must not be measured in it."""

    name: str  # type: ignore[misc]

    def __init__(self, timer: Timer, function: HostFunction) -> None:
        self._timer = timer
        self._function = function
        self.name, self.keeps_alive = timer.name, timer.keeps_alive
        self.overhead, self.subtracts_overhead = timer.overhead, timer.subtracts_overhead

    def run(self, calls: int) -> Measurement:
        with PreservedMode() as mode:
            measured = self._timer.run(calls)
        if mode.changed:
            self._function.restore_mode()
        return measured


def _preserving(c_function: Callable[..., Any], *arguments: Any) -> Any:
    with PreservedMode():
        return c_function(*arguments)


def _free_received(receivers: Sequence[Array]) -> None:
    for receiver in receivers:
        if address := int(receiver[0]):
            receiver[0] = 0
            free(address)


def signature(plan: CallPlan) -> tuple[str | None, tuple[str, ...]]:
    """The C types of a function's result (None for void) and arguments, as :class:`ForeignInterface` takes them."""
    arguments = tuple(
        argument.element.abi_type if argument.passing is PassingMode.VALUE else POINTER for argument in plan.arguments
    )
    return (plan.returns.abi_type if plan.returns else None), arguments
