"""Dynamic libraries of this process: opening those that were built again, and unloading them."""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import sys
import weakref
from pathlib import Path
from typing import Any

from hatframe.calling.float_mode import PreservedMode
from hatframe.calling.interface import ForeignInterface

_log = logging.getLogger(__name__)


class OpenLibrary:
    """An open library, which is unloaded once nothing refers to this object.

    It stays loaded if opening it loaded other libraries too, because unloading those is not safe: an OpenMP runtime,
    for example, crashes the process if its idle threads lose their code. Later libraries find it loaded.
    """

    def __init__(self, interface: ForeignInterface, path: Path) -> None:
        before = _load_count()
        with PreservedMode() as mode:
            self.handle = interface.open(_spelled_anew(path))
        if mode.changed:
            _log.warning(
                "loading %s changed the floating-point mode (as linking with -ffast-math does, which makes denormal "
                "numbers zero); hatframe restored it, and calls the functions in the former mode",
                path,
            )
        if _load_count() <= before + 1:
            # At the end of the process the system unloads everything in the right order.
            weakref.finalize(self, interface.close, self.handle).atexit = False


# The file that each spelling of a path was opened as, by device and number.
_opened: dict[str, tuple[int, int]] = {}


def _spelled_anew(path: Path) -> str:
    """A spelling of ``path`` under which the system opens the file that is there now.

    While a library of a path is loaded, the system does not open the path again, even if another file has replaced it.
    It takes another spelling of the same path for another library.
    """
    status = path.stat()
    file = (status.st_dev, status.st_ino)
    spelling, times = str(path), 0
    while _is_loaded(spelling) and _opened.get(spelling, file) != file:
        times += 1
        spelling = f"{path.parent}{'/.' * times}/{path.name}"
    _opened[spelling] = file
    return spelling


def _is_loaded(path: str) -> bool:
    """Whether a library of this very path is loaded in this process."""
    if sys.platform == "win32":
        return bool(ctypes.windll.kernel32.GetModuleHandleW(path))
    import _ctypes

    try:
        handle = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)._handle
    except OSError:
        return False
    _ctypes.dlclose(handle)  # asking counts as opening
    return True


class _LoadedObject(ctypes.Structure):
    """``struct dl_phdr_info`` of <link.h>: ``adds`` counts the objects loaded so far."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("headers", ctypes.c_void_p),
        ("header_count", ctypes.c_uint16),
        ("adds", ctypes.c_ulonglong),
        ("subs", ctypes.c_ulonglong),
    )


def _load_count() -> int:
    """A number that grows by one with each library that is loaded into this process."""
    if sys.platform == "win32":
        needed = ctypes.c_ulong()
        kernel32 = ctypes.windll.kernel32
        kernel32.K32EnumProcessModules(ctypes.c_void_p(-1), None, 0, ctypes.byref(needed))
        return needed.value // ctypes.sizeof(ctypes.c_void_p)
    if sys.platform == "darwin":
        return int(ctypes.CDLL(None)._dyld_image_count())
    iterate, visitor = _iteration()
    count = ctypes.c_ulonglong()
    iterate(visitor, ctypes.byref(count))
    return count.value


@functools.cache
def _iteration() -> tuple[Any, Any]:
    """``dl_iterate_phdr``, and a callback that writes the count of the first object and stops."""

    def visit(found: Any, size: int, count: Any) -> int:
        count[0] = found[0].adds
        return 1

    counter = ctypes.POINTER(ctypes.c_ulonglong)
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_LoadedObject), ctypes.c_size_t, counter)
    return ctypes.CDLL(None).dl_iterate_phdr, callback(visit)
