"""Random functions, and random calls of them, right and wrong: what one loader makes of a call, all others must.

The functions record what they receive and write what follows from it. A call is drawn from a seed and its number, once
for each loader, so that each has arguments of its own.
"""

from __future__ import annotations

import array
import ctypes
import decimal
import fractions
import random
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sample_packages import affine, element, function, make_package, runtime

from hatframe import HatError, Kernel
from hatframe.backends import BoundFunction
from hatframe.c.layouts import Layout
from hatframe.calling.buffers import aligned_array
from hatframe.calling.description import python_name
from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode, plan_call

Array = np.ndarray[Any, Any]

INTEGERS = tuple(f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64))
ELEMENTS = (*INTEGERS, "float", "double", "bool", "float16_t", "bfloat16_t", "char", "long", "size_t")
USAGES = ("input", "input", "output", "input_output")
NAMES = ("x", "y", "in", "lambda", "a_0", "", "out", "w")
SIZES = ("{0}", "{0}*{1}", "{0}*{1}*{2}", "{0}+1", "2*{0}", "{0}*3*{1}", "({0}-1)*{1}+2", "{0}/2+{1}%2", "4", "{0}-{1}")

PRELUDE = """
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
static uint8_t recorded[1 << 16];
static uint64_t length;
uint64_t take_record(uint8_t *to) { uint64_t taken = length; memcpy(to, recorded, taken); length = 0; return taken; }
static void record(const void *from, uint64_t bytes) {
    if (length + bytes <= sizeof recorded) { memcpy(recorded + length, from, bytes); length += bytes; }
}
"""
RAW = {"float16_t": "uint16_t", "bfloat16_t": "uint16_t", "bool": "_Bool"}


def random_function(generator: random.Random, name: str) -> tuple[str, dict[str, Any]]:
    """The C code and the metadata of a function."""
    parameters: list[dict[str, Any]] = []
    dimensions = [f"n{index}" for index in range(generator.choice((0, 0, 1, 2, 3)))]
    produced = generator.choice(dimensions) if dimensions and generator.random() < 0.15 else ""
    for dimension in dimensions:
        usage = "output" if dimension == produced else "input"
        declared = generator.choice(("{}", "{}", "{}*")) if usage == "input" else "{}*"
        c_type = generator.choice(INTEGERS)
        parameters.append(element(dimension, c_type, usage, declared.format(c_type)))
    given = [dimension for dimension in dimensions if dimension != produced]
    for index in range(generator.randint(0 if parameters else 1, 8 - len(parameters))):
        name_of_it = generator.choice(NAMES)
        parameters.append(random_parameter(generator, name_of_it and f"{name_of_it}{index or ''}", given))
    if produced:
        parameters.append(runtime("made", produced, generator.choice(ELEMENTS), "output"))
        parameters[-1]["declared_type"] = f"{parameters[-1]['element_type']}**"
    generator.shuffle(parameters)
    returned = generator.choice(ELEMENTS) if generator.random() < 0.4 else ""
    returns = {"returns": element("", returned)} if returned else {}
    body = [line for position, parameter in enumerate(parameters) for line in statements(parameter, f"p{position}")]
    # Sizes are computed with the values of the dimensions, before any output is written.
    sizes = [f"int64_t {given} = {value(parameters, given)};" for given in given]
    if produced:
        sizes.append(f"int64_t {produced} = 3;")
    declared = (
        ", ".join(f"{declaration(parameter)}p{position}" for position, parameter in enumerate(parameters)) or "void"
    )
    ending = f"return ({RAW.get(returned, returned)})written;" if returned else "(void)written;"
    lines = "\n    ".join([*sizes, "int64_t written = 1;", *body, ending])
    code = f"{RAW.get(returned, returned) or 'void'} {name}({declared}) {{\n    {lines}\n}}\n"
    return code, function(*parameters, **returns)


