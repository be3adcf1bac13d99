"""Unpacking untrusted .zip files: only plain files and folders, inside the target folder, and of limited size.

All entries are checked before the first byte is written, and permissions in the archive are ignored.
"""

from __future__ import annotations

import contextlib
import logging
import os
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
from hatframe.packages.store import KEY, Bucket, entry_name

# A package has a handful of files, or one .hat for each of a few thousand functions; a bomb has millions.
MOST_ENTRIES: Final = 10_000

# The largest libraries, with code for many GPUs, have about a gigabyte.
MOST_BYTES: Final = 2 << 30

# Unpacking MOST_BYTES takes a minute on a slow disk, and other processes wait for it.
_LONGEST_WAIT = 300.0

PACKAGES = Bucket(name="packages", summary="contents of .zip files", pattern=KEY)
_log = logging.getLogger(__name__)

# What zipfile raises for invalid or damaged files.
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, IndexError, OverflowError, RuntimeError, ValueError)

_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(10)))
)


def unpacked(path: Path) -> Path:
    """The folder in the user's cache with the unpacked content of a .zip file, which is unpacked again if it differs.

    Raises :class:`FormatError` if it is not a .zip file or is damaged, :class:`OutsideError` for a name that leads
    outside the folder, :class:`PackageError` for other unsafe content, and :class:`HatError` if writing fails.
    """
    if not path.is_file():
        raise FormatError("this file does not exist", where=str(path), hint="check the path")
    with _checked(path) as archive:
        try:
            folder = PACKAGES.folder / entry_name(PACKAGES.folder, [bytes.fromhex(files.sha256_of(path))])
            with files.locked(folder, timeout=_LONGEST_WAIT):
                if not _is_in(folder, archive):
                    if folder.exists():
                        _log.warning("%s is damaged or another user's: %s is unpacked again", folder, path)
                    files.remove_tree(folder)
                    with files.atomic_directory(folder) as temporary:
                        archive.extractall(temporary)
        except OSError as error:
            raise HatError(
                f"cannot write the cache: {error.strerror or error}",
                where=str(PACKAGES.folder),
                hint="set HATFRAME_CACHE_DIR to a writable folder",
            ) from None
    return folder


def check_size(entries: int, size: int, where: str, hint: str) -> None:
    """Raise :class:`PackageError` for more files or bytes than hatframe unpacks."""
    if entries > MOST_ENTRIES:
        raise PackageError(f"it has {entries} files, more than {MOST_ENTRIES}", where=where, hint=hint)
    if size > MOST_BYTES:
        raise PackageError(f"it has {size} bytes unpacked, more than {MOST_BYTES}", where=where, hint=hint)


def check_names(names: Iterable[str], where: str, hint: str = "rename it") -> None:
    """Raise :class:`OutsideError` or :class:`PackageError` for a name that some system cannot unpack safely."""
    spelled: dict[str, str] = {}
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise PackageError(f"{name!r} occurs twice", where=where, hint=hint)
        seen.add(name)
        parts = name.removesuffix("/").split("/")
        if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
            raise PackageError(f"the name {name!r} has control characters", where=where, hint=hint)
        if "\\" in name:
            raise PackageError(f"{name!r} has a backslash, a separator on some systems", where=where, hint=hint)
        if name.startswith("/") or ".." in parts or PureWindowsPath(name).drive:
            raise OutsideError(
                f"{name!r} would be written outside the folder",
                where=where,
                hint="do not trust this file: it may be malicious",
            )
        if "" in parts or "." in parts:
            raise PackageError(f"{name!r} is not a normal path", where=where, hint=hint)
        for part in parts:
            if ":" in part or part.endswith((".", " ")) or part.partition(".")[0].rstrip().lower() in _DEVICES:
                raise PackageError(f"{name!r} means something else on Windows", where=where, hint=hint)
        for path in (*("/".join(parts[:length]) + "/" for length in range(1, len(parts))), name):
            # The same text for names that a file system may treat as equal.
            folded = unicodedata.normalize("NFD", path.rstrip("/")).casefold()
            former = spelled.setdefault(unicodedata.normalize("NFC", folded), path)
            if former != path:
                raise PackageError(f"{former!r} and {path!r} are the same name on some systems", where=where, hint=hint)


@contextlib.contextmanager
def _checked(path: Path) -> Iterator[zipfile.ZipFile]:
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            check_size(len(entries), sum(entry.file_size for entry in entries), where, "unpack it yourself")
            # Not ``filename``, which ends at a NUL.
            check_names((entry.orig_filename for entry in entries), where, "if you trust it, unpack it yourself")
            for entry in entries:
                if stat.S_ISLNK(entry.external_attr >> 16):
                    message, hint = "is a symbolic link", "pack the file that it leads to"
                elif entry.flag_bits & 1:
                    message, hint = "is encrypted", "unpack it yourself, with its password"
                elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    # Other methods are rare, and Python unpacks them without a limit.
                    message, hint = f"is compressed by method {entry.compress_type}", "use deflate"
                else:
                    continue
                raise PackageError(f"{entry.orig_filename!r} {message}", where=where, hint=hint)
            yield archive
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror or error}", where=where) from None
    except _DAMAGE as error:
        what = "it is damaged" if zipfile.is_zipfile(path) else "this is not a .zip file"
        raise FormatError(f"{what}: {error}", where=where, hint="download or pack it again") from None


def _is_in(folder: Path, archive: zipfile.ZipFile) -> bool:
    wanted = {folder / entry.filename: entry.CRC for entry in archive.infolist() if not entry.is_dir()}
    found = {path for path in folder.rglob("*") if not path.is_dir()}
    return folder.is_dir() and found == wanted.keys() and all(_crc(path) == wanted[path] for path in found)


def _crc(path: Path) -> int:
    """The checksum of a file; -1 for one of another user."""
    checksum = 0
    with path.open("rb") as file:
        if not files.is_own(os.fstat(file.fileno())):
            return -1
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum
