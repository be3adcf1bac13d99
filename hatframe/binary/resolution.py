"""Which files the dynamic loader of Linux opens for a library, without opening it (ld.so(8), dlopen(3)).

The process of a Python program has libraries open already, and the loader takes an open library of the needed name
before it searches for a file.
"""

from __future__ import annotations

import itertools
import os
import struct
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from hatframe import files
from hatframe.binary.libraries import LibraryKind, identify
from hatframe.binary.symbols import Symbols, read_symbols
from hatframe.errors import PackageError
from hatframe.machine import Platform

_CACHE = Path("/etc/ld.so.cache")
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
# The default folders of glibc and musl; the cache has those of the system.
_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/local/lib", "/usr/lib")
# No library needs so many, or looks in so many folders; a damaged one may name any number.
_MOST_LIBRARIES = 500
_MOST_FOLDERS = 100


class OpenLibrary(msgspec.Struct, frozen=True):
    """A library that the loader opens: its file, its symbols, and the libraries by whose need it was opened."""

    path: Path
    symbols: Symbols
    needed_by: tuple[OpenLibrary, ...] = ()


class Need(msgspec.Struct, frozen=True):
    """A library that ``by`` needs by ``name``.

    ``found`` is the file that the loader takes, and ``searched`` the file that it would find if no library of that name
    were open; each is None where there is none.
    """

    name: str
    by: OpenLibrary
    found: Path | None
    searched: Path | None


class Resolution(msgspec.Struct, frozen=True):
    """What the loader opens for a library, in its order, and every need of these libraries.

    ``process`` are the libraries that Python has open before.
    """

    opened: tuple[OpenLibrary, ...]
    needs: tuple[Need, ...]
    process: tuple[OpenLibrary, ...] = ()


def resolve(path: Path) -> Resolution:
    """Resolve what a library of this machine needs; raises :class:`PackageError` if it cannot be read."""
    program = process_libraries()
    names = _Names()
    for library in program:
        names.add(library)
    found = _closure(path.resolve(), names)
    return msgspec.structs.replace(found, process=program)


@cache
def process_libraries() -> tuple[OpenLibrary, ...]:
    """The libraries that every process of this Python has open, the program itself first."""
    try:
        return _closure(Path(sys.executable).resolve(), _Names()).opened
    except PackageError:
        return ()


class _Names:
    """The open libraries, by the names that the loader knows them by."""

    def __init__(self) -> None:
        self._by_name: dict[str, OpenLibrary] = {}
        self._by_path: dict[Path, OpenLibrary] = {}

    def add(self, library: OpenLibrary) -> None:
        self._by_path[library.path] = library
        if library.symbols.name:
            self._by_name.setdefault(library.symbols.name, library)

    def open_as(self, name: str, path: Path | None) -> OpenLibrary | None:
        """The library that is open for a name, or for the file that a search for it finds."""
        found = self._by_name.get(name) or (self._by_path.get(path) if path else None)
        if found:
            self._by_name.setdefault(name, found)
        return found


def _closure(path: Path, names: _Names) -> Resolution:
    """What the loader opens for a file, breadth first as it does, beside the libraries that are open."""
    first = OpenLibrary(path, read_symbols(path))
    names.add(first)
    opened = [first]
    needs: list[Need] = []
    for library in opened:
        for name in library.symbols.needed[: _MOST_LIBRARIES - len(needs)]:
            searched = next(_search(name, library), None)
            is_open = names.open_as(name, searched)
            needs.append(Need(name, library, is_open.path if is_open else searched, searched))
            if is_open or searched is None:
                continue
            try:
                symbols = _symbols(searched, searched.stat().st_mtime_ns)
            except (OSError, PackageError):
                continue
            added = OpenLibrary(searched, symbols, (*library.needed_by, library))
            names.add(added)
            names.open_as(name, searched)
            opened.append(added)
    return Resolution(tuple(opened), tuple(needs))


@cache
def _symbols(path: Path, modified: int) -> Symbols:
    return read_symbols(path)


def _search(name: str, library: OpenLibrary) -> Iterator[Path]:
    """The files that the loader finds for a name, which ``library`` needs, in its order."""
    if "/" in name:
        candidates = iter([Path(_expanded(name, library.path))])
    else:
        candidates = (folder / name for folder in itertools.islice(_folders(library), _MOST_FOLDERS))
    for candidate in candidates:
        if _suits(candidate):
            yield candidate.resolve()
    if "/" not in name:
        for path in _cached_paths().get(name, ()):
            if _suits(path):
                yield path.resolve()
        yield from (path.resolve() for folder in _FOLDERS if _suits(path := Path(folder, name)))


def _folders(library: OpenLibrary) -> Iterator[Path]:
    own = library.symbols
    chain = [] if own.run_folders and not own.inherited else [library, *reversed(library.needed_by)]
    if chain and (program := _program()):
        chain.append(program)
    for needing in chain:
        if needing.symbols.inherited:
            yield from (Path(_expanded(folder, needing.path)) for folder in needing.symbols.run_folders)
    yield from (Path(folder or ".") for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder)
    if not own.inherited:
        yield from (Path(_expanded(folder, library.path)) for folder in own.run_folders)


@cache
def _program() -> OpenLibrary | None:
    path = Path(sys.executable).resolve()
    try:
        return OpenLibrary(path, read_symbols(path))
    except PackageError:
        return None


def _expanded(text: str, path: Path) -> str:
    return text.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", str(path.parent))


def _suits(path: Path) -> bool:
    """Whether the loader takes a file: it skips those for other processors."""
    try:
        if not path.is_file():
            return False
        library = identify(path)
    except (OSError, ValueError, PackageError):
        return False
    return library.kind is LibraryKind.DYNAMIC and library.suits(Platform.host())


@cache
def _cached_paths() -> dict[str, tuple[Path, ...]]:
    """The files of /etc/ld.so.cache by name: where ldconfig found libraries; empty where there is no such cache."""
    try:
        data = files.read_file(_CACHE)
        start = data.find(_CACHE_MAGIC)
        (count,) = struct.unpack_from("=I", data, start + 20)
        found: dict[str, tuple[Path, ...]] = {}
        for index in range(count if start >= 0 else 0):
            _, key, value = struct.unpack_from("=iII", data, start + 48 + 24 * index)
            name, path = (os.fsdecode(data[start + at : data.index(b"\0", start + at)]) for at in (key, value))
            found[name] = (*found.get(name, ()), Path(path))
    except (OSError, struct.error, ValueError):
        return {}
    return found
