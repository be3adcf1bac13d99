"""A loaded package: a mapping of its functions, each bound when it is first used."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hatframe.backends import BoundFunction, Library, LoadContext, Loader
from hatframe.errors import HatError, PackageError, UnusableFunctionError
from hatframe.format.model import Function
from hatframe.packages.package import Package, protect_unpacked


class LoadedPackage(Mapping[str, BoundFunction]):
    """The functions of an open package, by full name; items are also found by base name, and as attributes.

    >>> package["gemm_0123456789abcdef"], package["gemm"], package.gemm  # doctest: +SKIP

    A base name that several functions share is an error that lists them. Use it in a ``with`` statement, or call
    :meth:`close`, to unload the library. It pickles by the paths of its files.

    ``select`` returns the loader for a ``runtime``, or for host functions if that is empty. ``reopen`` opens the same
    package again, in the process in which a pickle is loaded.
    """

    def __init__(
        self,
        package: Package,
        *,
        select: Callable[[str], Loader],
        context: LoadContext,
        reopen: Callable[[], LoadedPackage],
    ) -> None:
        self.package = package
        self._select = select
        self._context = context
        self._reopen = reopen
        self._bound: dict[str, BoundFunction] = {}
        self._libraries: dict[str, Library] = {}
        self._closed = False
        # An unpacked .zip file is in the cache, which another process may clear.
        self._marks = contextlib.ExitStack()
        self._marks.enter_context(protect_unpacked([package]))
        if any(not function.runtime for function in package.functions.values()):
            # A missing or broken library is an error now rather than at the first call.
            self._library(select(""))

    def find(self, name: str) -> BoundFunction:
        """The function of that name or base name.

        Raises :class:`PackageError` if several functions match, and its kind :class:`UnknownFunctionError` (also a
        KeyError and an AttributeError) if none does.
        """
        return self._bound_function(self.package.find(name))

    def fastest(self, pattern: str = "*", /, **sizes: float) -> BoundFunction:
        """The function with the best stored result among those of that name, base name or glob.

        See :meth:`Package.fastest`; ``fastest("dot_*", n=10000)`` compares the results of that size.
        """
        return self._bound_function(self.package.fastest(pattern, **sizes))

    def close(self) -> None:
        """Unload the libraries as soon as nothing uses them. Calling a function afterwards is an error."""
        self._closed = True
        self._bound.clear()
        for library in self._libraries.values():
            library.close()
        self._libraries.clear()
        self._marks.close()

    def _library(self, loader: Loader) -> Library:
        if self._closed:
            raise PackageError("this package is closed", where=str(self.package.path), hint="load it again")
        if loader.name not in self._libraries:
            self._libraries[loader.name] = loader.open(self.package, self._context)
        return self._libraries[loader.name]

    def _bound_function(self, function: Function) -> BoundFunction:
        if function.name not in self._bound:
            from hatframe.calling.description import describe

            loader = self._select(function.runtime)
            bound = self._library(loader).bind(function)
            bound.loader, bound.reopen = loader.name, self._reopen
            describe(bound)
            self._bound[function.name] = bound
        return self._bound[function.name]

    def __getitem__(self, name: str) -> BoundFunction:
        return self._bound.get(name) or self.find(name)

    def __getattr__(self, name: str) -> BoundFunction:
        if name.startswith("_") or name == "package":
            raise AttributeError(name)
        try:
            return self.find(name)
        except AttributeError:
            raise
        except HatError as error:
            raise UnusableFunctionError(error.message, where=error.where, hint=error.hint) from error

    def __contains__(self, name: object) -> bool:
        """Whether an item of that name or base name can be looked up."""
        try:
            return isinstance(name, str) and bool(self.package.find(name))
        except PackageError:
            return False

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reopen, ()

    def __iter__(self) -> Iterator[str]:
        return iter(self.package.functions)

    def __len__(self) -> int:
        return len(self.package.functions)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self.package.functions if name.isidentifier())]

    def __enter__(self) -> LoadedPackage:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LoadedPackage {self.package.path}: {len(self)} functions>"
