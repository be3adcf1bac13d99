"""Taking apart archives (``ar``), the files of static libraries.

The format is a sequence of members, each after a header of 60 bytes of text. What differs is how long names
are kept: GNU in a member ``//``, BSD and macOS before the content (``#1/LENGTH``), Microsoft as GNU, but
ended by a zero. A thin archive of GNU keeps only names, and its members lie in files beside it.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hatframe.errors import PackageError
from hatframe.packages.confinement import confined

_MAGIC = b"!<arch>\n"
_THIN_MAGIC = b"!<thin>\n"
# Symbol tables, the table of long names, and Microsoft's tables for processors that emulate others.
_SPECIAL = frozenset((b"/", b"//", b"/SYM64/", b"/<ECSYMBOLS>/", b"/<HYBRIDMAP>/", b"/<XFGHASHMAP>/"))
_BSD_TABLES = frozenset(
    (b"__.SYMDEF", b"__.SYMDEF SORTED", b"__.SYMDEF_64", b"__.SYMDEF_64 SORTED", b"__.SYMDEF_64_SORTED")
)


class Member(msgspec.Struct, frozen=True):
    """A member of an archive: its name, and its content."""

    name: str
    data: bytes


def is_archive(data: bytes | mmap.mmap) -> bool:
    """Whether the content of a file is that of an archive."""
    return data[:8] in (_MAGIC, _THIN_MAGIC)


def is_thin(data: bytes | mmap.mmap) -> bool:
    """Whether it is a thin archive, whose members lie in files beside it."""
    return data[:8] == _THIN_MAGIC


def members(data: bytes | mmap.mmap, path: Path) -> Iterator[Member]:
    """The members of an archive in their order, without tables; ``path`` is the file that ``data`` is of.

    Raises :class:`PackageError` where it is damaged, or a member of a thin archive is not there.
    """
    thin = is_thin(data)
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
            raise PackageError(
                f"this archive ends within its member at byte {position}",
                where=str(path),
                hint="build it again",
            )
        # Members begin at even places.
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
        if name in _BSD_TABLES:
            continue
        text = name.removesuffix(b"/").decode("utf-8", "surrogateescape")
        yield Member(text, data[start : start + size] if stored else _thin_member(path, text))


def _thin_member(path: Path, name: str) -> bytes:
    where = str(path)
    hint = "put the object files where they were when it was made, or make it without the option T"
    member = confined(path.parent, name, where)
    if not member.is_file():
        raise PackageError(f"the member {name} of this thin archive is not there", where=where, hint=hint)
    try:
        return member.read_bytes()
    except OSError as error:
        message = f"the member {name} of this thin archive cannot be read: {error.strerror or error}"
        raise PackageError(message, where=where, hint=hint) from None
