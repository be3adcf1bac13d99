"""What the dependencies of a package, and the libraries that a user adds, mean to a linker.

A ``target_file`` may be the path of an object file or library in the package's folder, the name of a library, or a
linker flag. As metadata are untrusted, only flags that name libraries reach the linker, and those that the user allows.
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
"""The accepted flags, each as the linker gets it and with the libraries that it stands for."""

_NAME = re.compile(r":?[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_LIBRARY_FILE_NAME = re.compile(r"lib(.+?)\.(?:so|dylib|a|tbd)\Z")
# Names of dynamic libraries may have no prefix, and a version at the end.
_DYNAMIC_FILE_NAME = re.compile(r"(?:lib)?(.+?)(?:\.so(?:\.\d+)*|(?:\.\d+)*\.dylib|\.dll)\Z", re.IGNORECASE)
# Libraries that any C library needs, or is part of: they show nothing about its dependencies.
_SYSTEM = re.compile(
    r"c|m|gcc_s|pthread|dl|rt|System(\.B)?|ld-(linux|musl).*"
    r"|kernel32|ntdll|user32|advapi32|shell32|ole32|msvcrt|ucrtbase|vcruntime.*|api-ms-win-.*|ext-ms-.*",
    re.IGNORECASE,
)


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """What a user allows the metadata of a package: paths outside its folder, and flags for the linker."""

    allow_outside: bool = False
    link_flags: tuple[str, ...] = ()


UNTRUSTED = Trust()


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    """One input of a link: a file, names of libraries, folders to search, or flags.

    ``run_folders`` are searched only when the library is loaded: a file in a package is linked if a path gives it,
    never because its name matches. ``names`` are the libraries that the result may need at run time.
    """

    text: str
    file: LibraryFile | None = None
    libraries: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    run_folders: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()


def read_dependency(text: str, folder: Path, where: str, trust: Trust = UNTRUSTED) -> Dependency:
    """Interpret ``text`` as a path relative to ``folder``, the name of a library, or flags that name libraries.

    Raises :class:`hatframe.errors.OutsideError` for a path outside the folder, and :class:`LinkError` for a file that
    is missing or cannot be linked, and for other flags, unless ``trust`` allows them.
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
        # After a colon, linkers expect a complete file name.
        name = f":{name}"
    if not _NAME.fullmatch(name):
        raise LinkError(f"{text!r} is not a library", where=where, hint="give the name of a library, or its path")
    return Dependency(text=text, libraries=(name,), names=frozenset((_bare(name),)))


def _read_file(text: str, folder: Path, where: str, trust: Trust) -> Dependency:
    path = confined(folder, text, where, allow_outside=trust.allow_outside)
    if not path.is_file():
        raise LinkError(f"the dependency {text} does not exist", where=where, hint="correct its path, or build it")
    try:
        file = identify(path)
    except PackageError as error:
        raise PackageError(f"the dependency {text}: {error.message}", where=where, hint=error.hint) from None
    if file.kind is LibraryKind.EXECUTABLE:
        raise LinkError(f"the dependency {text} is a program, not a library", where=where)
    if file.kind is LibraryKind.DYNAMIC:
        # The loader searches for it again.
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
                f"the flag {word!r} is not allowed",
                where=where,
                hint="packages may use -lNAME, -pthread, -fopenmp, /openmp and -framework NAME; if you trust this "
                f"package, pass --allow-link-flag={word}",
            )
    return Dependency(
        text=text, libraries=tuple(libraries), folders=tuple(folders), flags=tuple(flags), names=frozenset(names)
    )


def statically_linked(dependencies: Iterable[Dependency], needed: Collection[str]) -> set[str]:
    """The texts of the dependencies that a linked library holds; ``needed`` are the dynamic libraries it needs.

    A library given by name was dynamic if the result needs one of that name or, as a library may call itself
    differently, one that no dependency explains.
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
    """The name of a library, in lower case, without the rest of its file name: ``gomp`` of ``libgomp.so.1``."""
    name = name.removeprefix(":")
    whole = _DYNAMIC_FILE_NAME.fullmatch(name) or _LIBRARY_FILE_NAME.fullmatch(name)
    return (whole[1] if whole else name).lower()
