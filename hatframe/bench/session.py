"""What measures: opened packages and workloads. It lives in the worker process, or in this one."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec

from hatframe.backends import BoundFunction, Measurement, Meter, MeterSession, Workload, WorkloadSpec
from hatframe.bench.restoring import SLOW, inputs_matter, run_pristine
from hatframe.calling.plans import plan_call
from hatframe.errors import DamageError
from hatframe.packages.package import Package, read_package
from hatframe.rows import Row
from hatframe.worker.messages import Request
from hatframe.worker.process import Context, pin

if TYPE_CHECKING:
    from hatframe.calling.loaded import LoadedPackage

_log = logging.getLogger(__name__)

# A shorter batch suffers from the clock: at 25 ns a reading this is 0.005 % of it.
SHORTEST_BATCH = 0.0005

# Caches, page tables and the processor's clock settle within this time; more warming changes nothing.
LONGEST_WARM_UP = 0.1

# Two batches in a row that differ by less are steady.
STEADY = 0.03

# No batch has more calls, even if a clock stands still.
MOST_CALLS = 1 << 30

# Each set costs some microseconds to make and some hundred bytes to keep: with more of them, functions of tiny
# arrays would spend their benchmark on making inputs, and Python's own objects would fill the caches.
MAX_SETS = 16384

# Batches take at most as many times their measured seconds, with all that restores their inputs.
_MOST_RESTORING = 5

# Seconds, and the part of the available memory: a first call that takes more is reported.
_LONG_CALL, _LARGE_SHARE = 1.0, 0.25

# For memory whose caches are unknown: more than most processors have.
_FALLBACK_INPUT_BYTES = 64 << 20


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """All that a session begins with.

    ``input_bytes`` is the least size of all argument sets of a workload together; None for twice the last cache in
    front of their memory, 0 for a single set.
    """

    packages: tuple[tuple[Path, ...], ...]
    rows: tuple[Row, ...]
    batch_length: float
    min_iterations: int = 1
    input_bytes: int | None = None
    input_data: str = "random"
    seed: int = 0
    restore: str = "auto"
    cpu: int | None = None


class Needs(msgspec.Struct, frozen=True):
    """The argument sets that a row needs: rows of one ``key`` share them.

    They take ``bytes`` together in ``memory``, in which ``available`` bytes are left (None if unknown).
    """

    key: str
    bytes: int
    memory: str = "host"
    available: int | None = None


class Batch(msgspec.Struct, frozen=True):
    """One batch: its seconds, counters over all its calls, and whether inputs were restored in or after it.

    ``warm_up`` are the seconds for which the row was warmed up before, in a new process.
    """

    seconds: float
    counters: dict[str, float] = {}
    restored: bool = False
    warm_up: float = 0.0


class Warmed(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was warmed up for ``seconds``: how it is measured, the calls of its batches, and the first of them.

    ``covers_cache`` is whether the argument sets are as large together as the setup asks for, and ``pristine`` whether
    every call gets the first values of its inputs.
    """

    seconds: float
    calls: int
    first: Batch
    overhead: float
    overhead_subtracted: bool
    timer: str
    loader: str
    input_sets: int
    input_set_bytes: int
    covers_cache: bool = True
    pristine: bool = False


class Describe(Request, frozen=True):
    """What does a row need? Fails if its function cannot be called."""

    row: int
    reply = Needs


class Warm(Request, frozen=True):
    """Get a row ready, call its function until the times are steady, and measure a first batch.

    ``pristine`` is what was decided for rows that share its argument sets, None if that is to be decided here.
    """

    row: int
    pristine: bool | None = None
    reply = Warmed


class Run(Request, frozen=True):
    """Measure one batch of a row; ``pristine`` is what was decided when the row was warmed up."""

    row: int
    calls: int
    pristine: bool = False
    reply = Batch


class Check(Request, frozen=True):
    """Are the argument sets of all rows undamaged? Fails if not."""


class Drop(Request, frozen=True):
    """Free the argument sets of these keys."""

    keys: tuple[str, ...]


class Backends(Protocol):
    """What the kernel provides in the process that measures."""

    def open_package(self, package: Package, opening: Callable[[], None]) -> LoadedPackage:
        """Open a package with the loader and the options of this run; ``opening`` is called before its code can run."""

    def meters(self) -> Sequence[Meter]:
        """The meters of this run."""


