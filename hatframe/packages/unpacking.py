"""Unpacking a .zip file that may come from anyone: only plain files and folders, only inside, and only so much.

All entries are checked before the first byte is written. Permissions are not taken from the archive, and nothing that
was unpacked is run here.
"""

from __future__ import annotations

import contextlib
import hashlib
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PureWindowsPath
from typing import Final

from hatframe import files
from hatframe.errors import FormatError, HatError, OutsideError, PackageError
from hatframe.packages.store import Bucket

# A package has a handful of files, or one .hat for each of some thousand functions; a bomb has millions.
MOST_ENTRIES: Final = 10_000

# The largest libraries, with code for many graphics processors, are of about a gigabyte.
MOST_BYTES: Final = 2 << 30

# Unpacking the most takes a minute on a slow disk; who waits for it waits longer.
_LONGEST_WAIT = 300.0

PACKAGES = Bucket(name="packages", summary="contents of .zip files", pattern="[0-9a-f]{64}")

# What zipfile raises for a file that is none, or is damaged.
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, IndexError, OverflowError, RuntimeError, ValueError)

_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(10)))
)


def unpacked(path: Path) -> Path:
    """The folder in the user's cache that a .zip file was unpacked to, now or before.

    It is the same for the same content, and is unpacked anew where it is not what the file holds. Two processes that
    need it at once unpack it once.

    Raises :class:`FormatError` where it is no .zip file or is damaged, :class:`OutsideError` for a name that leads out
    of the folder, :class:`PackageError` for all else that is refused, and :class:`HatError` where it cannot be written.
    """
    if not path.is_file():
        raise FormatError("there is no such file", where=str(path), hint="check the path")
    with _checked(path) as archive:
        folder = PACKAGES.folder / _digest(path)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with files.locked(folder, timeout=_LONGEST_WAIT):
                if not _is_in(folder, archive):
                    files.remove_tree(folder)
                    with files.atomic_directory(folder) as temporary:
                        archive.extractall(temporary)
        except OSError as error:
            raise HatError(
                f"the cache cannot be written: {error.strerror or error}",
                where=str(folder.parent),
                hint="set HATFRAME_CACHE_DIR to a folder that can be written",
            ) from None
    return folder


def check_size(entries: int, size: int, where: str, hint: str) -> None:
    """Raise :class:`PackageError` for more files or bytes than are unpacked."""
    if entries > MOST_ENTRIES:
        raise PackageError(f"it holds {entries} files, and {MOST_ENTRIES} at most are taken", where=where, hint=hint)
    if size > MOST_BYTES:
        raise PackageError(f"it holds {size} bytes, and {MOST_BYTES} at most are taken", where=where, hint=hint)


def check_names(names: Iterable[str], where: str, hint: str = "rename it") -> None:
    """Raise unless all names, of files and (with a slash at the end) folders, can be unpacked on any system.

    Raises :class:`OutsideError` for a name that leads out of the folder, and :class:`PackageError` for one that is of
    no use elsewhere, or is another's but for case or the way in which Unicode writes it.
    """
    spelled: dict[str, str] = {}
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise PackageError(f"{name!r} is there twice", where=where, hint=hint)
        seen.add(name)
        parts = name.removesuffix("/").split("/")
        if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
            raise PackageError(f"the name {name!r} has control characters", where=where, hint=hint)
        if "\\" in name:
            raise PackageError(f"{name!r} has a backslash, which parts folders on some systems", where=where, hint=hint)
        if name.startswith("/") or ".." in parts or PureWindowsPath(name).drive:
            raise OutsideError(
                f"{name!r} would be written outside the folder",
                where=where,
                hint="do not trust this file: whoever made it may have meant harm",
            )
        if "" in parts or "." in parts:
            raise PackageError(f"{name!r} is no plain path", where=where, hint=hint)
        for part in parts:
            if ":" in part or part.endswith((".", " ")) or part.partition(".")[0].rstrip().lower() in _DEVICES:
                raise PackageError(f"{name!r} means something else on Windows", where=where, hint=hint)
        for path in (*("/".join(parts[:length]) + "/" for length in range(1, len(parts))), name):
            # The same for names that a file system may take for one.
            folded = unicodedata.normalize("NFD", path.rstrip("/")).casefold()
            former = spelled.setdefault(unicodedata.normalize("NFC", folded), path)
            if former != path:
                raise PackageError(f"{former!r} and {path!r} are one name on some systems", where=where, hint=hint)


@contextlib.contextmanager
def _checked(path: Path) -> Iterator[zipfile.ZipFile]:
    """An open .zip file, whose entries are all good."""
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            check_size(len(entries), sum(entry.file_size for entry in entries), where, "unpack it yourself")
            # Not as ``filename``, which ends at a NUL and may be another.
            check_names((entry.orig_filename for entry in entries), where, "if you trust it, unpack it yourself")
            for entry in entries:
                if stat.S_ISLNK(entry.external_attr >> 16):
                    message, hint = "is a symbolic link", "pack what it leads to"
                elif entry.flag_bits & 1:
                    message, hint = "is encrypted", "unpack it yourself, with its password"
                elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    # The others are rare, and Python unpacks them without a bound.
                    message, hint = f"is compressed by method {entry.compress_type}", "use deflate"
                else:
                    continue
                raise PackageError(f"{entry.orig_filename!r} {message}", where=where, hint=hint)
            yield archive
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror or error}", where=where) from None
    except _DAMAGE as error:
        what = "it is damaged" if zipfile.is_zipfile(path) else "this is no .zip file"
        raise FormatError(f"{what}: {error}", where=where, hint="get it again") from None


def _is_in(folder: Path, archive: zipfile.ZipFile) -> bool:
    """Whether the folder holds the files of the archive, and no others."""
    wanted = {folder / entry.filename: entry.CRC for entry in archive.infolist() if not entry.is_dir()}
    found = {path for path in folder.rglob("*") if not path.is_dir()}
    return folder.is_dir() and found == wanted.keys() and all(_crc(path) == wanted[path] for path in found)


def _crc(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
