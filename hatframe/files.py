"""Atomic writes, locks, and the user's folders, for every file that hatframe writes."""

from __future__ import annotations

import contextlib
import errno
import functools
import glob
import logging
import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from hatframe.errors import HatError

_log = logging.getLogger(__name__)

# Seconds within which a new temporary file is surely locked by its owner.
_OWNED_BY_NOW = 10.0

# What flock says of folders on network file systems, where only files that are open for writing can be locked.
_CANNOT_LOCK_FOLDERS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


def cache_folder() -> Path:
    """The folder for files that can be rebuilt; ``HATFRAME_CACHE_DIR`` overrides it."""
    return _user_folder("HATFRAME_CACHE_DIR", "cache")


def compiler_cache(name: str) -> Path:
    """The folder for the own cache of the compiler that a linker of this name runs."""
    folder = cache_folder() / "compilers" / name
    with contextlib.suppress(OSError):  # a compiler can do without
        make_private(folder.parent)
    return folder


def state_folder() -> Path:
    """The folder for interrupted runs; ``HATFRAME_STATE_DIR`` overrides it."""
    return _user_folder("HATFRAME_STATE_DIR", "state")


def _user_folder(variable: str, kind: str) -> Path:
    """The folder that ``variable`` names, or the system's for ``kind``, or a temporary one where that is unusable."""
    if chosen := os.environ.get(variable):
        return Path(chosen).absolute()
    import platformdirs

    try:
        folder: Path = getattr(platformdirs, f"user_{kind}_path")("hatframe", appauthor=False)
    except RuntimeError:  # by some versions; others return a relative path
        folder = Path("~")
    if not (problem := _why_unusable(folder)):
        return folder
    import tempfile

    temporary = Path(tempfile.gettempdir(), f"hatframe-{kind}-{_user()}")
    _warn_once(f"{problem}: using {temporary} for the {kind} of hatframe; {variable} chooses another folder")
    return temporary


@functools.cache
def _warn_once(text: str) -> None:
    _log.warning("%s", text)


def _why_unusable(folder: Path) -> str:
    if not folder.is_absolute():
        return "this user has no home folder"
    nearest = next(each for each in (folder, *folder.parents) if os.path.exists(each))  # noqa: PTH110 - Path raises
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return f"{nearest} is not a folder that this user can write to"
    problem = _why_unsafe(folder)
    return f"{folder} {problem}" if problem else ""


def _why_unsafe(folder: Path) -> str:
    """What lets other users change what is in a folder; empty where nothing does, or it is missing."""
    with contextlib.suppress(OSError):
        status = folder.stat()
        if not is_own(status):
            return "belongs to another user"
        if os.name == "posix" and status.st_mode & 0o022:
            return "can be written to by other users"
    return ""


def is_own(status: os.stat_result) -> bool:
    """Whether a file belongs to the user of this process; always so on Windows."""
    return os.name != "posix" or status.st_uid == _user()


def _user() -> int:
    return os.geteuid() if sys.platform != "win32" else 0


def make_private(folder: Path) -> None:
    """Make a folder of the cache or state folder, and the one around it, for this user alone.

    Raises :class:`HatError` if other users can change what is in one of them, and :class:`OSError` if it cannot be
    made.
    """
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
        if problem := _why_unsafe(each):
            raise HatError(
                f"this folder {problem}, so hatframe does not use it",
                where=str(each),
                hint="make it yours alone (chown, chmod 700), or set HATFRAME_CACHE_DIR and HATFRAME_STATE_DIR",
            )


MOST_BYTES = 256 << 20
"""The most bytes of a text file that hatframe reads: many times the largest package or run."""


