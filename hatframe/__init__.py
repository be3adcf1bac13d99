"""hatframe loads, checks, benchmarks and converts HAT packages: compiled C functions with their own metadata.

>>> import hatframe
>>> package = hatframe.load("pkg.hat", loader="cffi")  # doctest: +SKIP
>>> package.gemm(A, B, C)  # doctest: +SKIP

What is named here is the public API, with the modules :mod:`hatframe.backends`, :mod:`hatframe.hookspecs`,
:mod:`hatframe.machine`, :mod:`hatframe.errors`, :mod:`hatframe.files`, :mod:`hatframe.format`, :mod:`hatframe.calling`,
:mod:`hatframe.bench.options`, :mod:`hatframe.results` and :mod:`hatframe.testing`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["HatError", "Kernel", "__version__", "hookimpl", "load", "read_package"]

# Imported when first used: ``import hatframe`` alone stays cheap.
_HOMES = {
    "HatError": "hatframe.errors",
    "Kernel": "hatframe.kernel",
    "hookimpl": "hatframe.hookspecs",
    "load": "hatframe.kernel",
    "read_package": "hatframe.packages.package",
}

if TYPE_CHECKING:
    from hatframe.errors import HatError
    from hatframe.hookspecs import hookimpl
    from hatframe.kernel import Kernel, load
    from hatframe.packages.package import read_package


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hatframe' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
