"""The floating-point mode of a thread: rounding, exceptions that trap, and whether denormal numbers count as zero.

It belongs to the process that loads a library rather than to the library. Code may change it all the same: GCC before
version 13 and older versions of clang link code with ``-ffast-math`` such that loading it makes denormal numbers zero.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from typing import Any, NamedTuple

from hatframe.machine import Platform


class Field(NamedTuple):
    """A 32-bit word of the C library's ``fenv_t``, and its bits that are the mode rather than flags."""

    member: str
    offset: int
    bits: int


_X87_BITS, _SSE_BITS = 0x0F3F, 0xFFC0

FIELDS = {
    ("linux", "x86_64"): (Field("__control_word", 0, _X87_BITS), Field("__mxcsr", 28, _SSE_BITS)),
    ("linux", "aarch64"): (Field("__fpcr", 0, 0xFFFFFFFF),),
    ("macos", "x86_64"): (Field("__control", 0, _X87_BITS), Field("__mxcsr", 4, _SSE_BITS)),
    ("macos", "aarch64"): (Field("__fpcr", 8, 0xFFFFFFFF),),
}
"""The words that hold the mode, by operating system and architecture: those of <fenv.h>."""

# More than any fenv_t has.
_BYTES = 64


class PreservedMode:
    """A context that gives the thread the mode again that it had before, and has then ``changed`` if that was needed.

    It does nothing on platforms that :data:`FIELDS` lacks. Other threads have modes of their own.
    """

    changed = False

    def __enter__(self) -> PreservedMode:
        self._before = _environment()
        return self

    def __exit__(self, *exception: object) -> None:
        self.changed = _mode(_environment()) != _mode(self._before)
        if self.changed:
            _c_library()[1](self._before)


def _environment() -> Any:
    environment = (ctypes.c_char * _BYTES)()
    _c_library()[0](environment)
    return environment


def _mode(environment: Any) -> list[int]:
    return [struct.unpack_from("=I", environment, field.offset)[0] & field.bits for field in _c_library()[2]]


@functools.cache
def _c_library() -> tuple[Any, Any, tuple[Field, ...]]:
    """``fegetenv`` and ``fesetenv``, with the words to compare: none where they are unknown."""
    host = Platform.host()
    fields = FIELDS.get((host.os, host.architecture), ())
    for name in (None, "libm.so.6") if fields else ():
        try:
            library = ctypes.CDLL(name)
            return library.fegetenv, library.fesetenv, fields
        except (OSError, AttributeError):
            pass
    return _nothing, _nothing, ()


def _nothing(environment: Any) -> None:
    pass
