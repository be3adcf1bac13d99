"""Element types: all spellings of C, and what they are in memory."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from hatframe.c.elements import element_type, parse_declared_type, same_type
from hatframe.errors import FormatError


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("bool", "bool"),
        ("_Bool", "bool"),
        ("uint8_t", "u1"),
        ("float16_t", "f2"),
        ("float", "f4"),
        ("double", "f8"),
        ("unsigned", "u4"),
        ("signed", "i4"),
        ("long unsigned int", f"u{ctypes.sizeof(ctypes.c_long)}"),
        ("unsigned long", f"u{ctypes.sizeof(ctypes.c_long)}"),
        ("long long int", "i8"),
        ("short int", "i2"),
        ("unsigned short", "u2"),
        ("char unsigned", "u1"),
        ("const int", "i4"),
        ("size_t", f"u{ctypes.sizeof(ctypes.c_size_t)}"),
    ],
)
def test_every_spelling_has_its_dtype(name: str, dtype: str) -> None:
    assert element_type(name).dtype == np.dtype(dtype)
    assert element_type(name).size == np.dtype(dtype).itemsize


@pytest.mark.parametrize("name", ["", "void", "long double", "struct s", "float32", "int128_t"])
def test_what_is_no_arithmetic_type_is_refused(name: str) -> None:
    with pytest.raises(FormatError, match="is no element type"):
        element_type(name)


@pytest.mark.parametrize(
    ("text", "base", "levels"),
    [
        ("float*", "float", 1),
        ("const float * restrict", "float", 1),
        ("float", "float", 0),
        ("int32_t**", "int32_t", 2),
        ("const int32_t[1]", "int32_t", 1),
        ("const unsigned char *", "unsigned char", 1),
    ],
)
def test_a_declared_type_is_split(text: str, base: str, levels: int) -> None:
    assert parse_declared_type(text) == (base, levels)


def test_types_that_are_the_same_here() -> None:
    assert same_type("int", "int32_t")
    assert same_type("unsigned int", "uint32_t")
    assert not same_type("float", "double")
    assert not same_type("int", "unsigned")
    assert same_type("custom_t", "custom_t")
