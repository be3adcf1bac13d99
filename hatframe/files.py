"""Atomic writes, locks, and the user's folders, for every file that hatframe writes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from hatframe.errors import HatError

# Seconds within which a new mark of use is surely locked.
_LOCKED_BY_NOW = 10.0


def cache_folder() -> Path:
    """The folder for files that can be rebuilt; ``HATFRAME_CACHE_DIR`` overrides it."""
    return _user_folder("HATFRAME_CACHE_DIR", "user_cache_path")


def compiler_cache(name: str) -> Path:
    """The folder for the own cache of the compiler that a linker of this name runs."""
    return cache_folder() / "compilers" / name


def state_folder() -> Path:
    """The folder for locks and interrupted runs; ``HATFRAME_STATE_DIR`` overrides it."""
    return _user_folder("HATFRAME_STATE_DIR", "user_state_path")


def _user_folder(variable: str, kind: str) -> Path:
    if chosen := os.environ.get(variable):
        return Path(chosen).absolute()
    import platformdirs

    folder: Path = getattr(platformdirs, kind)("hatframe", appauthor=False)
    return folder


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
        for path, data in contents.items():
            _stage(Path(os.path.realpath(path)), data, staged, synced)
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


def _stage(path: Path, data: bytes, staged: list[tuple[Path, Path]], synced: bool = False) -> None:
    """Write the new content of ``path`` beside it, and record it in ``staged`` before its first byte."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.", suffix=".tmp")
    temporary = Path(name)
    staged.append((path, temporary))
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
        _stage(path, b"", staged)
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
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:64]}.", suffix=".tmp"))
    try:
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
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:64]}.", suffix=".tmp"))
    try:
        with contextlib.suppress(FileNotFoundError):
            folder.rename(temporary / "removed")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


@contextlib.contextmanager
def locked(path: Path, timeout: float = 60.0) -> Iterator[None]:
    """Hold the lock of ``path`` against other threads and processes of this user.

    The lock file is in :func:`state_folder`, named by the real path, so that the folder of ``path`` stays clean.
    Raises :class:`HatError` if another holds the lock for longer than ``timeout`` seconds.
    """
    import filelock

    key = _key(path)
    folder = state_folder() / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f"{key}.lock", timeout=timeout)
        lock.acquire()
    except filelock.Timeout:
        raise HatError(
            f"another process has held its lock for {timeout:g} s" if timeout else "another process holds its lock",
            where=str(path),
            hint="end that process, or try again",
        ) from None
    except OSError as error:
        raise HatError(
            f"cannot create the lock: {error.strerror or error}",
            where=str(folder),
            hint="set HATFRAME_STATE_DIR to a writable folder",
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Mark ``path`` as in use until the block or the process ends, so that it is not cleared; marks may overlap.

    Raises :class:`OSError` if the mark cannot be created.
    """
    import filelock

    folder = state_folder() / "uses"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=f"{_key(path)}.", suffix=".lock")
    os.close(descriptor)
    lock = filelock.FileLock(name)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            Path(name).unlink(missing_ok=True)


def is_in_use(path: Path) -> bool:
    """Whether a running process has marked ``path`` with :func:`in_use`."""
    import filelock

    for mark in (state_folder() / "uses").glob(f"{_key(path)}.*.lock"):
        try:
            if time.time() - mark.stat().st_mtime < _LOCKED_BY_NOW:
                return True
            with filelock.FileLock(mark, timeout=0):
                pass  # its process has ended
            mark.unlink(missing_ok=True)
        except filelock.Timeout:
            return True
        except OSError:
            continue
    return False


def _key(path: Path) -> str:
    return hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
