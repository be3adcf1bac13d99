"""What a package's dependencies, and the libraries that a user adds, mean to a linker.

A ``target_file`` may be the path of an object file or a library in the package's folder, the name of a library, or a
linker flag. Of flags only those are taken that name libraries: the text comes from a file, and must not tell the
linker to do anything else. What goes beyond that is taken where the user trusts it by name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path, PureWindowsPath

import msgspec

from hatframe.binary.libraries import LibraryFile, LibraryKind, identify
from hatframe.errors import LinkError, PackageError
from hatframe.packages.confinement import LIBRARY_SUFFIX, confined, is_flag, is_path

KNOWN_FLAGS = {
    "-pthread": ("-pthread", ("pthread",)),
    "-fopenmp": ("-fopenmp", ("gomp", "omp", "iomp5", "iomp5md", "vcomp140")),
    "/openmp": ("-fopenmp", ("gomp", "omp", "iomp5", "iomp5md", "vcomp140")),
    "-fopenmp=libgomp": ("-fopenmp=libgomp", ("gomp",)),
    "-fopenmp=libomp": ("-fopenmp=libomp", ("omp",)),
    "-fopenmp=libiomp5": ("-fopenmp=libiomp5", ("iomp5",)),
}
"""The flags that are taken, as a linker gets them, and the libraries that they stand for."""

_NAME = re.compile(r":?[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_LIBRARY_FILE_NAME = re.compile(r"lib(.+?)\.(?:so|dylib|a|tbd)\Z")
# The file names of dynamic libraries: the prefix may be missing, and a version may follow.
_DYNAMIC_FILE_NAME = re.compile(r"(?:lib)?(.+?)(?:\.so(?:\.\d+)*|(?:\.\d+)*\.dylib|\.dll)\Z", re.IGNORECASE)
# What every C library needs, or is part of: it says nothing of the dependencies.
_SYSTEM = re.compile(
    r"c|m|gcc_s|pthread|dl|rt|System(\.B)?|ld-(linux|musl).*"
    r"|kernel32|ntdll|user32|advapi32|shell32|ole32|msvcrt|ucrtbase|vcruntime.*|api-ms-win-.*|ext-ms-.*",
    re.IGNORECASE,
)


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """What a user lets the metadata of a package do beyond what is safe.

    ``allow_outside`` takes paths that leave the package's folder, and ``link_flags`` are flags for the linker that
    are passed on as they are.
    """

    allow_outside: bool = False
    link_flags: tuple[str, ...] = ()


UNTRUSTED = Trust()


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to link: a file, libraries by name, folders to look in, or a flag.

    ``run_folders`` are those to look in when the library is loaded, and not before: what lies in the folder of a
    package is linked where a path names it, and never because it has the name of a library. ``names`` are the
    libraries, by name, that it may make the result need at run time.
    """

    text: str
    file: LibraryFile | None = None
    libraries: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    run_folders: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()


def read_dependency(text: str, folder: Path, where: str, trust: Trust = UNTRUSTED) -> Dependency:
    """Tell what ``text`` means: a path relative to ``folder``, a library's name, or flags that name some.

    Raises :class:`hatframe.errors.OutsideError` for a path that leaves the folder, and :class:`LinkError` for a file
    that is not there or is none to link, and for any other flag, unless ``trust`` takes it; ``where`` is where the text
    is from.
    """
    text = text.strip()
    if text in trust.link_flags:
        return Dependency(text=text, flags=(text,))
    if is_flag(text):
        return _read_flags(text, where, trust)
    if is_path(text, folder):
        return _read_file(text, folder, where, trust)
    file_name = _LIBRARY_FILE_NAME.fullmatch(text)
    name = file_name[1] if file_name else text
    if LIBRARY_SUFFIX.search(name):
        # After a colon a linker takes a whole file name.
        name = f":{name}"
    if not _NAME.fullmatch(name):
        raise LinkError(f"{text!r} is no library", where=where, hint="name a library, or the path of one")
    return Dependency(text=text, libraries=(name,), names=frozenset((_bare(name),)))


def _read_file(text: str, folder: Path, where: str, trust: Trust) -> Dependency:
    path = confined(folder, text, where, allow_outside=trust.allow_outside)
    if not path.is_file():
        raise LinkError(f"the dependency {text} is not there", where=where, hint="correct its path, or build it")
    try:
        file = identify(path)
    except PackageError as error:
        raise PackageError(f"the dependency {text}: {error.message}", where=where, hint=error.hint) from None
    if file.kind is LibraryKind.EXECUTABLE:
        raise LinkError(f"the dependency {text} is a program, not a library", where=where)
    if file.kind is LibraryKind.DYNAMIC:
        # It is looked up again at run time.
        return Dependency(text=text, file=file, libraries=(str(path),), run_folders=(path.parent,))
    return Dependency(text=text, file=file, libraries=() if file.kind is LibraryKind.OBJECT else (str(path),))


def _read_flags(text: str, where: str, trust: Trust) -> Dependency:
    libraries: list[str] = []
    folders: list[Path] = []
    flags: list[str] = []
    names: set[str] = set()
    words = iter(text.split())
    for word in words:
        if word in trust.link_flags:
            flags.append(word)
        elif word in KNOWN_FLAGS:
            flag, stands_for = KNOWN_FLAGS[word]
            flags.append(flag)
            names.update(stands_for)
        elif word.startswith("-l") and _NAME.fullmatch(word[2:]):
            libraries.append(word[2:])
            names.add(_bare(word[2:]))
        elif word.startswith("-L") and Path(word[2:]).is_absolute() and trust.allow_outside:
            folders.append(Path(word[2:]))
        elif word == "-framework" and (framework := next(words, "")).isidentifier():
            flags += (word, framework)
            names.add(framework.lower())
        else:
            raise LinkError(
                f"the flag {word!r} is not passed on to a linker",
                where=where,
                hint="flags that may be given are -lNAME, -pthread, -fopenmp, /openmp and -framework NAME, and those "
                f"that you trust: --allow-link-flag={word}",
            )
    return Dependency(
        text=text, libraries=tuple(libraries), folders=tuple(folders), flags=tuple(flags), names=frozenset(names)
    )


def statically_linked(dependencies: Iterable[Dependency], needed: Collection[str]) -> set[str]:
    """The texts of the dependencies that the linked library holds, and so does not need at run time.

    ``needed`` names the dynamic libraries that it needs. A file tells by its kind. What was found by name was
    dynamic where the library needs one of that name; or, since the name that a library gives itself may be
    another, where it needs one that no dependency explains.
    """
    dependencies = list(dependencies)
    found = {_bare(PureWindowsPath(name).name) for name in needed}
    explained = frozenset[str]().union(*(dependency.names for dependency in dependencies))
    files = {_bare(dependency.file.path.name) for dependency in dependencies if dependency.file}
    strangers = {name for name in found - explained - files if not _SYSTEM.fullmatch(name)}
    return {
        dependency.text
        for dependency in dependencies
        if (
            dependency.file.kind is not LibraryKind.DYNAMIC
            if dependency.file
            else not dependency.names & found and not (dependency.names and strangers)
        )
    }


def _bare(name: str) -> str:
    """The name of a library without what its file name has around it: ``gomp`` of ``libgomp.so.1``.

    Windows does not tell names by their case, and no two libraries of other systems differ by that alone.
    """
    name = name.removeprefix(":")
    whole = _DYNAMIC_FILE_NAME.fullmatch(name) or _LIBRARY_FILE_NAME.fullmatch(name)
    return (whole[1] if whole else name).lower()
