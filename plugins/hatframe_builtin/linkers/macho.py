"""Hiding symbols in Mach-O objects, for linkers that ignore the list of exports."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from hatframe.plugin import LinkError, SharedLibrary

# Of Apple's mach-o/loader.h and mach-o/nlist.h, for 64 bits.
_MAGIC = b"\xcf\xfa\xed\xfe"
_HEADER_SIZE = 32
_LC_SYMTAB = 2
_NLIST = struct.Struct("<IBBHQ")
_N_STAB, _N_PEXT, _N_TYPE, _N_EXT = 0xE0, 0x10, 0x0E, 0x01


def with_hidden_symbols(library: SharedLibrary, folder: Path) -> SharedLibrary:
    """The library with copies of its objects in ``folder``, in which all symbols but the exports are hidden."""
    from hatframe.plugin import extract_objects, identify, library_content

    objects = list(library.objects)
    for index, archive in enumerate(library.archives):
        taken_apart = folder / f"archive{index}"
        taken_apart.mkdir()
        objects += extract_objects(identify(_thin(archive, library, taken_apart)), taken_apart)
    copies = []
    for index, path in enumerate(objects):
        copies.append(folder / f"object{index}.o")
        with library_content(_thin(path, library, folder)) as data:
            copies[-1].write_bytes(hide_symbols(data[:], library.exports))
    return msgspec.structs.replace(library, objects=tuple(copies), archives=())


def hide_symbols(data: bytes, exports: Iterable[str]) -> bytes:
    """The object with all defined symbols but ``exports`` hidden from programs; other data, as bitcode, unchanged."""
    if data[:4] != _MAGIC:
        return data
    shown = {f"_{name}".encode() for name in exports}
    changed = bytearray(data)
    try:
        for table, count, names in _symbol_tables(data):
            for entry in range(table, table + count * _NLIST.size, _NLIST.size):
                name, kind, _, _, value = _NLIST.unpack_from(data, entry)
                # Common symbols are in no section yet; their value is their size.
                defined = kind & _N_EXT and not kind & _N_STAB and (kind & _N_TYPE or value)
                if defined and data[names + name : data.index(b"\0", names + name)] not in shown:
                    changed[entry + 4] = kind | _N_PEXT
    except (struct.error, ValueError):
        raise LinkError("a Mach-O object is damaged", hint="build it again") from None
    return bytes(changed)


def _symbol_tables(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The offset, the number of entries, and the offset of the names of each symbol table."""
    (commands,) = struct.unpack_from("<I", data, 16)
    position = _HEADER_SIZE
    for _ in range(commands):
        command, size = struct.unpack_from("<II", data, position)
        if size < 8:
            raise ValueError("a load command is shorter than its header")
        if command == _LC_SYMTAB:
            table, count, names, _ = struct.unpack_from("<IIII", data, position + 8)
            if table + count * _NLIST.size > len(data):
                raise ValueError("the symbol table ends after the file")
            yield table, count, names
        position += size


def _thin(path: Path, library: SharedLibrary, folder: Path) -> Path:
    from hatframe.plugin import library_content, slices

    with library_content(path) as data:
        part = next((part for part in slices(data) if part.architecture == library.platform.architecture), None)
    if part is None:
        return path
    thin = folder / f"{len(list(folder.iterdir()))}-{path.name}"
    thin.write_bytes(part.data)
    return thin
