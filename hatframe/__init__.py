"""hatframe loads, checks, benchmarks and converts HAT packages: compiled C functions with their own metadata.

>>> import hatframe
>>> package = hatframe.load("pkg.hat")  # doctest: +SKIP
>>> package.gemm(A, B, C)  # doctest: +SKIP

``__all__`` is the public API; :mod:`hatframe.plugin` and :mod:`hatframe.testing` are public too, for plugins. The
operations are the methods of one :class:`Kernel` that uses all installed plugins. Everything else is private.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "HatError",
    "Kernel",
    "__version__",
    "bench",
    "build",
    "compare",
    "hookimpl",
    "load",
    "pack",
    "probe",
    "read_package",
    "show",
    "store",
    "to_dynamic",
    "to_static",
    "validate",
    "verify",
]

# Imported when first used: ``import hatframe`` alone stays cheap.
_HOMES = {
    "HatError": "hatframe.errors",
    "Kernel": "hatframe.kernel",
    "hookimpl": "hatframe.hookspecs",
    "read_package": "hatframe.packages.package",
}

if TYPE_CHECKING:
    from hatframe.errors import HatError
    from hatframe.hookspecs import hookimpl
    from hatframe.kernel import Kernel
    from hatframe.packages.package import read_package

    bench = Kernel().bench
    build = Kernel().build
    compare = Kernel().compare
    load = Kernel().load
    pack = Kernel().pack
    probe = Kernel().probe
    show = Kernel().show
    store = Kernel().store
    to_dynamic = Kernel().to_dynamic
    to_static = Kernel().to_static
    validate = Kernel().validate
    verify = Kernel().verify


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'hatframe' has no attribute {name!r}")
    if home := _HOMES.get(name):
        return getattr(importlib.import_module(home), name)
    from hatframe.kernel import default_kernel

    return getattr(default_kernel(), name)


class _Package(types.ModuleType):
    """``hatframe.bench`` stays the function when the subpackage of the same name is imported."""

    @property
    def bench(self) -> Any:
        return __getattr__("bench")

    @bench.setter
    def bench(self, module: types.ModuleType) -> None:
        pass


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted(__all__)
