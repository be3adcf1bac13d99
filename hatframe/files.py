"""Atomic writes, locks, and the user's folders: every file that hatframe writes goes through here."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from hatframe.errors import HatError


def cache_folder() -> Path:
    """Where what can be made again is kept; ``HATFRAME_CACHE_DIR`` chooses another place."""
    return _user_folder("HATFRAME_CACHE_DIR", "user_cache_path")


def state_folder() -> Path:
    """Where locks and run states are kept; ``HATFRAME_STATE_DIR`` chooses another place."""
    return _user_folder("HATFRAME_STATE_DIR", "user_state_path")


def _user_folder(variable: str, kind: str) -> Path:
    if chosen := os.environ.get(variable):
        return Path(chosen)
    import platformdirs

    folder: Path = getattr(platformdirs, kind)("hatframe", appauthor=False)
    return folder


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by a file with ``data``: a reader or a crash sees the old file or the new one, whole.

    A link is followed, and the permissions of an existing file are kept. Raises :class:`OSError`.
    """
    write_together({path: data})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Replace several files, each as :func:`write_atomically` does, in the order of ``contents``.

    All are written beside their places first, so that what fails (a full disk, a folder that cannot be
    written) fails before anything is replaced; where it fails later, those replaced so far are put back.
    """
    staged: list[tuple[Path, Path]] = []
    before: list[tuple[Path, bytes | None]] = []
    try:
        for path, data in contents.items():
            _stage(Path(os.path.realpath(path)), data, staged)
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


def _stage(path: Path, data: bytes, staged: list[tuple[Path, Path]]) -> None:
    """Write what is to replace ``path`` beside it, and note it in ``staged`` before its first byte."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.", suffix=".tmp")
    temporary = Path(name)
    staged.append((path, temporary))
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(_permissions(path))


def _permissions(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o7777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


@contextlib.contextmanager
def locked(path: Path, timeout: float = 60.0) -> Iterator[None]:
    """Hold the lock of ``path`` against other threads and processes of this user.

    The lock file lies in :func:`state_folder`, keyed by the real path, so that the folder of ``path`` stays
    clean. Raises :class:`HatError` where it is still held by another after ``timeout`` seconds.
    """
    import filelock

    key = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
    folder = state_folder() / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f"{key}.lock", timeout=timeout)
        lock.acquire()
    except filelock.Timeout:
        raise HatError(
            f"another process has held it for over {timeout:g} s",
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