def random_parameter(generator: random.Random, name: str, dimensions: Sequence[str]) -> dict[str, Any]:
    c_type, usage = generator.choice(ELEMENTS), generator.choice(USAGES)
    kind = generator.choice(("value", "cell", "affine", "affine", "affine", "runtime", "runtime", "allocated"))
    if kind == "value":
        return element(name, c_type)
    if kind == "cell":
        return element(name, c_type, usage, f"{c_type}*")
    if kind in ("runtime", "allocated") and dimensions:
        size = generator.choice(SIZES).format(*(generator.choice(dimensions) for _ in range(3)))
        allocated = kind == "allocated"
        return runtime(name, size, c_type, "output" if allocated else usage, f"{c_type}**" if allocated else None)
    shape = [generator.choice((1, 2, 2, 3, 4)) for _ in range(generator.choice((0, 1, 1, 2, 2, 3)))]
    if generator.random() < 0.03 and shape:
        shape[0] = 0
    if kind == "allocated":
        return {**affine(name, shape, c_type, "output"), "declared_type": f"{c_type}**"}
    order = list(range(len(shape)))
    layout = generator.choice(("row", "row", "column", "padded", "permuted", "negative"))
    if layout == "column":
        order.reverse()
    elif layout == "permuted":
        generator.shuffle(order)
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= max(1, shape[axis]) + (layout == "padded" and generator.randint(0, 2))
    if layout == "negative" and strides:
        strides[generator.randrange(len(strides))] *= -1
    offset = generator.choice((0, 0, 0, 1, 5))
    return affine(name, shape, c_type, usage, strides, offset)


def declaration(parameter: Mapping[str, Any]) -> str:
    declared, c_name = parameter["declared_type"], parameter["element_type"]
    return f"{RAW.get(c_name, c_name)} {'*' * declared.count('*')}"


def value(parameters: Sequence[Mapping[str, Any]], dimension: str) -> str:
    """The value of a dimension in C."""
    (position,) = [index for index, parameter in enumerate(parameters) if parameter["name"] == dimension]
    return f"{'*' * parameters[position]['declared_type'].count('*')}p{position}"


def statements(parameter: Mapping[str, Any], name: str) -> Iterator[str]:
    """Record what the parameter has, and write to it if it is an output."""
    usage, levels = parameter["usage"], parameter["declared_type"].count("*")
    raw = RAW.get(parameter["element_type"], parameter["element_type"])
    if levels == 0:
        yield f"record(&{name}, sizeof {name});"
        return
    if parameter["logical_type"] == "element":
        count, at = "1", "0"
        loops = [f"for (int64_t i = 0; i < {count}; i++)"]
    elif parameter["logical_type"] == "runtime_array" or levels == 2:
        count = parameter.get("size") or str(int(np.prod(parameter["shape"])))
        loops, at = [f"for (int64_t i = 0; i < ({count}); i++)"], "i"
    else:
        steps = list(enumerate(zip(parameter["shape"], parameter["affine_map"], strict=True)))
        loops = [f"for (int64_t i{axis} = 0; i{axis} < {extent}; i{axis}++)" for axis, (extent, _) in steps]
        at = " + ".join([str(parameter["affine_offset"]), *(f"i{axis} * {stride}" for axis, (_, stride) in steps)])
    if levels == 2:
        size = f"(({count}) > 0 && ({count}) <= 64 ? ({count}) : 0)"
        yield f"*{name} = ({count}) <= 64 ? malloc({size} * sizeof({raw}) + 1) : NULL;"
        yield f"for (int64_t i = 0; i < {size}; i++) (*{name})[i] = ({raw})(written++ % 100);"
        return
    here = f"{name}[{at}]"
    if usage != "output":
        yield f"{' '.join(loops)} record(&{here}, sizeof {here});"
    if usage != "input":
        size = (
            "3" if parameter["name"].startswith("n") and parameter["logical_type"] == "element" else "written++ % 100"
        )
        yield f"{' '.join(loops)} {here} = ({raw})({size});"


