"""What hatframe keeps for the user, in buckets that the modules which write there declare; listing and clearing it.

Writers hold the lock of an entry (:func:`hatframe.files.locked`), which keeps it from being cleared. Only entries whose
names fit their bucket count, and no link is followed: other files in a folder that the user chose are never touched.

Folders are the user's alone, and names of entries depend on random bytes in them, so that others cannot foresee them.
What other processes may have damaged is checked when it is opened.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from hatframe import files
from hatframe.errors import HatError, UsageError

KEY = "[0-9a-f]{32}"
"""A pattern for names that :func:`entry_name` makes."""

# The file with a bucket's random bytes, and the one with the digest of an entry's content.
_SECRET, _SEAL = ".secret", "seal"

# A temporary file of this age is left from a crash: no write takes that long.
_ABANDONED = 3600.0
_PARTIAL = re.compile(r"\.[0-9a-f]{32,64}(\.\w+)?\.[^.]+\.tmp")

_buckets: dict[str, Bucket] = {}
_log = logging.getLogger(__name__)


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A folder of the cache or state folder for entries of one kind; creating it registers it for ``hatframe cache``.

    ``pattern`` fits the names of its entries. Entries that hatframe does not make again (``rebuilt``) are kept in the
    state folder, and cleared by name only. An entry that changed within ``idle`` seconds is in use; for writers that
    know no locks.
    """

    name: str
    summary: str
    pattern: str
    rebuilt: bool = True
    idle: float = 0.0

    def __post_init__(self) -> None:
        _buckets[self.name] = self

    @property
    def folder(self) -> Path:
        return (files.cache_folder() if self.rebuilt else files.state_folder()) / self.name


COMPILERS = Bucket(name="compilers", summary="caches that compilers keep", pattern=r"\w[\w.-]*", idle=60.0)


