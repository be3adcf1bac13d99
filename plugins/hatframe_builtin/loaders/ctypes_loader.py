"""The loader ``ctypes``: calls through Python's own foreign function interface, which is always there."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from hatframe import hookimpl
from hatframe.plugin import CallPlan, ForeignInterface, HostLoader, address_of, unchanged

_TYPES: dict[str, Any] = {
    "_Bool": ctypes.c_bool,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    **{f"int{bits}_t": getattr(ctypes, f"c_int{bits}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}_t": getattr(ctypes, f"c_uint{bits}") for bits in (8, 16, 32, 64)},
}

_NO_CHARACTERS = ctypes.c_char * 0


class CtypesInterface(ForeignInterface):
    """ctypes, with arguments that say their types: arrays of its own over the memory, and typed numbers."""

    def __init__(self) -> None:
        # It takes writable memory only; a read-only array goes the slow way, by its address.
        self.readable = self.writable = _NO_CHARACTERS.from_buffer

    def open(self, path: str) -> ctypes.CDLL:
        if sys.platform == "win32":
            return ctypes.CDLL(path, winmode=0)
        return ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL)

    def close(self, library: ctypes.CDLL) -> None:
        if sys.platform == "win32":
            _ctypes.FreeLibrary(library._handle)
        else:
            _ctypes.dlclose(library._handle)

    def function(
        self, library: ctypes.CDLL, name: str, result: str | None, arguments: Sequence[str]
    ) -> Callable[..., Any] | None:
        try:
            # By index rather than by attribute: a function object of its own, with its own result type.
            function = library[name]
        except AttributeError:
            return None
        function.restype = _TYPES[result] if result else None
        return function

    def noop_function(self, result: str | None, arguments: Sequence[str]) -> Callable[..., Any]:
        # abs() leaves further arguments alone, as every C calling convention lets it.
        function = self.function(ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None), "abs", result, ())
        assert function is not None
        return function

    def address_of(self, function: Callable[..., Any]) -> int:
        return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]

    def pointer(self, array: Any, before: int, writable: bool) -> Any:
        return ctypes.c_void_p(address_of(array) - before)

    def number(self, c_type: str) -> Callable[[Any], Any]:
        # A Python number is passed as a C int.
        converter: Callable[[Any], Any] = _TYPES[c_type]
        return unchanged if c_type in ("int32_t", "uint32_t") else converter

    def prepared_call(
        self, plan: CallPlan, function: Callable[..., Any], arguments: Sequence[Any], keeps_alive: object
    ) -> Callable[[], Any]:
        # What needs no conversion in the call.
        made = [ctypes.byref(argument) if isinstance(argument, _NO_CHARACTERS) else argument for argument in arguments]
        return super().prepared_call(plan, function, made, keeps_alive)


class CtypesLoader(HostLoader):
    name = "ctypes"
    summary = "host functions, by Python's own ctypes"

    def interface(self) -> ForeignInterface:
        return CtypesInterface()


@hookimpl
def hatframe_loaders() -> list[CtypesLoader]:
    return [CtypesLoader()]
