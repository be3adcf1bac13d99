"""The symbols of library files, which pyelftools reads from ELF and lief from Mach-O and PE.

lief reads ELF too, but its import takes 0.3 s: ten times as long as gcc takes to link a small library.
"""

from __future__ import annotations

import io
import itertools
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hatframe.binary.archives import is_archive, members
from hatframe.binary.libraries import BinaryHeader, LibraryKind, content, read_header, slices
from hatframe.errors import PackageError

_STB_LOCAL, _STB_WEAK = 0, 2
_STV_INTERNAL, _STV_HIDDEN = 1, 2
_SHN_UNDEF = 0
_VER_FLG_WEAK = 2
_MOST_VERSIONS = 200
_MOST_SHARING = 16
_DF_1_PIE = 0x08000000


class Symbols(msgspec.Struct, frozen=True, kw_only=True):
    """The symbols of a library file as C spells them, without the underscore that some platforms add.

    ``defined`` are the functions and variables that others can link with: the global ones of a static library, the
    exported ones of a dynamic library. ``undefined`` are those that other libraries must define, and ``weak`` those
    that they may define; ``needed`` names the dynamic libraries to load. ``complete`` is False if a member holds code
    for link-time optimisation, whose symbols only its compiler can read.
    """

    defined: frozenset[str] = frozenset()
    undefined: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()
    needed: tuple[str, ...] = ()
    complete: bool = True
    name: str = ""
    run_folders: tuple[str, ...] = ()
    inherited: bool = False
    is_program: bool = False
    versions: frozenset[str] = frozenset()
    needed_versions: tuple[tuple[str, str], ...] = ()


def read_symbols(path: Path) -> Symbols:
    """Read the symbols of a library file, and of all slices of a universal one; raises :class:`PackageError`."""
    with content(path) as data:
        try:
            parts = [_symbols_of(image, path) for image in images(data[:], path)]
        except struct.error as error:
            raise damaged(path, error) from None
    defined = frozenset[str]().union(*(part.defined for part in parts))
    return Symbols(
        defined=defined,
        # Members may define what other members need.
        undefined=frozenset[str]().union(*(part.undefined for part in parts)) - defined,
        weak=frozenset[str]().union(*(part.weak for part in parts)) - defined,
        needed=tuple(dict.fromkeys(name for part in parts for name in part.needed)),
        complete=all(part.complete for part in parts),
        name=next((part.name for part in parts if part.name), ""),
        run_folders=tuple(dict.fromkeys(folder for part in parts for folder in part.run_folders)),
        inherited=any(part.inherited for part in parts),
        is_program=any(part.is_program for part in parts),
        versions=frozenset[str]().union(*(part.versions for part in parts)),
        needed_versions=tuple(each for part in parts for each in part.needed_versions),
    )


def images(data: bytes, path: Path) -> Iterator[bytes]:
    """The content of each object in a library file: its slices, and the members of archives."""
    for part in [part.data for part in slices(data)] or [data]:
        if is_archive(part):
            yield from (member.data for member in members(part, path) if read_header(member.data))
        else:
            yield part


def _symbols_of(image: bytes, path: Path) -> Symbols:
    header = read_header(image)
    if header is None:
        raise PackageError("this file is not a library", where=str(path))
    if not header.format:
        return Symbols(complete=False)
    if header.kind is LibraryKind.IMPORT:
        return Symbols()
    try:
        # lief warns about unknown values, also when they are only read.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return _elf_symbols(image, header) if header.format == "ELF" else _lief_symbols(image, header)
    # Neither pyelftools nor lief limits what a damaged file can raise.
    except Exception as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> PackageError:
    reason = str(error) or type(error).__name__
    return PackageError(f"this library is damaged: {reason}", where=str(path), hint="build it again")


