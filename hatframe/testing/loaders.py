"""The contract of a loader of host functions, on a small library that is compiled for it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hatframe.backends import BoundFunction, Library, Linker, LoadContext, Loader
from hatframe.errors import HatError, SymbolError, UsageError
from hatframe.format.model import Function
from hatframe.machine import Machine, Platform
from hatframe.packages.package import Package, read_package
from hatframe.testing.contract import Contract, check_backend
from hatframe.testing.functions import check_function, check_timer
from hatframe.testing.sample import FUNCTIONS, make_sample, write_sample
from hatframe.toolchain.tool import private_folder

_SETS = 3
_CALLS = 7

# Of a call that takes milliseconds, the rest of what run() does is a small part; a busy machine adds to both.
_LEAST_SHARE = 0.5


def check_loader(loader: Loader, linker: Linker, options: Mapping[str, str] | None = None) -> None:
    """Hold ``loader`` against :class:`hatframe.backends.Loader` and what it opens against the contracts there.

    A small C library is compiled by ``linker`` (``hatframe.Kernel().linker()`` gives one) and opened; its
    functions are called, prepared and timed. ``options`` are given to the loader.

    Raises :class:`AssertionError` with the clause that does not hold, :class:`hatframe.errors.PluginError` where
    the loader cannot work here, and :class:`hatframe.errors.UsageError` for a loader of another runtime: no
    library that a C compiler makes has functions for it, so use :func:`check_function` with a package of its own.
    """
    contract = check_backend(loader, Loader)
    check_runtimes(contract, loader)
    if loader.runtimes:
        raise UsageError(
            f"{contract.subject} serves {', '.join(sorted(loader.runtimes))}, not host functions",
            hint="check functions of a package for it with check_function",
        )
    with private_folder() as folder:
        package = make_sample(folder, linker)
        context = _context(folder / "cache", linker, options or {})
        library = contract.works("open(package, context) opens a library", loader.open, package, context)
        contract.require(isinstance(library, Library), "open(package, context) returns a Library", repr(library))
        _check_binding(contract, library)
        _check_calls(library)
        _check_left_out(contract, library)
        _check_timing(contract, library)
        contract.works("close() raises nothing", library.close)
        _check_no_library(contract, loader, context, folder)


def check_runtimes(contract: Contract, loader: Loader) -> None:
    """Check the form of what a loader claims to serve."""
    contract.require(
        isinstance(loader.runtimes, frozenset)
        and all(isinstance(runtime, str) and runtime and runtime == runtime.lower() for runtime in loader.runtimes),
        "its runtimes are a frozenset of names in lower case",
        repr(loader.runtimes),
    )


def _context(cache: Path, linker: Linker, options: Mapping[str, str]) -> LoadContext:
    cache.mkdir()

    def dynamic_library(package: Package) -> Path:
        assert package.library is not None
        return package.library

    return LoadContext(
        machine=Machine(platform=Platform.host()),
        cache_folder=cache,
        dynamic_library=dynamic_library,
        linker=lambda: linker,
        notify=lambda text: None,
        options=options,
    )


def _bind(library: Library, name: str) -> BoundFunction:
    return library.bind(FUNCTIONS[name])


def _check_binding(contract: Contract, library: Library) -> None:
    missing = Function(name="a_function_that_is_not_there", arguments=())
    contract.refuses(
        "bind(function) raises SymbolError for a function that the library does not have",
        SymbolError,
        library.bind,
        missing,
    )
    for name, function in FUNCTIONS.items():
        bound = contract.works("bind(function) finds every function of the library", _bind, library, name)
        contract.require(isinstance(bound, BoundFunction), "bind(function) returns a BoundFunction", repr(bound))
        contract.require(bound.function == function, "a bound function has its own metadata", bound.function)


def _check_calls(library: Library) -> None:
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    b = 10 * a + 1
    check_function(_bind(library, "add"), [a, b, np.zeros((3, 4), np.float32)], {"c": a + b})
    columns = np.asfortranarray(np.arange(12, dtype=np.float64).reshape(3, 4))
    plus = columns + 100 * np.arange(3.0)[:, None] + np.arange(4.0)
    check_function(_bind(library, "column"), [columns, np.zeros((3, 4), order="F")], {"b": plus})
    x = np.arange(5, dtype=np.float32)
    scale = _bind(library, "scale")
    check_function(scale, [5, 2.5, x, np.zeros(5, np.float32)], {"y": 2.5 * x}, sizes={"n": 5})
    check_function(_bind(library, "total"), [np.arange(12, dtype=np.float32)], {}, returns=66.0)
    check_function(_bind(library, "next"), [41, np.zeros(1, np.int32)], {"y": [42]})
    check_function(_bind(library, "step"), [np.arange(16, dtype=np.int32)], {"counter": np.arange(1, 17)})


def _check_left_out(contract: Contract, library: Library) -> None:
    x = np.arange(5, dtype=np.float32)
    y = np.zeros(5, np.float32)
    clause = "a dimension that the shape of an array tells may be left out"
    scale = _bind(library, "scale")
    contract.works(clause, scale, 2.0, x, y)
    contract.require((y == 2 * x).all(), clause, y)


def _check_timing(contract: Contract, library: Library) -> None:
    step = _bind(library, "step")
    sets = [step.make_arguments({}, _clear) for _ in range(_SETS)]
    timer = contract.works("prepare(argument_sets) returns a timer", step.prepare, sets)
    counts = functools.partial(_counts, sets)
    contract.require(sum(counts()) == 0, "prepare(argument_sets) makes no calls", f"{sum(counts())} calls")
    check_timer(contract, timer, _CALLS)
    contract.require(
        sum(counts()) == _CALLS, "run(calls) makes exactly that many calls", f"{sum(counts())} instead of {_CALLS}"
    )
    in_turn = sorted(_CALLS // _SETS + (index < _CALLS % _SETS) for index in range(_SETS))
    contract.require(
        sorted(counts()) == in_turn,
        "run(calls) goes through the argument sets in turn and round again",
        f"calls with each set: {counts()}",
    )
    contract.works("run(calls) can be asked again", timer.run, 1)
    contract.require(
        sum(counts()) == _CALLS + 1,
        "run(calls) makes exactly that many calls",
        f"{sum(counts()) - _CALLS} instead of 1",
    )
    work = _bind(library, "work")
    slow = work.prepare([work.make_arguments({}, _clear)])
    share = max(check_timer(contract, slow) for _ in range(3))
    contract.require(
        share >= _LEAST_SHARE,
        "run(calls) measures the seconds of the whole batch",
        f"{share:.2%} of the time that the calls took",
    )


def _clear(name: str, array: Any) -> None:
    array[...] = 0


def _counts(sets: list[Any]) -> list[int]:
    return [int(arguments[0][0]) for arguments in sets]


def _check_no_library(contract: Contract, loader: Loader, context: LoadContext, folder: Path) -> None:
    (folder / "junk").mkdir()
    (folder / "junk" / "junk.bin").write_text("this is no library")
    package = read_package(write_sample(folder / "junk", "junk.bin"))
    contract.refuses(
        "a file that is no library is refused with a HatError: by open(package, context), or when a function is bound",
        HatError,
        lambda: loader.open(package, context).bind(FUNCTIONS["add"]),
    )
