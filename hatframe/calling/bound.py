"""Functions of an open library: called with arrays, over any foreign function interface."""

from __future__ import annotations

import abc
import collections
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hatframe.backends import BoundFunction, Memory, Timer, Workload, WorkloadSpec
from hatframe.calling.arguments import make_array
from hatframe.calling.buffers import owned_array
from hatframe.calling.checks import Array, Checker, Converter, from_bits
from hatframe.calling.interface import Conversions
from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode
from hatframe.calling.workloads import ArrayWorkload
from hatframe.errors import CallError
from hatframe.format.names import base_name, python_name

_OMITTED: Any = object()


class ArrayFunction(BoundFunction):
    """A function that is called with numpy arrays, wherever it runs: all but the call itself and its timer.

    Parameters
    ----------
    plan
        How the function is called.
    conversions
        Turn the checked arrays and numbers into what ``call`` takes.
    call
        Calls the function with converted arguments in declared order, and returns its result as a Python number.
    memory
        Where the argument sets of its workloads live.
    library
        Stays alive as long as this function, its prepared calls or its timers.
    """

    def __init__(
        self, plan: CallPlan, conversions: Conversions, call: Callable[..., Any], memory: Memory, library: Any = None
    ) -> None:
        self.function = plan.function
        self.plan = plan
        self._memory = memory
        self._library = library
        self._c_function: Callable[..., Any] | None = call
        self._positions = {
            name: argument.position
            for argument in plan.arguments
            for name in (argument.name, python_name(argument.name))
        }
        self._checker, self._convert = self._conversion(conversions)
        self._finish: Callable[[Any], Any] | None = None
        if plan.returns and plan.returns.kind in ("float16", "bfloat16"):
            self._finish = functools.partial(from_bits, plan.returns)
        self._fast = self._fast_call(call) if plan.simple and not self._finish else None

    def _conversion(self, conversions: Conversions) -> tuple[Checker, tuple[Converter | None, ...]]:
        """The checks over ``conversions``, and the converter of each argument that can be checked alone."""
        checker = Checker(self.plan, conversions)
        return checker, tuple(
            None if argument.passing is PassingMode.RUNTIME else checker.converter(argument)
            for argument in self.plan.arguments
        )

    def close(self) -> None:
        """Let go of the library; calling the function afterwards is an error."""
        self._fast = self._c_function = self._library = None

    def _open_function(self) -> Callable[..., Any]:
        if self._c_function is None:
            raise CallError("its package is closed", where=self.name, hint="load the package again")
        return self._c_function

    def __repr__(self) -> str:
        arguments = ", ".join(argument.name for argument in self.plan.arguments)
        return f"<{type(self).__name__} {self.name}({arguments})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Check the arguments, call the function, and return its results.

        Arguments are all parameters in declared order, or keywords (``arg0``, ``arg1`` … for parameters without a
        name). Parameters that follow from the others may be omitted, all or none by position: arrays that the function
        allocates and their dimensions, and dimensions that the shapes of runtime arrays imply (an array whose size is a
        product of k factors, such as ``M*K``, implies them if it has k axes).

        Returns the return value and the omitted outputs: None, one value, or a named tuple in declared order with the
        return value first. Raises :class:`CallError` before the call if an argument does not fit.
        """
        if self._fast is not None and not kwargs:
            return self._fast(*args)
        return self._make(self._prepare(args, kwargs))

    def _make(self, prepared: Callable[[], Any]) -> Any:
        """Make a call that did not take the fast way."""
        return prepared()

    def prepare_call(self, *args: Any, **kwargs: Any) -> Callable[[], Any]:
        return self._prepare(args, kwargs)

    def workload(self, spec: WorkloadSpec) -> Workload:
        return ArrayWorkload(self.plan, spec, self._memory, self.timer)

    @abc.abstractmethod
    def timer(self, argument_sets: Sequence[Sequence[Any]]) -> Timer:
        """A timer that calls the function with each of ``argument_sets`` in turn: placed arrays, and numbers."""

    def empty(self, name: str, **sizes: int) -> Array:
        """An uninitialised array for an argument, aligned to 64 bytes, in the layout of its metadata.

        ``sizes`` gives the dimensions that the size of a runtime array refers to.
        """
        if name not in self._positions:
            raise self._unknown_name(name)
        argument = self.plan.arguments[self._positions[name]]
        try:
            sizes = {dimension: operator.index(size) for dimension, size in sizes.items()}
        except TypeError as error:
            raise self._checker.error(argument, f"invalid size: {error}") from None
        return make_array(self.plan, argument, sizes)

    def _fast_call(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call where each argument is checked alone: unrolled for few arguments, which most functions have."""
        converters, count = self._convert, len(self._convert)
        wrong = self._wrong_count
        if count == 2:
            first, second = converters

            def call_2(*args: Any) -> Any:
                if len(args) != 2:
                    raise wrong(len(args))
                a, b = args
                return call(first(a), second(b))  # type: ignore[misc]

            return call_2
        if count == 3:
            first, second, third = converters

            def call_3(*args: Any) -> Any:
                if len(args) != 3:
                    raise wrong(len(args))
                a, b, c = args
                return call(first(a), second(b), third(c))  # type: ignore[misc]

            return call_3

        def call_n(*args: Any) -> Any:
            if len(args) != count:
                raise wrong(len(args))
            return call(*[convert(value) for convert, value in zip(converters, args, strict=True)])  # type: ignore[misc]

        return call_n

    def _prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call | functools.partial[Any]:
        """Everything before the call; the returned callable makes it."""
        c_function = self._open_function()
        values = self._bind(args, kwargs)
        c_arguments, outputs = self._converted(values, self._checker, self._convert)
        if outputs or self._finish is not None:
            return Call(self, c_arguments, values, outputs)
        prepared = functools.partial(c_function, *c_arguments)
        prepared.keeps_alive = (values, self._library)  # type: ignore[attr-defined]
        return prepared

    def _converted(
        self, values: list[Any], checker: Checker, convert: tuple[Converter | None, ...]
    ) -> tuple[list[Any], dict[int, Array]]:
        """Check all values and convert them; ``values`` gains those that were omitted.

        Returns the arguments of the C call, and the cells of omitted outputs, by position.
        """
        if self.plan.simple:
            return [converter(value) for converter, value in zip(convert, values, strict=True)], {}  # type: ignore[misc]
        for argument in self.plan.arguments:
            value = values[argument.position]
            if argument.passing is PassingMode.RUNTIME and value is not _OMITTED:
                values[argument.position] = checker.row_major_array(argument, value)
        sizes = self._dimensions(values)
        outputs: dict[int, Array] = {}
        c_arguments = []
        for argument, converter in zip(self.plan.arguments, convert, strict=True):
            value = values[argument.position]
            if argument.passing is PassingMode.RUNTIME:
                checker.runtime_array(argument, sizes, value)
                c_arguments.append(checker.pointer(argument, value))
                continue
            if value is _OMITTED:
                value = self._filled_in(argument, sizes)
                values[argument.position] = value
                if argument.written:
                    outputs[argument.position] = value
            assert converter is not None
            c_arguments.append(converter(value))
        return c_arguments, outputs

    def _with_fresh_cells(
        self, c_arguments: Sequence[Any], outputs: Mapping[int, Array]
    ) -> tuple[tuple[Any, ...], dict[int, Array]]:
        """The same arguments, but for outputs with cells of their own."""
        fresh, cells = list(c_arguments), {position: np.zeros_like(cell) for position, cell in outputs.items()}
        for position, cell in cells.items():
            fresh[position] = self._convert[position](cell)  # type: ignore[misc]
        return tuple(fresh), cells

    def _filled_in(self, argument: ArgumentPlan, sizes: Mapping[str, int]) -> Any:
        if argument.passing is PassingMode.VALUE:
            return sizes[argument.name]
        if argument.passing is PassingMode.ALLOCATED:
            return np.zeros(1, np.uintp)
        return np.full(1, self._checker.number(argument, sizes.get(argument.name, 0)), argument.element.dtype)

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """The values in declared order, with a mark for those that were omitted."""
        arguments = self.plan.arguments
        values: list[Any] = [_OMITTED] * len(arguments)
        positional = arguments if len(args) == len(arguments) else self.plan.needed
        if len(args) > len(positional) or (not kwargs and len(args) < len(positional)):
            raise self._wrong_count(len(args))
        for argument, value in zip(positional, args, strict=False):
            values[argument.position] = value
        for name, value in kwargs.items():
            if name not in self._positions:
                raise self._unknown_name(name)
            if values[self._positions[name]] is not _OMITTED:
                raise CallError(f"argument {name} is given twice", where=self.name)
            values[self._positions[name]] = value
        missing = [
            argument.name for argument in arguments if values[argument.position] is _OMITTED and not argument.follows
        ]
        if missing:
            raise CallError(f"missing: {', '.join(missing)}", where=self.name, hint=self._usage())
        return values

    def _dimensions(self, values: list[Any]) -> dict[str, int]:
        """The dimensions that are known before the call: from arguments, or from the shapes of arrays."""
        sizes: dict[str, int] = {}
        source_of: dict[str, str] = {}
        by_name = {argument.name: argument for argument in self.plan.arguments}
        for name in self.plan.dimensions:
            argument = by_name[name]
            value = values[argument.position]
            if value is _OMITTED or not argument.read:
                continue
            if argument.passing is PassingMode.CELL:
                value = self._checker.cell(argument, value).reshape(())
            sizes[name] = self._checker.number(argument, value)
            source_of[name] = f"argument {name}"
            if sizes[name] < 0:
                raise self._checker.error(argument, f"a dimension cannot be negative, received {sizes[name]}")
        for argument in self.plan.arguments:
            if argument.passing is not PassingMode.RUNTIME or argument.size is None:
                continue
            shape = values[argument.position].shape
            if len(shape) != len(argument.size.factors):
                continue
            for factor, extent in zip(argument.size.factors, shape, strict=True):
                if not isinstance(factor, str):
                    continue
                if sizes.setdefault(factor, extent) != extent:
                    raise self._checker.error(
                        argument,
                        f"its shape {shape} implies {factor}={extent}, but {source_of[factor]} implies {sizes[factor]}",
                    )
                source_of.setdefault(factor, f"argument {argument.name}")
        for argument in self.plan.arguments:
            if argument.passing is PassingMode.RUNTIME and argument.size:
                for name in sorted(argument.size.names - set(sizes)):
                    raise self._unknown_dimension(by_name[name])
        for name in self.plan.dimensions:
            if name not in sizes and values[by_name[name].position] is _OMITTED and by_name[name].read:
                raise self._unknown_dimension(by_name[name])
        return sizes

    def _unknown_dimension(self, dimension: ArgumentPlan) -> CallError:
        sources = [
            f"{argument.name} ({argument.size.text}) with {len(argument.size.factors)} axes"
            for argument in self.plan.arguments
            if argument.passing is PassingMode.RUNTIME and argument.size and dimension.name in argument.size.factors
        ]
        return self._checker.error(
            dimension,
            "it is omitted, but no array implies it",
            hint=f"pass it, or pass {' or '.join(sources)}" if sources else "pass it",
        )

    def _wrong_count(self, count: int) -> CallError:
        full, short = len(self.plan.arguments), len(self.plan.needed)
        expected = str(full) if full == short else f"{full} (or {short})"
        return CallError(
            f"expected {expected} argument{'s' if full != 1 else ''}, received {count}",
            where=self.name,
            hint=self._usage(),
        )

    def _unknown_name(self, name: str) -> CallError:
        return CallError(f"unexpected argument {name!r}", where=self.name, hint=self._usage())

    def _usage(self) -> str:
        name = base_name(self.name)
        full, short = (", ".join(plan.name for plan in plans) for plans in (self.plan.arguments, self.plan.needed))
        return f"call {name}({full})" if full == short else f"call {name}({full}) or {name}({short})"


