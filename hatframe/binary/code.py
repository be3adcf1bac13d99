"""The machine code of library files: where functions lie in it, and what calls lead to.

pyelftools reads ELF, and lief Mach-O and PE. Sections of objects have no addresses yet: each gets a range of its own.
"""

from __future__ import annotations

import bisect
import io
import itertools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hatframe.binary.libraries import BinaryHeader, LibraryKind, content, read_header
from hatframe.binary.symbols import damaged, images
from hatframe.errors import PackageError

_SECTION_SIZE = 1 << 40
_SHF_EXECINSTR = 0x4
# pyelftools takes a second for 30,000 symbols or relocations.
_MOST_ENTRIES = 200_000
_MEM_EXECUTE = 0x20000000
_FUNCTION_TYPES = ("STT_FUNC", "STT_GNU_IFUNC", "STT_LOOS")


class CodeFunction(msgspec.Struct, frozen=True):
    """A function: its name, its address, and its bytes. ``is_resolver`` chooses one of several when it is loaded."""

    name: str
    address: int
    code: bytes
    is_resolver: bool = False


class Code(msgspec.Struct, frozen=True):
    """The code of one image for a processor: its functions by address.

    ``targets`` are the names that the fields of instructions at these addresses refer to, and ``slots`` the names
    behind pointers at these addresses.
    """

    architecture: str
    functions: dict[int, CodeFunction]
    targets: dict[int, str]
    slots: dict[int, str]


class _Section(msgspec.Struct, frozen=True):
    address: int
    data: bytes

    def part(self, start: int, end: int) -> bytes:
        return self.data[start - self.address : end - self.address]


class _Symbol(msgspec.Struct, frozen=True):
    name: str
    address: int
    size: int = 0
    is_resolver: bool = False


def read_code(path: Path) -> Iterator[Code]:
    """The code of a library file, or of each object in it; raises :class:`PackageError` if it is damaged."""
    with content(path) as data:
        try:
            for image in images(data[:], path):
                header = read_header(image)
                if header and header.format and header.kind is not LibraryKind.IMPORT:
                    yield _code_of(image, header, path)
        except struct.error as error:
            raise damaged(path, error) from None


def _code_of(image: bytes, header: BinaryHeader, path: Path) -> Code:
    try:
        return _elf_code(image, header) if header.format == "ELF" else _lief_code(image, header)
    except PackageError:
        raise
    # Neither pyelftools nor lief limits what a damaged file can raise.
    except Exception as error:
        raise damaged(path, error) from None


def _code(
    header: BinaryHeader,
    sections: list[_Section],
    symbols: list[_Symbol],
    targets: dict[int, str],
    slots: dict[int, str],
) -> Code:
    """Cut sections into functions, each until its size or the next one; code between them has no name."""
    functions = {}
    # Of several names of one address, that of the largest size counts.
    symbols = sorted(symbols, key=lambda symbol: (symbol.address, symbol.size))
    addresses = [symbol.address for symbol in symbols]
    for section in sections:
        position, end = section.address, section.address + len(section.data)
        inside = symbols[bisect.bisect_left(addresses, position) : bisect.bisect_left(addresses, end)]
        following = [*(symbol.address for symbol in inside[1:]), end]
        for symbol, after in zip(inside, following, strict=False):
            if after == symbol.address:
                continue
            if symbol.address > position:
                functions[position] = CodeFunction("", position, section.part(position, symbol.address))
            position = min(symbol.address + symbol.size, after) if symbol.size else after
            code = section.part(symbol.address, position)
            functions[symbol.address] = CodeFunction(symbol.name, symbol.address, code, symbol.is_resolver)
        if position < end:
            functions[position] = CodeFunction("", position, section.part(position, end))
    return Code(min(header.architectures, default=""), functions, targets, slots)


