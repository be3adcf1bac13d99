"""Confining packages to their folder: a path in metadata is untrusted, and must not lead anywhere else."""

from __future__ import annotations

import os
import re
from pathlib import Path, PureWindowsPath

from hatframe.errors import OutsideError, PackageError

# A flag of Microsoft's tools; no path of a library looks like it.
_WINDOWS_FLAG = re.compile(r"/[A-Za-z]+\d*[-+]?(:.*)?")
LIBRARY_SUFFIX = re.compile(r"\.(o|obj|a|lib|so(\.\d+)*|dylib|dll|tbd)\Z", re.IGNORECASE)
# The limit of file systems.
_LONGEST_NAME = 255


def is_flag(text: str) -> bool:
    """Whether a linker would read ``text`` as an option, or a file of options, instead of a path."""
    return text.startswith(("-", "@")) or _WINDOWS_FLAG.fullmatch(text) is not None


def is_path(text: str, folder: Path) -> bool:
    """Whether the ``target_file`` of a dependency is a path in ``folder``, not the name of a library or a flag."""
    if is_flag(text):
        return False
    if "/" in text or "\\" in text:
        return True
    is_library_name = LIBRARY_SUFFIX.search(text) and "\0" not in text and len(os.fsencode(text)) <= _LONGEST_NAME
    return bool(is_library_name) and (folder / text).is_file()


def confined(folder: Path, text: str, where: str, *, allow_outside: bool = False) -> Path:
    """The path that ``text``, the value at ``where``, gives in the package's ``folder``; the file may not exist.

    Follows links, as the final path counts. Raises :class:`OutsideError` if the path leads outside the folder, unless
    ``allow_outside``, and :class:`PackageError` if it is not a path.
    """
    if not text or "\0" in text or any(len(os.fsencode(part)) > _LONGEST_NAME for part in Path(text).parts):
        shortened = text if len(text) <= 100 else f"{text[:99]}…"
        raise PackageError(f"{shortened!r} is not a valid path", where=where)
    path = (folder / text).absolute()
    if allow_outside:
        return path
    if os.name != "nt" and (PureWindowsPath(text).drive or text.startswith("\\\\")):
        # Here it would be the name of a file in the folder, but it means a place on another machine.
        reason = "it names a Windows drive or server"
    elif (real := Path(os.path.realpath(path))).is_relative_to(os.path.realpath(folder)):
        return path
    else:
        reason = f"it leads to {real}"
    raise OutsideError(
        f"{text!r} leads outside the package's folder: {reason}",
        where=where,
        hint="move the file into the folder, or pass --allow-outside (allow_outside=True in Python) if you trust it",
    )
