"""The loader ``cffi``: calls through cffi in ABI mode, with less time spent in each call than by ctypes."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hatframe.backends import Availability
from hatframe.calling.host import HostLoader
from hatframe.calling.interface import ForeignInterface
from hatframe.hookspecs import hookimpl


class CffiInterface(ForeignInterface):
    """cffi in ABI mode; every pointer is declared as ``void *``, which takes any other."""

    def __init__(self) -> None:
        import cffi

        self._ffi = cffi.FFI()
        self.readable = self._ffi.from_buffer
        self.writable = functools.partial(self._ffi.from_buffer, require_writable=True)

    def open(self, path: Path) -> Any:
        return self._ffi.dlopen(str(path))

    def function(
        self, library: Any, name: str, result: str | None, arguments: Sequence[str]
    ) -> Callable[..., Any] | None:
        # Found as a function of no particular type, then cast: one name is then free to have any signature.
        self._ffi.cdef(f"void {name}(void);", override=True)
        try:
            address = self._ffi.addressof(library, name)
        except AttributeError:
            return None
        return self._cast(address, result, arguments)

    def nothing(self, result: str | None, arguments: Sequence[str]) -> Callable[..., Any]:
        library = self._ffi.dlopen("ucrtbase.dll" if sys.platform == "win32" else None)
        # abs() leaves further arguments alone, as every C calling convention lets it.
        function = self.function(library, "abs", result, arguments)
        assert function is not None
        return function

    def _cast(self, address: Any, result: str | None, arguments: Sequence[str]) -> Callable[..., Any]:
        function: Callable[..., Any] = self._ffi.cast(
            f"{result or 'void'}(*)({', '.join(arguments) or 'void'})", address
        )
        return function

    def pointer(self, address: int) -> Any:
        return self._ffi.cast("void *", address)

    def number(self, c_type: str) -> Callable[[Any], Any]:
        return _unchanged


def _unchanged(value: Any) -> Any:
    return value


class CffiLoader(HostLoader):
    """Host functions by cffi."""

    name = "cffi"
    summary = "host functions, by cffi in ABI mode: the least time in each call"
    priority = 10

    def availability(self) -> Availability:
        if importlib.util.find_spec("cffi") is None:
            return Availability(False, "cffi is not installed", "pip install cffi")
        return Availability()

    def interface(self) -> ForeignInterface:
        return CffiInterface()


@hookimpl
def hatframe_loaders() -> list[CffiLoader]:
    return [CffiLoader()]