def entry_name(folder: Path, parts: Iterable[bytes]) -> str:
    """The name of the entry for these parts in a bucket's folder, which is made if it is missing.

    Raises :class:`HatError` if other users can change the folder, and :class:`OSError` if it cannot be made.
    """
    import hashlib

    digest = hashlib.blake2b(key=_secret(folder), digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _secret(folder: Path) -> bytes:
    import secrets

    files.make_private(folder)
    path = folder / _SECRET
    with files.locked(path) if not read_own(path) else contextlib.nullcontext():
        if not (secret := read_own(path)):
            secret = secrets.token_bytes(32)
            files.write_atomically(path, secret)
    return secret[:64]


def read_own(path: Path) -> bytes:
    """The content of a file; empty where it is missing or another user's."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        if files.is_own(os.fstat(file.fileno())):
            return file.read()
    return b""


def cached_file(
    folder: Path, parts: Iterable[bytes], name: str, make: Callable[[], bytes], *, timeout: float = 60.0
) -> Path:
    """The file ``name`` in the entry for these parts, with the content from ``make``, which runs once.

    A file that is damaged, or another user's, is made again, with a warning. Other processes wait for at most
    ``timeout`` seconds for one that makes it. Raises as :func:`entry_name`.
    """
    path = folder / entry_name(folder, parts) / name
    if not _is_intact(path):
        files.make_private(path.parent)
        with files.locked(path, timeout=timeout):
            if not _is_intact(path):
                if path.exists():
                    _log.warning("%s is damaged or another user's: it is made again", path)
                try:
                    content = make()
                except BaseException:
                    with contextlib.suppress(OSError):
                        path.parent.rmdir()
                    raise
                files.write_together({path: content, path.with_name(_SEAL): _seal(path.parent, [content])})
    return path


def is_cached(folder: Path, parts: Iterable[bytes], name: str) -> bool:
    """Whether :func:`cached_file` has that file already."""
    try:
        return folder.is_dir() and _is_intact(folder / entry_name(folder, parts) / name)
    except (HatError, OSError):
        return False


def _is_intact(path: Path) -> bool:
    import hmac

    sealed = read_own(path.with_name(_SEAL))
    try:
        with path.open("rb") as file:
            blocks = iter(lambda: file.read(1 << 20), b"")
            return files.is_own(os.fstat(file.fileno())) and hmac.compare_digest(sealed, _seal(path.parent, blocks))
    except OSError:
        return False


def _seal(entry: Path, content: Iterable[bytes]) -> bytes:
    import hashlib

    digest = hashlib.blake2b(key=_secret(entry.parent))
    for block in content:
        digest.update(block)
    return digest.hexdigest().encode()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder in a bucket, with its size in bytes, and the seconds since it was used (where known) or made."""

    kind: str
    path: Path
    size: int
    age: float


class Left(msgspec.Struct, frozen=True):
    kept: Entry
    reason: str


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """The entries that were removed, and those that had to stay."""

    removed: tuple[Entry, ...] = ()
    left: tuple[Left, ...] = ()


def buckets(names: Collection[str] = ()) -> list[Bucket]:
    """The registered buckets of these names, or all; raises :class:`UsageError` for an unknown name."""
    for name in names:
        if name not in _buckets:
            raise UsageError(f"unknown kind {name!r}", hint=f"choose from {', '.join(sorted(_buckets))}")
    chosen = [bucket for bucket in _buckets.values() if bucket.name in names or not names]
    return sorted(chosen, key=lambda bucket: (not bucket.rebuilt, bucket.name))


def kept(names: Collection[str] = ()) -> list[Entry]:
    """The entries of these buckets, or of all; raises :class:`UsageError` for an unknown name."""
    return [entry for bucket in buckets(names) for entry in _entries(bucket)]


def clear(names: Collection[str] = (), older_than: float = 0.0) -> Cleared:
    """Remove the unused entries of these buckets, or all that hatframe can rebuild, of at least this age in seconds."""
    removed: list[Entry] = []
    left: list[Left] = []
    chosen = [bucket for bucket in buckets(names) if names or bucket.rebuilt]
    for bucket, entry in ((each, entry) for each in chosen for entry in _entries(each)):
        if entry.age < older_than:
            continue
        try:
            reason = _remove(bucket, entry)
        except OSError as error:
            reason = f"it cannot be removed: {error.strerror or error}"
        except HatError as error:
            reason = error.message
        if reason:
            left.append(Left(entry, reason))
        else:
            removed.append(entry)
    return Cleared(removed=tuple(removed), left=tuple(left))


def _entries(bucket: Bucket) -> Iterator[Entry]:
    pattern = re.compile(bucket.pattern)
    if bucket.folder.is_symlink() or not bucket.folder.is_dir():
        return
    for path in sorted(bucket.folder.iterdir()):
        if not (pattern.fullmatch(path.name) or _PARTIAL.fullmatch(path.name)) or path.is_symlink():
            continue
        found = list(_statuses(path))
        # A writer is about to fill an empty folder.
        if found:
            age = max(0.0, time.time() - max(max(status.st_mtime, status.st_atime) for status in found))
            yield Entry(kind=bucket.name, path=path, size=sum(status.st_size for status in found), age=age)


def _statuses(path: Path) -> Iterator[os.stat_result]:
    """The status of the file, or of each file in the folder and below; another process may remove them meanwhile."""
    paths = [path]
    if path.is_dir():
        paths = [Path(folder, name) for folder, _, names in os.walk(path, followlinks=False) for name in names]
    for file in paths:
        with contextlib.suppress(OSError):
            status = file.lstat()
            if stat.S_ISREG(status.st_mode):
                yield status


def _remove(bucket: Bucket, entry: Entry) -> str:
    """Remove an entry; gives the reason where it has to stay."""
    path = entry.path
    if entry.age < (_ABANDONED if _PARTIAL.fullmatch(path.name) else bucket.idle):
        return "being written"
    with files.locked(path, timeout=0):
        if path.is_dir():
            if files.is_in_use(path):
                return "another process uses it"
            files.remove_tree(path)
        else:
            path.unlink(missing_ok=True)
    return ""