KNOWN = """
#include <stdint.h>
#include <stdlib.h>
float add(const float *a, float b) { for (int i = 0; i < 64; i++) b += a[i]; return b; }
void scale(int64_t n, const double *x, double *y, double by) { for (int64_t i = 0; i < n; i++) y[i] = by * x[i]; }
void count(const uint8_t *x, int32_t n, int32_t *found) { *found = 0; for (int i = 0; i < n; i++) *found += x[i] != 0; }
void series(int32_t n, int32_t **out) { *out = malloc(n * sizeof **out); for (int i = 0; i < n; i++) (*out)[i] = i; }
"""


def make_known_functions(folder: Path) -> Path:
    """A package of four functions: arrays of fixed and of any size, scalars, a return value, outputs of three kinds."""
    x, y = runtime("x", "n", "double"), runtime("y", "n", "double", "output")
    flags, found = runtime("x", "n", "uint8_t"), element("found", "int32_t", "output")
    functions = {
        "add": function(affine("a", (64,)), element("b", "float"), returns=element("", "float")),
        "scale": function(element("n", "int64_t"), x, y, element("by", "double")),
        "count": function(flags, element("n", "int32_t"), found),
        "series": function(element("n", "int32_t"), runtime("out", "n", "int32_t", "output", "int32_t**")),
    }
    return make_package(folder, KNOWN, functions)


def host_loaders() -> list[str]:
    """The names of the loaders for host functions that work here."""
    return [loader.name for loader in Kernel().registry.loaders.all() if not loader.runtimes]


def make_functions(folder: Path, seed: int, count: int) -> Path:
    """A package of random functions; gives the path of its .hat file."""
    made = {f"f{index}": random_function(random.Random(f"{seed} {index}"), f"f{index}") for index in range(count)}
    source = PRELUDE + "".join(code for code, _ in made.values())
    return make_package(folder, source, {name: table for name, (_, table) in made.items()}, flags=["-O0", "-w"])


OWN = "an error of its own"


