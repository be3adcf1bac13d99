"""The check of loaders: a real one with one fault built in fails with the sentence for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from remembering_linker import RememberingLinker
from sample_packages import affine, function, make_package

from hatframe import HatError, Kernel
from hatframe.backends import (
    BoundFunction,
    Library,
    Linker,
    LoadContext,
    Loader,
    Measurement,
    Timer,
    Workload,
    WorkloadSpec,
)
from hatframe.calling.memory import HostMemory
from hatframe.calling.workloads import ArrayWorkload
from hatframe.errors import CallError, PluginError, UsageError
from hatframe.format.model import Function, Required
from hatframe.machine import Machine, Platform
from hatframe.packages.package import Package
from hatframe.testing import check_function, check_loader


@pytest.fixture(scope="module")
def linker() -> Linker:
    try:
        return RememberingLinker(Kernel().linker())
    except PluginError as error:
        pytest.skip(str(error))


class Bound(BoundFunction):
    """A bound function that delegates to the real one; the faults override what they break."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.function = real.function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.real(*args, **kwargs)

    def prepare_call(self, *args: Any, **kwargs: Any) -> Callable[[], Any]:
        return self.real.prepare_call(*args, **kwargs)  # type: ignore[no-any-return]

    def workload(self, spec: WorkloadSpec) -> Workload:
        return ArrayWorkload(self.real.plan, spec, HostMemory(Machine(platform=Platform.host())), self.timer)

    def timer(self, argument_sets: Sequence[Sequence[Any]]) -> Timer:
        return self.real.timer(argument_sets)  # type: ignore[no-any-return]


class Opened(Library):
    bound: type[Bound] = Bound

    def __init__(self, real: Library) -> None:
        self.real = real

    def bind(self, function: Function) -> BoundFunction:
        return self.bound(self.real.bind(function))


class Toy(Loader):
    name = "toy"
    summary = "for a test"
    opened: type[Opened] = Opened

    def open(self, package: Package, context: LoadContext) -> Library:
        return self.opened(Kernel().loader("ctypes").open(package, context))


def broken(fault: type[Any]) -> Loader:
    """The toy loader with a fault: a loader, a library or a bound function of its own."""
    if issubclass(fault, Loader):
        return fault()
    if issubclass(fault, Bound):
        fault = type("BrokenLibrary", (Opened,), {"bound": fault})
    loader: Loader = type("Broken", (Toy,), {"opened": fault})()
    return loader


def test_a_loader_that_keeps_the_contract_passes(linker: Linker) -> None:
    check_loader(Toy(), linker)


class ShoutsRuntimes(Toy):
    runtimes = frozenset({"CUDA"})


class OpensAnything(Toy):
    def open(self, package: Package, context: LoadContext) -> Library:
        try:
            return super().open(package, context)
        except HatError:
            raise OSError("no library") from None


class FindsNothing(Opened):
    def bind(self, function: Function) -> BoundFunction:
        raise AttributeError(function.name)


class NoSymbolError(Opened):
    def bind(self, function: Function) -> BoundFunction:
        try:
            return super().bind(function)
        except HatError:
            raise KeyError(function.name) from None


class CannotClose(Opened):
    def close(self) -> None:
        raise RuntimeError("it is busy")


class WrongResult(Bound):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = super().__call__(*args, **kwargs)
        if self.name == "add":
            [*args, *kwargs.values()][-1][0, 0] += 1
        return result


class Converts(Bound):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values = [np.asarray(value.real, value.dtype) if isinstance(value, np.ndarray) else value for value in args]
        if any(np.iscomplexobj(value) for value in args):
            values = [value.real.astype(np.float32) if np.iscomplexobj(value) else value for value in args]
        return super().__call__(*values, **kwargs)


