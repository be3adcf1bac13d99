"""C types as data: arithmetic types, pointers, arrays and functions, and declarations that use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from hatframe.c.elements import ElementType
from hatframe.c.expressions import Extent
from hatframe.c.syntax import UnsupportedDeclaration


class Scalar(msgspec.Struct, frozen=True):
    """An arithmetic type: the one of the format, and how the code spells it."""

    element: ElementType
    original: str
    qualifiers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.element.name


class Void(msgspec.Struct, frozen=True):
    qualifiers: tuple[str, ...] = ()


class Aggregate(msgspec.Struct, frozen=True):
    """A struct or union; ``original`` is how the code spells it."""

    original: str
    qualifiers: tuple[str, ...] = ()


class Pointer(msgspec.Struct, frozen=True):
    to: CType
    qualifiers: tuple[str, ...] = ()


class Array(msgspec.Struct, frozen=True):
    """An array of ``extent`` elements; None for ``[]`` and ``[*]``."""

    of: CType
    extent: Extent | None


class FunctionType(msgspec.Struct, frozen=True):
    returns: CType


CType: TypeAlias = Scalar | Void | Aggregate | Pointer | Array | FunctionType

HEADERS = {
    **dict.fromkeys(("size_t", "ptrdiff_t"), "#include <stddef.h>"),
    **{f"{sign}int{bits}_t": "#include <stdint.h>" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **dict.fromkeys(("intmax_t", "uintmax_t", "intptr_t", "uintptr_t"), "#include <stdint.h>"),
    "bool": "#include <stdbool.h>",
}
"""The header that declares each name of the format that C does not know by itself."""

HALF_TYPES = ("float16_t", "bfloat16_t")
# The guard is Accera's, so that a program can include its headers beside those that hatframe writes.
_HALF_TYPEDEFS = (
    "#if !defined(ACCERA_FLOAT)\n#define ACCERA_FLOAT 1\n"
    "typedef uint16_t float16_t;\ntypedef uint16_t bfloat16_t;\n#endif // !defined(ACCERA_FLOAT)"
)


def scalar_of(c_type: CType) -> Scalar | None:
    """The arithmetic type that a type is, points to, or has as its elements."""
    while isinstance(c_type, (Pointer, Array)):
        c_type = c_type.to if isinstance(c_type, Pointer) else c_type.of
    return c_type if isinstance(c_type, Scalar) else None


def prerequisites(c_type: CType) -> set[str]:
    """The includes and typedefs that a prototype with this type needs."""
    scalar = scalar_of(c_type)
    if scalar and scalar.name in HALF_TYPES:
        return {HEADERS["uint16_t"], _HALF_TYPEDEFS}
    return {HEADERS[scalar.name]} if scalar and scalar.name in HEADERS else set()


def declaration(c_type: CType, name: str, spelling: Callable[[Scalar], str]) -> str:
    """The declaration of ``name`` with a type, in C; ``spelling`` gives the text of arithmetic types."""
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
            return " ".join([*c_type.qualifiers, spelling(c_type), inner]).rstrip()
        else:
            return f"void {inner}".rstrip()


def qualified(c_type: CType, qualifiers: tuple[str, ...]) -> CType:
    """A type with more qualifiers; an array passes them on to its elements."""
    if isinstance(c_type, Array):
        return Array(qualified(c_type.of, qualifiers), c_type.extent)
    if not qualifiers or isinstance(c_type, FunctionType):
        return c_type
    return msgspec.structs.replace(c_type, qualifiers=tuple(dict.fromkeys((*c_type.qualifiers, *qualifiers))))


def check_named(c_type: Scalar) -> None:
    """Raise :class:`UnsupportedDeclaration` for an enum that a prototype cannot name."""
    if not c_type.original:
        raise UnsupportedDeclaration("an unnamed enum cannot be part of a prototype")


def check_by_value(c_type: Scalar) -> None:
    """Raise :class:`UnsupportedDeclaration` for a type that cannot be passed by value."""
    check_named(c_type)
    if c_type.name in HALF_TYPES and c_type.original != c_type.name:
        raise UnsupportedDeclaration(
            f"a `{c_type.original}` passed by value uses a floating-point register, and the format passes its 16 bits "
            "as an integer; pass a pointer"
        )
