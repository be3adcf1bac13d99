"""Reading archives (``ar``), the files of static libraries.

Each member follows a header of 60 bytes of text. Long names differ: GNU has them in a member ``//``, BSD and macOS
before the content (``#1/LENGTH``), and Microsoft as GNU, but ended by a zero. The members of GNU's thin archives are
files beside the archive.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hatframe import files
from hatframe.errors import PackageError
from hatframe.packages.confinement import confined

MOST_THIN_BYTES = 1 << 30
"""The most bytes of all members of a thin archive, which may name one large file many times."""

_MAGIC = b"!<arch>\n"
_THIN_MAGIC = b"!<thin>\n"
# Symbol tables, the table of long names, and Microsoft's tables for emulating processors.
_SPECIAL = frozenset((b"/", b"//", b"/SYM64/", b"/<ECSYMBOLS>/", b"/<HYBRIDMAP>/", b"/<XFGHASHMAP>/"))
_BSD_TABLES = re.compile(rb"__\.SYMDEF(_64)?([ _]SORTED)?")


class Member(msgspec.Struct, frozen=True):
    name: str
    data: bytes


def is_archive(data: bytes | mmap.mmap) -> bool:
    return data[:8] in (_MAGIC, _THIN_MAGIC)


def is_thin(data: bytes | mmap.mmap) -> bool:
    return data[:8] == _THIN_MAGIC


def members(data: bytes | mmap.mmap, path: Path) -> Iterator[Member]:
    """The members of the archive ``path`` with the content ``data``, in order and without tables."""
    thin = is_thin(data)
    left = MOST_THIN_BYTES
    long_names = b""
    position = len(_MAGIC)
    while position + 1 < len(data):
        header = data[position : position + 60]
        size_field = header[48:58].strip()
        if len(header) < 60 or header[58:] != b"`\n" or not size_field.isdigit():
            raise PackageError(f"this archive is damaged at byte {position}", where=str(path), hint="build it again")
        name, size, start = header[:16].rstrip(), int(size_field), position + 60
        stored = name in _SPECIAL or not thin
        if stored and start + size > len(data):
            raise PackageError(f"this archive is truncated at byte {position}", where=str(path), hint="build it again")
        # Members begin at even offsets.
        position = start + (size + size % 2 if stored else 0)
        if name == b"//":
            long_names = data[start : start + size]
        if name in _SPECIAL:
            continue
        if name.startswith(b"#1/") and name[3:].isdigit():
            length = int(name[3:])
            name, start, size = data[start : start + length].rstrip(b"\0"), start + length, size - length
        elif name.startswith(b"/") and name[1:].isdigit():
            name = long_names[int(name[1:]) :].split(b"\n", 1)[0].split(b"\0", 1)[0]
        if _BSD_TABLES.fullmatch(name):
            continue
        text = name.removesuffix(b"/").decode("utf-8", "surrogateescape")
        content = data[start : start + size] if stored else _thin_member(path, text, left)
        left -= 0 if stored else len(content)
        yield Member(text, content)


def thin_members(path: Path) -> list[str]:
    """The names of the files beside the thin archive ``path`` that are its members; empty for any other file."""
    with path.open("rb") as file:
        if not is_thin(file.read(len(_THIN_MAGIC))):
            return []
    return [member.name for member in members(files.read_file(path), path)]


def _thin_member(path: Path, name: str, most: int) -> bytes:
    where = str(path)
    hint = "restore the object files, or make the archive without the option T"
    member = confined(path.parent, name, where)
    if not member.is_file():
        raise PackageError(f"the member {name} of this thin archive is missing", where=where, hint=hint)
    try:
        return files.read_file(member, most)
    except OSError as error:
        message = f"cannot read the member {name} of this thin archive: {error.strerror or error}"
        raise PackageError(message, where=where, hint=hint) from None
