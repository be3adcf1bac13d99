"""A package before any of its code is loaded: one library and the .hat files that describe its functions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from hatframe import files
from hatframe.errors import FormatError, PackageError, UnknownFunctionError, listed, system_errors_named
from hatframe.format.model import Function, HatFile
from hatframe.format.names import matching
from hatframe.format.pairs import pairs_text
from hatframe.format.reading import read_hat
from hatframe.format.signatures import signature
from hatframe.packages.stored import StoredResult, stored_results

_STORE = "store results with: hatframe bench --sink hat"


class Unpacked(msgspec.Struct, frozen=True):
    archive: Path
    folder: Path


class Package:
    """The .hat files of one library, with their functions in one mapping; ``unpacked`` if they come from a .zip file.

    Raises :class:`PackageError` if the files name different libraries, or two of them describe one function.
    """

    def __init__(self, hat_files: Iterable[HatFile], unpacked: Unpacked | None = None) -> None:
        self.hat_files = tuple(hat_files)
        self.unpacked = unpacked
        if not self.hat_files:
            raise PackageError("a package has at least one .hat file")
        libraries = {hat.library for hat in self.hat_files}
        if len(libraries) > 1:
            listed = ", ".join(str(library or "none") for library in libraries)
            raise PackageError(f"the .hat files name different libraries: {listed}")
        functions: dict[str, Function] = {}
        self._files: dict[str, HatFile] = {}
        for hat in self.hat_files:
            for function in hat.functions.values():
                if function.name in functions:
                    raise PackageError(
                        f"function {function.name} is described twice", where=f"{self._files[function.name].path}"
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
        """The path of the library, which may not exist; None if ``link_target`` is empty."""
        return self.hat_files[0].library

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the package: .hat files, library, deploy files, and sources of device functions."""
        paths: list[Path] = []
        for hat in self.hat_files:
            functions = [*hat.functions.values(), *hat.device_functions.values()]
            named = [hat.dependencies.link_target, *hat.dependencies.deploy_files, *(f.provider for f in functions)]
            paths += [*([hat.path] if hat.path else []), *(hat.folder / name for name in named if name)]
        return tuple(dict.fromkeys(paths))

    def shown(self, path: Path | None) -> str:
        """A path of the package as users know it: ``FILE.zip/name.hat`` for a file that was unpacked."""
        if path is None:
            return ""
        folder = self.hat_files[0].folder
        if self.unpacked and path.is_relative_to(folder):
            return str(self.unpacked.archive / path.relative_to(folder))
        return str(path)

    def hat_file(self, function_name: str) -> HatFile:
        """The .hat file that describes a function, given by its full name."""
        return self._files[function_name]

    def __repr__(self) -> str:
        return f"<Package {self.path}: {len(self.functions)} functions>"

    def select(self, patterns: Iterable[str]) -> list[Function]:
        """The functions that match names, base names or globs, each once, in the order of the package.

        Raises :class:`PackageError` for a pattern that matches none.
        """
        chosen: set[str] = set()
        for pattern in patterns:
            names = matching(pattern, self.functions)
            if not names:
                raise self._unknown(pattern)
            chosen.update(names)
        return [function for name, function in self.functions.items() if name in chosen]

    def find(self, name: str) -> Function:
        """The one function with this name or base name.

        Raises :class:`PackageError` if no function has it, or several share the base name.
        """
        names = [] if set(name) & set("*?[") else matching(name, self.functions)
        if not names:
            raise self._unknown(name)
        if len(names) > 1:
            raise PackageError(
                f"{len(names)} functions have the base name {name!r}",
                where=str(self.path or ""),
                hint=f"choose one of {listed(names)}",
            )
        return self.functions[names[0]]

    def fastest(self, pattern: str = "*", /, **sizes: float) -> Function:
        """The function with the shortest stored time among those that match a name, base name or glob.

        Only results of the same parameters and sizes are compared. If there are results of several sizes, name one:
        ``fastest("dot_*", n=10000)``. Functions without a result of it do not count.

        Raises :class:`PackageError` if the pattern matches no function, if none of them has a stored result, or if the
        results do not compare.
        """
        where = str(self.path or "")
        results = [result for function in self.select([pattern]) for result in stored_results(function)]
        asked = [result for result in results if sizes.items() <= result.sizes.items()]
        if not asked:
            wanted = f" with {pairs_text(sizes)}" if sizes else ""
            raise PackageError(
                f"no function of {pattern!r} has a stored result{wanted}",
                where=where,
                hint=f"there are results with {_choices(results)}" if results else _STORE,
            )
        names = list(dict.fromkeys(result.function.name for result in asked))
        if len(names) > 1:
            if len({signature(result.function) for result in asked}) > 1:
                raise PackageError(
                    f"functions with different parameters do not compare: {listed(names)}",
                    where=where,
                    hint="choose functions that do the same work by a name or a pattern",
                )
            if any(result.sizes != asked[0].sizes for result in asked):
                raise PackageError(
                    f"results of different sizes do not compare: those of {pattern!r} have {_choices(asked)}",
                    where=where,
                    hint=f"choose one, as in fastest({pattern!r}, {', '.join(pairs_text(asked[-1].sizes).split())})",
                )
        times = [result.time for result in asked if result.time is not None]
        if len(times) < len(asked):
            times = [result.mean for result in asked]  # another tool stored some of them
        return asked[times.index(min(times))].function

    def _unknown(self, name: str) -> UnknownFunctionError:
        import difflib

        if close := difflib.get_close_matches(name, self.functions, n=3, cutoff=0.5):
            hint = f"did you mean {listed(close)}?"
        else:
            hint = f"it has {listed(list(self.functions)) or 'no functions'}"
        return UnknownFunctionError(f"unknown function {name!r}", where=str(self.path or ""), hint=hint)