class CallsFirst(Bound):
    """Checks after the call."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.name == "add" and len(args) == 4:
            super().__call__(*args[:3])
            raise CallError("one too many")
        return super().__call__(*args, **kwargs)


class ValueErrors(Bound):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except CallError as error:
            raise ValueError(str(error)) from None


class ReturnsNothing(Bound):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        super().__call__(*args, **kwargs)


class CallsWhilePreparing(Bound):
    def prepare_call(self, *args: Any, **kwargs: Any) -> Callable[[], Any]:
        call = super().prepare_call(*args, **kwargs)
        call()
        return call


class PreparesOnce(Bound):
    def prepare_call(self, *args: Any, **kwargs: Any) -> Callable[[], Any]:
        calls = iter([super().prepare_call(*args, **kwargs)])
        return lambda: next(calls, lambda: None)()


class PreparesUnchecked(Bound):
    def prepare_call(self, *args: Any, **kwargs: Any) -> Callable[[], Any]:
        return functools.partial(self, *args, **kwargs)


def workload_with(fault: type[ArrayWorkload]) -> type[Bound]:
    """A fault in the workload."""

    def workload(self: Bound, spec: WorkloadSpec) -> Workload:
        return fault(self.real.plan, spec, HostMemory(Machine(platform=Platform.host())), self.timer)

    return type(fault.__name__, (Bound,), {"workload": workload})


class Eager(ArrayWorkload):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.allocate(1)


class Misaligned(ArrayWorkload):
    def values(self, index: int) -> list[Any]:
        return [_misaligned(value) for value in super().values(index)]


def _misaligned(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    raw = np.empty(value.nbytes + 128, np.uint8)
    start = -raw.ctypes.data % 64 + 32
    moved = np.ndarray(value.shape, value.dtype, raw, start, value.strides)
    moved[...] = value
    return moved


class Unfilled(ArrayWorkload):
    def allocate(self, sets: int, like: Workload | None = None) -> None:
        super().allocate(sets, like)
        for value in self.values(0) if self._spec.input_data == "ones" else ():
            if isinstance(value, np.ndarray):
                value[...] = 0


class OneTooFew(ArrayWorkload):
    def values(self, index: int) -> list[Any]:
        values = super().values(index)
        return values[:-1] or values


class CountsElements(ArrayWorkload):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.set_bytes //= 4


class KeyOfItsOwn(ArrayWorkload):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.key = str(id(self))


class FewerSets(ArrayWorkload):
    def allocate(self, sets: int, like: Workload | None = None) -> None:
        super().allocate(1, like)


class SharesNothing(ArrayWorkload):
    def allocate(self, sets: int, like: Workload | None = None) -> None:
        super().allocate(sets)


class NeverRestores(ArrayWorkload):
    def restore(self) -> bool:
        return False


class AlwaysRestores(ArrayWorkload):
    def restore(self) -> bool:
        super().restore()
        return True


class RestoresNothing(ArrayWorkload):
    def restore(self) -> bool:
        assert self._argument_sets
        return self._argument_sets._watch.drifted()


class ResetsNothing(ArrayWorkload):
    def reset(self) -> bool:
        return True


class WrappingTimer(Timer):
    """A timer that hands on to the real one."""

    name = "toy"

    def __init__(self, real: Timer) -> None:
        self.real = real

    def run(self, calls: int) -> Measurement:
        return self.real.run(calls)


def timed(timer: type[Any]) -> type[Bound]:
    """A fault in the timer."""

    def wrapped(self: Bound, argument_sets: Sequence[Sequence[Any]]) -> Any:
        return timer(self.real.timer(argument_sets))

    return type(timer.__name__, (Bound,), {"timer": wrapped})


class Nameless(WrappingTimer):
    name = ""


class NegativeOverhead(WrappingTimer):
    overhead = -1.0


class WarmsUp(WrappingTimer):
    def __init__(self, real: Timer) -> None:
        real.run(3)
        super().__init__(real)


class OneMore(WrappingTimer):
    def run(self, calls: int) -> Measurement:
        return super().run(calls + 1)


class Milliseconds(WrappingTimer):
    def run(self, calls: int) -> Measurement:
        return Measurement(super().run(calls).seconds * 1e3)


class OnlyTheLast(WrappingTimer):
    def run(self, calls: int) -> Measurement:
        return Measurement(super().run(calls).seconds / 10)


class NoTime(WrappingTimer):
    def run(self, calls: int) -> Measurement:
        super().run(calls)
        return Measurement(0.0)


class Endless(WrappingTimer):
    def run(self, calls: int) -> Measurement:
        super().run(calls)
        return Measurement(float("inf"))


class Bare(WrappingTimer):
    def run(self, calls: int) -> Any:
        return super().run(calls).seconds


class OddCounter(WrappingTimer):
    def run(self, calls: int) -> Measurement:
        return Measurement(super().run(calls).seconds, {"faults": "many"})  # type: ignore[dict-item]


class FirstSetOnly(Bound):
    def timer(self, argument_sets: Sequence[Sequence[Any]]) -> Timer:
        return super().timer(argument_sets[:1])


class UnmetTogether(Toy):
    def unmet_requirements(self, required: Required) -> Any:
        return "no such device"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        (ShoutsRuntimes, r"runtimes are a frozenset of names in lower case; found: frozenset\(\{'CUDA'\}\)"),
        (OpensAnything, "a file that is not a library is refused with a HatError.*found: OSError: no library"),
        (NoSymbolError, r"bind\(function\) raises SymbolError .*; found: KeyError"),
        (FindsNothing, r"bind\(function\) raises SymbolError .*; found: AttributeError"),
        (CannotClose, r"close\(\) raises nothing; found: RuntimeError: it is busy"),
        (WrongResult, "a call with all parameters in declared order returns the right results; found: c = "),
        (ReturnsNothing, "returns the right results; found: it returned None, not 66.0"),
        (Converts, "an array of another dtype for argument 0 raises CallError before the function is called"),
        (CallsFirst, "one argument too many raises CallError before .*; found: argument 2 was written to"),
        (ValueErrors, "one argument too many raises CallError before .*; found: ValueError"),
        (CallsWhilePreparing, r"prepare_call\(...\) takes what a call takes, and does not call; found: argument 2"),
        (PreparesOnce, r"what prepare_call\(\) returns makes the same call again and again; found: c = "),
        (PreparesUnchecked, r"prepare_call\(\) refuses what a call refuses; found: no error"),
        (workload_with(Eager), r"workload\(spec\) allocates nothing; found: 1 sets"),
        (workload_with(Misaligned), r"aligned to 64 bytes; found: argument 0"),
        (workload_with(Unfilled), r"hold the input data; found: argument 0"),
        (workload_with(OneTooFew), r"a value for each parameter, in declared order; found: 2 for 3"),
        (workload_with(CountsElements), r"set_bytes is the size of the arrays.*; found: 36 for arrays of 144"),
        (workload_with(KeyOfItsOwn), r"one function and one spec have the same key"),
        (workload_with(FewerSets), r"has the sets that it was asked to allocate; found: 1"),
        (workload_with(SharesNothing), r"share argument sets call with the same arrays; found: 0 calls instead of 3"),
        (workload_with(NeverRestores), r"restore\(\) finds values that drifted"),
        (workload_with(AlwaysRestores), r"restore\(\) leaves ordinary values alone"),
        (workload_with(RestoresNothing), r"restore\(\) writes the first values back"),
        (workload_with(ResetsNothing), r"reset\(\) writes the first values"),
        (UnmetTogether, r"unmet_requirements\(required\) returns a list of sentences"),
        (timed(Nameless), "its timer has a name"),
        (timed(NegativeOverhead), "its overhead is a number of seconds, .*; found: -1.0"),
        (timed(WarmsUp), r"allocate\(sets\) makes no calls; found: 3 calls"),
        (timed(OneMore), r"run\(calls\) makes exactly that many calls; found: 8 instead of 7"),
        (timed(Milliseconds), "measures seconds: no more than passed while it ran"),
        (timed(OnlyTheLast), "measures the seconds of the whole batch"),
        (timed(NoTime), "measures a positive number of seconds, .*; found: 0.0"),
        (timed(Endless), "measures a finite number of seconds; found: inf"),
        (timed(Bare), r"run\(calls\) returns a Measurement"),
        (timed(OddCounter), "counters are finite numbers by name; found: 'faults': 'many'"),
        (FirstSetOnly, r"in turn and round again; found: calls with each set: \[7, 0, 0\]"),
    ],
)
def test_a_fault_breaks_the_clause_that_names_it(fault: Any, clause: str, linker: Linker) -> None:
    with pytest.raises(AssertionError, match=clause):
        check_loader(broken(fault), linker)


def test_a_loader_of_a_runtime_needs_a_package_and_cases(linker: Linker) -> None:
    class Device(Toy):
        runtimes = frozenset({"cuda"})

    with pytest.raises(UsageError, match=r"cuda.*package"):
        check_loader(Device(), linker)


def test_any_function_whose_results_are_known_can_be_checked(tmp_path: Any) -> None:
    source = "void twice(const float *x, float *y) { for (int i = 0; i < 8; i++) y[i] = 2 * x[i]; }"
    table = function(affine("x", [8]), affine("y", [8], usage="output"))
    path = make_package(tmp_path, source, {"twice": table})
    x = np.arange(8, dtype=np.float32)
    with Kernel().load(path) as package:
        check_function(package["twice"], [x, np.empty(8, np.float32)], {"y": 2 * x})
        with pytest.raises(AssertionError, match=r"function 'twice' breaks its contract: .* y = "):
            check_function(package["twice"], [x, np.empty(8, np.float32)], {"y": 3 * x})