def read_file(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a regular file of at most ``most`` bytes; raises :class:`OSError` for any other.

    Reading a pipe may never begin, and reading a device may never end.
    """
    try:
        status = path.stat()
    except ValueError:
        raise OSError(errno.EINVAL, "its name has a NUL character", str(path)) from None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if status.st_size > most:
        raise OSError(errno.EFBIG, f"it has {status.st_size} bytes, and the limit is {most}", str(path))
    with path.open("rb") as file:
        return file.read(most)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file of any size. Raises :class:`OSError`."""
    import hashlib

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the content of ``path`` atomically: readers, and a crash, leave the complete old or new file.

    Follows links, and keeps the permissions of an existing file. Raises :class:`OSError`.
    """
    write_together({path: data}, synced=True)


def write_together(contents: Mapping[Path, bytes], *, synced: bool = False) -> None:
    """Replace several files, each as :func:`write_atomically` does, in the order of ``contents``: all or none.

    All are written beside their places first, so that a full disk or a protected folder fails before anything is
    replaced; after a later failure, those replaced so far are put back. A file that replaces another is on the disk
    before it does, so that a power failure loses nothing; with ``synced``, so is every new file.
    """
    staged: list[tuple[Path, Path]] = []
    before: list[tuple[Path, bytes | None]] = []
    try:
        with contextlib.ExitStack() as owned:
            for path, data in contents.items():
                _stage(Path(os.path.realpath(path)), data, staged, owned, synced)
            for path, temporary in staged:
                if temporary != staged[-1][1]:
                    before.append((path, path.read_bytes() if path.exists() else None))
                temporary.replace(path)
    except BaseException:
        for path, data_before in before:
            if data_before is None:
                path.unlink(missing_ok=True)
            else:
                write_atomically(path, data_before)
        raise
    finally:
        for _, temporary in staged:
            temporary.unlink(missing_ok=True)


def _stage(
    path: Path, data: bytes, staged: list[tuple[Path, Path]], owned: contextlib.ExitStack, synced: bool = False
) -> None:
    """Write the new content of ``path`` beside it, and record it in ``staged`` before its first byte."""
    import tempfile

    _remove_abandoned(path)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.", suffix=".tmp")
    temporary = Path(name)
    staged.append((path, temporary))
    owned.enter_context(_owned(temporary))
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        if synced or path.exists():
            file.flush()
            os.fsync(file.fileno())
    temporary.chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask())


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a file to write to, which then replaces ``path`` as :func:`write_atomically` does.

    For content that is too large for memory. After an exception, ``path`` is unchanged. Raises :class:`OSError`.
    """
    staged: list[tuple[Path, Path]] = []
    path = Path(os.path.realpath(path))
    try:
        with contextlib.ExitStack() as owned:
            _stage(path, b"", staged, owned)
            ((_, temporary),) = staged
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        for _, temporary in staged:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(folder: Path) -> Iterator[Path]:
    """Yield a new folder to fill, which becomes ``folder`` at the end: all of it appears, or nothing.

    ``folder`` must not exist, or be empty. Raises :class:`OSError`.
    """
    import shutil
    import tempfile

    _remove_abandoned(folder)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:64]}.", suffix=".tmp"))
    try:
        with _owned(temporary):
            temporary.chmod(0o777 & ~_umask())
            yield temporary
            if folder.is_dir():
                folder.rmdir()
            temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_tree(folder: Path) -> None:
    """Remove a folder and its content, if it exists, as one step for other processes. Does not follow links.

    Raises :class:`OSError`.
    """
    import shutil
    import tempfile

    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:64]}.", suffix=".tmp"))
    try:
        with contextlib.suppress(FileNotFoundError):
            folder.rename(temporary / "removed")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _owned(temporary: Path) -> Iterator[None]:
    """Show other processes that the owner of a temporary file or folder lives, until the block or this process ends."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary files and folders for ``path`` of processes that were killed."""
    if sys.platform == "win32":
        return
    import fcntl
    import shutil

    for left in path.parent.glob(f".{glob.escape(path.name[:64])}.????????.tmp"):
        with contextlib.suppress(OSError):  # its owner lives, or it is gone
            status = left.lstat()
            if not is_own(status) or time.time() - status.st_mtime < _OWNED_BY_NOW:
                continue
            descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stat.S_ISDIR(status.st_mode):
                    shutil.rmtree(left)
                else:
                    left.unlink()
            finally:
                os.close(descriptor)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


@contextlib.contextmanager
def locked(path: Path, timeout: float = 60.0) -> Iterator[None]:
    """Hold the lock of ``path`` against other threads and processes, whichever environment they run in.

    What is locked is the folder that has the real path, which leaves no file; where the system cannot lock folders, it
    is a file ``.hatframe.lock`` in that. Locks of files of one folder cannot be nested. Raises :class:`HatError` if
    another holds the lock for longer than ``timeout`` seconds, or the folder cannot be locked.
    """
    folder = Path(os.path.realpath(path)).parent
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_locked_folder(folder, timeout))
        except TimeoutError:
            raise HatError(
                f"another process has held its lock for {timeout:g} s" if timeout else "another process holds its lock",
                where=str(path),
                hint="end that process, or try again",
            ) from None
        except OSError as error:
            raise HatError(f"its folder cannot be locked: {error.strerror or error}", where=str(path)) from None
        yield


@contextlib.contextmanager
def _locked_folder(folder: Path, timeout: float) -> Iterator[None]:
    import random

    deadline = time.monotonic() + timeout
    with contextlib.ExitStack() as stack:
        try:
            while not stack.enter_context(_flock(folder)):
                if time.monotonic() >= deadline:
                    raise TimeoutError
                stack.close()
                time.sleep(random.uniform(0.001, 0.02))
        except OSError as error:
            if error.errno not in _CANNOT_LOCK_FOLDERS:
                raise
            import filelock

            stack.enter_context(filelock.FileLock(folder / ".hatframe.lock", timeout=timeout))
        yield


@contextlib.contextmanager
def _flock(folder: Path, shared: bool = False) -> Iterator[bool]:
    """Lock a folder if no other process or thread has; yields whether it is locked."""
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import fcntl

    def lock() -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        # One that was removed meanwhile is not the one that others lock.
        return os.path.samestat(os.fstat(descriptor), folder.stat())

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield lock()
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for processes that were forked meanwhile
        os.close(descriptor)


@contextlib.contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Mark a folder as in use until the block or the process ends, so that it is not cleared; marks may overlap.

    Raises :class:`OSError` if it cannot be marked.
    """
    if sys.platform == "win32":
        # The system removes no folder with an open file.
        with next(path for path in folder.rglob("*") if path.is_file()).open("rb"):
            yield
        return
    with _flock(folder, shared=True):
        yield


def is_in_use(folder: Path) -> bool:
    """Whether a running process has marked a folder with :func:`in_use`."""
    with contextlib.suppress(OSError), _flock(folder) as free:
        return not free
    return False
