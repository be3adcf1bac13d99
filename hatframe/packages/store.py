"""What hatframe keeps for the user: what it is, and clearing it without harm to a process that uses it.

Only what looks as hatframe names it is seen at all, in folders that it makes itself and that are no links: whatever
else lies in a cache folder that the user chose is not touched.
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

# What is being written is not taken for what a crash left: nothing takes so long to write.
_ABANDONED = 3600.0

# A compiler tells nobody that it works, but it writes all the time.
_STILL_WRITTEN = 60.0

# Somebody may have opened a lock that is about to be removed, and lock a file that no longer has a name. Nobody
# will have done so after a day without any use.
_FORGOTTEN = 86400.0

_PARTIAL = re.compile(r"\.[0-9a-f]{32,64}(\.\w+)?\.[^.]+\.tmp")
_KEY = "[0-9a-f]{32}"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of what is kept. What is ``remade`` is made again when it is needed; the rest would be lost."""

    name: str
    summary: str
    pattern: str
    remade: bool = True

    @property
    def folder(self) -> Path:
        """Where it is kept; it need not be there."""
        return (files.cache_folder() if self.remade else files.state_folder()) / self.name


KINDS = (
    Kind(name="libraries", summary="dynamic libraries linked from static packages", pattern=_KEY),
    Kind(name="timers", summary="loops in C that measure, one for each signature", pattern=rf"{_KEY}\.so"),
    Kind(name="packages", summary="what .zip files held", pattern="[0-9a-f]{64}"),
    Kind(name="compilers", summary="what compilers keep of their own", pattern=r"\w[\w.-]*"),
    Kind(name="runs", summary="benchmarks that were ended, for --resume", pattern=rf"{_KEY}\.json", remade=False),
    Kind(name="locks", summary="locks against others that write the same file", pattern=rf"{_KEY}\.lock", remade=False),
)
"""All that is kept, by the name of its folder."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is kept: its size in bytes, and the seconds since it was last used or made.

    Many systems note the use of a file only once a day, some never.
    """

    kind: str
    path: Path
    size: int
    age: float


class Left(msgspec.Struct, frozen=True):
    """What was not removed, and why."""

    kept: Kept
    reason: str


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed, and what was to be but was left."""

    removed: tuple[Kept, ...] = ()
    left: tuple[Left, ...] = ()


def kept(kinds: Collection[str] = ()) -> list[Kept]:
    """All that is kept of the kinds, or of every kind, in the order of :data:`KINDS` and then by path.

    Raises :class:`UsageError` for a kind that there is not.
    """
    return [entry for kind in _chosen(kinds, KINDS) for entry in _entries(kind)]


def clear(kinds: Collection[str] = (), older_than: float = 0.0) -> Cleared:
    """Remove what is kept of the kinds, or all that is made again when it is needed.

    What a process uses, or is making, is left. Nothing else is touched: no link is followed, and no file is removed
    that hatframe did not name.

    Parameters
    ----------
    older_than
        Only what was not used for so many seconds.

    Raises :class:`UsageError` for a kind that there is not.
    """
    removed: list[Kept] = []
    left: list[Left] = []
    chosen = _chosen(kinds, tuple(kind for kind in KINDS if kind.remade))
    # Looked up before the first is removed, which makes locks of its own.
    for kind, entries in [(kind, list(_entries(kind))) for kind in chosen]:
        for entry in entries:
            if entry.age < older_than:
                continue
            try:
                reason = _removed(kind, entry)
            except OSError as error:
                reason = f"it cannot be removed: {error.strerror or error}"
            except HatError as error:
                reason = error.message
            if reason:
                left.append(Left(entry, reason))
            else:
                removed.append(entry)
        _remove_empty_folders(kind)
    return Cleared(removed=tuple(removed), left=tuple(left))


def _chosen(names: Collection[str], otherwise: tuple[Kind, ...]) -> tuple[Kind, ...]:
    known = [kind.name for kind in KINDS]
    for name in names:
        if name not in known:
            raise UsageError(f"nothing of kind {name!r} is kept", hint=f"choose from {', '.join(known)}")
    return tuple(kind for kind in KINDS if kind.name in names) if names else otherwise


# ------------------------------------------------------------------------------------------------------- looking


def _entries(kind: Kind) -> Iterator[Kept]:
    pattern = re.compile(kind.pattern)
    folder = kind.folder
    if folder.is_symlink():
        return
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return
    for path in inside:
        if not (pattern.fullmatch(path.name) or _PARTIAL.fullmatch(path.name)) or path.is_symlink():
            continue
        found = list(_files(path))
        # An empty folder is about to be filled, or was cleared.
        if found:
            age = max(0.0, time.time() - max(max(status.st_mtime, status.st_atime) for _, status in found))
            yield Kept(kind=kind.name, path=path, size=sum(status.st_size for _, status in found), age=age)


def _files(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The file itself, or those in the folder and below; another process may remove them meanwhile."""
    paths = [path]
    if path.is_dir():
        paths = [Path(folder, name) for folder, _, names in os.walk(path, followlinks=False) for name in names]
    for file in paths:
        with contextlib.suppress(OSError):
            status = file.lstat()
            if stat.S_ISREG(status.st_mode):
                yield file, status


# ------------------------------------------------------------------------------------------------------ removing


def _removed(kind: Kind, entry: Kept) -> str:
    """Remove an entry; gives the reason where it is to be left."""
    path = entry.path
    if _PARTIAL.fullmatch(path.name):
        if entry.age < _ABANDONED:
            return "being written"
        _remove(path)
    elif kind.name == "compilers":
        if entry.age < _STILL_WRITTEN:
            return "used a moment ago"
        _remove(path)
    elif kind.name == "locks":
        return _remove_lock(path)
    elif kind.name == "libraries":
        return _remove_library(path)
    elif kind.name == "packages" and files.is_in_use(path):
        return "another process uses it"
    else:
        with files.locked(path, timeout=0):
            _remove(path)
    return ""


def _remove(path: Path) -> None:
    if path.is_dir():
        files.remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_empty_folders(kind: Kind) -> None:
    """Remove the folders that a former clearing left empty, once nobody can be about to fill them."""
    if kind.name != "libraries" or kind.folder.is_symlink() or not kind.folder.is_dir():
        return
    for path in kind.folder.iterdir():
        with contextlib.suppress(OSError):
            if re.fullmatch(kind.pattern, path.name) and time.time() - path.lstat().st_mtime > _ABANDONED:
                path.rmdir()


def _remove_library(folder: Path) -> str:
    """Remove what is in a folder of a linked library, but not the folder: who waits for the lock writes there."""
    found = list(_files(folder))
    now = time.time()
    if any(file.name.endswith(".tmp") and now - status.st_mtime < _ABANDONED for file, status in found):
        return "being written"
    with contextlib.ExitStack() as stack:
        for file, _ in found:
            stack.enter_context(files.locked(file, timeout=0))
        for file, _ in found:
            file.unlink(missing_ok=True)
    return ""


def _remove_lock(path: Path) -> str:
    import filelock

    if time.time() - path.stat().st_mtime < _FORGOTTEN:
        return "used within the last day"
    try:
        with filelock.FileLock(path, timeout=0):
            path.unlink()
    except filelock.Timeout:
        return "another process holds it"
    return ""
