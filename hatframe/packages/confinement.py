"""Keeping to the package's folder: a path in metadata is text from a file, and must not lead anywhere else."""

from __future__ import annotations

import os
import re
from pathlib import Path, PureWindowsPath

from hatframe.errors import OutsideError, PackageError

# A flag of Microsoft's tools: no path of a library reads like that.
_WINDOWS_FLAG = re.compile(r"/[A-Za-z]+\d*[-+]?(:.*)?")
LIBRARY_SUFFIX = re.compile(r"\.(o|obj|a|lib|so(\.\d+)*|dylib|dll|tbd)\Z", re.IGNORECASE)
# File systems take no longer ones.
_LONGEST_NAME = 255


def is_flag(text: str) -> bool:
    """Whether a linker would take ``text`` for an option, or for a file of options, rather than for a path."""
    return text.startswith(("-", "@")) or _WINDOWS_FLAG.fullmatch(text) is not None


def is_path(text: str, folder: Path) -> bool:
    """Whether the ``target_file`` of a dependency is a path in ``folder``, and not a library's name or a flag."""
    if is_flag(text):
        return False
    if "/" in text or "\\" in text:
        return True
    looks_so = LIBRARY_SUFFIX.search(text) and "\0" not in text and len(os.fsencode(text)) <= _LONGEST_NAME
    return bool(looks_so) and (folder / text).is_file()


def confined(folder: Path, text: str, where: str, *, allow_outside: bool = False) -> Path:
    """The path that ``text`` means in the package's ``folder``; the file need not be there.

    Links are followed, so that what counts is where a path ends. With ``allow_outside`` any path is taken.

    Raises :class:`OutsideError` where it leaves the folder, and :class:`PackageError` where it is no path at all;
    ``where`` is the file and the key that the text is from.
    """
    if not text or "\0" in text or any(len(os.fsencode(part)) > _LONGEST_NAME for part in Path(text).parts):
        shortened = text if len(text) <= 100 else f"{text[:99]}…"
        raise PackageError(f"{shortened!r} is no path of a file", where=where)
    path = (folder / text).absolute()
    if allow_outside:
        return path
    if os.name != "nt" and (PureWindowsPath(text).drive or text.startswith("\\\\")):
        # To this system it would be a strange name in the folder; it was meant as a place on another machine.
        reason = "it names a drive or a server of Windows"
    elif (real := Path(os.path.realpath(path))).is_relative_to(os.path.realpath(folder)):
        return path
    else:
        reason = f"it leads to {real}"
    raise OutsideError(
        f"{text!r} leaves the package's folder: {reason}",
        where=where,
        hint="put the file into the folder, or use --allow-outside (allow_outside=True in Python) if you trust it",
    )
