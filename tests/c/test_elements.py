"""Element types: the spellings of C, and their size, kind and dtype."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from hatframe.c.elements import DataModel, element_type, element_types, parse_declared_type, same_type
from hatframe.errors import FormatError
from hatframe.machine import Platform


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
def test_an_unknown_type_is_an_error(name: str) -> None:
    with pytest.raises(FormatError, match=repr(name)):
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


def test_the_types_of_this_machine_are_those_of_ctypes() -> None:
    integers = {"short": ctypes.c_short, "int": ctypes.c_int, "long": ctypes.c_long, "long long": ctypes.c_longlong}
    sizes = {name: ctypes.sizeof(c_type) for name, c_type in integers.items()}
    assert {name: element_type(name).size for name in integers} == sizes
    assert element_type("uintptr_t").size == ctypes.sizeof(ctypes.c_void_p)


@pytest.mark.parametrize(
    ("platform", "long", "pointer", "char"),
    [
        (Platform("linux", "x86_64"), 8, 8, "int"),
        (Platform("linux", "aarch64"), 8, 8, "uint"),
        (Platform("macos", "aarch64"), 8, 8, "int"),
        (Platform("windows", "x86_64"), 4, 8, "int"),
        (Platform("linux", "arm"), 4, 4, "uint"),
    ],
)
def test_types_depend_on_the_platform(platform: Platform, long: int, pointer: int, char: str) -> None:
    types = element_types(DataModel.of(platform))
    assert (types["long"].size, types["size_t"].size, types["char"].kind) == (long, pointer, char)


def test_names_of_the_same_type_are_recognized() -> None:
    assert same_type("int", "int32_t")
    assert same_type("unsigned int", "uint32_t")
    assert not same_type("float", "double")
    assert not same_type("int", "unsigned")
    assert same_type("custom_t", "custom_t")