def _elf_symbols(image: bytes, header: BinaryHeader) -> Symbols:
    # pyelftools takes 27 µs to unpack an entry: for the symbols of 1,000 functions as long as gcc takes to link them.
    from elftools.elf.elffile import ELFFile

    elf: Any = ELFFile(io.BytesIO(image))
    # The name's offset, binding and type, visibility, section: Elf32_Sym and Elf64_Sym of the System V ABI.
    form = struct.Struct(("<" if elf.little_endian else ">") + ("IBBH16x" if elf.elfclass == 64 else "I8xBBH"))
    dynamic = header.kind is not LibraryKind.OBJECT
    texts: dict[str, list[str]] = {"needed": [], "soname": [], "rpath": [], "runpath": []}
    is_program = False
    if dynamic:
        tables = []
        # The loader uses segments: a stripped library may have no sections.
        for segment in elf.iter_segments("PT_DYNAMIC"):
            for tag in segment.iter_tags():
                key = str(tag.entry.d_tag).removeprefix("DT_").lower()
                if key in texts:
                    texts[key].append(getattr(tag, key))
                elif key == "flags_1":
                    is_program = bool(tag.entry.d_val & _DF_1_PIE)
            start, strings = (segment.get_table_offset(tag)[1] for tag in ("DT_SYMTAB", "DT_STRTAB"))
            tables.append((image[start : start + segment.num_symbols() * form.size], strings))
    else:
        sections = elf.iter_sections("SHT_SYMTAB")
        # Not section.data(), which unpacks compressed sections, to any size.
        tables = [
            (image[section["sh_offset"] : section["sh_offset"] + section["sh_size"]], section.stringtable["sh_offset"])
            for section in sections
        ]
    defined: set[str] = set()
    undefined: set[str] = set()
    weak: set[str] = set()
    # Names that end alike may share bytes.
    length, most = 0, _MOST_SHARING * len(image)
    for table, strings in tables:
        for offset, information, other, section_index in form.iter_unpack(table):
            binding = information >> 4
            if not offset or binding == _STB_LOCAL:
                continue
            start = strings + offset
            end = image.index(b"\0", start)
            length += end - start
            if length > most:
                raise ValueError("its names are longer than the file")
            name = image[start:end].decode("utf-8", "surrogateescape")
            if section_index == _SHN_UNDEF:
                (weak if binding == _STB_WEAK else undefined).add(name)
            # Objects link with hidden symbols of others too; dynamic libraries do not export them.
            elif not (dynamic and other & 3 in (_STV_INTERNAL, _STV_HIDDEN)):
                defined.add(name)
    return Symbols(
        defined=frozenset(defined),
        undefined=frozenset(undefined),
        weak=frozenset(weak),
        needed=tuple(texts["needed"]),
        complete="__gnu_lto_slim" not in defined,
        name="".join(texts["soname"][:1]),
        # The loader ignores DT_RPATH beside DT_RUNPATH.
        run_folders=tuple(
            folder for text in texts["runpath"] or texts["rpath"] for folder in text.split(":") if folder
        ),
        inherited=bool(texts["rpath"]) and not texts["runpath"],
        is_program=is_program,
        versions=frozenset(name for _, name, _ in _versions(elf, "SHT_GNU_verdef")) if dynamic else frozenset(),
        needed_versions=tuple(
            (library, name)
            for library, name, flags in (_versions(elf, "SHT_GNU_verneed") if dynamic else ())
            if not flags & _VER_FLG_WEAK
        ),
    )


def _versions(elf: Any, kind: str) -> Iterator[tuple[str, str, int]]:
    """The versions in a section of a kind: the library that they are of, if any, their names and their flags."""
    # A damaged section may have any number of them.
    for section in itertools.islice(elf.iter_sections(kind), 1):
        for entry, names in itertools.islice(section.iter_versions(), _MOST_VERSIONS):
            for name in itertools.islice(names, _MOST_VERSIONS):
                yield entry.name or "", name.name, name.entry.get("vna_flags", 0)


def _lief_symbols(image: bytes, header: BinaryHeader) -> Symbols:
    from lief import COFF, PE, MachO, logging

    coff = header.format == "PE" and header.kind is LibraryKind.OBJECT
    parser: Any = MachO if header.format == "Mach-O" else COFF if coff else PE
    with logging.level_scope(logging.LEVEL.OFF):
        binary = parser.parse(io.BytesIO(image))
    if binary is None:
        raise ValueError("its symbols cannot be read")
    if parser is MachO:
        return _mach_symbols(binary.at(0), header)
    return _coff_symbols(binary, header) if coff else _pe_symbols(binary)


def _mach_symbols(binary: Any, header: BinaryHeader) -> Symbols:
    dynamic = header.kind is not LibraryKind.OBJECT
    defined: set[str] = set()
    undefined: set[str] = set()
    for symbol in binary.symbols:
        # Bits of the type (mach-o/nlist.h): 0xE0 for debuggers, 0x10 hidden, 0x0E where it is defined, 0x01 external.
        kind = symbol.raw_type
        if kind & 0x01 and not kind & 0xE0:
            # The value of a common symbol is its size.
            if not (kind & 0x0E or symbol.value):
                undefined.add(symbol.name.removeprefix("_"))
            elif not (dynamic and kind & 0x10):
                defined.add(symbol.name.removeprefix("_"))
    names = [library.name for library in binary.libraries]
    # A dynamic library names itself first.
    own = binary.header.file_type.name == "DYLIB"
    return Symbols(
        defined=frozenset(defined),
        undefined=frozenset(undefined),
        needed=tuple(names[1:] if own else names),
        name="".join(names[:1]) if own else "",
        run_folders=tuple(command.path for command in binary.rpaths),
        inherited=True,
    )


def _coff_symbols(binary: Any, header: BinaryHeader) -> Symbols:
    prefix = "_" if "x86" in header.architectures else ""
    defined: set[str] = set()
    undefined: set[str] = set()
    for symbol in binary.symbols:
        # A weak symbol names the definition to use where no other object defines it.
        weak = symbol.storage_class.name == "WEAK_EXTERNAL"
        if weak or symbol.storage_class.name == "EXTERNAL":
            # The value of a common symbol is its size.
            found = defined if weak or symbol.section_idx or symbol.value else undefined
            found.add(symbol.name.removeprefix(prefix))
    return Symbols(defined=frozenset(defined), undefined=frozenset(undefined))


def _pe_symbols(binary: Any) -> Symbols:
    exports = binary.get_export()
    return Symbols(
        defined=frozenset(entry.name for entry in exports.entries if entry.name) if exports else frozenset(),
        undefined=frozenset(
            entry.name for library in binary.imports for entry in library.entries if not entry.is_ordinal
        ),
        needed=tuple(library.name for library in binary.imports),
    )