class Session:
    """Opens packages when they are first needed, and measures their functions batch by batch."""

    requests: ClassVar[Any] = Describe | Warm | Run | Check | Drop

    def __init__(self, setup: Setup, backends: Backends, context: Context) -> None:
        self._setup = setup
        self._backends = backends
        self._context = context
        self._packages: dict[int, LoadedPackage] = {}
        self._workloads: dict[int, Workload] = {}
        self._per_call: dict[int, float] = {}
        # The keys of argument sets that are restored after each use: for all functions that share them.
        self._pristine: set[str] = set()
        # Opened before any function runs: threads that a function starts are counted with it, and may be kept.
        self._meters: list[MeterSession] = [meter.open() for meter in backends.meters()]
        if setup.cpu is not None:
            pin(setup.cpu)

    def handle(self, request: Describe | Warm | Run | Check | Drop) -> Needs | Warmed | Batch | None:
        match request:
            case Describe(row):
                return self._needs(row)
            case Warm(row, restored):
                return self._warm(row, restored)
            case Run(row, calls, pristine):
                warm_up = self._warm(row, pristine).seconds if row not in self._per_call else 0.0  # a new process
                return msgspec.structs.replace(self._run(row, calls), warm_up=warm_up)
            case Check():
                # Workloads of one key share their argument sets.
                for checked in {workload.key: row for row, workload in self._workloads.items()}.values():
                    self._check(checked)
            case Drop(keys):
                self._drop(keys)
        return None

    def close(self) -> None:
        """Free everything and close all packages."""
        self._drop([workload.key for workload in self._workloads.values()])
        for package in self._packages.values():
            package.close()
        for meter in self._meters:
            meter.close()

    def _needs(self, row: int) -> Needs:
        workload = self._workload(row)
        total = self._set_count(workload) * workload.set_bytes
        return Needs(workload.key, total, workload.memory.name, workload.memory.available())

    def _warm(self, row: int, pristine: bool | None) -> Warmed:
        workload = self._workload(row)
        if not workload.sets:
            shared = (other for other in self._workloads.values() if other.sets and other.key == workload.key)
            workload.allocate(self._set_count(workload), next(shared, None))
        self._context.calling(0.0)
        run = workload.run if pristine is not None else self._reporting_first(row, workload)
        per_call, total, elapsed = _warm_up(workload, run)
        if workload.key not in self._pristine:
            if pristine is None:
                pristine = self._should_restore(row, workload, per_call)
            if pristine:
                self._pristine.add(workload.key)
        if workload.key in self._pristine:
            workload.reset()
            if per_call < LONGEST_WARM_UP:
                per_call, more, elapsed = _warm_up(workload, lambda calls: run_pristine(workload, calls, workload.run))
                total += more
        self._per_call[row] = per_call
        if self._setup.restore != "never":
            workload.restore()
        length = max(per_call, elapsed / _MOST_RESTORING)
        calls = max(1, self._setup.min_iterations, min(MOST_CALLS, round(self._setup.batch_length / length)))
        first = self._run(row, calls)
        self._check(row)
        return Warmed(
            seconds=total,
            calls=calls,
            first=first,
            overhead=workload.overhead,
            overhead_subtracted=workload.overhead_subtracted,
            timer=workload.timer,
            loader=self._bound(row).loader,
            input_sets=workload.sets,
            input_set_bytes=workload.set_bytes,
            covers_cache=workload.sets * workload.set_bytes >= self._input_bytes(workload),
            pristine=workload.key in self._pristine,
        )

    def _should_restore(self, row: int, workload: Workload, per_call: float) -> bool:
        if self._setup.restore == "never" or not workload.reset():
            return False
        if self._setup.restore == "always" or per_call > SLOW:
            return True

        def make(sets: int) -> Workload:
            trial = self._bound(row).workload(self._spec(row))
            trial.allocate(sets)
            return trial

        return inputs_matter(make)

    def _reporting_first(self, row: int, workload: Workload) -> Callable[[int], Measurement]:
        """As :meth:`Workload.run`, but the first call is reported if it takes long or much memory."""
        calls_made = 0

        def run(calls: int) -> Measurement:
            nonlocal calls_made
            if calls_made:
                return workload.run(calls)
            calls_made = calls
            is_host = workload.memory.name == "host"
            available = workload.memory.available() if is_host else None
            present, before, started = present_memory(), peak_memory(), perf_counter()
            measured = workload.run(calls)
            seconds, peak = perf_counter() - started, peak_memory()
            # A former peak hides what is below it.
            grown = peak - present if peak > before else 0
            if seconds > _LONG_CALL or (available and grown > _LARGE_SHARE * available):
                _log.info("%s", self._first_call_text(row, seconds, grown if is_host else 0))
            return measured

        return run

    def _first_call_text(self, row: int, seconds: float, grown: int) -> str:
        spec, function = self._spec(row), self._bound(row).function
        given: dict[str, int | float] = {**spec.sizes, **spec.values}
        scalars = {
            argument.name: given.get(argument.name, 1 if argument.element.is_integer else "random")
            for argument in plan_call(function).arguments
            if argument.is_scalar and argument.read
        }
        memory = f" and {grown / 1e6:,.0f} MB" if grown >= 1e6 else ""
        text = f"{function.name}: the first call took {seconds:.2g} s{memory}"
        if not scalars:
            return text
        options = ["--size" if name in spec.sizes else "--value" for name in scalars]
        set_by = " and ".join(dict.fromkeys(options))
        return f"{text} with {' '.join(f'{name}={value}' for name, value in scalars.items())}; set them with {set_by}"

    def _run(self, row: int, calls: int) -> Batch:
        workload = self._workloads[row]
        self._context.calling(calls * self._per_call[row])
        if workload.key in self._pristine:
            measured = run_pristine(workload, calls, lambda count: self._measured(workload, count))
            return Batch(measured.seconds, measured.counters, restored=True)
        measured = self._measured(workload, calls)
        restored = self._setup.restore != "never" and workload.restore()
        return Batch(measured.seconds, measured.counters, restored)

    def _measured(self, workload: Workload, calls: int) -> Measurement:
        """The calls, with the figures of the meters."""
        for meter in self._meters:
            meter.start()
        try:
            measured = workload.run(calls)
        finally:
            figures = [meter.stop() for meter in reversed(self._meters)]
        counters = {name: value for each in (*figures, measured.counters) for name, value in each.items()}
        return Measurement(measured.seconds, counters)

    def _check(self, row: int) -> None:
        if damage := self._workloads[row].damage():
            function = self._setup.rows[row].function
            raise DamageError(f"it writes outside its arguments: {damage}", where=function)

    def _drop(self, keys: Sequence[str]) -> None:
        for row in [row for row, workload in self._workloads.items() if workload.key in keys]:
            self._workloads.pop(row).release()
            self._per_call.pop(row, None)

    def _bound(self, row: int) -> BoundFunction:
        index = self._setup.rows[row].package
        if index not in self._packages:
            package = read_package(*self._setup.packages[index])
            self._packages[index] = self._backends.open_package(package, lambda: self._context.calling(0.0))
            self._context.returned()
        return self._packages[index][self._setup.rows[row].function]

    def _workload(self, row: int) -> Workload:
        if row not in self._workloads:
            self._workloads[row] = self._bound(row).workload(self._spec(row))
        return self._workloads[row]

    def _spec(self, row: int) -> WorkloadSpec:
        of_row = self._setup.rows[row]
        return WorkloadSpec(
            sizes=of_row.sizes, values=of_row.values, input_data=self._setup.input_data, seed=self._setup.seed
        )

    def _input_bytes(self, workload: Workload) -> int:
        if self._setup.input_bytes is not None:
            return self._setup.input_bytes
        return 2 * (workload.memory.cache_size or _FALLBACK_INPUT_BYTES // 2)

    def _set_count(self, workload: Workload) -> int:
        return set_count(workload.set_bytes, self._input_bytes(workload))


def set_count(set_bytes: int, size: int) -> int:
    """How many sets of ``set_bytes`` each make ``size`` bytes together, from 1 to :data:`MAX_SETS`."""
    return min(MAX_SETS, max(1, -(-size // set_bytes))) if set_bytes else 1


def _warm_up(workload: Workload, run: Callable[[int], Measurement]) -> tuple[float, float, float]:
    """Call until two batches in a row are steady.

    Returns the measured seconds of a call in the last, those of all together, and the seconds in which a call of the
    last and what is done around it passed.
    """
    # The loop around the calls counts: without it, next to nothing may be left of a short function.
    loop = workload.overhead if workload.overhead_subtracted else 0.0
    calls, total, former, spent = 1, 0.0, 0.0, 0.0
    while True:
        started = perf_counter()
        seconds = run(calls).seconds + calls * loop
        elapsed = perf_counter() - started
        total, spent = total + seconds, spent + elapsed
        # A clock that stands still must not make a batch endless.
        per_call = max(seconds / calls, 1e-12)
        is_over = spent >= _MOST_RESTORING * LONGEST_WARM_UP
        if seconds >= SHORTEST_BATCH or calls >= MOST_CALLS or is_over:
            if abs(per_call - former) <= STEADY * per_call or total >= LONGEST_WARM_UP or is_over:
                return per_call, total, elapsed / calls
            former = per_call
        else:
            calls *= 2


def present_memory() -> int:
    """The bytes of memory that this process has now."""
    import psutil

    present: int = psutil.Process().memory_info().rss
    return present


def peak_memory() -> int:
    """The most bytes of memory that this process has had; 0 where that is unknown."""
    if sys.platform == "win32":
        return 0
    import resource

    peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
