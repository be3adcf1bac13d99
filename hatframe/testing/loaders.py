"""The contract of a loader, on a library compiled for it or on a package of its runtime."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hatframe.backends import BoundFunction, Library, Linker, LoadContext, Loader
from hatframe.errors import HatError, SymbolError, UsageError
from hatframe.format.model import Function, Required, RequiredGpu
from hatframe.machine import Machine, Platform
from hatframe.packages.package import read_package
from hatframe.testing.contract import Contract, check_backend
from hatframe.testing.functions import check_function
from hatframe.testing.sample import FUNCTIONS, make_sample, write_sample
from hatframe.testing.workloads import check_counting, check_resetting, check_restoring, check_seconds
from hatframe.toolchain.tool import private_folder


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A function whose results are known; the fields are those of :func:`check_function`."""

    arguments: Sequence[Any]
    expected: Mapping[str, Any]
    returns: Any = None
    sizes: Mapping[str, int] = {}


def check_loader(
    loader: Loader,
    linker: Linker,
    *,
    options: Mapping[str, str] | None = None,
    package: str | Path | None = None,
    cases: Mapping[str, Case] | None = None,
    machine: Machine | None = None,
) -> None:
    """Hold ``loader`` against :class:`hatframe.plugin.Loader`, and what it opens against the contracts there.

    For a loader of host functions, ``linker`` (``hatframe.Kernel().linker()`` returns one) compiles a small library;
    its functions are called, prepared and measured. A loader of another runtime brings a package and cases of its own.

    Parameters
    ----------
    options
        Settings for the loader.
    package, cases
        The .hat file of a package of the loader's runtime, and functions of it, by name.
    machine
        The facts that the loader is given.

    Raises :class:`AssertionError` with the clause that does not hold, :class:`hatframe.plugin.PluginError` if the
    loader cannot work here, and :class:`hatframe.plugin.UsageError` for a loader of a runtime without a package.
    """
    contract = check_backend(loader, Loader)
    check_runtimes(contract, loader)
    if loader.runtimes and (package is None or not cases):
        raise UsageError(
            f"{contract.subject} serves {', '.join(sorted(loader.runtimes))}, not host functions",
            hint="give a package of that runtime, and cases of its functions",
        )
    configured = loader.configured(options or {})
    with private_folder() as folder:
        cache = folder / "cache"
        cache.mkdir()
        context = LoadContext(
            machine=machine or Machine(platform=Platform.host()),
            cache_folder=cache,
            dynamic_library=operator.attrgetter("library"),
            linker=lambda: linker,
        )
        opened = read_package(package) if package else make_sample(folder, linker)
        library = contract.works("open(package, context) opens a package", configured.open, opened, context)
        contract.require(isinstance(library, Library), "open(package, context) returns a Library", repr(library))
        missing = Function(name="a_function_that_is_missing", arguments=(), runtime=next(iter(loader.runtimes), ""))
        clause = "bind(function) raises SymbolError for a function that the library lacks"
        contract.refuses(clause, SymbolError, library.bind, missing)
        if not loader.runtimes:
            check_counting(contract, _bind(contract, library, FUNCTIONS["step"]))
            check_resetting(contract, library.bind(FUNCTIONS["step"]))
        for name, case in (cases or _sample_cases()).items():
            bound = _bind(contract, library, opened.functions[name])
            check_function(bound, case.arguments, case.expected, returns=case.returns, sizes=case.sizes)
        if not loader.runtimes:
            x, y = np.arange(5, dtype=np.float32), np.zeros(5, np.float32)
            clause = "a dimension that the shape of an array gives may be omitted"
            contract.works(clause, library.bind(FUNCTIONS["scale"]), 2.0, x, y)
            contract.require((y == 2 * x).all(), clause, y)
            check_restoring(contract, _bind(contract, library, FUNCTIONS["grow"]))
            check_seconds(contract, _bind(contract, library, FUNCTIONS["work"]))
        contract.works("close() raises nothing", library.close)
        if not loader.runtimes:
            _check_no_library(contract, configured, context, folder)
    for required in (Required(), Required(gpu=RequiredGpu(runtime="UNKNOWN", min_global_memory_KB=1 << 60))):
        unmet = contract.works("unmet_requirements(required) raises nothing", loader.unmet_requirements, required)
        typed = isinstance(unmet, list) and all(isinstance(sentence, str) and sentence for sentence in unmet)
        contract.require(typed, "unmet_requirements(required) returns a list of sentences", repr(unmet))


def check_runtimes(contract: Contract, loader: Loader) -> None:
    """Check the form of the runtimes that a loader claims to serve."""
    runtimes = loader.runtimes
    named = isinstance(runtimes, frozenset) and all(isinstance(runtime, str) and runtime for runtime in runtimes)
    in_lower_case = named and all(runtime == runtime.lower() for runtime in runtimes)
    contract.require(in_lower_case, "its runtimes are a frozenset of names in lower case", repr(runtimes))


def _bind(contract: Contract, library: Library, function: Function) -> BoundFunction:
    bound = contract.works("bind(function) finds every function of the package", library.bind, function)
    contract.require(isinstance(bound, BoundFunction), "bind(function) returns a BoundFunction", repr(bound))
    contract.require(bound.function == function, "a bound function has its own metadata", bound.function)
    return bound


def _sample_cases() -> dict[str, Case]:
    """The functions of the sample, with arrays that nothing has written to."""
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    columns = np.asfortranarray(np.arange(12, dtype=np.float64).reshape(3, 4))
    x = np.arange(5, dtype=np.float32)
    return {
        "add": Case(arguments=[a, 10 * a + 1, np.zeros((3, 4), np.float32)], expected={"c": 11 * a + 1}),
        "column": Case(
            arguments=[columns, np.zeros((3, 4), order="F")],
            expected={"b": columns + 100 * np.arange(3.0)[:, None] + np.arange(4.0)},
        ),
        "scale": Case(arguments=[5, 2.5, x, np.zeros(5, np.float32)], expected={"y": 2.5 * x}, sizes={"n": 5}),
        "total": Case(arguments=[np.arange(12, dtype=np.float32)], expected={}, returns=66.0),
        "next": Case(arguments=[41, np.zeros(1, np.int32)], expected={"y": [42]}),
        "step": Case(arguments=[np.arange(16, dtype=np.int32)], expected={"counter": np.arange(1, 17)}),
    }


def _check_no_library(contract: Contract, loader: Loader, context: LoadContext, folder: Path) -> None:
    (folder / "junk").mkdir()
    (folder / "junk" / "junk.bin").write_text("not a library")
    package = read_package(write_sample(folder / "junk", "junk.bin"))
    contract.refuses(
        "a file that is not a library is refused with a HatError, by open() or when a function is bound",
        HatError,
        lambda: loader.open(package, context).bind(FUNCTIONS["add"]),
    )
