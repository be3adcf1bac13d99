"""The symbols of ELF files, by the tables of the System V ABI (gABI, chapters 4 and 5).

lief reads them too; but its import alone takes 0.3 s, ten times as long as gcc takes to link a small library.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

_SYMTAB, _DYNAMIC, _NOBITS, _DYNSYM = 2, 6, 8, 11
_DT_NULL, _DT_NEEDED = 0, 1


class ElfSymbol(msgspec.Struct, frozen=True):
    """A symbol that is not local: whether the file defines it, whether it is weak, and whether it is hidden."""

    name: str
    defined: bool
    weak: bool
    hidden: bool


class ElfTables(msgspec.Struct, frozen=True):
    """The symbols of an ELF file, and the dynamic libraries that it needs."""

    symbols: tuple[ElfSymbol, ...]
    needed: tuple[str, ...]


class _Layout(msgspec.Struct, frozen=True):
    """How :mod:`struct` reads what is used of each table; the rest is skipped."""

    header: str  # where the table of sections is, and how many there are
    section: str  # kind, offset, size, and the section that has its strings
    symbol: str  # offset of the name, binding and type, visibility, section
    dynamic: str  # tag, value


_LAYOUTS = {
    1: _Layout("32xI12xH", "4xI8xIII12x", "I8xBBH", "II"),
    2: _Layout("40xQ12xH", "4xI16xQQI20x", "IBBH16x", "QQ"),
}


class _Section(msgspec.Struct, frozen=True):
    kind: int
    offset: int
    size: int
    strings: int


def read_elf(image: bytes, *, dynamic: bool) -> ElfTables | None:
    """The symbols by which others link with an object, or with a ``dynamic`` library.

    None where no section leads to them: only the linker needs sections, and the loader finds a dynamic
    library's symbols without. Raises :class:`ValueError` where the file is damaged.
    """
    try:
        order, layout = "<" if image[5] == 1 else ">", _LAYOUTS[image[4]]
        sections = list(_sections(image, order, layout))
        tables = [section for section in sections if section.kind == (_DYNSYM if dynamic else _SYMTAB)]
        if not sections or (dynamic and not tables):
            return None
        symbols = [symbol for table in tables for symbol in _symbols(image, order + layout.symbol, table, sections)]
        needed = [
            name
            for section in sections
            if section.kind == _DYNAMIC
            for name in _needed(image, order + layout.dynamic, section, sections)
        ]
        return ElfTables(tuple(symbols), tuple(needed))
    except (IndexError, KeyError, OverflowError, struct.error) as error:
        raise ValueError(f"a table of this ELF file is not whole: {error}") from None


def _sections(image: bytes, order: str, layout: _Layout) -> Iterator[_Section]:
    start, count = struct.unpack_from(order + layout.header, image)
    if start:
        form = struct.Struct(order + layout.section)
        # More than 16 bits can count are counted in the first.
        count = count or form.unpack_from(image, start)[2]
        for fields in form.iter_unpack(_part(image, start, count * form.size)):
            yield _Section(*fields)


def _symbols(image: bytes, form: str, table: _Section, sections: list[_Section]) -> Iterator[ElfSymbol]:
    strings = _content(image, sections[table.strings])
    for name, kind, visibility, section in struct.iter_unpack(form, _content(image, table)):
        binding = kind >> 4
        if name and binding:
            yield ElfSymbol(_string(strings, name), section != 0, binding == 2, visibility & 3 in (1, 2))


def _needed(image: bytes, form: str, table: _Section, sections: list[_Section]) -> Iterator[str]:
    strings = _content(image, sections[table.strings])
    for tag, value in struct.iter_unpack(form, _content(image, table)):
        if tag == _DT_NULL:
            return
        if tag == _DT_NEEDED:
            yield _string(strings, value)


def _content(image: bytes, section: _Section) -> bytes:
    # What was split off for a debugger leaves sections behind that have a size, and nothing in the file.
    return b"" if section.kind == _NOBITS else _part(image, section.offset, section.size)


def _part(image: bytes, start: int, size: int) -> bytes:
    part = image[start : start + size]
    if len(part) < size:
        raise ValueError(f"the file ends before byte {start + size}")
    return part


def _string(strings: bytes, start: int) -> str:
    return strings[start : strings.index(b"\0", start)].decode("utf-8", "surrogateescape")
