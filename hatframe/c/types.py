"""C types as data: arithmetic types, pointers and arrays, and how a declaration with them is written."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from hatframe.c.evaluation import SizeValue, UnsupportedDeclaration
from hatframe.machine import Platform


class Scalar(msgspec.Struct, frozen=True):
    """An arithmetic type: its name in the format, and how C must spell it where that is another type."""

    name: str
    original: str
    qualifiers: tuple[str, ...] = ()

    @property
    def is_integer(self) -> bool:
        """Whether a size may refer to it."""
        return self.name in INTEGERS

    @property
    def is_native_half(self) -> bool:
        """Whether it is a half-precision number of the compiler's own, not the 16 bits that the format passes."""
        return self.name in ("float16_t", "bfloat16_t") and self.original != self.name


class Void(msgspec.Struct, frozen=True):
    """No type, or any."""

    qualifiers: tuple[str, ...] = ()


class Aggregate(msgspec.Struct, frozen=True):
    """A struct or union; ``original`` is how it was written."""

    original: str
    qualifiers: tuple[str, ...] = ()


class Pointer(msgspec.Struct, frozen=True):
    """A pointer."""

    to: CType
    qualifiers: tuple[str, ...] = ()


class Array(msgspec.Struct, frozen=True):
    """An array of ``extent`` elements; None where that is not told."""

    of: CType
    extent: SizeValue | None


class FunctionType(msgspec.Struct, frozen=True):
    """A function type."""

    returns: CType


CType: TypeAlias = Scalar | Void | Aggregate | Pointer | Array | FunctionType

_NARROW = frozenset(("x86", "arm", "riscv32", "wasm32"))


class DataModel(msgspec.Struct, frozen=True):
    """The bits of the types that platforms do not agree on."""

    long: int
    pointer: int

    @classmethod
    def of(cls, platform: Platform) -> DataModel:
        """That of a platform: Windows has a ``long`` of 32 bits everywhere, others one as long as a pointer."""
        pointer = 32 if platform.architecture in _NARROW else 64
        return cls(long=32 if platform.os == "windows" else pointer, pointer=pointer)


@functools.cache
def integers(model: DataModel) -> dict[str, tuple[int, bool]]:
    """The bits and whether it is unsigned, of each integer type that the format knows."""
    known = {"char": (8, False), "signed char": (8, False), "unsigned char": (8, True)}
    for name, bits in (("short", 16), ("int", 32), ("long", model.long), ("long long", 64)):
        known[name] = (bits, False)
        known[f"unsigned {name}"] = (bits, True)
    for bits in (8, 16, 32, 64):
        known[f"int{bits}_t"] = (bits, False)
        known[f"uint{bits}_t"] = (bits, True)
    known.update(intmax_t=(64, False), uintmax_t=(64, True), ptrdiff_t=(model.pointer, False))
    known.update(intptr_t=(model.pointer, False), uintptr_t=(model.pointer, True), size_t=(model.pointer, True))
    return known


INTEGERS = frozenset(integers(DataModel(64, 64)))
"""The names of the integer types that the format knows."""

_HEADERS = {
    **dict.fromkeys(("size_t", "ptrdiff_t"), "#include <stddef.h>"),
    **{name: "#include <stdint.h>" for name in INTEGERS if name.endswith("_t") and "int" in name},
    "bool": "#include <stdbool.h>",
}
# The guard is Accera's, so that a header of its and one of ours can be included together.
HALF_TYPES = (
    "#if !defined(ACCERA_FLOAT)\n#define ACCERA_FLOAT 1\n"
    "typedef uint16_t float16_t;\ntypedef uint16_t bfloat16_t;\n#endif // !defined(ACCERA_FLOAT)"
)


def scalar_of(c_type: CType) -> Scalar | None:
    """The arithmetic type that a type is, points to, or has elements of."""
    while isinstance(c_type, (Pointer, Array)):
        c_type = c_type.to if isinstance(c_type, Pointer) else c_type.of
    return c_type if isinstance(c_type, Scalar) else None


def headers_of(c_type: CType) -> set[str]:
    """What a prototype with this type needs before it."""
    scalar = scalar_of(c_type)
    if scalar and scalar.name in ("float16_t", "bfloat16_t"):
        return {_HEADERS["uint16_t"], HALF_TYPES}
    return {_HEADERS[scalar.name]} if scalar and scalar.name in _HEADERS else set()


def written(c_type: CType, name: str, spelled: Callable[[Scalar], str]) -> str:
    """The declaration of ``name`` with a type, in C; ``spelled`` says how to write the arithmetic types."""
    inner = name
    while True:
        if isinstance(c_type, Pointer):
            qualifiers = " ".join(c_type.qualifiers)
            inner = f"*{qualifiers} {inner}" if qualifiers and inner else f"*{qualifiers}{inner}"
            if isinstance(c_type.to, (Array, FunctionType)):
                inner = f"({inner})"
            c_type = c_type.to
        elif isinstance(c_type, Array):
            extent = "" if c_type.extent is None else str(c_type.extent)
            inner, c_type = f"{inner}[{extent}]", c_type.of
        elif isinstance(c_type, Scalar):
            return " ".join([*c_type.qualifiers, spelled(c_type), inner]).rstrip()
        else:
            return f"void {inner}".rstrip()


def qualified(c_type: CType, qualifiers: tuple[str, ...]) -> CType:
    """A type with more qualifiers; those of an array are its elements'."""
    if isinstance(c_type, Array):
        return Array(qualified(c_type.of, qualifiers), c_type.extent)
    if not qualifiers or isinstance(c_type, FunctionType):
        return c_type
    return msgspec.structs.replace(c_type, qualifiers=tuple(dict.fromkeys((*c_type.qualifiers, *qualifiers))))


def check_by_value(c_type: Scalar) -> None:
    """Raise :class:`UnsupportedDeclaration` for a number that cannot go by value."""
    if not c_type.original:
        raise UnsupportedDeclaration("an enum without a name cannot be written in a prototype")
    if c_type.is_native_half:
        raise UnsupportedDeclaration(
            f"a `{c_type.original}` by value goes in another register than the 16 bits that the format passes; "
            "pass a pointer"
        )
