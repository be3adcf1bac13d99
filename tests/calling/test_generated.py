"""Generated calls: whatever the signature and the arguments, they do what the slow way does."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import cffi
import msgspec
import numpy as np
import pytest
from hatframe_builtin.loaders.cffi_loader import CffiInterface
from hatframe_builtin.loaders.ctypes_loader import CtypesInterface
from hypothesis import given, note, settings
from hypothesis import strategies as st
from sample_packages import VOID, affine, element, function, runtime

from hatframe.calling.bound import ArrayFunction
from hatframe.calling.buffers import aligned_array
from hatframe.calling.interface import ForeignInterface
from hatframe.calling.plans import CallPlan, PassingMode, plan_call
from hatframe.errors import HatError
from hatframe.format.model import Function

FFI = cffi.FFI()
malloc = ctypes.CDLL(None).malloc
malloc.argtypes, malloc.restype = [ctypes.c_size_t], ctypes.c_void_p


class Recorder(ArrayFunction):
    """A function that notes what its calls receive, sets its outputs, and returns a number."""

    def __init__(self, plan: CallPlan, interface: ForeignInterface, produced: int) -> None:
        self.calls: list[list[Any]] = []
        self.produced = produced
        super().__init__(plan, interface, self._receive, None)  # type: ignore[arg-type]

    def timer(self, argument_sets: Sequence[Sequence[Any]]) -> Any:
        raise NotImplementedError

    def _receive(self, *arguments: Any) -> Any:
        received: list[Any] = []
        for argument, value in zip(self.plan.arguments, arguments, strict=True):
            if argument.passing is PassingMode.VALUE:
                received.append(getattr(value, "value", value))
                continue
            address = address_in(value)
            if argument.passing is PassingMode.CELL:
                cell = np.frombuffer((ctypes.c_char * argument.element.size).from_address(address), np.uint8)
                received.append(bytes(cell))
                if argument.written:
                    np.frombuffer(cell, argument.element.dtype)[...] = self.produced
            elif argument.passing is PassingMode.ALLOCATED:
                ctypes.c_void_p.from_address(address).value = malloc(4096) if self.produced else None
            else:
                received.append(address)
        self.calls.append(received)
        return 15360 if self.plan.returns else None


def address_in(value: Any) -> int:
    """The address that an argument of cffi or ctypes is."""
    if isinstance(value, ctypes.c_void_p):
        return value.value or 0
    if isinstance(value, ctypes.Array):
        return ctypes.addressof(value)
    if hasattr(value, "_obj"):  # of byref()
        return ctypes.addressof(value._obj)
    return int(FFI.cast("uintptr_t", value))


ELEMENTS = {
    "int8_t": np.int8,
    "int32_t": np.int32,
    "int64_t": np.int64,
    "uint8_t": np.uint8,
    "uint64_t": np.uint64,
    "float": np.float32,
    "double": np.float64,
    "bool": np.bool_,
    "float16_t": np.float16,
    "bfloat16_t": None,
}
INTEGERS = ["int8_t", "int32_t", "int64_t", "uint8_t", "uint64_t"]
USAGES = ["input", "output", "input_output"]
SIZES = ["n", "m", "n*m", "n*2", "(n+1)*m", "n/2", "n%3*m", "n-m", "4", "m*(n-3)", "n/m", "-n*-m", "n*m*2"]
LAYOUTS = [
    ([2, 3], [3, 1], 0),
    ([2, 3], [1, 2], 0),
    ([2, 3], [4, 1], 0),
    ([2, 3], [4, 1], 1),
    ([4], [-1], 3),
    ([], [], 0),
    ([1], [1], 0),
    ([0, 3], [3, 1], 0),
    ([2, 1, 3], [3, 7, 1], 0),
]


@st.composite
def plans(draw: st.DrawFn) -> CallPlan:
    kinds = draw(st.lists(st.sampled_from(["affine", "runtime", "scalar", "cell", "allocated"]), max_size=4))
    arguments: list[dict[str, Any]] = []
    for index, kind in enumerate(kinds):
        name, c_type = f"a{index}", draw(st.sampled_from(list(ELEMENTS)))
        usage = draw(st.sampled_from(USAGES))
        if kind == "affine":
            shape, strides, offset = draw(st.sampled_from(LAYOUTS))
            arguments.append(affine(name, shape, c_type, usage, strides, offset))
        elif kind == "runtime":
            arguments.append(runtime(name, draw(st.sampled_from(SIZES)), c_type, usage))
        elif kind == "scalar":
            arguments.append(element(name, c_type))
        elif kind == "cell":
            arguments.append(element(name, c_type, usage, f"{c_type}*"))
        else:
            size = draw(st.sampled_from(["k", "k*n", "k/n", "k-2"]))
            arguments.append(runtime(name, size, c_type, "output", f"{c_type}**"))
    for name in "nmk":
        usage = draw(st.sampled_from(["value", *USAGES])) if name != "k" else draw(st.sampled_from(USAGES[1:]))
        c_type = draw(st.sampled_from(INTEGERS))
        dimension = element(name, c_type) if usage == "value" else element(name, c_type, usage, f"{c_type}*")
        if any(name in argument.get("size", "") for argument in arguments):
            arguments.insert(draw(st.integers(0, len(arguments))), dimension)
    returned = draw(st.sampled_from([None, "int32_t", "float16_t"]))
    returns = element("", returned, "output", returned) if returned else VOID
    table = {**function(*arguments, returns=returns), "name": draw(st.sampled_from(["f", "class_0123456789abcdef"]))}
    return plan_call(msgspec.convert(table, Function))


class Subclass(np.ndarray[Any, Any]):
    pass


def wrong(array: np.ndarray[Any, Any]) -> list[Any]:
    """Values near to an array that is right: some of them are right too."""
    read_only = array.copy()
    read_only.flags.writeable = False
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
    values = [
        read_only,
        array.astype(np.float64),
        array.astype(np.int8),
        np.asfortranarray(array),
        array.reshape(-1),
        array.reshape((1, *array.shape)),
        array[..., None],
        array[:0] if array.ndim else array,
        array.copy().view(Subclass),
        array.tolist(),
        None,
        memoryview(bytearray(8)),
        (array.astype(">f4")),
        np.zeros((2, 6), array.dtype)[:, ::2],
    ]
    if array.nbytes:
        values.append(raw.view(array.dtype).reshape(array.shape))
    return values


def outside(array: np.ndarray[Any, Any]) -> list[Any]:
    """Arrays of the same layout that leave the memory which they show to be theirs; it is there all the same."""
    size, memory = array.dtype.itemsize, (ctypes.c_uint8 * 512)()
    shown = (ctypes.c_uint8 * size).from_buffer(memory, 256)
    owned = np.lib.stride_tricks.as_strided(np.frombuffer(shown, array.dtype), array.shape, array.strides)
    return [owned, owned[::-1], owned[:], owned[..., :1]] if array.ndim else [owned]


NUMBERS = [0, 1, 2, 3, -1, -3, 127, 128, 255, 1 << 40, 1 << 70, 1.0, 2.5, float("nan"), 1e300, True, False, None, "2"]
NUMBERS += [np.int64(2), np.float32(2), np.bool_(True), np.array(2), np.array([2]), np.zeros(1, np.int32), 3j]


@st.composite
def calls(draw: st.DrawFn, plan: CallPlan) -> tuple[list[Any], dict[str, Any]]:
    """Arguments that are right, or nearly, in any of the ways to give them."""
    sizes = {name: draw(st.integers(0, 4)) for name in "nmk"}
    values: list[Any] = []
    for argument in plan.arguments:
        chance = draw(st.integers(0, 9))
        if argument.passing is PassingMode.VALUE:
            value = sizes.get(argument.name, 1)
            values.append(NUMBERS[draw(st.integers(0, len(NUMBERS) - 1))] if not chance else value)
            continue
        if argument.passing is PassingMode.ALLOCATED:
            values.append(np.zeros(1, np.uintp if chance else np.int8))
            continue
        dtype = argument.element.dtype
        if argument.passing is PassingMode.CELL:
            array = np.full(draw(st.sampled_from([(), (1,), (1, 1)])), sizes.get(argument.name, 1)).astype(dtype)
            others = [*NUMBERS, *wrong(array)]
            values.append(others[draw(st.integers(0, len(others) - 1))] if not chance else array)
            continue
        if argument.layout:
            array = aligned_array(argument.layout, dtype)
            array[...] = 1
        else:
            assert argument.size is not None
            try:
                shape = argument.size.factor_values(sizes)
            except HatError:
                shape = (1,)
            shape = shape if min(shape) >= 0 and chance < 8 else (max(0, int(np.prod(shape))),)
            array = np.zeros(shape, dtype)
        others = [*wrong(array), *outside(array)]
        values.append(others[draw(st.integers(0, len(others) - 1))] if not chance else array)
    way = draw(st.sampled_from(["all", "all", "needed", "needed", "names", "mixed", "odd"]))
    named = {argument.name: value for argument, value in zip(plan.arguments, values, strict=True)}
    if way == "all":
        return values, {}
    needed = [named[argument.name] for argument in plan.needed]
    if way == "needed":
        return needed, {}
    for argument in plan.arguments:
        if argument.follows and draw(st.booleans()):
            del named[argument.name]
    if way == "names":
        return [], named
    if way == "mixed":
        count = draw(st.integers(0, len(needed)))
        for argument in plan.needed[:count]:
            del named[argument.name]
        return needed[:count], named
    count = draw(st.integers(0, len(values) + 1))
    return [*values, 1][:count], [{}, named, {"z": 1}, {"self": 1}, {"v0": 1}][draw(st.integers(0, 4))]


def outcome(recorder: Recorder, call: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What a call returned or raised, and what the C function received."""
    recorder.calls.clear()
    args, kwargs = list(args), dict(kwargs)
    kept = [(array, array.copy()) for array in (*args, *kwargs.values()) if isinstance(array, np.ndarray)]
    try:
        returned = call(*args, **kwargs)
        parts = [*returned] if isinstance(returned, tuple) else [returned]
        result = [(type(part).__name__, getattr(part, "shape", None), getattr(part, "dtype", part)) for part in parts]
        result.append(getattr(returned, "_fields", None))
    except HatError as error:
        result = [type(error), error.message, error.where, error.hint]
    except Exception as error:
        result = [type(error), str(error)]
    for array, before in kept:
        if array.flags.writeable:
            array[...] = before
    return repr((result, recorder.calls))


