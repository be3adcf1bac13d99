"""Element types: what a C type name of a .hat file is in memory, in numpy and in a call."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from hatframe.errors import FormatError
from hatframe.machine import Platform

if TYPE_CHECKING:
    import numpy as np


class ElementType(msgspec.Struct, frozen=True):
    """A C arithmetic type on this machine.

    ``kind`` is ``bool``, ``int``, ``uint``, ``float``, ``float16`` or ``bfloat16``, and ``size`` counts bytes.
    """

    name: str
    kind: str
    size: int

    @property
    def abi_type(self) -> str:
        """The C type of fixed width that it is passed as; a half-precision number goes as its 16 bits."""
        if self.kind in ("float16", "bfloat16"):
            return "uint16_t"
        if self.kind == "float":
            return "float" if self.size == 4 else "double"
        return "_Bool" if self.kind == "bool" else f"{self.kind}{8 * self.size}_t"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its numpy dtype; that of ``bfloat16_t`` comes from ml_dtypes."""
        return _dtype(self.kind, self.size)

    @property
    def integer_range(self) -> tuple[int, int]:
        """The smallest and the largest value of an integer type."""
        bits = 8 * self.size
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if self.kind == "int" else (0, (1 << bits) - 1)


@cache
def _dtype(kind: str, size: int) -> np.dtype[Any]:
    import numpy as np

    dtype: np.dtype[Any]
    if kind == "bfloat16":
        import ml_dtypes

        dtype = np.dtype(ml_dtypes.bfloat16)
    elif kind == "bool":
        dtype = np.dtype(np.bool_)
    else:
        dtype = np.dtype(f"{'float' if kind == 'float16' else kind}{8 * size}")
    return dtype


def _own_types() -> dict[str, tuple[str, int]]:
    # C leaves the sign of plain char to the platform: unsigned with Linux on ARM, signed elsewhere.
    host = Platform.host()
    plain_char = "uint" if host.os == "linux" and host.architecture in ("aarch64", "arm") else "int"
    pointer = ctypes.sizeof(ctypes.c_void_p)
    types = {
        "bool": ("bool", 1),
        "_Bool": ("bool", 1),
        "float16_t": ("float16", 2),
        "bfloat16_t": ("bfloat16", 2),
        "float": ("float", 4),
        "double": ("float", 8),
        "char": (plain_char, 1),
        "signed char": ("int", 1),
        "unsigned char": ("uint", 1),
        "size_t": ("uint", ctypes.sizeof(ctypes.c_size_t)),
        "ssize_t": ("int", ctypes.sizeof(ctypes.c_ssize_t)),
        "ptrdiff_t": ("int", pointer),
        "intptr_t": ("int", pointer),
        "uintptr_t": ("uint", pointer),
        "intmax_t": ("int", 8),
        "uintmax_t": ("uint", 8),
    }
    for bits in (8, 16, 32, 64):
        types[f"int{bits}_t"] = ("int", bits // 8)
        types[f"uint{bits}_t"] = ("uint", bits // 8)
    for name, c_type in (
        ("short", ctypes.c_short),
        ("int", ctypes.c_int),
        ("long", ctypes.c_long),
        ("long long", ctypes.c_longlong),
    ):
        types[name] = ("int", ctypes.sizeof(c_type))
        types[f"unsigned {name}"] = ("uint", ctypes.sizeof(c_type))
    return types


_TYPES = _own_types()
_QUALIFIERS = frozenset(
    [
        "const",
        "volatile",
        "restrict",
        "__restrict",
        "__restrict__",
        "register",
        "extern",
        "static",
        "_Nonnull",
    ]
)
_INTEGER_WORDS = frozenset(["signed", "unsigned", "short", "int", "long"])


def element_type(name: str) -> ElementType:
    """The element type of a C type name, whatever its spelling: ``long unsigned int`` is ``unsigned long``.

    Raises :class:`FormatError` for a name that is no arithmetic type of C or of the format.
    """
    canonical = _canonical(name)
    if canonical not in _TYPES:
        raise FormatError(
            f"{name!r} is no element type",
            hint="known are bool, (u)int8_t to (u)int64_t, float16_t, bfloat16_t, float, double and C's integer types",
        )
    kind, size = _TYPES[canonical]
    return ElementType(canonical, kind, size)


def _canonical(name: str) -> str:
    words = [word for word in name.split() if word not in _QUALIFIERS]
    if "char" in words or not words or not _INTEGER_WORDS.issuperset(words):
        return " ".join(sorted(words, reverse=True)) if "char" in words else " ".join(words)
    size = " ".join(["long"] * words.count("long")) or ("short" if "short" in words else "int")
    return f"unsigned {size}" if "unsigned" in words else size


_ARRAY_OF_DECLARATOR = re.compile(r"\[[^\]]*\]")


def parse_declared_type(text: str) -> tuple[str, int]:
    """Split a declared C type into its base and its number of pointer levels; an array counts as a pointer.

    >>> parse_declared_type("const float * restrict")
    ('float', 1)
    >>> parse_declared_type("int32_t**")
    ('int32_t', 2)
    """
    levels = text.count("*")
    base, arrays = _ARRAY_OF_DECLARATOR.subn("", text)
    if arrays:
        levels += 1
    words = [word for word in base.replace("*", " ").split() if word not in _QUALIFIERS]
    return " ".join(words), levels


def same_type(first: str, second: str) -> bool:
    """Whether two C type names mean the same type on this machine; names that are not known compare as text."""
    first, second = _canonical(first), _canonical(second)
    return first == second or (first in _TYPES and _TYPES[first] == _TYPES.get(second))
