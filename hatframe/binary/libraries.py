"""What a library file is, told by its content: its kind, its format and its processor.

This is read from the first bytes of the file, without lief: to check the library of a dynamic package must
not cost the third of a second that lief takes to import. :mod:`hatframe.binary.symbols` reads the symbols.
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
    """What the first bytes tell; the fields are those of :class:`LibraryFile`."""

    kind: LibraryKind
    format: str = ""
    architectures: frozenset[str] = frozenset()


class LibraryFile(msgspec.Struct, frozen=True, kw_only=True):
    """A library file as its content tells.

    ``format`` is ``ELF``, ``Mach-O`` or ``PE`` (also for COFF, its objects), and empty for an empty archive
    and for LLVM bitcode. ``architectures`` are several in a universal file of macOS, and none where the file
    does not tell. ``others`` are the members of an archive that are no objects, such as notes for a linker.
    """

    path: Path
    kind: LibraryKind
    format: str = ""
    architectures: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()

    @property
    def is_static(self) -> bool:
        """Whether it becomes part of what is linked with it."""
        return self.kind in (LibraryKind.OBJECT, LibraryKind.ARCHIVE)

    def suits(self, platform: Platform) -> bool:
        """Whether it can be for ``platform``; an OS or an architecture that is empty or unknown suits."""
        if self.format and platform.os and self.format != _FORMATS.get(platform.os, "ELF"):
            return False
        told = self.architectures and platform.architecture in _ARCHITECTURES
        return not told or platform.architecture in self.architectures

    @property
    def os(self) -> str:
        """The operating system that its format is of; of the many that have ELF, this one or Linux."""
        host = Platform.host().os
        if self.format in ("", _FORMATS.get(host, "ELF")):
            return host
        return next((name for name, format_ in _FORMATS.items() if format_ == self.format), "linux")

    @property
    def static_suffix(self) -> str:
        """What the name of a static library of this format ends with: ``.a`` or ``.lib``."""
        return ".lib" if self.os == "windows" else ".a"

    @property
    def dynamic_suffix(self) -> str:
        """What the name of a dynamic library of this format ends with: ``.so``, ``.dylib`` or ``.dll``."""
        return _SUFFIXES[self.format or _FORMATS.get(Platform.host().os, "ELF")]

    def __str__(self) -> str:
        processors = " and ".join(sorted(self.architectures))
        made_for = " for ".join(filter(None, (self.format, processors)))
        return f"{self.kind.value} ({made_for})" if made_for else self.kind.value


def identify(path: Path) -> LibraryFile:
    """Tell what a library file is.

    Raises :class:`PackageError` where it is not there, cannot be read, is none of the formats, is damaged, or
    is an archive whose members are of several platforms.
    """
    with content(path) as data:
        if is_archive(data):
            return _identify_archive(path, list(members(data, path)))
        header = read_header(data)
        if header is None:
            known = "it is text" if _is_text(data) else "its format is unknown"
            raise PackageError(f"this is not a library: {known if len(data) else 'it is empty'}", where=str(path))
    return LibraryFile(path=path, kind=header.kind, format=header.format, architectures=header.architectures)


def _identify_archive(path: Path, contained: list[Member]) -> LibraryFile:
    headers = [(member.name, read_header(member.data)) for member in contained]
    objects = [header for _, header in headers if header is not None]
    if contained and not objects:
        raise PackageError("no member of this archive is an object file", where=str(path))
    platforms = {(header.format, header.architectures) for header in objects if header.format}
    if len(platforms) > 1:
        listed = sorted(f"{format_} for {', '.join(processors)}" for format_, processors in platforms)
        raise PackageError(f"its members are of several platforms: {'; '.join(listed)}", where=str(path))
    format_, architectures = next(iter(platforms), ("", frozenset[str]()))
    return LibraryFile(
        path=path,
        kind=LibraryKind.IMPORT
        if any(header.kind is LibraryKind.IMPORT for header in objects)
        else LibraryKind.ARCHIVE,
        format=format_,
        architectures=architectures,
        others=tuple(name for name, header in headers if header is None),
    )


def extract_objects(library: LibraryFile, folder: Path) -> list[Path]:
    """Write every object of an archive to a file of its own name in ``folder``, which is made, in their order."""
    written = []
    with content(library.path) as data:
        for index, member in enumerate(members(data, library.path)):
            if read_header(member.data) is not None:
                # In numbered folders, because two members may have one name; and a name may be a path.
                name = re.sub(r"[^A-Za-z0-9_.-]", "_", PureWindowsPath(member.name).name).lstrip("-.") or "member.o"
                written.append(folder / str(index) / name)
                written[-1].parent.mkdir(parents=True)
                written[-1].write_bytes(member.data)
    return written


def import_target(path: Path) -> str:
    """The name of the DLL that an import library is for; empty where it does not tell."""
    with content(path) as data:
        parts = members(data, path) if is_archive(data) else [Member(path.name, data[:])]
        for member in parts:
            header = read_header(member.data)
            if header and header.kind is LibraryKind.IMPORT:
                # After the header of 20 bytes come the name of the symbol and that of its DLL, each ended by a zero.
                dll = member.data[20:].partition(b"\0")[2].partition(b"\0")[0]
                return PureWindowsPath(dll.decode("utf-8", "replace")).name
    return ""


def content_digest(path: Path) -> bytes:
    """The SHA-256 of a library file's content; of a thin archive, that of its members' content too."""
    with content(path) as data:
        digest = hashlib.sha256(data)
        if is_thin(data):
            for member in members(data, path):
                digest.update(member.data)
    return digest.digest()


@contextlib.contextmanager
def content(path: Path) -> Iterator[bytes | mmap.mmap]:
    """The content of a file, mapped rather than read; :class:`PackageError` where it cannot be."""
    try:
        # A pipe or a device would be waited for, or have no end.
        if path.exists() and not path.is_file() and not path.is_dir():
            raise PackageError("this is no regular file", where=str(path))
        with path.open("rb") as file:
            if file.seek(0, io.SEEK_END) == 0:
                yield b""
            else:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    yield data
    except FileNotFoundError:
        raise PackageError("there is no such library file", where=str(path)) from None
    except IsADirectoryError:
        raise PackageError("this is a folder, not a library", where=str(path)) from None
    except OSError as error:
        raise PackageError(f"cannot be read: {error.strerror or error}", where=str(path)) from None


def _is_text(data: bytes | mmap.mmap) -> bool:
    return not any(byte < 7 or 13 < byte < 27 or byte == 127 for byte in data[:1024])


# ---------------------------------------------------------------------------------------------------- headers


def read_header(data: bytes | mmap.mmap) -> BinaryHeader | None:
    """What a file or an archive's member is by its header; None where it is no compiled code.

    The formats are those of the System V ABI (ELF), of Apple's ``mach-o/loader.h`` and ``mach-o/fat.h``, of
    Microsoft's PE/COFF specification, and of LLVM's bitcode.
    """
    try:
        return _elf(data) or _mach(data) or _universal(data) or _pe(data) or _coff(data) or _bitcode(data)
    except struct.error:  # it ends before its header does
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
    return BinaryHeader(kind, "ELF", _told(architecture)) if kind else None


def _mach(data: bytes | mmap.mmap) -> BinaryHeader | None:
    little = data[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe")
    if not little and data[:4] not in (b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce"):
        return None
    processor, _, number = struct.unpack_from("<III" if little else ">III", data, 4)
    # A bundle, 8, is opened as a dynamic library is.
    kind = {1: LibraryKind.OBJECT, 2: LibraryKind.EXECUTABLE, 6: LibraryKind.DYNAMIC, 8: LibraryKind.DYNAMIC}.get(
        number
    )
    return BinaryHeader(kind, "Mach-O", _told(_MACH_PROCESSORS.get(processor, ""))) if kind else None


class Slice(msgspec.Struct, frozen=True):
    """One processor's part of a universal file of macOS."""

    architecture: str
    data: bytes


