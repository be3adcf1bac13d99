"""Arguments as plain numbers: pointers as their addresses, for tables that C code reads."""

from __future__ import annotations

from typing import Any

from hatframe.calling.interface import Conversions, address_of


class Addresses(Conversions):
    """Turns arrays into the addresses of their first bytes, and keeps those arrays alive that were made for it."""

    def __init__(self) -> None:
        self._kept: list[Any] = []
        self.readable = self.writable = self._address

    def _address(self, array: Any) -> int:
        return self.pointer(array, 0, False)

    def pointer(self, array: Any, before: int, writable: bool) -> int:
        self._kept.append(array)
        return address_of(array) - before
