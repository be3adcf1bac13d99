"""The symbols of library files: those of ELF are read here, and all others by lief."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from hatframe.binary.archives import is_archive, members
from hatframe.binary.elf import ElfSymbol, ElfTables, read_elf
from hatframe.binary.libraries import BinaryHeader, LibraryKind, content, read_header, slices
from hatframe.errors import PackageError


class Symbols(msgspec.Struct, frozen=True, kw_only=True):
    """The symbols of a library file as C spells them, without the underscore of some platforms.

    ``defined`` are the functions and variables that others can link with: all global ones of a static
    library, the exported ones of a dynamic library. ``undefined`` are those that it takes from others, and ``weak``
    those that it takes if there are any; ``needed`` names the dynamic libraries that it wants for them. Where
    ``complete`` is False, a member holds code for link-time optimisation, whose symbols only its compiler can tell.
    """

    defined: frozenset[str] = frozenset()
    undefined: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()
    needed: tuple[str, ...] = ()
    complete: bool = True


def read_symbols(path: Path) -> Symbols:
    """Read the symbols of an object, a static or a dynamic library; of a universal file, those of all slices.

    Raises :class:`PackageError` where it cannot be read.
    """
    with content(path) as data:
        parts = [_symbols_of(image, path) for image in _images(data[:], path)]
    defined = frozenset[str]().union(*(part.defined for part in parts))
    return Symbols(
        defined=defined,
        # What one member takes from another is not taken from outside.
        undefined=frozenset[str]().union(*(part.undefined for part in parts)) - defined,
        weak=frozenset[str]().union(*(part.weak for part in parts)) - defined,
        needed=tuple(dict.fromkeys(name for part in parts for name in part.needed)),
        complete=all(part.complete for part in parts),
    )


def _images(data: bytes, path: Path) -> Iterator[bytes]:
    """Every object or dynamic library in a file: a universal file's slices, an archive's members."""
    for part in [part.data for part in slices(data)] or [data]:
        if is_archive(part):
            yield from (member.data for member in members(part, path) if read_header(member.data))
        else:
            yield part


def _symbols_of(image: bytes, path: Path) -> Symbols:
    header = read_header(image)
    if header is None:
        raise PackageError("this is not a library", where=str(path))
    if not header.format:
        return Symbols(complete=False)
    if header.kind is LibraryKind.IMPORT:
        return Symbols()
    try:
        # What lief does not know in a damaged file it warns of, also when a value is looked at.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return _elf_symbols(image, header) if header.format == "ELF" else _lief_symbols(image, header)
    # Such values are of other kinds than those that are known, so that any use of them may fail.
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RuntimeError, SystemError) as error:
        raise PackageError(f"this library is damaged: {error}", where=str(path)) from None


def _elf_symbols(image: bytes, header: BinaryHeader) -> Symbols:
    dynamic = header.kind is not LibraryKind.OBJECT
    tables = read_elf(image, dynamic=dynamic) or _elf_by_lief(image)
    return Symbols(
        # An object can be linked with by its hidden symbols too; a dynamic library does not give them away.
        defined=frozenset(
            symbol.name for symbol in tables.symbols if symbol.defined and not (dynamic and symbol.hidden)
        ),
        undefined=frozenset(symbol.name for symbol in tables.symbols if not (symbol.defined or symbol.weak)),
        weak=frozenset(symbol.name for symbol in tables.symbols if symbol.weak and not symbol.defined),
        needed=tables.needed,
        complete=not any(symbol.name == "__gnu_lto_slim" for symbol in tables.symbols),
    )


def _elf_by_lief(image: bytes) -> ElfTables:
    """The tables of a dynamic library whose sections were stripped; lief finds them as the loader does."""
    from lief import ELF

    binary = _parsed(ELF.parse, image)
    return ElfTables(
        tuple(
            ElfSymbol(
                symbol.name,
                defined=symbol.shndx != 0,
                weak=symbol.binding is ELF.Symbol.BINDING.WEAK,
                hidden=symbol.visibility in (ELF.Symbol.VISIBILITY.HIDDEN, ELF.Symbol.VISIBILITY.INTERNAL),
            )
            for symbol in binary.dynamic_symbols
            if symbol.name and symbol.binding is not ELF.Symbol.BINDING.LOCAL
        ),
        tuple(binary.libraries),
    )


def _lief_symbols(image: bytes, header: BinaryHeader) -> Symbols:
    from lief import COFF, PE, MachO

    if header.format == "Mach-O":
        return _mach_symbols(_parsed(MachO.parse, image).at(0), header)
    if header.kind is LibraryKind.OBJECT:
        return _coff_symbols(_parsed(COFF.parse, image), header)
    return _pe_symbols(_parsed(PE.parse, image))


def _parsed(parse: Callable[[io.BytesIO], Any], image: bytes) -> Any:
    from lief import logging

    with logging.level_scope(logging.LEVEL.OFF):
        binary = parse(io.BytesIO(image))
    if binary is None:
        raise ValueError("its symbols cannot be read")
    return binary


def _mach_symbols(binary: Any, header: BinaryHeader) -> Symbols:
    # The type's bits: 0xE0 a debugger's entry, 0x10 hidden, 0x0E where it is defined, 0x01 external.
    external = [symbol for symbol in binary.symbols if symbol.raw_type & 0x01 and not symbol.raw_type & 0xE0]
    dynamic = header.kind is not LibraryKind.OBJECT
    defined = {
        symbol.name.removeprefix("_")
        for symbol in external
        # Of common symbols the value is the size.
        if (symbol.raw_type & 0x0E or symbol.value) and not (dynamic and symbol.raw_type & 0x10)
    }
    names = [library.name for library in binary.libraries]
    return Symbols(
        defined=frozenset(defined),
        undefined=frozenset(
            symbol.name.removeprefix("_") for symbol in external if not symbol.raw_type & 0x0E and not symbol.value
        ),
        # A dynamic library names itself first.
        needed=tuple(names[1:] if binary.header.file_type.name == "DYLIB" else names),
    )


def _coff_symbols(binary: Any, header: BinaryHeader) -> Symbols:
    prefix = "_" if "x86" in header.architectures else ""
    external = [symbol for symbol in binary.symbols if symbol.storage_class.name == "EXTERNAL"]
    # These name another symbol that stands for them where nobody else defines them.
    weak = [symbol for symbol in binary.symbols if symbol.storage_class.name == "WEAK_EXTERNAL"]
    # Of common symbols the value is the size.
    return Symbols(
        defined=frozenset(
            symbol.name.removeprefix(prefix)
            for symbol in (*weak, *(symbol for symbol in external if symbol.section_idx or symbol.value))
        ),
        undefined=frozenset(
            symbol.name.removeprefix(prefix) for symbol in external if not (symbol.section_idx or symbol.value)
        ),
    )


def _pe_symbols(binary: Any) -> Symbols:
    exports = binary.get_export()
    return Symbols(
        defined=frozenset(entry.name for entry in exports.entries if entry.name) if exports else frozenset(),
        undefined=frozenset(
            entry.name for library in binary.imports for entry in library.entries if not entry.is_ordinal
        ),
        needed=tuple(library.name for library in binary.imports),
    )
