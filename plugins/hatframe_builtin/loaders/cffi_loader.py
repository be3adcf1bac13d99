"""The loader ``cffi``: calls through cffi in ABI mode, with less time spent in each call than by ctypes."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from hatframe import hookimpl
from hatframe.plugin import Availability, ForeignInterface, HostLoader, address_of


@functools.cache
def _system() -> tuple[Any, ...]:
    """cffi, and the system's functions that load libraries, find functions, report, and unload.

    cffi's own way to find a function parses its declaration, which takes a second for a thousand functions. And an FFI
    with declarations that were parsed before takes less time to make, and less in each call.
    """
    if sys.platform == "win32":
        from hatframe_builtin.loaders.system_windows import ffi

        system: Any = ffi.dlopen("kernel32.dll")
        # Looked up now: looking up makes the system forget why a library could not be opened.
        return ffi, system.LoadLibraryW, system.GetProcAddress, system.GetLastError, system.FreeLibrary
    from hatframe_builtin.loaders.system_posix import ffi

    library: Any = ffi.dlopen(None)
    return ffi, library.dlopen, library.dlsym, library.dlerror, library.dlclose


class CffiInterface(ForeignInterface):
    """cffi in ABI mode; every pointer is declared as ``void *``, which accepts any other."""

    def __init__(self) -> None:
        self._ffi, self._load, self._find, self._problem, self._unload = _system()
        self.readable = self.writable = self._ffi.from_buffer

    def open(self, path: str) -> Any:
        if sys.platform == "win32":
            handle = self._load(path)
        else:
            handle = self._load(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL)
        if not handle:
            problem = self._problem()
            raise OSError(f"error {problem}" if isinstance(problem, int) else os.fsdecode(self._ffi.string(problem)))
        return handle

    def close(self, library: Any) -> None:
        self._unload(library)

    def function(
        self, library: Any, name: str, result: str | None, arguments: Sequence[str]
    ) -> Callable[..., Any] | None:
        address = self._find(library, name.encode())
        return self._function_at(address, result, arguments) if address else None

    def noop_function(self, result: str | None, arguments: Sequence[str]) -> Callable[..., Any]:
        library = self._load("ucrtbase.dll") if sys.platform == "win32" else self._load(self._ffi.NULL, os.RTLD_NOW)
        # abs() ignores further arguments, as every C calling convention allows.
        return self._function_at(self._find(library, b"abs"), result, arguments)

    def _function_at(self, address: Any, result: str | None, arguments: Sequence[str]) -> Callable[..., Any]:
        function: Callable[..., Any] = self._ffi.cast(
            f"{result or 'void'}(*)({', '.join(arguments) or 'void'})", address
        )
        return function

    def address_of(self, function: Callable[..., Any]) -> int:
        pointer: Any = function
        return int(self._ffi.cast("uintptr_t", pointer))

    def pointer(self, array: Any, before: int, writable: bool) -> Any:
        return self._ffi.cast("void *", address_of(array) - before)


class CffiLoader(HostLoader):
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
