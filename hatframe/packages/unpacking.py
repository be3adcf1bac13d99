"""Unpacking a .zip file that may come from anyone: only plain files and folders, only inside, and only so much.

All entries are checked before the first byte is written, and the bytes are counted while they are. Permissions are
not taken from the archive, and nothing that was unpacked is run here.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
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

# Machine code packs to a half or a quarter, and metadata to a thirtieth; a bomb to a thousandth and less.
MOST_RATIO: Final = 100

# So little does no harm, however well it packs: small packages may be mostly zeros.
FREE_BYTES: Final = 16 << 20

# What the file systems of today take for one name; the path is bounded since it goes below that of the cache.
LONGEST_NAME: Final = 255
LONGEST_PATH: Final = 1024
DEEPEST: Final = 16

# The list of so many entries fits well; one that does not is refused before it is read into memory.
_LARGEST_READ = 4 << 20

_BLOCK = 1 << 20

# Unpacking the most takes a minute on a slow disk; who waits for it waits longer.
_LONGEST_WAIT = 300.0

PACKAGES = Bucket(name="packages", summary="contents of .zip files", pattern="[0-9a-f]{64}")

_ENCRYPTED = 0x1 | 0x40 | 0x2000
_LOCAL_HEADER = 30

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What Python's ``zipfile`` raises for an archive that is none, or is damaged."""

_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(10)))
)


def unpack(path: Path, folder: Path) -> None:
    """Unpack a .zip file into ``folder``, which must not be there, or be empty: all of it appears, or nothing.

    Raises :class:`FormatError` where it is no .zip file or is damaged, :class:`OutsideError` for a name that leads out
    of the folder, :class:`PackageError` for all else that is refused, and :class:`HatError` where it cannot be written.
    """
    with _Archive(path) as archive:
        archive.extract(folder)


def unpacked(path: Path) -> Path:
    """The folder in the user's cache that a .zip file was unpacked to, now or before.

    It is the same for the same content, and is unpacked anew where it is not what the file holds. Two processes that
    need it at once unpack it once. Raises as :func:`unpack`.
    """
    with _Archive(path) as archive:
        folder = PACKAGES.folder / archive.digest()
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with files.locked(folder, timeout=_LONGEST_WAIT):
                if not archive.is_in(folder):
                    files.remove_tree(folder)
                    archive.extract(folder)
        except OSError as error:
            raise HatError(
                f"the cache cannot be written: {error.strerror or error}",
                where=str(folder.parent),
                hint="set HATFRAME_CACHE_DIR to a folder that can be written",
            ) from None
    return folder


def check_archive(path: Path) -> None:
    """Raise as :func:`unpack` does for what shows without unpacking it."""
    with _Archive(path):
        pass


def check_names(names: Iterable[str], where: str) -> None:
    """Raise unless all names, of files and (with a slash at the end) folders, can be unpacked on any system.

    Raises :class:`OutsideError` for a name that leads out of the folder, and :class:`PackageError` for one that is of
    no use elsewhere, is there twice, or is another's but for case or the way in which Unicode writes it.
    """
    spelled: dict[str, str] = {}
    listed: set[str] = set()
    plain: set[str] = set()
    folders: set[str] = set()
    for name in names:
        _check_name(name, where)
        if name in listed:
            raise _refused(f"{name!r} is there twice", where)
        listed.add(name)
        parts = name.removesuffix("/").split("/")
        paths = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        for path in paths:
            former = spelled.setdefault(_folded(path), path)
            if former != path:
                raise _refused(f"{former!r} and {path!r} are one name on some systems", where, "rename one of them")
        folders.update(paths if name.endswith("/") else paths[:-1])
        if not name.endswith("/"):
            plain.add(name)
        if clash := next((path for path in paths if path in plain and path in folders), ""):
            raise _refused(f"{clash!r} is both a file and a folder", where)


def _folded(name: str) -> str:
    """The same for names that a file system may take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _check_name(name: str, where: str) -> None:
    parts = name.removesuffix("/").split("/")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise _refused(f"the name {name!r} has control characters", where)
    if "\\" in name:
        raise _refused(f"the name {name!r} has a backslash, which parts folders on some systems", where)
    if name.startswith("/") or ".." in parts or PureWindowsPath(name).drive:
        raise OutsideError(
            f"{name!r} would be written outside the folder",
            where=where,
            hint="do not trust this file: whoever made it may have meant harm",
        )
    for part in parts:
        if part in ("", "."):
            raise _refused(f"{name!r} is no plain path", where)
        if ":" in part or part.endswith((".", " ")) or part.partition(".")[0].rstrip().lower() in _DEVICES:
            raise _refused(f"{name!r} means something else on Windows", where, "rename it")
        if len(part.encode()) > LONGEST_NAME:
            raise _refused(f"the name {part[:40]!r}... is longer than {LONGEST_NAME} bytes", where, "rename it")
    if len(parts) > DEEPEST or len(name.encode()) > LONGEST_PATH:
        raise _refused(
            f"{name[:40]!r}... lies deeper than {DEEPEST} folders, or is longer than {LONGEST_PATH} bytes", where
        )


def _refused(message: str, where: str, hint: str = "if you trust it, unpack it yourself") -> PackageError:
    return PackageError(message, where=where, hint=hint)


class _Guarded(io.BufferedReader):
    """An open .zip file of which no one takes much at once: ``zipfile`` would read any list of entries whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return super().read(_LARGEST_READ)
        if size > _LARGEST_READ:
            raise _refused(f"it says that it holds more than {MOST_ENTRIES} files", str(self.name))
        return super().read(size)


