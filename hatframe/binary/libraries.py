"""What a library file is by its content: its kind, format and processor.

The first bytes of a file are enough for that, and need no parser whose import takes longer than the whole check.
:mod:`hatframe.binary.symbols` reads symbols.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import io
import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

import msgspec

from hatframe.binary.archives import Member, is_archive, is_thin, members
from hatframe.errors import PackageError
from hatframe.machine import Platform

_FORMATS = {"windows": "PE", "macos": "Mach-O"}
_SUFFIXES = {"ELF": ".so", "Mach-O": ".dylib", "PE": ".dll"}

_ELF_MACHINES = {
    3: "x86",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
_PE_MACHINES = {0x14C: "x86", 0x1C4: "arm", 0x8664: "x86_64", 0xAA64: "aarch64"}
_MACH_PROCESSORS = {7: "x86", 12: "arm", 0x01000007: "x86_64", 0x0100000C: "aarch64"}
_ARCHITECTURES = frozenset(_ELF_MACHINES.values()) | {"ppc64le"}


class LibraryKind(str, enum.Enum):
    """What a library file can be used for."""

    OBJECT = "an object file"
    ARCHIVE = "a static library"
    IMPORT = "an import library"
    DYNAMIC = "a dynamic library"
    EXECUTABLE = "a program"


class BinaryHeader(msgspec.Struct, frozen=True):
    """What the header of a file says about it.

    ``format`` is ``ELF``, ``Mach-O`` or ``PE`` (which includes COFF objects), and empty for empty archives and LLVM
    bitcode. ``architectures`` are empty if unknown; a universal file of macOS has several.
    """

    kind: LibraryKind
    format: str = ""
    architectures: frozenset[str] = frozenset()


class LibraryFile(BinaryHeader, frozen=True, kw_only=True):
    """A library file. ``others`` are the members of an archive that are not objects, such as notes for a linker."""

    path: Path
    others: tuple[str, ...] = ()

    @property
    def is_static(self) -> bool:
        """Whether linking copies its code."""
        return self.kind in (LibraryKind.OBJECT, LibraryKind.ARCHIVE)

    def suits(self, platform: Platform) -> bool:
        """Whether it may be for ``platform``, as far as both are known."""
        if self.format and platform.os and self.format != _FORMATS.get(platform.os, "ELF"):
            return False
        known = self.architectures and platform.architecture in _ARCHITECTURES
        return not known or platform.architecture in self.architectures

    @property
    def os(self) -> str:
        """The operating system of its format; for ELF, which many use, this machine's or Linux."""
        host = Platform.host().os
        if self.format in ("", _FORMATS.get(host, "ELF")):
            return host
        return next((name for name, format_ in _FORMATS.items() if format_ == self.format), "linux")

    def static_name(self, name: str) -> str:
        """The file name of a static library of this format: ``libNAME.a`` or ``NAME.lib``."""
        return f"{name}.lib" if self.os == "windows" else f"lib{name}.a"

    def dynamic_name(self, name: str) -> str:
        """The file name of a dynamic library of this format: ``libNAME.so``, ``libNAME.dylib`` or ``NAME.dll``.

        Linkers find such names by ``-lNAME``, and Python never takes them for a module called NAME.
        """
        suffix = _SUFFIXES[self.format or _FORMATS.get(Platform.host().os, "ELF")]
        return f"{name}{suffix}" if suffix == ".dll" else f"lib{name}{suffix}"

    def __str__(self) -> str:
        processors = " and ".join(sorted(self.architectures))
        made_for = " for ".join(filter(None, (self.format, processors)))
        return f"{self.kind.value} ({made_for})" if made_for else self.kind.value


def identify(path: Path) -> LibraryFile:
    """What a library file is; raises :class:`PackageError` for other files, and archives for several platforms."""
    with content(path) as data:
        if is_archive(data):
            return _identify_archive(path, members(data, path))
        header = read_header(data)
        if header is None:
            is_text = not any(byte < 7 or 13 < byte < 27 or byte == 127 for byte in data[:1024])
            reason = "it is empty" if not len(data) else "it is text" if is_text else "its format is unknown"
            raise PackageError(f"this file is not a library: {reason}", where=str(path))
    return LibraryFile(path=path, kind=header.kind, format=header.format, architectures=header.architectures)