def slices(data: bytes | mmap.mmap) -> list[Slice]:
    """The slices of a universal file; none where the file is not universal."""
    if data[:4] not in (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"):
        return []
    (count,) = struct.unpack_from(">I", data, 4)
    # Java's class files begin with the same four bytes; what follows there is a version, 45 or more.
    if count >= 45:
        return []
    layout = struct.Struct(">IIIII" if data[3] == 0xBE else ">IIQQII")
    found = []
    for index in range(count):
        processor, _, offset, size, *_ = layout.unpack_from(data, 8 + index * layout.size)
        found.append(Slice(_MACH_PROCESSORS.get(processor, ""), data[offset : offset + size]))
    return found


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
    (machine,) = struct.unpack_from("<H", data, start + 4)
    (characteristics,) = struct.unpack_from("<H", data, start + 22)
    kind = LibraryKind.DYNAMIC if characteristics & 0x2000 else LibraryKind.EXECUTABLE
    return BinaryHeader(kind, "PE", _told(_PE_MACHINES.get(machine, "")))


def _coff(data: bytes | mmap.mmap) -> BinaryHeader | None:
    machine, sections = struct.unpack_from("<HH", data)
    if (machine, sections) == (0, 0xFFFF):
        # An entry of an import library, version 0, or an object with very many sections.
        version, machine = struct.unpack_from("<HH", data, 4)
        kind = LibraryKind.OBJECT if version else LibraryKind.IMPORT
        return BinaryHeader(kind, "PE", _told(_PE_MACHINES[machine])) if machine in _PE_MACHINES else None
    table, entries, optional = struct.unpack_from("<IIH", data, 8)
    # The machine is the only magic number, so the rest must make sense as well.
    sensible = optional == 0 and table + 18 * entries <= len(data) and 20 + 40 * sections <= len(data)
    return (
        BinaryHeader(LibraryKind.OBJECT, "PE", _told(_PE_MACHINES[machine]))
        if machine in _PE_MACHINES and sensible
        else None
    )


def _bitcode(data: bytes | mmap.mmap) -> BinaryHeader | None:
    return BinaryHeader(LibraryKind.OBJECT) if data[:4] in (b"BC\xc0\xde", b"\xde\xc0\x17\x0b") else None


def _told(architecture: str) -> frozenset[str]:
    return frozenset((architecture,) if architecture else ())
