"""A package before any of its code is loaded: one library and the .hat files that describe its functions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from hatframe.errors import FormatError, PackageError, UnknownFunctionError
from hatframe.format.model import Function, HatFile
from hatframe.format.names import matching
from hatframe.format.reading import read_hat

STORED_MEAN_KEYS = ("mean_duration_in_sec", "duration_in_sec")
"""The keys of a function's ``auxiliary`` that existing tools keep its mean duration in, in seconds."""


class Package:
    """The .hat files of one library, as one mapping of functions.

    Raises :class:`PackageError` where the files are not of one library, or two of them describe one function.
    """

    def __init__(self, hat_files: Iterable[HatFile]) -> None:
        self.hat_files = tuple(hat_files)
        if not self.hat_files:
            raise PackageError("a package has at least one .hat file")
        libraries = {hat.library for hat in self.hat_files}
        if len(libraries) > 1:
            listed = ", ".join(str(library or "none") for library in libraries)
            raise PackageError(f"the .hat files are of different libraries: {listed}")
        functions: dict[str, Function] = {}
        self._files: dict[str, HatFile] = {}
        for hat in self.hat_files:
            for function in hat.functions.values():
                if function.name in functions:
                    raise PackageError(
                        f"function {function.name} is described twice",
                        where=f"{self._files[function.name].path}",
                    )
                functions[function.name] = function
                self._files[function.name] = hat
        self.functions: Mapping[str, Function] = MappingProxyType(functions)

    @property
    def path(self) -> Path | None:
        """The path of the first .hat file."""
        return self.hat_files[0].path

    @property
    def library(self) -> Path | None:
        """The path of the library, or None where ``link_target`` is empty; it need not exist."""
        return self.hat_files[0].library

    def hat_file(self, function_name: str) -> HatFile:
        """The .hat file that describes a function, given by its full name."""
        return self._files[function_name]

    def __repr__(self) -> str:
        return f"<Package {self.path}: {len(self.functions)} functions>"

    def select(self, patterns: Iterable[str]) -> list[Function]:
        """The functions that names, base names or globs mean, each once, in the order of the package.

        Raises :class:`PackageError` for a pattern that means none.
        """
        chosen: set[str] = set()
        for pattern in patterns:
            names = matching(pattern, self.functions)
            if not names:
                raise self._unknown(pattern)
            chosen.update(names)
        return [function for name, function in self.functions.items() if name in chosen]

    def find(self, name: str) -> Function:
        """The one function of that name or base name.

        Raises :class:`PackageError` where there is none, or where the base name is that of several.
        """
        names = [] if _is_glob(name) else matching(name, self.functions)
        if not names:
            raise self._unknown(name)
        if len(names) > 1:
            raise PackageError(
                f"{name!r} is the base name of {len(names)} functions",
                where=str(self.path or ""),
                hint=f"choose one of {_listed(names)}",
            )
        return self.functions[names[0]]

    def fastest(self, pattern: str = "*") -> Function:
        """The function with the best stored mean duration among those of that name, base name or glob.

        Raises :class:`PackageError` where the pattern means none, or none of those has a stored result.
        """
        candidates = self.select([pattern])
        stored = {function.name: stored_mean(function) for function in candidates}
        measured = {name: seconds for name, seconds in stored.items() if seconds is not None}
        if not measured:
            raise PackageError(
                f"no function of {pattern!r} has a stored result",
                where=str(self.path or ""),
                hint="store some with: hatframe bench --sink hat",
            )
        return self.functions[min(measured, key=measured.__getitem__)]

    def _unknown(self, name: str) -> UnknownFunctionError:
        close = difflib.get_close_matches(name, self.functions, n=3, cutoff=0.5)
        names = close or list(self.functions)
        hint = f"it has {_listed(names)}" if names else "it has no functions"
        return UnknownFunctionError(
            f"there is no function {name!r}",
            where=str(self.path or ""),
            hint=f"did you mean {_listed(close)}?" if close else hint,
        )


def stored_mean(function: Function) -> float | None:
    """The mean duration in seconds that a former run stored in the function's ``auxiliary``, or None."""
    for key in STORED_MEAN_KEYS:
        value = function.auxiliary.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
            return float(value)
    return None


def read_package(*paths: str | Path) -> Package:
    """Read one package from its .hat file or files. No code of it is run."""
    return Package(read_hat(path) for path in paths)


def read_packages(paths: Iterable[str | Path]) -> list[Package]:
    """Read the packages that files and folders hold, the .hat files of one library together.

    Of a folder every .hat file directly in it counts, but those without functions are passed over. Raises
    :class:`FormatError` for a folder without .hat files and :class:`PackageError` where no function is left.
    """
    groups: dict[Path, dict[Path, HatFile]] = {}
    for path in map(Path, paths):
        for hat in _of_folder(path) if path.is_dir() else [read_hat(path)]:
            assert hat.path is not None
            group = groups.setdefault((hat.library or hat.path).resolve(), {})
            group[hat.path.resolve()] = hat
    return [Package(files.values()) for files in groups.values()]


def _of_folder(folder: Path) -> list[HatFile]:
    files = [read_hat(path) for path in sorted(folder.glob("*.hat"))]
    if not files:
        raise FormatError("there is no .hat file in this folder", where=str(folder))
    with_functions = [hat for hat in files if hat.functions]
    if not with_functions:
        raise PackageError("no .hat file in this folder has functions", where=str(folder))
    return with_functions


def _is_glob(name: str) -> bool:
    return any(character in name for character in "*?[")


def _listed(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
