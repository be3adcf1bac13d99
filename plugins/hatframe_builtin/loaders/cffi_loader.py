"""The loader ``cffi``: calls through cffi in ABI mode, with less time spent in each call than by ctypes."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hatframe import hookimpl
from hatframe.plugin import Availability, ForeignInterface, HostLoader, address_of

# The system's own way to open libraries and find their functions. cffi's needs a declaration parsed for each
# function, which takes a second for a thousand.
_POSIX = "void *dlopen(const char *, int); void *dlsym(void *, const char *); char *dlerror(void);"
_WINDOWS = "void *LoadLibraryW(const wchar_t *); void *GetProcAddress(void *, const char *); int GetLastError(void);"


class CffiInterface(ForeignInterface):
    """cffi in ABI mode; every pointer is declared as ``void *``, which takes any other."""

    def __init__(self) -> None:
        import cffi

        self._ffi = cffi.FFI()
        self._ffi.cdef(_WINDOWS if sys.platform == "win32" else _POSIX)
        system: Any = self._ffi.dlopen("kernel32.dll" if sys.platform == "win32" else None)
        # Looked up once: a look-up asks the system too, and makes it forget why the library could not be opened.
        if sys.platform == "win32":
            self._load, self._find, self._problem = system.LoadLibraryW, system.GetProcAddress, system.GetLastError
        else:
            self._load, self._find, self._problem = system.dlopen, system.dlsym, system.dlerror
        self.readable = self._ffi.from_buffer
        self.writable = functools.partial(self._ffi.from_buffer, require_writable=True)

    def open(self, path: str) -> Any:
        if sys.platform == "win32":
            handle = self._load(path)
        else:
            handle = self._load(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL)
        if not handle:
            problem = self._problem()
            raise OSError(f"error {problem}" if isinstance(problem, int) else os.fsdecode(self._ffi.string(problem)))
        return handle

    def function(
        self, library: Any, name: str, result: str | None, arguments: Sequence[str]
    ) -> Callable[..., Any] | None:
        address = self._find(library, name.encode())
        if not address:
            return None
        function: Callable[..., Any] = self._ffi.cast(
            f"{result or 'void'}(*)({', '.join(arguments) or 'void'})", address
        )
        return function

    def noop_function(self, result: str | None, arguments: Sequence[str]) -> Callable[..., Any]:
        if sys.platform == "win32":
            library = self.open(Path("ucrtbase.dll"))
        else:
            library = self._load(self._ffi.NULL, os.RTLD_NOW)
        # abs() leaves further arguments alone, as every C calling convention lets it.
        function = self.function(library, "abs", result, arguments)
        assert function is not None
        return function

    def address_of(self, function: Callable[..., Any]) -> int:
        pointer: Any = function
        return int(self._ffi.cast("uintptr_t", pointer))

    def pointer(self, array: Any, before: int) -> Any:
        return self._ffi.cast("void *", address_of(array) - before)

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
