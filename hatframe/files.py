"""Atomic writes, locks, and the user's folders: every file that hatframe writes goes through here."""

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

# Between the making of a mark of use and the locking of it.
_LOCKED_BY_NOW = 10.0


def cache_folder() -> Path:
    """Where what can be made again is kept; ``HATFRAME_CACHE_DIR`` chooses another place."""
    return _user_folder("HATFRAME_CACHE_DIR", "user_cache_path")


def compiler_cache(name: str) -> Path:
    """Where the compiler of a linker of that name may keep what is its own."""
    return cache_folder() / "compilers" / name


def state_folder() -> Path:
    """Where locks and run states are kept; ``HATFRAME_STATE_DIR`` chooses another place."""
    return _user_folder("HATFRAME_STATE_DIR", "user_state_path")


def _user_folder(variable: str, kind: str) -> Path:
    if chosen := os.environ.get(variable):
        return Path(chosen).absolute()
    import platformdirs

    folder: Path = getattr(platformdirs, kind)("hatframe", appauthor=False)
    return folder


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by a file with ``data``: a reader or a crash sees the old file or the new one, whole.

    A link is followed, and the permissions of an existing file are kept. Raises :class:`OSError`.
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
        for path, temporary in staged[:-1]:
            before.append((path, path.read_bytes() if path.exists() else None))
            temporary.replace(path)
        for path, temporary in staged[-1:]:
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
    temporary.chmod(_permissions(path))


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a file beside ``path`` to write to, which takes its place at the end, as :func:`write_atomically` does.

    It is for what is too large to hold in memory. After an exception ``path`` is as it was. Raises :class:`OSError`.
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
    """Give a new folder beside ``folder`` to fill, which takes its place at the end: all appears, or nothing.

    ``folder`` must not be there, or be empty. Raises :class:`OSError`.
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
    """Remove a folder with all in it, if it is there: at once for who looks. Links in it are removed, not followed.

    Raises :class:`OSError`.
    """
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:64]}.", suffix=".tmp"))
    try:
        with contextlib.suppress(FileNotFoundError):
            folder.rename(temporary / "removed")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _permissions(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o7777
    except FileNotFoundError:
        return 0o666 & ~_umask()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


@contextlib.contextmanager
def locked(path: Path, timeout: float = 60.0) -> Iterator[None]:
    """Hold the lock of ``path`` against other threads and processes of this user.

    The lock file lies in :func:`state_folder`, keyed by the real path, so that the folder of ``path`` stays
    clean. Raises :class:`HatError` where it is still held by another after ``timeout`` seconds.
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
            f"another process has held it for over {timeout:g} s" if timeout else "another process holds it",
            where=str(path),
            hint="end it, or try again",
        ) from None
    except OSError as error:
        raise HatError(
            f"the lock cannot be made: {error.strerror or error}",
            where=str(folder),
            hint="set HATFRAME_STATE_DIR to a folder that can be written",
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Mark ``path`` as used until the block or the process ends, so that nobody removes it; several may use it at once.

    Raises :class:`OSError` where the mark cannot be made.
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
    """Whether a process that still runs has marked ``path`` with :func:`in_use`."""
    import filelock

    for mark in (state_folder() / "uses").glob(f"{_key(path)}.*.lock"):
        try:
            if time.time() - mark.stat().st_mtime < _LOCKED_BY_NOW:
                return True
            with filelock.FileLock(mark, timeout=0):
                pass  # its process is gone
            mark.unlink(missing_ok=True)
        except filelock.Timeout:
            return True
        except OSError:
            continue
    return False


def _key(path: Path) -> str:
    return hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
