"""A loaded package: a mapping of its functions, each bound when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hatframe.backends import BoundFunction
from hatframe.format.model import Function
from hatframe.packages.package import Package


class LoadedPackage(Mapping[str, BoundFunction]):
    """The functions of an opened package, by full name; also found by base name, and as attributes.

    >>> package["gemm_0123456789abcdef"], package["gemm"], package.gemm  # doctest: +SKIP

    A base name that several functions have is an error that lists them. As a context manager it closes itself.
    """

    def __init__(
        self, package: Package, bind: Callable[[Function], BoundFunction], close: Callable[[], object]
    ) -> None:
        self.package = package
        self._bind = bind
        self._close = close
        self._bound: dict[str, BoundFunction] = {}

    def find(self, name: str) -> BoundFunction:
        """The function of that name or base name.

        Raises :class:`hatframe.errors.PackageError` where there are several, and its kind
        :class:`hatframe.errors.UnknownFunctionError` (a KeyError and AttributeError too) where there is none.
        """
        return self._bound_function(self.package.find(name))

    def fastest(self, pattern: str = "*") -> BoundFunction:
        """The function with the best stored result among those of that name, base name or glob."""
        return self._bound_function(self.package.fastest(pattern))

    def close(self) -> None:
        """Release the libraries; no function of the package may be called afterwards."""
        self._bound.clear()
        self._close()

    def _bound_function(self, function: Function) -> BoundFunction:
        if function.name not in self._bound:
            self._bound[function.name] = self._bind(function)
        return self._bound[function.name]

    def __getitem__(self, name: str) -> BoundFunction:
        if name in self._bound:
            return self._bound[name]
        return self.find(name)

    def __getattr__(self, name: str) -> BoundFunction:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.find(name)

    def __contains__(self, name: object) -> bool:
        return name in self.package.functions

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
