"""The simulated device: its memory, and functions that run there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from hatframe.plugin import (
    ArrayFunction,
    BenchmarkError,
    Conversions,
    Function,
    Library,
    Measurement,
    Memory,
    Package,
    PackageError,
    SymbolError,
    Timer,
    plan_call,
)

_STATEMENT = re.compile(r"(?P<target>\w+) = (?P<factor>\S+) \* (?P<source>\w+)")


class Buffer(NamedTuple):
    """An array in the memory of a device."""

    address: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


class Device(Memory):
    """A device: arrays by their addresses."""

    def __init__(self, number: int, size: int, cache_size: int) -> None:
        self.name = f"simulated device {number}"
        self.cache_size = cache_size
        self.size = size
        self._contents: dict[int, bytearray] = {}
        self._next = 4096

    def available(self) -> int:
        return self.size - sum(map(len, self._contents.values()))

    def place(self, array: Any) -> Buffer:
        if array.nbytes > self.available():
            raise BenchmarkError("out of memory", where=self.name)
        buffer = Buffer(self._next, array.dtype, array.shape)
        self._contents[buffer.address] = bytearray(array.tobytes())
        self._next += array.nbytes + 64
        return buffer

    def read(self, placed: Buffer) -> Any:
        return self._array(placed).copy()

    def write(self, placed: Buffer, array: Any) -> None:
        self._array(placed)[...] = array

    def free(self, placed: Buffer) -> None:
        del self._contents[placed.address]

    def launch(self, statement: re.Match[str], buffers: dict[str, Buffer]) -> None:
        """Run a statement over buffers, given by the names of parameters."""
        with np.errstate(over="ignore"):
            source = self._array(buffers[statement["source"]])
            np.multiply(source, float(statement["factor"]), out=self._array(buffers[statement["target"]]))

    def _array(self, placed: Buffer) -> Any:
        return np.frombuffer(self._contents[placed.address], placed.dtype).reshape(placed.shape)


DEVICES = (Device(0, size=1 << 20, cache_size=1 << 14), Device(1, size=1 << 12, cache_size=1 << 10))


class Transfer(NamedTuple):
    """An array of the host that goes to the device for a call, and comes back if the function writes to it."""

    array: Any
    writable: bool


class Transfers(Conversions):
    """Arrays wait for the call; numbers stay as they are."""

    def readable(self, array: Any) -> Transfer:
        return self._dense(array, writable=False)

    def writable(self, array: Any) -> Transfer:
        return self._dense(array, writable=True)

    def pointer(self, array: Any, before: int, writable: bool) -> Transfer:
        return Transfer(array, writable)

    def number(self, c_type: str) -> Callable[[Any], Any]:
        return lambda value: value

    def _dense(self, array: Any, writable: bool) -> Transfer:
        if not array.flags.c_contiguous or (writable and not array.flags.writeable):
            raise ValueError("the memory is read-only or has gaps")
        return Transfer(array, writable)


class DeviceFunction(ArrayFunction):
    """A statement of a program, bound to a device."""

    def __init__(self, function: Function, statement: re.Match[str], device: Device) -> None:
        super().__init__(plan_call(function), Transfers(), self._call, device)
        self._statement = statement
        self._device = device
        self._names = [argument.name for argument in self.plan.arguments]

    def timer(self, argument_sets: Sequence[Sequence[Any]]) -> Timer:
        named = [dict(zip(self._names, arguments, strict=True)) for arguments in argument_sets]
        return DeviceTimer(self._device, self._statement, named)

    def _call(self, *arguments: Any) -> None:
        placed = [self._device.place(value.array) if isinstance(value, Transfer) else value for value in arguments]
        self._device.launch(self._statement, dict(zip(self._names, placed, strict=True)))
        for value, buffer in zip(arguments, placed, strict=True):
            if isinstance(value, Transfer):
                if value.writable:
                    value.array[...] = self._device.read(buffer)
                self._device.free(buffer)


class DeviceTimer(Timer):
    """Measures launches without transfers."""

    name = "simulated"

    def __init__(self, device: Device, statement: re.Match[str], sets: list[dict[str, Buffer]]) -> None:
        self._device = device
        self._statement = statement
        self._sets = sets
        self._next = 0

    def run(self, calls: int) -> Measurement:
        started = perf_counter()
        for _ in range(calls):
            self._device.launch(self._statement, self._sets[self._next])
            self._next = (self._next + 1) % len(self._sets)
        return Measurement(perf_counter() - started, {"launches": float(calls)})


class DeviceLibrary(Library):
    """The programs of a package."""

    def __init__(self, package: Package, device: Device) -> None:
        self._package = package
        self._device = device

    def bind(self, function: Function) -> DeviceFunction:
        if function.name not in self._package.functions:
            raise SymbolError(f"no program has a function {function.name}", where=str(self._package.path))
        program = self._package.hat_file(function.name).folder / function.provider
        try:
            lines = dict(line.split(": ", 1) for line in program.read_text().splitlines())
        except (OSError, ValueError) as error:
            raise PackageError(f"invalid program: {error}", where=str(program)) from None
        statement = _STATEMENT.fullmatch(lines.get(function.name, ""))
        if statement is None:
            raise SymbolError(f"the program lacks {function.name}", where=str(program))
        return DeviceFunction(function, statement, self._device)
