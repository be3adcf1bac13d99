"""Checks: each argument against its plan, before the call. The usual case is fast, the wrong one is explained."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

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

    def __init__(self, plan: CallPlan, conversions: Conversions) -> None:
        self._function = plan.function.name
        self.conversions = conversions

    def converter(self, plan: ArgumentPlan) -> Converter:
        """A function that checks a value for an argument, and returns what the C call takes."""
        if plan.passing is PassingMode.VALUE:
            return self._number_converter(plan)
        if plan.passing is PassingMode.CELL:
            return lambda value: self.pointer(plan, self.cell(plan, value))
        if plan.passing is PassingMode.ALLOCATED:
            return lambda value: self.pointer(plan, self.receiver(plan, value))
        assert plan.layout is not None
        return self._array_converter(plan, plan.layout)

    def _array_converter(self, plan: ArgumentPlan, layout: Layout) -> Converter:
        dense = layout.row_major or layout.column_major
        check_memory = None if dense else self._memory_check(plan, layout)

        def convert(value: Any) -> Any:
            array = self.array(plan, layout, value)
            if check_memory:
                check_memory(array)
            return self.pointer(plan, array)

        return convert

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
        dense = array if array.flags.c_contiguous else array.T
        if not offset and dense.flags.c_contiguous:
            try:
                # numpy exports no buffer of bfloat16.
                dense = dense.view(np.uint16) if plan.element.kind == "bfloat16" else dense
                return self.conversions.writable(dense) if plan.written else self.conversions.readable(dense)
            except _NOT_FAST:
                pass
        return self.conversions.pointer(array, offset * plan.element.size, plan.written)

    def _number_converter(self, plan: ArgumentPlan) -> Converter:
        element = plan.element
        wrap = self.conversions.number(element.abi_type)
        if element.abi_type != "uint16_t" or element.is_integer:
            return lambda value: wrap(self.number(plan, value))
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


def _kind_of(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} in shape {value.shape}"
    text = repr(value)
    return f"{text[:40]}{'…' if len(text) > 40 else ''} ({type(value).__name__})"
