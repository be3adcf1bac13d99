"""The loader ``counting``: host functions by ctypes, with what the system counts while they are timed.

A page fault costs thousands of instructions, and a context switch pushes the caches out: batches of a run that has
many of either were not measured in peace, or the function touches new memory in each call.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hatframe import hookimpl
from hatframe.backends import (
    Availability,
    BoundFunction,
    Library,
    LoadContext,
    Loader,
    Measurement,
    Timer,
)
from hatframe.calling.host import HostLoader
from hatframe.calling.interface import POINTER, ForeignInterface
from hatframe.format.model import Function
from hatframe.packages.package import Package

COUNTERS = {
    "minor_page_faults": "ru_minflt",
    "major_page_faults": "ru_majflt",
    "involuntary_context_switches": "ru_nivcsw",
}
"""The counters by name, and the field of ``getrusage`` (see POSIX and ``man getrusage``) that each comes from."""


class CountingLoader(HostLoader):
    """All that is not ctypes or counting is done by :class:`HostLoader`: checks, conversion, allocation, timing."""

    name = "counting"
    summary = "host functions by ctypes, counting page faults and context switches"
    # Less than the loaders that ship with hatframe: it is for who asks for it by name.
    priority = -10

    def availability(self) -> Availability:
        if importlib.util.find_spec("resource") is None:
            return Availability(False, "this system has no getrusage()")
        return Availability()

    def interface(self) -> ForeignInterface:
        return CtypesInterface()

    def open(self, package: Package, context: LoadContext) -> Library:
        return CountingLibrary(super().open(package, context))


class CountingLibrary(Library):
    """The library that :class:`HostLoader` opened; its functions get another timer."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def bind(self, function: Function) -> BoundFunction:
        return CountingFunction(self._library.bind(function))

    def close(self) -> None:
        self._library.close()


class CountingFunction(BoundFunction):
    """A bound function that is what it was, but for its timer."""

    def __init__(self, bound: BoundFunction) -> None:
        self.function = bound.function
        self._bound = bound

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._bound(*args, **kwargs)

    def prepare_call(self, *args: Any, **kwargs: Any) -> Callable[[], Any]:
        return self._bound.prepare_call(*args, **kwargs)

    def prepare(self, argument_sets: Sequence[Sequence[Any]]) -> Timer:
        return CountingTimer(self._bound.prepare(argument_sets))

    def argument_bytes(self, sizes: Mapping[str, int]) -> int:
        return self._bound.argument_bytes(sizes)

    def make_arguments(self, sizes: Mapping[str, int], fill: Callable[[str, Any], None]) -> Sequence[Any]:
        return self._bound.make_arguments(sizes, fill)


class CountingTimer(Timer):
    """Another timer, with counters: what the system counted for the whole process during the batch."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        # It measures as the other does, and the results say so.
        self.name = timer.name  # type: ignore[misc]
        self.overhead = timer.overhead
        self.subtracts_overhead = timer.subtracts_overhead

    def run(self, calls: int) -> Measurement:
        from resource import RUSAGE_SELF, getrusage

        before = getrusage(RUSAGE_SELF)
        measured = self._timer.run(calls)
        after = getrusage(RUSAGE_SELF)
        counters = {name: float(getattr(after, field) - getattr(before, field)) for name, field in COUNTERS.items()}
        return Measurement(measured.seconds, {**measured.counters, **counters})


class CtypesInterface(ForeignInterface):
    """Everything that a foreign function interface has to do."""

    def __init__(self) -> None:
        # from_buffer() keeps the array alive and refuses memory that is read-only or has gaps; such an array
        # goes the slow way then, by pointer().
        self.readable = self.writable = lambda array: ctypes.byref(ctypes.c_char.from_buffer(array))

    def open(self, path: str) -> ctypes.CDLL:
        return ctypes.CDLL(path)

    def function(
        self, library: ctypes.CDLL, name: str, result: str | None, arguments: Sequence[str]
    ) -> Callable[..., Any] | None:
        try:
            function = library[name]
        except AttributeError:
            return None
        function.restype = C_TYPES[result] if result else None
        return function

    def noop_function(self, result: str | None, arguments: Sequence[str]) -> Callable[..., Any]:
        # abs() does next to nothing, and leaves all but its first argument alone.
        function = self.function(ctypes.CDLL(None), "abs", result, arguments)
        assert function is not None
        return function

    def address_of(self, function: Callable[..., Any]) -> int:
        return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]

    def pointer(self, address: int) -> Any:
        return C_TYPES[POINTER](address)

    def number(self, c_type: str) -> Callable[[Any], Any]:
        converter: Callable[[Any], Any] = C_TYPES[c_type]
        return converter


C_TYPES: dict[str, Any] = {
    POINTER: ctypes.c_void_p,
    "_Bool": ctypes.c_bool,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    **{f"{sign}int{bits}_t": getattr(ctypes, f"c_{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


@hookimpl
def hatframe_loaders() -> list[Loader]:
    return [CountingLoader()]