def _choices(results: Iterable[StoredResult]) -> str:
    """The sizes of results, in words."""
    return listed(list(dict.fromkeys(pairs_text(result.sizes) or "unknown sizes" for result in results)))


def is_zip(path: str | Path) -> bool:
    """Whether a path has the suffix .zip and is not a folder; the file may not exist."""
    return Path(path).suffix.lower() == ".zip" and not Path(path).is_dir()


@system_errors_named()
def read_package(*paths: str | Path) -> Package:
    """Read the metadata of a package. No code of it runs.

    Parameters
    ----------
    *paths
        The .hat file or files of one library, or a .zip file.

    Returns
    -------
    Package
        The .hat files, and the functions that they describe, by name.

    Raises
    ------
    FormatError
        A .hat file cannot be read.
    PackageError
        The files are not of one package, or the .zip file cannot be unpacked.

    Examples
    --------
    >>> import hatframe
    >>> hatframe.read_package("gemm.hat").functions["gemm"].arguments[0].shape  # doctest: +SKIP
    (256, 256)
    """
    read = [_read(path) if is_zip(path) else ([read_hat(path)], None) for path in map(Path, paths)]
    return Package((hat for hats, _ in read for hat in hats), next(filter(None, (came for _, came in read)), None))


@system_errors_named()
def read_packages(paths: Iterable[str | Path]) -> list[Package]:
    """Read the packages in files and folders; the .hat files of one library are one package.

    A folder, also one packed as a .zip file, stands for the .hat files directly in it that have functions. Raises
    :class:`FormatError` or :class:`PackageError` if there are none, and as :func:`read_package`.
    """
    groups: dict[tuple[Path | None, Path], tuple[dict[Path, HatFile], Unpacked | None]] = {}
    for path in map(Path, paths):
        hats, unpacked = _read(path)
        for hat in hats:
            assert hat.path is not None
            # Two .zip files with the same content are unpacked once, but are two packages.
            key = (unpacked.archive.resolve() if unpacked else None, (hat.library or hat.path).resolve())
            groups.setdefault(key, ({}, unpacked))[0][hat.path.resolve()] = hat
    return [Package(group.values(), unpacked) for group, unpacked in groups.values()]


@contextlib.contextmanager
def protect_unpacked(packages: list[Package]) -> Iterator[list[Package]]:
    """Keep packages that were unpacked into the cache from being cleared, until the block ends."""
    with contextlib.ExitStack() as stack:
        for folder in {package.unpacked.folder for package in packages if package.unpacked}:
            # A package is usable without its mark.
            with contextlib.suppress(OSError):
                stack.enter_context(files.in_use(folder))
        yield packages


def same_library(path: Path) -> Package:
    """The package of a .hat file and of those in its folder with the same library; raises as :func:`read_package`."""
    hat = read_hat(path)
    others = (read_hat(other) for other in _hat_files(path.parent) if not other.samefile(path))
    return Package([hat, *(other for other in others if hat.library and other.library == hat.library)])


def _read(path: Path) -> tuple[list[HatFile], Unpacked | None]:
    if is_zip(path):
        from hatframe.packages.unpacking import unpacked

        folder = unpacked(path)
        return _of_folder(_inner(folder), str(path)), Unpacked(path, folder)
    return (_of_folder(path, str(path)) if path.is_dir() else [read_hat(path)]), None


def hat_folder(archive: Path) -> Path:
    """The folder with the unpacked .hat files of a .zip file; raises as :func:`read_package`."""
    from hatframe.packages.unpacking import unpacked

    return _inner(unpacked(archive))


def _inner(folder: Path) -> Path:
    """The folder itself, or its only subfolder: some people pack a folder, others its content."""
    inside = list(folder.iterdir())
    return _inner(inside[0]) if len(inside) == 1 and inside[0].is_dir() else folder


def _of_folder(folder: Path, where: str) -> list[HatFile]:
    what = "folder" if folder == Path(where) else "file"
    hats = [read_hat(path) for path in _hat_files(folder)]
    if not hats:
        raise FormatError(f"this {what} has no .hat files", where=where)
    with_functions = [hat for hat in hats if hat.functions]
    if not with_functions:
        raise PackageError(f"no .hat file in this {what} has functions", where=where)
    return with_functions


def _hat_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.hat") if path.is_file())