def _identify_archive(path: Path, contained: Iterator[Member]) -> LibraryFile:
    headers = [(member.name, read_header(member.data)) for member in contained]
    objects = [header for _, header in headers if header is not None]
    if headers and not objects:
        raise PackageError("this archive has no object files", where=str(path))
    platforms = {(header.format, header.architectures) for header in objects if header.format}
    if len(platforms) > 1:
        listed = sorted(f"{format_} for {', '.join(processors)}" for format_, processors in platforms)
        raise PackageError(f"this archive has objects for several platforms: {'; '.join(listed)}", where=str(path))
    format_, architectures = next(iter(platforms), ("", frozenset[str]()))
    imports = any(header.kind is LibraryKind.IMPORT for header in objects)
    return LibraryFile(
        path=path,
        kind=LibraryKind.IMPORT if imports else LibraryKind.ARCHIVE,
        format=format_,
        architectures=architectures,
        others=tuple(name for name, header in headers if header is None),
    )


def extract_objects(library: LibraryFile, folder: Path) -> list[Path]:
    """Extract the objects of an archive to the new folder ``folder``, in their order and with their names."""
    written = []
    with content(library.path) as data:
        for index, member in enumerate(members(data, library.path)):
            if read_header(member.data) is not None:
                # Members may have equal names, and names may be paths.
                name = re.sub(r"[^A-Za-z0-9_.-]", "_", PureWindowsPath(member.name).name).lstrip("-.") or "member.o"
                written.append(folder / str(index) / name)
                written[-1].parent.mkdir(parents=True)
                written[-1].write_bytes(member.data)
    return written


def import_target(path: Path) -> str:
    """The name of the DLL of an import library; empty if it has none."""
    with content(path) as data:
        parts = members(data, path) if is_archive(data) else [Member(path.name, data[:])]
        for member in parts:
            header = read_header(member.data)
            if header and header.kind is LibraryKind.IMPORT:
                # The names of the symbol and of its DLL, each ended by a zero, follow the header of 20 bytes.
                dll = member.data[20:].partition(b"\0")[2].partition(b"\0")[0]
                return PureWindowsPath(dll.decode("utf-8", "replace")).name
    return ""


def content_digest(path: Path) -> bytes:
    """The SHA-256 of a library file, and of the members of a thin archive."""
    with content(path) as data:
        digest = hashlib.sha256(data)
        if is_thin(data):
            for member in members(data, path):
                digest.update(member.data)
    return digest.digest()


@contextlib.contextmanager
def content(path: Path) -> Iterator[bytes | mmap.mmap]:
    """Map the content of a file; raises :class:`PackageError` if that fails."""
    try:
        # Reading from a pipe or a device may never end.
        if path.exists() and not path.is_file() and not path.is_dir():
            raise PackageError("this is not a regular file", where=str(path))
        with path.open("rb") as file:
            if file.seek(0, io.SEEK_END) == 0:
                yield b""
            else:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    yield data
    except FileNotFoundError:
        raise PackageError("this library does not exist", where=str(path)) from None
    except IsADirectoryError:
        raise PackageError("this is a folder, not a library", where=str(path)) from None
    except OSError as error:
        raise PackageError(f"cannot read this library: {error.strerror or error}", where=str(path)) from None


def read_header(data: bytes | mmap.mmap) -> BinaryHeader | None:
    """The header of a file or of an archive's member; None if it is not compiled code.

    The System V ABI describes ELF, Apple's ``mach-o/loader.h`` and ``mach-o/fat.h`` Mach-O, Microsoft's PE/COFF
    specification PE, and LLVM's manual bitcode.
    """
    try:
        if data[:4] in (b"BC\xc0\xde", b"\xde\xc0\x17\x0b"):
            return BinaryHeader(LibraryKind.OBJECT)
        return _elf(data) or _mach(data) or _universal(data) or _pe(data) or _coff(data)
    except struct.error:  # the file ends within its header
        return None


def _elf(data: bytes | mmap.mmap) -> BinaryHeader | None:
    if data[:4] != b"\x7fELF" or len(data) < 52:
        return None
    little = data[5] == 1
    number, machine = struct.unpack_from("<HH" if little else ">HH", data, 16)
    kind = {1: LibraryKind.OBJECT, 2: LibraryKind.EXECUTABLE, 3: LibraryKind.DYNAMIC}.get(number)
    architecture = _ELF_MACHINES.get(machine, "")
    if architecture == "ppc64" and little:
        architecture = "ppc64le"
    return BinaryHeader(kind, "ELF", _known(architecture)) if kind else None


