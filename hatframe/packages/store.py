"""What hatframe keeps for the user, in buckets that the modules which write there declare; listing and clearing it.

Writers hold the lock of an entry (:func:`hatframe.files.locked`), which keeps it from being cleared. Only entries whose
names fit their bucket count, and no link is followed: other files in a folder that the user chose are never touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from hatframe import files
from hatframe.errors import HatError, UsageError

KEY = "[0-9a-f]{32}"
"""A pattern for names that are the first half of a SHA-256."""

# A temporary file of this age is left from a crash: no write takes that long.
_ABANDONED = 3600.0
# Another process may be opening a lock that is about to be removed, and would then lock a file without a name.
_LOCK_UNUSED = 86400.0
_PARTIAL = re.compile(r"\.[0-9a-f]{32,64}(\.\w+)?\.[^.]+\.tmp")

_buckets: dict[str, Bucket] = {}


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
LOCKS = Bucket(name="locks", summary="locks of files that hatframe writes", pattern=rf"{KEY}\.lock", rebuilt=False)


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
    # All entries are listed first, as removing one makes locks.
    for bucket, entry in [(each, entry) for each in chosen for entry in _entries(each)]:
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
    if bucket is LOCKS:
        import filelock

        if entry.age < _LOCK_UNUSED:
            return "used within the last day"
        try:
            with filelock.FileLock(path, timeout=0):
                path.unlink()
        except filelock.Timeout:
            return "another process holds it"
        return ""
    with files.locked(path, timeout=0):
        if files.is_in_use(path):
            return "another process uses it"
        if path.is_dir():
            files.remove_tree(path)
        else:
            path.unlink(missing_ok=True)
    return ""