class Raising:
    """An object of no type that a call takes, whose methods raise or return what they must not."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.outcome!r})"

    def _give(self) -> Any:
        if isinstance(self.outcome, type):
            raise self.outcome(OWN)
        return self.outcome


class Indexed(Raising):
    def __index__(self) -> int:
        return self._give()  # type: ignore[no-any-return]


class Floating(Raising):
    def __float__(self) -> float:
        return self._give()  # type: ignore[no-any-return]


class Exporting(Raising):
    """An array of another library, over DLPack."""

    def __dlpack__(self, **options: Any) -> Any:
        given = self._give()
        return given.__dlpack__(**options) if isinstance(given, np.ndarray) else given

    def __dlpack_device__(self) -> Any:
        return (1, 0)


class Interfaced(Raising):
    """An object that numpy can make an array of, but that exports no memory."""

    def __array__(self, *arguments: Any, **options: Any) -> Any:
        return self._give()


class Number(int):
    """An integer, but not of the type int."""


class Real(float):
    """A number, but not of the type float."""


class Subarray(np.ndarray[Any, Any]):
    """An array, but not of the type numpy.ndarray."""


def filled(made: Array, generator: random.Random) -> Array:
    """The array with values that any number of its type may have."""
    size = made.size * made.dtype.itemsize
    if made.dtype == np.bool_:
        made[...] = np.reshape([generator.random() < 0.5 for _ in range(made.size)], made.shape)
    else:
        made[...] = np.frombuffer(generator.randbytes(size), made.dtype).reshape(made.shape)
    return made


def right_array(argument: ArgumentPlan, shape: tuple[int, ...], generator: random.Random) -> Array:
    layout = argument.layout or Layout.dense(shape)
    return filled(aligned_array(layout, argument.element.dtype), generator)


def right_number(argument: ArgumentPlan, generator: random.Random) -> Any:
    kind, dtype = argument.element.kind, argument.element.dtype
    if kind in ("int", "uint"):
        low, high = argument.element.integer_range
        number = generator.choice((low, high, 0, 1, generator.randint(low, high), generator.randint(0, 9)))
        # Those after the first seven are other numbers, in types that do not hold this one.
        forms = (number, number, number, Number(number), Indexed(number), dtype.type(number), np.array(number, dtype))
        return generator.choice((*forms, bool(number & 1), np.bool_(number & 1), np.int64(number % 100)))
    if kind == "bool":
        return generator.choice((True, False, 0, 1, np.True_, np.int8(1), np.array(True), Indexed(1), Number(0)))
    numbers = (0.0, -0.0, 1.5, -2.25, 1e30, 1e300, 5e-324, float("inf"), float("nan"), generator.random())
    forms_of_reals = (float, float, Real, Floating, np.float64, np.float32, np.float16, np.array, exactly)
    return generator.choice(forms_of_reals)(generator.choice(numbers))


def exactly(number: float) -> Any:
    """The number in a type that float() takes, but that is no float."""
    return fractions.Fraction(number) if np.isfinite(number) else decimal.Decimal(number)


ERRORS = (ZeroDivisionError, TypeError, ValueError, OverflowError, KeyError)


def wrong_number(argument: ArgumentPlan, generator: random.Random) -> Any:
    low, high = argument.element.integer_range
    numbers = (low - 1, high + 1, 1 << 100, -(1 << 70), 10**400, 2, -1, 2.0, 2.5, float("nan"), 1j, range(3))
    of_numpy = (
        np.float64(2),
        np.float32("nan"),
        np.uint64(2**64 - 1),
        np.complex64(1),
        np.datetime64(1, "s"),
        np.True_,
    )
    arrays = (np.array([3]), np.array([[3]]), np.array(3), np.array(3.5), np.array("x"), np.str_("3"))
    others = (None, "3", b"3", [3], object, ..., fractions.Fraction(1, 2), array.array("i", [3]))
    decimals = (decimal.Decimal("sNaN"), decimal.Decimal("1e999"))
    indexed = Indexed(generator.choice((*ERRORS, "3", 2.0, None, 1 << 80)))
    floating = Floating(generator.choice((*ERRORS, "3", 2, None)))
    return generator.choice((*numbers, *of_numpy, *arrays, *others, *decimals, indexed, floating))


def wrong_array(argument: ArgumentPlan, right: Array, generator: random.Random) -> Any:
    """A value that differs from a right array in one way, some of which do not matter."""

    def misaligned() -> Array:
        memory = np.zeros(right.nbytes + 64, np.uint8)
        start = 1 - memory.ctypes.data % 64 % 2
        return memory[start : start + right.nbytes].view(right.dtype).reshape(right.shape)

    def read_only() -> Array:
        right.flags.writeable = False
        return right

    def spread() -> Array:
        wide = np.zeros((*right.shape[:-1], 2 * right.shape[-1]) if right.ndim else (2,), right.dtype)
        return wide[..., ::2] if right.ndim else wide[::2]

    def exported() -> Any:
        failing = (*ERRORS, BufferError, RuntimeError, None, 3)
        return Exporting(generator.choice((right, right.copy(), *failing)))

    def other_dtype() -> Array:
        names = ("float32", "float64", "int32", "uint8", "bool", "float16", "complex64", "datetime64[s]", "O", "V4")
        return np.zeros(right.shape, generator.choice(names))

    def memory() -> Any:
        return generator.choice((memoryview, bytearray, bytes))(np.ascontiguousarray(right).view(np.uint8))

    def resized() -> Array:
        return np.zeros(max(0, right.size + generator.choice((-1, 1))), right.dtype)

    def swapped() -> Array:
        return right.astype(right.dtype.newbyteorder())

    def constant() -> Any:
        return generator.choice((None, 3, 2.5, "text", [], object, 1 << 70, right.tolist(), right[()]))

    ways: Sequence[Callable[[], Any]] = (
        *(misaligned, read_only, spread, exported, exported, other_dtype, other_dtype, memory, resized, swapped),
        *(constant, right.copy, lambda: right.copy("F"), lambda: right.T, lambda: right[..., ::-1]),
        *(lambda: right.reshape(-1), lambda: right[None], lambda: right[:0], lambda: right[..., None]),
        *(
            lambda: np.zeros((*right.shape, 2), right.dtype),
            lambda: np.broadcast_to(right.reshape(-1)[:1], right.shape),
        ),
        *(lambda: right.view(Subarray), lambda: np.ma.array(right), lambda: Interfaced(right)),
        *(lambda: memoryview(right), lambda: memoryview(right.copy())),
        *(lambda: array.array("f", [1.0] * right.size), lambda: ctypes.create_string_buffer(max(1, right.nbytes))),
        lambda: np.lib.stride_tricks.as_strided(right, right.shape, right.strides),
    )
    for _ in range(9):
        try:
            return generator.choice(ways)()
        except (TypeError, ValueError, BufferError, IndexError):  # no such thing of this array
            continue
    return None


class DrawnCall(NamedTuple):
    """A function, the arguments of a call, how many faults they may have, and whether it is prepared and made twice."""

    plan: CallPlan
    args: list[Any]
    kwargs: dict[str, Any]
    faults: int
    prepared: bool


def random_call(plan: CallPlan, generator: random.Random) -> DrawnCall:
    sizes = {name: generator.choice((1, 1, 2, 2, 3, 4, 0)) for name in plan.dimensions}
    values: list[Any] = []
    for argument in plan.arguments:
        if argument.name in sizes and argument.read:
            number = sizes[argument.name]
            as_cell = argument.passing is PassingMode.CELL and generator.random() < 0.7
            values.append(np.array([number], argument.element.dtype) if as_cell else number)
        elif argument.passing is PassingMode.VALUE:
            values.append(right_number(argument, generator))
        elif argument.passing is PassingMode.CELL:
            plain = not argument.written and generator.random() < 0.4
            shape = generator.choice(((1,), (1,), (), (1, 1)))
            values.append(right_number(argument, generator) if plain else right_array(argument, shape, generator))
        elif argument.passing is PassingMode.ALLOCATED:
            values.append(np.zeros(1, np.uintp))
        elif argument.size:
            try:
                factors = argument.size.factor_values(sizes)
            except HatError:
                factors = (1,)
            factors = tuple(max(0, factor) for factor in factors)
            flat = (int(np.prod(factors)),)
            values.append(right_array(argument, generator.choice((factors, factors, flat)), generator))
        else:
            values.append(right_array(argument, (), generator))
    faults = generator.choice((0, 0, 1, 1, 1, 2)) if values else 0
    for _ in range(faults):
        argument = generator.choice(plan.arguments)
        wrong: Any = wrong_number(argument, generator)
        if isinstance(values[argument.position], np.ndarray) and generator.random() < 0.9:
            wrong = wrong_array(argument, values[argument.position], generator)
        values[argument.position] = wrong
    given = plan.arguments if generator.random() < 0.5 else plan.needed
    named = generator.randint(0, len(given)) if generator.random() < 0.3 else 0
    by_position = given[: len(given) - named]
    args = [values[argument.position] for argument in by_position]
    kwargs = {
        argument.name if generator.random() < 0.5 else f"{argument.name}_": values[argument.position]
        for argument in generator.sample(given[len(given) - named :], named)
    }
    kwargs = {name if name in named_of(plan) else name.removesuffix("_"): each for name, each in kwargs.items()}
    if generator.random() < 0.05:
        faults += 1
        args = args[:-1] if generator.random() < 0.5 else [*args, generator.choice((None, 3))]
    if generator.random() < 0.05:
        faults += 1
        extra = generator.choice(("nonsense", "", *(argument.name for argument in plan.arguments)))
        kwargs[extra] = 1
    if kwargs and generator.random() < 0.05:
        faults += 1
        del kwargs[generator.choice(list(kwargs))]
    return DrawnCall(plan, args, kwargs, faults, generator.random() < 0.1)


def named_of(plan: CallPlan) -> set[str]:
    """The spellings that keywords of a function may have."""
    names = [argument.name for argument in plan.arguments]
    return {*names, *map(python_name, names)}


def plain(result: Any) -> Any:
    """A result as data that can be compared: types, shapes, and the bytes of numbers."""
    if isinstance(result, np.ndarray):
        return ("array", str(result.dtype), result.shape, b"" if result.dtype.hasobject else result.tobytes())
    if isinstance(result, tuple):
        names = getattr(result, "_fields", ())
        return (type(result).__name__, names, tuple(map(plain, result)))
    if isinstance(result, float):
        return ("float", type(result).__name__, np.float64(result).tobytes())
    if isinstance(result, np.generic):
        return (type(result).__name__, result.tobytes())
    if isinstance(result, (memoryview, ctypes.Array)):
        return (type(result).__name__, bytes(result))
    return (type(result).__name__, without_address(repr(result)))


def without_address(text: str) -> str:
    """The text of an object, but for where it lies."""
    return re.sub(r"0x[0-9a-f]{4,}", "0x", text)


class Comparison:
    """The same functions by several loaders, and calls of them that are drawn from a seed."""

    def __init__(self, hat: Path, seed: int, loaders: Sequence[str] = ()) -> None:
        kernel = Kernel()
        self.packages = {name: kernel.load(hat, loader=name) for name in loaders or host_loaders()}
        self.seed = seed
        package = next(iter(self.packages.values())).package
        self.plans = [plan_call(each) for each in package.functions.values()]
        library = ctypes.CDLL(str((hat.parent / package.hat_files[0].dependencies.link_target).resolve()))
        self._take_record = library.take_record
        self._take_record.restype = ctypes.c_uint64
        self._buffer = ctypes.create_string_buffer(1 << 16)
        self._free = ctypes.CDLL(None).free
        self.accepted = 0
        """The number of calls that raised nothing."""

    def difference(self, number: int) -> str:
        """What differs between the loaders in call ``number``; empty if nothing does."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn = self.drawn(number)
            outcomes = {name: self.outcome(package, number) for name, package in self.packages.items()}
        first, *others = outcomes
        self.accepted += outcomes[first][0] == "returns"
        errors = [outcome[2] for outcome in outcomes.values() if outcome[0] == "raises"]
        # Which of several faults is found first is not promised where one is an error of the object's own.
        if drawn.faults > 1 and len(errors) == len(outcomes) and any(OWN in error for error in errors):
            return ""
        for other in others:
            if outcomes[other] != outcomes[first]:
                return f"{drawn.plan.function.name}: {first} {outcomes[first]}\n    {other} {outcomes[other]}"
        return ""

    def drawn(self, number: int) -> DrawnCall:
        generator = random.Random(f"{self.seed} {number}")
        return random_call(generator.choice(self.plans), generator)

    def outcome(self, package: Mapping[str, BoundFunction], number: int) -> tuple[Any, ...]:
        plan, args, kwargs, _, prepared = self.drawn(number)
        call = package[plan.function.name]
        try:
            if prepared:
                made = call.prepare_call(*args, **kwargs)
                result: tuple[Any, ...] = ("returns", plain(made()), plain(made()))
            else:
                result = ("returns", plain(call(*args, **kwargs)))
        except Exception as error:
            result = ("raises", type(error).__name__, without_address(str(error)))
        length = self._take_record(self._buffer)
        after = [plain(each) for each in (*args, *kwargs.values())]
        if result[0] == "returns":
            after = self.without_addresses(plan, args, kwargs, after)
        return (*result, self._buffer.raw[:length], after)

    def without_addresses(self, plan: CallPlan, args: list[Any], kwargs: dict[str, Any], after: list[Any]) -> list[Any]:
        """What arguments are after the call, with a mark in place of the address of what the function allocated."""
        names = [argument.name for argument in (plan.arguments if len(args) == len(plan.arguments) else plan.needed)]
        allocated = [argument.name for argument in plan.arguments if argument.passing is PassingMode.ALLOCATED]
        receiving = {*allocated, *map(python_name, allocated)}
        given = [*zip(names, args, strict=False), *kwargs.items()] if len(args) <= len(names) else []
        for position, (name, each) in enumerate(given):
            if (
                name in receiving
                and isinstance(each, np.ndarray)
                and each.dtype == np.uintp
                and each.size == 1
                and each.any()
            ):
                self._free(ctypes.c_void_p(int(each.reshape(-1)[0])))
                after[position] = "an address"
        return after
