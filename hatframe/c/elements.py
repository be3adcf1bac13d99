"""Arithmetic types: what a C type name is in memory, in numpy and in a call, on this machine and on others."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from hatframe.errors import FormatError
from hatframe.machine import Platform

if TYPE_CHECKING:
    import numpy as np


class ElementType(msgspec.Struct, frozen=True):
    """A C arithmetic type on one platform: its kind (``int``, ``uint``, ``bfloat16`` …) and its size in bytes."""

    name: str
    kind: str
    size: int

    @property
    def is_integer(self) -> bool:
        return self.kind in ("int", "uint")

    @property
    def abi_type(self) -> str:
        """The C type of fixed width that is passed in calls: the 16 bits of a half-precision number."""
        if self.kind in ("float16", "bfloat16"):
            return "uint16_t"
        if self.kind == "float":
            return "float" if self.size == 4 else "double"
        return "_Bool" if self.kind == "bool" else f"{self.kind}{8 * self.size}_t"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its numpy dtype; ml_dtypes provides that of ``bfloat16_t``."""
        return _dtype(self.kind, self.size)

    @property
    def integer_range(self) -> tuple[int, int]:
        bits = 8 * self.size
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if self.kind == "int" else (0, (1 << bits) - 1)


@cache
def _dtype(kind: str, size: int) -> np.dtype[Any]:
    import numpy as np

    if kind == "bfloat16":
        import ml_dtypes

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(kind if kind in ("bool", "float16") else f"{kind}{8 * size}")


_32_BIT = frozenset(("x86", "arm", "riscv32", "wasm32"))
_UNSIGNED_CHAR = frozenset(("aarch64", "arm", "riscv32", "riscv64", "ppc64le", "s390x"))


class DataModel(msgspec.Struct, frozen=True):
    """What C leaves to the platform: the bytes of ``long`` and of pointers, and whether plain ``char`` has a sign."""

    long: int
    pointer: int
    signed_char: bool = True

    @classmethod
    def of(cls, platform: Platform) -> DataModel:
        """The data model of a platform: ``long`` has 32 bits on Windows, and the size of a pointer elsewhere."""
        pointer = 4 if platform.architecture in _32_BIT else 8
        return cls(
            long=4 if platform.os == "windows" else pointer,
            pointer=pointer,
            signed_char=platform.os != "linux" or platform.architecture not in _UNSIGNED_CHAR,
        )


@cache
def element_types(model: DataModel) -> dict[str, ElementType]:
    """Every arithmetic type that the format knows, by its canonical name."""
    types = {
        **dict.fromkeys(("bool", "_Bool"), ("bool", 1)),
        "float16_t": ("float16", 2),
        "bfloat16_t": ("bfloat16", 2),
        "float": ("float", 4),
        "double": ("float", 8),
        "char": ("int" if model.signed_char else "uint", 1),
        "signed char": ("int", 1),
        "unsigned char": ("uint", 1),
        **dict.fromkeys(("size_t", "uintptr_t"), ("uint", model.pointer)),
        **dict.fromkeys(("ssize_t", "ptrdiff_t", "intptr_t"), ("int", model.pointer)),
        "intmax_t": ("int", 8),
        "uintmax_t": ("uint", 8),
    }
    for name, size in (("short", 2), ("int", 4), ("long", model.long), ("long long", 8)):
        types[name] = ("int", size)
        types[f"unsigned {name}"] = ("uint", size)
    for size in (1, 2, 4, 8):
        types[f"int{8 * size}_t"] = ("int", size)
        types[f"uint{8 * size}_t"] = ("uint", size)
    return {name: ElementType(name, kind, size) for name, (kind, size) in types.items()}


_HOST_TYPES = element_types(DataModel.of(Platform.host()))
ABI_TYPES = tuple(dict.fromkeys(element.abi_type for element in _HOST_TYPES.values()))
"""The C types in which numbers are passed."""

_NOT_OF_TYPE = frozenset(
    "const volatile restrict __restrict __restrict__ register extern static _Nonnull".split()  # noqa: SIM905
)
_INTEGER_WORDS = frozenset(("signed", "unsigned", "short", "int", "long"))


def element_type(name: str) -> ElementType:
    """The type of a C type name on this machine, in any spelling; raises :class:`FormatError` for an unknown name."""
    found = _HOST_TYPES.get(canonical_name(name))
    if found is None:
        raise FormatError(
            f"unknown element type {name!r}",
            hint="use bool, int8_t to int64_t, uint8_t to uint64_t, float16_t, bfloat16_t, float, double, or an "
            "integer type of C",
        )
    return found


def canonical_name(name: str) -> str:
    """The shortest spelling of a C type name, without qualifiers."""
    words = [word for word in name.split() if word not in _NOT_OF_TYPE]
    if "char" in words:
        return " ".join(sorted(words, reverse=True))
    if not words or not _INTEGER_WORDS.issuperset(words):
        return " ".join(words)
    size = " ".join(["long"] * words.count("long")) or ("short" if "short" in words else "int")
    return f"unsigned {size}" if "unsigned" in words else size


_BRACKETS = re.compile(r"\[[^\]]*\]")


def parse_declared_type(text: str) -> tuple[str, int]:
    """Split a declared C type into its base and pointer levels: ``("float", 1)`` for ``const float *`` or an array."""
    base, arrays = _BRACKETS.subn("", text)
    words = [word for word in base.replace("*", " ").split() if word not in _NOT_OF_TYPE]
    return " ".join(words), text.count("*") + bool(arrays)


def same_type(first: str, second: str) -> bool:
    """Whether two C type names mean the same type on this machine; unknown names compare as text."""
    meanings = []
    for name in map(canonical_name, (first, second)):
        known = _HOST_TYPES.get(name)
        meanings.append((known.kind, known.size) if known else name)
    return meanings[0] == meanings[1]
