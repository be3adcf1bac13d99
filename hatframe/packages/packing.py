"""Gathering a package into one folder or .zip file, so that it can be moved: it is the same package there.

The files keep their places relative to the .hat files, and the .hat files every byte. Only a path that would mean
something else in another place, for it is absolute or goes by a parent folder, is written anew.
"""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from hatframe import files
from hatframe.errors import HatError, PackageError, UsageError
from hatframe.format.editing import edit_text
from hatframe.format.model import HatFile
from hatframe.format.reading import parse_document, read_text
from hatframe.outcomes import Packed
from hatframe.packages.confinement import confined, is_path
from hatframe.packages.package import is_zip, same_library
from hatframe.packages.unpacking import check_names, check_size

# The earliest that a .zip file can tell: the same package gives the same bytes, whenever it is packed.
_NO_TIME = (1980, 1, 1, 0, 0, 0)

# A folder of such a name would only be a slip.
_OTHER_FILES = frozenset((".hat", ".gz", ".tgz", ".tar", ".xz", ".bz2", ".zst", ".7z", ".rar"))


def pack(path: Path, output: Path, *, allow_outside: bool = False) -> Packed:
    """Gather a package as :meth:`hatframe.Kernel.pack` describes: all of ``output`` appears, or nothing.

    That is every .hat file of the same library in its folder, the library, the ``deploy_files``, the ``provider`` of
    each device function, and what ``dependencies.dynamic`` name by a path. With ``allow_outside``, files from outside
    the folder come to the top of the pack, and the .hat files there name them so. The same package gives the same
    .zip file, byte for byte.
    """
    gathered = _Gathered(path.parent, allow_outside)
    for hat in same_library(path).hat_files:
        gathered.add(hat)
    entries = dict(sorted(gathered.entries.items()))
    check_names(entries, str(path), "rename the file, so that any system takes it")
    _check_output(output, entries)
    try:
        (_write_archive if is_zip(output) else _write_folder)(output, entries)
    except OSError as error:
        raise HatError(
            f"cannot be packed: {error.strerror or error}", where=str(error.filename or output), hint="nothing is there"
        ) from None
    edited = tuple(name for name, entry in entries.items() if entry.data is not None)
    return Packed(path=output, files=tuple(entries), edited=edited)


# ------------------------------------------------------------------------------------------------------ gathering


class _Entry(msgspec.Struct, frozen=True):
    """A file to pack, with the content that it has there where that is new."""

    source: Path
    data: bytes | None = None


class _Gathered:
    """The files of a package by their names in the pack."""

    def __init__(self, folder: Path, allow_outside: bool) -> None:
        self.entries: dict[str, _Entry] = {}
        self._folder = folder
        self._real = Path(os.path.realpath(folder))
        self._allow_outside = allow_outside

    def add(self, hat: HatFile) -> None:
        """Add a .hat file of the folder, and all files that it names."""
        assert hat.path is not None
        text = read_text(hat.path)
        document = parse_document(text, str(hat.path))
        name = self._place(hat.path.name, str(hat.path))
        for table, key, place in _references(document):
            given = table[key].strip()
            if key == "target_file" and not is_path(given, self._folder):
                continue
            placed = self._place(given, f"{hat.path}: {place}")
            if _stays(given):
                continue
            # Without a slash it could be taken for the name of a library.
            table[key] = f"./{placed}" if key == "target_file" and "/" not in placed else placed
        changed = edit_text(text, document, str(hat.path))
        self.entries[name] = _Entry(hat.path, None if changed == text else changed.encode())

    def _place(self, text: str, where: str) -> str:
        """Take the file of that path into the pack, and give its name there."""
        # A package for Windows is packed anywhere.
        text = text.replace("\\", "/")
        path = confined(self._folder, text, where, allow_outside=self._allow_outside)
        if not path.is_file():
            what = "is no file" if path.exists() else "is not there"
            raise PackageError(f"{text} {what}", where=where, hint="correct the path, or build the file")
        real = Path(os.path.realpath(path))
        if _stays(text):
            name = PurePosixPath(text).as_posix()
        elif real.is_relative_to(self._real):
            name = real.relative_to(self._real).as_posix()
        else:
            name = path.name
        former = self.entries.setdefault(name, _Entry(path))
        if not former.source.samefile(path):
            raise PackageError(
                f"two files would be {name} in the pack: {former.source} and {path}", where=where, hint="rename one"
            )
        return name


def _stays(text: str) -> bool:
    """Whether a path means the same file wherever the folder is."""
    path = Path(text.replace("\\", "/"))
    return not path.anchor and ".." not in path.parts


def _references(document: dict[str, Any]) -> Iterator[tuple[Any, Any, str]]:
    """What names files: the table or list, the key in it, and where that is."""
    dependencies = document.get("dependencies", {})
    if dependencies.get("link_target"):
        yield dependencies, "link_target", "dependencies.link_target"
    for index in range(len(deployed := dependencies.get("deploy_files", []))):
        yield deployed, index, f"dependencies.deploy_files[{index}]"
    for index, reference in enumerate(dependencies.get("dynamic", [])):
        if reference.get("target_file"):
            yield reference, "target_file", f"dependencies.dynamic[{index}].target_file"
    for table in ("functions", "device_functions"):
        for name, function in document.get(table, {}).items():
            if function.get("provider"):
                yield function, "provider", f"{table}.{name}.provider"


# -------------------------------------------------------------------------------------------------------- writing


def _check_output(output: Path, entries: dict[str, _Entry]) -> None:
    if not output.absolute().parent.is_dir():
        raise UsageError("there is no such folder", where=str(output.absolute().parent), hint="make it first")
    if output.suffix.lower() in _OTHER_FILES:
        raise UsageError("a package is packed into a folder or a .zip file", where=str(output), hint="name one")
    if output.is_dir():
        if output.suffix.lower() == ".zip":
            raise UsageError("this is a folder, where a .zip file would be written", where=str(output))
        if any(output.iterdir()):
            raise UsageError("this folder is not empty", where=str(output), hint="name a new one, or a .zip file")
    elif output.exists() and not is_zip(output):
        raise UsageError("this is a file, where a folder would be made", where=str(output), hint="name another")
    elif output.exists() and any(entry.source.samefile(output) for entry in entries.values()):
        raise UsageError("this is a file of the package, and would be overwritten", where=str(output))


def _write_folder(output: Path, entries: dict[str, _Entry]) -> None:
    with files.atomic_directory(output.absolute()) as folder:
        for name, entry in entries.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if entry.data is None:
                shutil.copyfile(entry.source, path)
            else:
                path.write_bytes(entry.data)


def _write_archive(output: Path, entries: dict[str, _Entry]) -> None:
    size = sum(entry.source.stat().st_size for entry in entries.values())
    check_size(len(entries), size, str(output), "pack it into a folder instead")
    with files.replaced(output) as path, zipfile.ZipFile(path, "w") as archive:
        for name, entry in entries.items():
            info = zipfile.ZipInfo(name, _NO_TIME)
            info.create_system = 3  # Unix on every system, or the bytes would tell where it was packed
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            if entry.data is None:
                info.file_size = entry.source.stat().st_size
                with entry.source.open("rb") as source, archive.open(info, "w") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
            else:
                archive.writestr(info, entry.data)
