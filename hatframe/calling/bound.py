"""Functions of an open library: called with arrays, over any foreign function interface."""

from __future__ import annotations

import abc
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hatframe.backends import BoundFunction, Memory, Timer, Workload, WorkloadSpec
from hatframe.calling.arguments import make_array
from hatframe.calling.checks import Array, Checker, Converter
from hatframe.calling.generated import OMITTED, generated_call
from hatframe.calling.interface import Conversions
from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode
from hatframe.calling.results import Results
from hatframe.calling.workloads import ArrayWorkload
from hatframe.errors import CallError
from hatframe.format.names import base_name, python_name


class Answering:
    """An object with a slot for what a call of it runs, without a Python function in between."""

    __slots__ = {
        "__call__": """Check the arguments, call the function, and return its results.

        Arguments are all parameters in declared order, or keywords (``arg0``, ``arg1`` … for parameters without a
        name). Parameters that follow from the others may be omitted, all or none by position: arrays that the function
        allocates and their dimensions, and dimensions that the shapes of runtime arrays imply (an array whose size is a
        product of k factors, such as ``M*K``, implies them if it has k axes).

        Returns the return value and the omitted outputs: None, one value, or a named tuple in declared order with the
        return value first. Raises :class:`CallError` before the call if an argument does not fit.
        """
    }
    __call__: Callable[..., Any]

    def answer_by(self, call: Callable[..., Any]) -> None:
        """Make ``call`` what a call of this object runs."""
        Answering.__call__.__set__(self, call)  # type: ignore[attr-defined]


class ArrayFunction(Answering, BoundFunction):
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
        self._checker = Checker(plan, conversions)
        self.answer_by(self._first_call)

    def _first_call(self, /, *args: Any, **kwargs: Any) -> Any:
        """The slow way, for functions that may never be called again."""
        result = self._slow_call(*args, **kwargs)
        self._use_whole_call()
        return result

    def _slow_call(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._call_with(self._bind(args, kwargs))

    def _call_with(self, values: Sequence[Any]) -> Any:
        """Make a call with values in declared order."""
        return self._prepare(list(values))()

    def _use_whole_call(self) -> None:
        """From now on, check, convert and call in one go."""
        if (c_function := self._c_function) is None:
            return
        whole = self._checker.conversions.whole_call(self.plan, c_function, self._slow_call)
        try:
            whole = whole or generated_call(self.plan, self._checker, c_function, self._bind, self._call_with)
        except RecursionError:  # hundreds of parameters, or of terms in a size
            whole = self._slow_call
        if whole:
            self.answer_by(whole)
        if self._c_function is None:  # closed in the meantime
            self.answer_by(self._slow_call)

    def close(self) -> None:
        """Let go of the library; calling the function afterwards is an error."""
        self._c_function = self._library = None
        self.answer_by(self._slow_call)

    def _open_function(self) -> Callable[..., Any]:
        if self._c_function is None:
            raise CallError("its package is closed", where=self.name, hint="load the package again")
        return self._c_function

    def __repr__(self) -> str:
        arguments = ", ".join(argument.name for argument in self.plan.arguments)
        return f"<{type(self).__name__} {self.name}({arguments})>"

    def prepare_call(self, *args: Any, **kwargs: Any) -> Callable[[], Any]:
        return self._prepare(self._bind(args, kwargs))

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

    def _prepare(self, values: list[Any]) -> Callable[[], Any]:
        """Check values in declared order; the returned callable makes the call."""
        c_function = self._open_function()
        c_arguments, outputs = self._converted(values, self._checker)
        results = Results(self.plan, self._checker, outputs)
        if outputs or results.finish:
            converters = {argument.position: self._checker.converter(argument) for argument in outputs}
            return _Call(c_function, c_arguments, values, converters, results, self._library)
        keeps_alive = values, self._library
        return self._checker.conversions.prepared_call(self.plan, c_function, c_arguments, keeps_alive)

    def _converted(self, values: list[Any], checker: Checker) -> tuple[list[Any], list[ArgumentPlan]]:
        """Check all values; ``values`` gains those that were omitted.

        Returns the arguments of the C call, and the outputs that were omitted.
        """
        arguments = self.plan.arguments
        for argument in arguments:
            value = values[argument.position]
            if argument.passing is PassingMode.RUNTIME and value is not OMITTED:
                values[argument.position] = checker.row_major_array(argument, value)
        sizes = self._dimensions(values)
        outputs = []
        c_arguments = []
        for argument in arguments:
            value = values[argument.position]
            if argument.passing is PassingMode.RUNTIME:
                checker.runtime_array(argument, sizes, value)
                c_arguments.append(checker.pointer(argument, value))
                continue
            if value is OMITTED:
                values[argument.position] = value = self._filled_in(argument, sizes)
                if argument.written:
                    outputs.append(argument)
            c_arguments.append(checker.converter(argument)(value))
        return c_arguments, outputs

    def _filled_in(self, argument: ArgumentPlan, sizes: Mapping[str, int]) -> Any:
        if argument.passing is PassingMode.VALUE:
            return sizes[argument.name]
        if argument.passing is PassingMode.ALLOCATED:
            return np.zeros(1, np.uintp)
        return np.full(1, self._checker.number(argument, sizes.get(argument.name, 0)), argument.element.dtype)

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """The values in declared order, with a mark for those that were omitted."""
        arguments = self.plan.arguments
        args = [value for value in args if value is not OMITTED]
        values: list[Any] = [OMITTED] * len(arguments)
        positional = arguments if len(args) == len(arguments) else self.plan.needed
        if len(args) > len(positional) or (not kwargs and len(args) < len(positional)):
            raise self._wrong_count(len(args))
        for argument, value in zip(positional, args, strict=False):
            values[argument.position] = value
        for name, value in kwargs.items():
            if name not in self._positions:
                raise self._unknown_name(name)
            if values[self._positions[name]] is not OMITTED:
                raise CallError(f"argument {name} is given twice", where=self.name)
            values[self._positions[name]] = value
        missing = [
            argument.name for argument in arguments if values[argument.position] is OMITTED and not argument.follows
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
            if value is OMITTED or not argument.read:
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
            if name not in sizes and values[by_name[name].position] is OMITTED and by_name[name].read:
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


class _Call:
    """A call that returns more than its C function does; threads may make it at the same time."""

    def __init__(
        self,
        c_function: Callable[..., Any],
        c_arguments: Sequence[Any],
        values: Sequence[Any],
        converters: Mapping[int, Converter],
        results: Results,
        library: Any,
    ) -> None:
        self._c_function = c_function
        self._c_arguments = c_arguments
        self._values = values
        self._converters = converters
        self._results = results
        self._library = library

    def __call__(self) -> Any:
        values, c_arguments = list(self._values), list(self._c_arguments)
        for position, convert in self._converters.items():
            values[position] = values[position].copy()  # a cell of its own, which begins with the same dimension
            c_arguments[position] = convert(values[position])
        return self._results.of(self._c_function(*c_arguments), values)
