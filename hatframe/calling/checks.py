"""Checks: each argument against its plan, before the call. The usual case is fast, the wrong one is explained."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from hatframe.c.elements import ElementType
from hatframe.c.layouts import Layout
from hatframe.calling.buffers import memory_bounds
from hatframe.calling.interface import Conversions, address_of
from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode
from hatframe.errors import CallError

Array = np.ndarray[Any, Any]
Converter = Callable[[Any], Any]

# What `Conversions.readable` and `writable` raise if an array takes the slow way.
_NOT_FAST = (BufferError, TypeError, ValueError)


class Checker:
    """The checks of one function over one foreign interface."""

    def __init__(self, plan: CallPlan, interface: Conversions) -> None:
        self._function = plan.function.name
        self._interface = interface

    def converter(self, plan: ArgumentPlan) -> Converter:
        """A function that checks a value for an argument, and returns what the C call takes."""
        if plan.passing is PassingMode.VALUE:
            return self._number_converter(plan)
        if plan.passing is PassingMode.CELL:
            return self._cell_converter(plan)
        if plan.passing is PassingMode.ALLOCATED:
            return lambda value: self.pointer(plan, self.receiver(plan, value))
        assert plan.layout is not None
        return self._array_converter(plan, plan.layout)

    def _array_converter(self, plan: ArgumentPlan, layout: Layout) -> Converter:
        # Local names, and the cheapest checks first: this is what every call pays for every array.
        ndarray, dtype, shape = np.ndarray, plan.element.dtype, layout.shape
        fast = self._interface.writable if plan.written else self._interface.readable

        def slow(value: Any) -> Any:
            if not isinstance(value, ndarray) and (shared := self._shared(plan, value)) is not None:
                return usual(shared)  # which keeps it alive
            array = self.array(plan, layout, value)
            if check_memory:
                check_memory(array)
            return self.pointer(plan, array)

        usual: Converter = slow
        check_memory = None if layout.row_major or layout.column_major else self._memory_check(plan, layout)
        if not layout.size or plan.element.kind == "bfloat16":  # numpy exports no buffer of either
            return slow
        if layout.row_major:

            def convert(value: Any) -> Any:
                # Row-major memory of that shape has the right strides; `fast` refuses any other memory.
                if type(value) is ndarray and value.dtype is dtype and value.shape == shape and value.flags.aligned:
                    try:
                        return fast(value)
                    except _NOT_FAST:
                        pass
                return slow(value)

            usual = convert
        elif layout.column_major:
            reverse = shape[::-1]

            def convert_transposed(value: Any) -> Any:
                if type(value) is ndarray and value.dtype is dtype and value.flags.aligned:
                    transposed = value.T
                    if transposed.shape == reverse:
                        try:
                            return fast(transposed)
                        except _NOT_FAST:
                            pass
                return slow(value)

            usual = convert_transposed
        return usual

    def array(self, plan: ArgumentPlan, layout: Layout, value: Any) -> Array:
        """The array, if it fits the layout; raises :class:`CallError` if it does not."""
        array = self._array_of_dtype(plan, value)
        if array.shape != layout.shape:
            if not (layout.shape == () and array.shape == (1,)):
                raise self.error(plan, f"expected shape {layout.shape}, received {array.shape}")
            array = array.reshape(())
        itemsize = plan.element.size
        strides = tuple(step // itemsize for step in array.strides)
        if not layout.fits(strides) or any(step % itemsize for step in array.strides if array.size > 1):
            expected = tuple(step * itemsize for step in layout.strides)
            hint = "numpy.ascontiguousarray(...)" if layout.row_major else "BoundFunction.empty(name)"
            problem = f"expected strides {expected} in bytes, received {array.strides}"
            raise self.error(plan, problem, hint=f"make it with {hint}")
        return array

    def _memory_check(self, plan: ArgumentPlan, layout: Layout) -> Callable[[Array], None]:
        """A check that the pointer and every element lie in the memory that an array is a view of."""
        size = layout.bytes(plan.element.size)
        before = (layout.offset + layout.before) * plan.element.size

        def check(array: Array) -> None:
            begin = address_of(array) - before
            low, high = memory_bounds(array)
            if size and not low <= begin <= high - size:
                reach = f"from {begin - low} to {begin - low + size} of its {high - low} bytes of memory"
                problem = f"its pointer (affine_offset {layout.offset}) and elements reach {reach}"
                raise self.error(plan, problem, hint="make it with BoundFunction.empty(name)")

        return check

    def runtime_array(self, plan: ArgumentPlan, values: dict[str, int], value: Array) -> None:
        """Check an array against the dimensions that the call has."""
        assert plan.size is not None
        size = plan.size.value(values)
        dimensions = ", ".join(f"{name}={values[name]}" for name in sorted(plan.size.names))
        if size < 0:
            raise self.error(plan, f"its size {plan.size.text} is negative with {dimensions}")
        factors = plan.size.factor_values(values)
        if value.ndim == len(factors) and value.ndim > 1:
            if value.shape != factors:
                raise self.error(
                    plan, f"expected shape {factors} ({plan.size.text} with {dimensions}), received {value.shape}"
                )
        elif value.size != size:
            raise self.error(
                plan,
                f"expected {size} elements ({plan.size.text}{' with ' if dimensions else ''}{dimensions}), "
                f"received {value.size} in shape {value.shape}",
            )

    def row_major_array(self, plan: ArgumentPlan, value: Any) -> Array:
        """The array, if it has the right dtype and dense row-major memory, whatever its shape."""
        array = self._array_of_dtype(plan, value)
        if not array.flags.c_contiguous:
            raise self.error(
                plan,
                f"expected a row-major array without gaps, received strides {array.strides} for shape {array.shape}",
                hint="make it with numpy.ascontiguousarray(...)",
            )
        return array

    def _array_of_dtype(self, plan: ArgumentPlan, value: Any) -> Array:
        expected = plan.element.dtype
        if not isinstance(value, np.ndarray):
            shared = self._shared(plan, value)
            if shared is None:
                raise self.error(plan, f"expected an array of {expected}, received {_kind_of(value)}")
            value = shared
        if value.dtype != expected:
            problem = f"expected dtype {expected}, received {value.dtype}"
            raise self.error(plan, problem, hint=f"its C type is {plan.element.name}")
        if plan.written and not value.flags.writeable:
            raise self.error(plan, f"the array is read-only, and the function writes to it ({plan.usage})")
        if not value.flags.aligned:
            raise self.error(plan, f"the array is not aligned to its {plan.element.size}-byte elements", hint="copy it")
        array: Array = value
        return array

    def _shared(self, plan: ArgumentPlan, value: Any) -> Array | None:
        """A numpy array over the memory of another library's array; None if it has no such memory."""
        if isinstance(value, np.generic):
            return None
        try:
            if hasattr(value, "__dlpack__"):
                return np.from_dlpack(value)
            return np.asarray(memoryview(value))
        except (BufferError, RuntimeError, ValueError) as error:
            raise self.error(plan, f"its memory cannot be shared: {error}", hint="copy it to a numpy array") from None
        except TypeError:
            return None

    def pointer(self, plan: ArgumentPlan, array: Array) -> Any:
        """The pointer that the function takes for an array that was checked; the array must be kept alive."""
        offset = plan.layout.offset if plan.layout and plan.is_array and array.size else 0
        return self._interface.pointer(array, offset * plan.element.size, plan.written)

    def _number_converter(self, plan: ArgumentPlan) -> Converter:
        element = plan.element
        wrap = self._interface.number(element.abi_type)
        if element.kind in ("int", "uint"):
            low, high = element.integer_range

            def convert_integer(value: Any) -> Any:
                if type(value) is not int:
                    value = self.number(plan, value)
                elif not low <= value <= high:
                    raise self._out_of_range(plan, value)
                return wrap(value)

            return convert_integer
        if element.kind == "float":

            def convert_float(value: Any) -> Any:
                return wrap(value if type(value) is float else self.number(plan, value))

            return convert_float
        if element.kind == "bool":
            return lambda value: wrap(int(self.number(plan, value)))
        return lambda value: wrap(int(np.array(self.number(plan, value), element.dtype).view(np.uint16)))

    def number(self, plan: ArgumentPlan, value: Any) -> Any:
        """The Python number of a value for a by-value argument: int, float or bool."""
        kind = plan.element.kind
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value[()]
        try:
            if kind in ("int", "uint"):
                number = operator.index(value)
                low, high = plan.element.integer_range
                if not low <= number <= high:
                    raise self._out_of_range(plan, number)
                return number
            if kind == "bool":
                if isinstance(value, (bool, np.bool_)) or operator.index(value) in (0, 1):
                    return bool(value)
            elif not isinstance(value, (str, bytes, np.ndarray)):
                return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
        wanted = {"int": "an integer", "uint": "an integer", "bool": "a bool"}.get(kind, "a number")
        raise self.error(plan, f"expected {wanted} for {plan.element.name}, received {_kind_of(value)}")

    def _out_of_range(self, plan: ArgumentPlan, number: int) -> CallError:
        low, high = plan.element.integer_range
        return self.error(plan, f"expected {plan.element.name} from {low} to {high}, received {number}")

    def _cell_converter(self, plan: ArgumentPlan) -> Converter:
        readable = self._interface.readable

        def convert(value: Any) -> Any:
            cell = self.cell(plan, value)
            try:
                # A cell made here for a plain number lives as long as what `readable` gives.
                return readable(cell.view(np.uint16) if plan.element.size == 2 else cell)
            except _NOT_FAST:
                return self.pointer(plan, cell)

        return convert

    def cell(self, plan: ArgumentPlan, value: Any) -> Array:
        """The one-element array of an argument that is a pointer to a number.

        An input may be a plain number; what the function writes must be an array of one element.
        """
        shared = value if isinstance(value, np.ndarray) else self._shared(plan, value)
        if shared is None and plan.written:
            problem = f"expected an array of one {plan.element.dtype} to write to, received {_kind_of(value)}"
            raise self.error(plan, problem, hint=f"use numpy.zeros(1, numpy.{plan.element.dtype})")
        if shared is None:
            return np.array(self.number(plan, value), plan.element.dtype)
        array = self._array_of_dtype(plan, shared)
        if array.size != 1:
            raise self.error(plan, f"expected an array of one element, received shape {array.shape}")
        return array

    def receiver(self, plan: ArgumentPlan, value: Any) -> Array:
        """An array of one ``uintp`` for the address of what the function allocates, which the caller then owns."""
        if not isinstance(value, np.ndarray) or value.dtype != np.uintp or value.size != 1 or not value.flags.writeable:
            raise self.error(
                plan,
                f"expected an array of one {np.dtype(np.uintp)} to receive the address, received {_kind_of(value)}",
                hint="omit it to get a numpy array",
            )
        array: Array = value
        return array

    def error(self, plan: ArgumentPlan, message: str, hint: str = "") -> CallError:
        """An error that names the function and the argument."""
        return CallError(message, where=f"{self._function}: argument {plan.position} ({plan.name})", hint=hint)


def from_bits(element: ElementType, bits: int) -> Any:
    """The half-precision number that 16 bits mean, as a numpy scalar."""
    return np.array(bits, np.uint16).view(element.dtype)[()]


def _kind_of(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} in shape {value.shape}"
    text = repr(value)
    return f"{text[:40]}{'…' if len(text) > 40 else ''} ({type(value).__name__})"
