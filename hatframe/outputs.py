"""Checks before a run, so that a long one does not end with nowhere to write to."""

from __future__ import annotations

import os
import re
from pathlib import Path

from hatframe.errors import SinkError


def check_file(path: Path) -> None:
    """Raise :class:`SinkError` unless ``path`` is a file that can be written, or one can be made there."""
    try:
        if not path.parent.is_dir():
            raise SinkError(
                f"folder {path.parent} does not exist", where=str(path), hint="make it, or name another file"
            )
        if path.exists() and not path.is_file():
            raise SinkError("not a file", where=str(path), hint="name a file to write to")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise SinkError("permission denied", where=str(path), hint="change its permissions, or name another file")
    except OSError as error:  # such as a name that is too long
        raise SinkError(f"cannot be written: {error.strerror or error}", where=str(path)) from None


def check_replaceable(path: Path) -> None:
    """As :func:`check_file`, for a file that is replaced atomically, which writes to its folder too."""
    import tempfile

    check_file(path)
    try:
        with tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent):
            pass
    except OSError as error:
        raise SinkError(
            f"cannot write to its folder: {error.strerror or error}",
            where=str(path),
            hint="change its permissions, or use a copy elsewhere",
        ) from None


def check_kind(path: Path, start: re.Pattern[bytes], kind: str) -> None:
    """As :func:`check_replaceable`, for a file of one ``kind``, which begins so: any other file is not replaced."""
    check_replaceable(path)
    try:
        with path.open("rb") as file:
            first = file.read(4096)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SinkError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    if first and not start.match(first):
        raise SinkError(
            f"not {kind}, so it is not replaced", where=str(path), hint="name another file, or move it away"
        )