def _elf_code(image: bytes, header: BinaryHeader) -> Code:
    from elftools.elf.elffile import ELFFile
    from elftools.elf.relocation import RelocationSection
    from elftools.elf.sections import SymbolTableSection

    elf: Any = ELFFile(io.BytesIO(image))
    is_object = header.kind is LibraryKind.OBJECT
    found = list(enumerate(elf.iter_sections()))
    bases = {index: (index + 1) * _SECTION_SIZE if is_object else section["sh_addr"] for index, section in found}
    executable = {
        index: section
        for index, section in found
        if section["sh_flags"] & _SHF_EXECINSTR and section["sh_type"] == "SHT_PROGBITS"
    }
    if sum(section["sh_size"] for section in executable.values()) > len(image):
        raise ValueError("its sections overlap")
    sections = [
        _Section(bases[index], image[section["sh_offset"] : section["sh_offset"] + section["sh_size"]])
        for index, section in executable.items()
    ]
    symbols = []
    tables = [section for _, section in found if isinstance(section, SymbolTableSection)]
    # The table of a library that is not stripped has local functions too.
    for table in sorted(tables, key=lambda table: table["sh_type"] == "SHT_DYNSYM")[:1]:
        for symbol in itertools.islice(table.iter_symbols(), _MOST_ENTRIES):
            kind, index = symbol["st_info"]["type"], symbol["st_shndx"]
            if kind in _FUNCTION_TYPES and isinstance(index, int) and index in bases:
                address = symbol["st_value"] + (bases[index] if is_object else 0)
                symbols.append(_Symbol(symbol.name, address, symbol["st_size"], kind != "STT_FUNC"))
    targets: dict[int, str] = {}
    slots: dict[int, str] = {}
    names = {symbol.address: symbol.name for symbol in symbols}
    for _, section in found:
        if not isinstance(section, RelocationSection) or not 0 < section["sh_link"] < len(found):
            continue
        if is_object and section["sh_info"] not in executable:
            continue
        base = bases[section["sh_info"]] if is_object else 0
        table = elf.get_section(section["sh_link"])
        if not isinstance(table, SymbolTableSection):
            continue
        for relocation in itertools.islice(section.iter_relocations(), _MOST_ENTRIES):
            symbol = table.get_symbol(relocation["r_info_sym"])
            name = symbol.name
            if symbol["st_info"]["type"] == "STT_SECTION" and symbol["st_shndx"] in bases:
                # A call of a local function: its operand counts from the end of the instruction, 4 bytes further.
                addend = relocation.entry.get("r_addend", 0)
                name = names.get(bases[symbol["st_shndx"]] + addend + 4, "")
            (targets if is_object else slots)[base + relocation["r_offset"]] = name
    return _code(header, sections, symbols, targets, slots)


def _lief_code(image: bytes, header: BinaryHeader) -> Code:
    import lief

    file: Any = io.BytesIO(image)
    with lief.logging.level_scope(lief.logging.LEVEL.OFF):
        if header.format == "Mach-O":
            universal: Any = lief.MachO.parse(file)
            return _mach_code(universal.at(0), header)
        if header.kind is LibraryKind.OBJECT:
            return _coff_code(lief.COFF.parse(file), header)
        return _pe_code(lief.PE.parse(file), header)


def _mach_code(binary: Any, header: BinaryHeader) -> Code:
    sections = [
        _Section(section.virtual_address, bytes(section.content))
        for section in binary.sections
        if (section.segment_name, section.name) == ("__TEXT", "__text")
    ]
    # Those of debuggers have the bits 0xE0; 0x0E means in a section (mach-o/nlist.h).
    symbols = [
        _Symbol(symbol.name.removeprefix("_"), symbol.value)
        for symbol in binary.symbols
        if symbol.name and not symbol.raw_type & 0xE0 and symbol.raw_type & 0x0E == 0x0E
    ]
    return _code(header, sections, symbols, {}, {})


def _pe_code(binary: Any, header: BinaryHeader) -> Code:
    sections = [
        _Section(section.virtual_address, bytes(section.content)[: section.virtual_size])
        for section in binary.sections
        if section.characteristics & _MEM_EXECUTE
    ]
    exports = binary.get_export()
    entries = [entry for entry in exports.entries if entry.name and not entry.is_forwarded] if exports else []
    return _code(header, sections, [_Symbol(entry.name, entry.address) for entry in entries], {}, {})


def _coff_code(binary: Any, header: BinaryHeader) -> Code:
    prefix = "_" if "x86" in header.architectures else ""
    sections, targets = [], {}
    for index, section in enumerate(binary.sections, 1):
        if section.characteristics & _MEM_EXECUTE:
            base = index * _SECTION_SIZE
            sections.append(_Section(base, bytes(section.content)))
            for relocation in section.relocations:
                if relocation.symbol:
                    targets[base + relocation.address] = relocation.symbol.name.removeprefix(prefix)
    symbols = [
        _Symbol(symbol.name.removeprefix(prefix), symbol.section_idx * _SECTION_SIZE + symbol.value)
        for symbol in binary.symbols
        if symbol.section_idx > 0 and symbol.is_function
    ]
    return _code(header, sections, symbols, targets, {})
