"""Packing a package into one folder or .zip file, so that it can be moved.

Files keep their places relative to the .hat files, in which only absolute paths and those with ``..`` change.
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
from hatframe.binary.archives import thin_members
from hatframe.errors import HatError, PackageError, UsageError
from hatframe.format.editing import edit_text
from hatframe.format.model import HatFile
from hatframe.format.reading import parse_document, read_text
from hatframe.outcomes import Packed
from hatframe.packages.confinement import confined, is_path
from hatframe.packages.package import is_zip, same_library
from hatframe.packages.unpacking import check_names, check_size

# The earliest time in a .zip file: the same package gives the same bytes, whenever it is packed.
_NO_TIME = (1980, 1, 1, 0, 0, 0)

# An output with such a suffix is a mistake.
_OTHER_FILES = frozenset((".hat", ".gz", ".tgz", ".tar", ".xz", ".bz2", ".zst", ".7z", ".rar"))


def pack(path: Path, output: Path, *, allow_outside: bool = False) -> Packed:
    """Pack a package as :meth:`hatframe.Kernel.pack` describes: all of ``output`` appears, or nothing."""
    gathered = _Gathered(path.parent, allow_outside)
    for hat in same_library(path).hat_files:
        gathered.add(hat)
    entries = dict(sorted(gathered.entries.items()))
    check_names(entries, str(path), "rename the file, so that all systems accept it")
    _check_output(output, entries)
    try:
        (_write_archive if is_zip(output) else _write_folder)(output, entries)
    except OSError as error:
        raise HatError(
            f"cannot be packed: {error.strerror or error}",
            where=str(error.filename or output),
            hint="nothing was written",
        ) from None
    edited = tuple(name for name, entry in entries.items() if entry.data is not None)
    return Packed(path=output, files=tuple(entries), edited=edited)


class _Entry(msgspec.Struct, frozen=True):
    """A file to pack, with its content in the pack if that differs."""

    source: Path
    data: bytes | None = None


class _Gathered:
    def __init__(self, folder: Path, allow_outside: bool) -> None:
        self.entries: dict[str, _Entry] = {}
        self._folder = folder
        self._real = Path(os.path.realpath(folder))
        self._allow_outside = allow_outside

    def add(self, hat: HatFile) -> None:
        assert hat.path is not None
        text = read_text(hat.path)
        document = parse_document(text, str(hat.path))
        name = self._place(hat.path.name, str(hat.path))
        for table, key, place in _references(document):
            given = table[key].strip()
            if key == "target_file" and not is_path(given, self._folder):
                continue
            placed = self._place(given, f"{hat.path}: {place}")
            self._add_members(given, f"{hat.path}: {place}")
            if _stays(given):
                continue
            # Without a slash it could be the name of a library.
            table[key] = f"./{placed}" if key == "target_file" and "/" not in placed else placed
        changed = edit_text(text, document, str(hat.path))
        self.entries[name] = _Entry(hat.path, None if changed == text else changed.encode())

    def _add_members(self, given: str, where: str) -> None:
        """Add the members of a thin archive, which names them relative to its own folder."""
        archive = self._folder / given.replace("\\", "/")
        members = thin_members(archive)
        if members and not _stays(given):
            hint = "make the archive without the option T"
            raise PackageError(f"{given} is a thin archive, whose members would not be found", where=where, hint=hint)
        for member in members:
            if not _stays(member):
                hint = "make the archive in its folder, or without the option T"
                raise PackageError(f"{given} is a thin archive with the member {member}", where=where, hint=hint)
            self._place(str(PurePosixPath(given.replace("\\", "/")).parent / member), where)

    def _place(self, text: str, where: str) -> str:
        """Add the file at this path to the pack; returns its name there."""
        # A package for Windows can be packed on any system.
        text = text.replace("\\", "/")
        path = confined(self._folder, text, where, allow_outside=self._allow_outside)
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
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
                f"two files would have the name {name} in the pack: {former.source} and {path}",
                where=where,
                hint="rename one",
            )
        return name


def _stays(text: str) -> bool:
    """Whether a path means the same file after the folder moved."""
    path = Path(text.replace("\\", "/"))
    return not path.anchor and ".." not in path.parts


def _references(document: dict[str, Any]) -> Iterator[tuple[Any, Any, str]]:
    """The values that name files: the table or list, the key in it, and its path."""
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


def _check_output(output: Path, entries: dict[str, _Entry]) -> None:
    if not output.absolute().parent.is_dir():
        raise UsageError("this folder does not exist", where=str(output.absolute().parent), hint="create it first")
    if output.suffix.lower() in _OTHER_FILES:
        raise UsageError("the output must be a folder or a .zip file", where=str(output))
    if output.is_dir():
        if output.suffix.lower() == ".zip":
            raise UsageError("this is a folder, not a .zip file", where=str(output))
        if any(output.iterdir()):
            raise UsageError("this folder is not empty", where=str(output), hint="choose a new folder, or a .zip file")
    elif output.exists() and not is_zip(output):
        raise UsageError("this is a file, not a folder", where=str(output), hint="choose another name")
    elif output.exists() and any(entry.source.samefile(output) for entry in entries.values()):
        raise UsageError("packing would overwrite this file of the package", where=str(output))


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
            info.create_system = 3  # Unix on every system, as the bytes must not depend on it
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            if entry.data is None:
                info.file_size = entry.source.stat().st_size
                with entry.source.open("rb") as source, archive.open(info, "w") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
            else:
                archive.writestr(info, entry.data)