class _Archive:
    """An open .zip file, whose entries were all found good."""

    def __init__(self, path: Path) -> None:
        self._where = str(path)
        if path.is_dir():
            raise FormatError("this is a folder", where=self._where)
        if not path.exists():
            raise FormatError("there is no such file", where=self._where, hint="check the path")
        if not path.is_file():
            raise FormatError("this is no file", where=self._where)
        with contextlib.ExitStack() as stack, self._damage_told():
            self._file = stack.enter_context(_Guarded(io.FileIO(path)))
            self._zip = stack.enter_context(zipfile.ZipFile(self._file))
            self._entries = self._zip.infolist()
            self._check()
            self._open = stack.pop_all()

    def __enter__(self) -> _Archive:
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    @contextlib.contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FormatError(f"cannot be read: {error.strerror or error}", where=self._where) from None
        except _DAMAGE as error:
            what = "it is damaged" if zipfile.is_zipfile(self._where) else "this is no .zip file"
            raise FormatError(f"{what}: {error}", where=self._where, hint="get it again") from None

    # ------------------------------------------------------------------------------------------------- checking

    def _check(self) -> None:
        if len(self._entries) > MOST_ENTRIES:
            raise _refused(f"it holds {len(self._entries)} files, and {MOST_ENTRIES} at most are taken", self._where)
        for entry in self._entries:
            self._check_kind(entry)
        # Not as ``filename``, which ends at a NUL and may be another.
        check_names((entry.orig_filename for entry in self._entries), self._where)
        self._check_sizes()

    def _check_kind(self, entry: zipfile.ZipInfo) -> None:
        name = entry.orig_filename
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind == stat.S_IFLNK:
            raise _refused(f"{name!r} is a symbolic link", self._where, "pack what it leads to")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(f"{name!r} is neither a file nor a folder", self._where)
        is_folder = name.endswith("/")
        if kind == (stat.S_IFREG if is_folder else stat.S_IFDIR) or (is_folder and entry.file_size):
            raise _refused(f"{name!r} is a file and a folder at once", self._where)
        if entry.flag_bits & _ENCRYPTED:
            raise _refused(f"{name!r} is encrypted", self._where, "unpack it yourself, with its password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # The others are rare, and Python unpacks them without a bound.
            raise _refused(f"{name!r} is compressed by method {entry.compress_type}, not by deflate", self._where)

    def _check_sizes(self) -> None:
        total = sum(entry.file_size for entry in self._entries)
        if total > MOST_BYTES:
            raise _refused(f"it holds {total} bytes, and {MOST_BYTES} at most are taken", self._where)
        packed = self._file.seek(0, io.SEEK_END)
        if total > max(FREE_BYTES, MOST_RATIO * packed):
            raise _refused(f"it is a bomb, or much like one: {packed} bytes hold {total}", self._where)
        # Bombs share the bytes of one entry among many.
        ends = 0
        for entry in sorted(self._entries, key=lambda entry: entry.header_offset):
            if entry.header_offset < ends:
                raise _refused(f"{entry.orig_filename!r} lies within another entry", self._where)
            ends = entry.header_offset + _LOCAL_HEADER + len(entry.orig_filename) + entry.compress_size
        if ends > self._zip.start_dir:
            raise _refused("an entry reaches into the list of entries", self._where)

    # ----------------------------------------------------------------------------------------------- unpacking

    def digest(self) -> str:
        """The SHA-256 of the file."""
        digest = hashlib.sha256()
        with self._damage_told():
            self._file.seek(0)
            while block := self._file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def is_in(self, folder: Path) -> bool:
        """Whether the folder holds the files of the archive, and no others."""
        wanted = {folder / entry.orig_filename: entry for entry in self._entries if not _is_folder(entry)}
        try:
            found = {path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
            return (
                folder.is_dir()
                and found == wanted.keys()
                and not any(path.is_symlink() for path in found)
                and all(_checksum(path) == (entry.file_size, entry.CRC) for path, entry in wanted.items())
            )
        except OSError:
            return False

    def extract(self, folder: Path) -> None:
        """Write all into the folder, which must be new or empty."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise PackageError("it is not empty", where=str(folder), hint="name a new folder to unpack to")
        try:
            with files.atomic_directory(folder) as temporary:
                for entry in self._entries:
                    path = temporary / entry.orig_filename
                    if _is_folder(entry):
                        path.mkdir(parents=True, exist_ok=True)
                    else:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        self._write(entry, path)
        except OSError as error:
            raise HatError(
                f"cannot be unpacked to {folder}: {error.strerror or error}",
                where=self._where,
            ) from None

    def _write(self, entry: zipfile.ZipInfo, path: Path) -> None:
        left = entry.file_size
        with path.open("xb") as file:
            for block in self._blocks(entry):
                left -= len(block)
                if left < 0:
                    break
                file.write(block)
        if left:
            raise FormatError(f"{entry.orig_filename!r} is not of the size that it says", where=self._where)

    def _blocks(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        with self._damage_told(), self._zip.open(entry) as source:
            while block := source.read(_BLOCK):
                yield block


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.orig_filename.endswith("/")


def _checksum(path: Path) -> tuple[int, int]:
    size = checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            size += len(block)
            checksum = zlib.crc32(block, checksum)
    return size, checksum