@pytest.mark.parametrize("examples", [20, pytest.param(500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("interface", [CffiInterface, CtypesInterface])
def test_a_call_does_what_the_slow_way_does(interface: Callable[[], ForeignInterface], examples: int) -> None:
    made = interface()

    @settings(max_examples=examples)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        plan = data.draw(plans())
        recorder = Recorder(plan, made, data.draw(st.sampled_from([3, 3, 3, 0])))
        recorder._use_whole_call()
        for _ in range(4):
            args, kwargs = data.draw(calls(plan))
            whole = outcome(recorder, recorder, args, kwargs)
            note(whole)
            assert whole == outcome(recorder, recorder._slow_call, args, kwargs)

    check()


@pytest.mark.parametrize(
    "names", [["in", "in_"], ["__debug__"], ["self", "named"], ["v1", "v0"], ["é", "\N{KELVIN SIGN}"]]
)
def test_parameters_may_have_any_names(names: list[str]) -> None:
    table = {**function(*[element(name) for name in names]), "name": "f"}
    recorder = Recorder(plan_call(msgspec.convert(table, Function)), CffiInterface(), 1)
    recorder._use_whole_call()
    values = list(range(len(names)))
    recorder(**dict(zip(names, values, strict=True)))
    recorder(values[0], **dict(zip(names[1:], values[1:], strict=True)))
    recorder(*values)
    assert recorder.calls == [values] * 3


def test_a_size_that_is_too_deep_to_compile_is_computed_the_slow_way() -> None:
    deep = "n" + "+1" * 390
    table = {**function(element("n"), runtime("x", deep)), "name": "f"}
    recorder = Recorder(plan_call(msgspec.convert(table, Function)), CffiInterface(), 1)
    for _ in range(2):
        recorder(1, np.zeros(391, np.float32))
    assert len(recorder.calls) == 2


@pytest.mark.parametrize("count", [30, 1000])
def test_a_function_may_have_many_parameters(count: int) -> None:
    arrays = [runtime(f"x{index}", "n" if index % 2 else "2*n") for index in range(count - 2)]
    table = {**function(element("n"), *arrays, element("m", "double")), "name": "f"}
    recorder = Recorder(plan_call(msgspec.convert(table, Function)), CffiInterface(), 1)
    recorder._use_whole_call()
    values = [np.zeros(3 if index % 2 else 6, np.float32) for index in range(count - 2)]
    recorder(3, *values, 1.0)
    recorder(*values, 1.0)
    recorder(n=3, m=1.0, **{f"x{index}": value for index, value in enumerate(values)})
    assert [call[0] for call in recorder.calls] == [3, 3, 3]