class Call:
    """A call that returns more than its C function does; threads may make it at the same time."""

    def __init__(
        self, function: ArrayFunction, c_arguments: list[Any], values: list[Any], outputs: dict[int, Array]
    ) -> None:
        self._function = function
        self.args = tuple(c_arguments)
        self._c_function = function._open_function()
        self._library = function._library
        self._values = values
        self._outputs = outputs
        plan = function.plan
        # What the function reads there, and then replaces by its output.
        self._first = {position: cell[0] for position, cell in outputs.items() if plan.arguments[position].read}
        # Arguments whose cells no call uses at the moment. Lists are safe between threads.
        self._free = [(self.args, outputs)]
        names = [plan.arguments[position].name for position in outputs]
        if plan.returns:
            names.insert(0, plan.function.return_value.name or "returned")
        name = base_name(plan.function.name)
        self._several = (
            collections.namedtuple(name if name.isidentifier() else "Result", names, rename=True)
            if len(names) > 1
            else None
        )

    def __call__(self) -> Any:
        try:
            args, outputs = self._free.pop()
        except IndexError:
            args, outputs = self._function._with_fresh_cells(self.args, self._outputs)
        for position, value in self._first.items():
            outputs[position][0] = value
        returned = self._c_function(*args)
        function = self._function
        results = [self._output(position, outputs) for position in outputs]
        self._free.append((args, outputs))
        if function.plan.returns:
            results.insert(0, function._finish(returned) if function._finish else returned)
        if self._several:
            return self._several(*results)
        return results[0] if results else None

    def _output(self, position: int, outputs: Mapping[int, Array]) -> Any:
        plan, cell = self._function.plan.arguments[position], outputs[position]
        if plan.passing is not PassingMode.ALLOCATED:
            return cell[0].item()
        if plan.layout:
            shape = plan.layout.shape
        else:
            assert plan.size is not None
            positions = {name: self._function._positions[name] for name in plan.size.names}
            sizes = {name: outputs.get(at, self._values[at]) for name, at in positions.items()}
            shape = plan.size.factor_values({name: int(np.reshape(size, -1)[0]) for name, size in sizes.items()})
        address = int(cell[0])
        cell[0] = 0
        if any(extent < 0 for extent in shape) or (not address and 0 not in shape):
            problem = "set it to no array" if not address else f"gave it the negative shape {shape}"
            raise self._function._checker.error(plan, f"the function {problem}")
        return owned_array(address, shape, plan.element.dtype)
