"""Arguments as plain numbers, for tables that C code reads."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from hatframe.calling.addresses import Addresses


def test_an_array_becomes_its_address_and_stays_alive() -> None:
    addresses, array = Addresses(), np.zeros(4)
    expected = array.__array_interface__["data"][0]
    assert addresses.readable(array) == addresses.writable(array) == addresses.pointer(array, 0, True) == expected
    assert addresses.pointer(array, 8, False) == expected - 8
    alive = weakref.ref(array)
    del array
    gc.collect()
    assert alive() is not None


def test_numbers_stay_as_they_are() -> None:
    assert Addresses().number("int32_t")(5) == 5