def _mach(data: bytes | mmap.mmap) -> BinaryHeader | None:
    little = data[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe")
    if not little and data[:4] not in (b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce"):
        return None
    processor, _, number = struct.unpack_from("<III" if little else ">III", data, 4)
    # Bundles (8) are loaded like dynamic libraries.
    kinds = {1: LibraryKind.OBJECT, 2: LibraryKind.EXECUTABLE, 6: LibraryKind.DYNAMIC, 8: LibraryKind.DYNAMIC}
    kind = kinds.get(number)
    return BinaryHeader(kind, "Mach-O", _known(_MACH_PROCESSORS.get(processor, ""))) if kind else None


class Slice(msgspec.Struct, frozen=True):
    """The part of a universal file for one processor."""

    architecture: str
    data: bytes


def slices(data: bytes | mmap.mmap) -> list[Slice]:
    """The slices of a universal file of macOS, empty for other files; raises :class:`struct.error` if damaged."""
    if data[:4] not in (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"):
        return []
    (count,) = struct.unpack_from(">I", data, 4)
    # Java's class files begin with the same four bytes, and then a version of 45 or more.
    if count >= 45:
        return []
    layout = struct.Struct(">IIIII" if data[3] == 0xBE else ">IIQQII")
    found = []
    for index in range(count):
        processor, _, offset, size, *_ = layout.unpack_from(data, 8 + index * layout.size)
        found.append((offset, offset + size, _MACH_PROCESSORS.get(processor, "")))
    # Slices that overlap would multiply the size of the file in memory.
    ends = [0, *(end for _, end, _ in sorted(found))]
    if any(start < end for (start, _, _), end in zip(sorted(found), ends, strict=False)) or ends[-1] > len(data):
        raise struct.error("the slices overlap, or end after the file")
    return [Slice(architecture, data[start:end]) for start, end, architecture in found]


def _universal(data: bytes | mmap.mmap) -> BinaryHeader | None:
    parts = slices(data)
    headers = [BinaryHeader(LibraryKind.ARCHIVE) if is_archive(part.data) else _mach(part.data) for part in parts]
    kinds = {header.kind if header else None for header in headers}
    kind = kinds.pop() if len(kinds) == 1 else None
    known = frozenset(part.architecture for part in parts if part.architecture)
    return BinaryHeader(kind, "Mach-O", known) if kind else None


def _pe(data: bytes | mmap.mmap) -> BinaryHeader | None:
    if data[:2] != b"MZ":
        return None
    (start,) = struct.unpack_from("<I", data, 0x3C)
    if data[start : start + 4] != b"PE\0\0":
        return None
    machine, characteristics = struct.unpack_from("<H16xH", data, start + 4)
    kind = LibraryKind.DYNAMIC if characteristics & 0x2000 else LibraryKind.EXECUTABLE
    return BinaryHeader(kind, "PE", _known(_PE_MACHINES.get(machine, "")))


def _coff(data: bytes | mmap.mmap) -> BinaryHeader | None:
    machine, sections = struct.unpack_from("<HH", data)
    if (machine, sections) == (0, 0xFFFF):
        # An entry of an import library (version 0), or an object with more than 65,279 sections.
        version, machine = struct.unpack_from("<HH", data, 4)
        kind = LibraryKind.OBJECT if version else LibraryKind.IMPORT
        return BinaryHeader(kind, "PE", _known(_PE_MACHINES[machine])) if machine in _PE_MACHINES else None
    table, entries, optional = struct.unpack_from("<IIH", data, 8)
    # The machine is the only magic number, so that other fields are checked too.
    plausible = optional == 0 and table + 18 * entries <= len(data) and 20 + 40 * sections <= len(data)
    known = machine in _PE_MACHINES and plausible
    return BinaryHeader(LibraryKind.OBJECT, "PE", _known(_PE_MACHINES[machine])) if known else None


def _known(architecture: str) -> frozenset[str]:
    return frozenset((architecture,) if architecture else ())
