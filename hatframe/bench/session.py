"""What measures: opened packages and workloads. It lives in the worker process, or in this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec

from hatframe.backends import BoundFunction, Meter, MeterSession, Workload, WorkloadSpec
from hatframe.errors import DamageError
from hatframe.packages.package import Package, read_package
from hatframe.worker.messages import Request
from hatframe.worker.process import Context, pin

if TYPE_CHECKING:
    from hatframe.calling.loaded import LoadedPackage

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

# For memory whose caches are unknown: more than most processors have.
_FALLBACK_INPUT_BYTES = 64 << 20


class Row(msgspec.Struct, frozen=True):
    """One row of a run: a function of a package, given by its position, with one choice of sizes and scalars.

    Rows of the same ``group`` compete with one another.
    """

    package: int
    function: str
    sizes: dict[str, int] = {}
    group: str = ""
    values: dict[str, int | float] = {}


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
    """One batch: its seconds, counters over all its calls, and whether inputs were restored after it."""

    seconds: float
    counters: dict[str, float] = {}
    restored: bool = False


class Warmed(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was warmed up for ``seconds``: how it is measured, the calls of its batches, and the first of them.

    ``covers_cache`` is whether the argument sets are as large together as the setup asks for.
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


class Describe(Request, frozen=True):
    """What does a row need? Fails if its function cannot be called."""

    row: int
    reply = Needs


class Warm(Request, frozen=True):
    """Get a row ready, call its function until the times are steady, and measure a first batch."""

    row: int
    reply = Warmed


class Run(Request, frozen=True):
    """Measure one batch of a row."""

    row: int
    calls: int
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
        # Opened before any function runs: threads that a function starts are counted with it, and may be kept.
        self._meters: list[MeterSession] = [meter.open() for meter in backends.meters()]
        if setup.cpu is not None:
            pin(setup.cpu)

    def handle(self, request: Describe | Warm | Run | Check | Drop) -> Needs | Warmed | Batch | None:
        match request:
            case Describe(row):
                return self._needs(row)
            case Warm(row):
                return self._warm(row)
            case Run(row, calls):
                if row not in self._per_call:  # a new process
                    self._warm(row)
                return self._run(row, calls)
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

    def _warm(self, row: int) -> Warmed:
        workload = self._workload(row)
        if not workload.sets:
            shared = (other for other in self._workloads.values() if other.sets and other.key == workload.key)
            workload.allocate(self._set_count(workload), next(shared, None))
        self._context.calling(0.0)
        per_call, total = _warm_up(workload)
        self._per_call[row] = per_call
        workload.restore()
        calls = max(1, self._setup.min_iterations, min(MOST_CALLS, round(self._setup.batch_length / per_call)))
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
        )

    def _run(self, row: int, calls: int) -> Batch:
        workload = self._workloads[row]
        self._context.calling(calls * self._per_call[row])
        for meter in self._meters:
            meter.start()
        try:
            measured = workload.run(calls)
        finally:
            figures = [meter.stop() for meter in reversed(self._meters)]
        counters = {name: value for each in (*figures, measured.counters) for name, value in each.items()}
        return Batch(measured.seconds, counters, workload.restore())

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
            sizes, values = self._setup.rows[row].sizes, self._setup.rows[row].values
            spec = WorkloadSpec(sizes=sizes, values=values, input_data=self._setup.input_data, seed=self._setup.seed)
            self._workloads[row] = self._bound(row).workload(spec)
        return self._workloads[row]

    def _input_bytes(self, workload: Workload) -> int:
        if self._setup.input_bytes is not None:
            return self._setup.input_bytes
        return 2 * (workload.memory.cache_size or _FALLBACK_INPUT_BYTES // 2)

    def _set_count(self, workload: Workload) -> int:
        return set_count(workload.set_bytes, self._input_bytes(workload))


def set_count(set_bytes: int, size: int) -> int:
    """How many sets of ``set_bytes`` each make ``size`` bytes together, from 1 to :data:`MAX_SETS`."""
    return min(MAX_SETS, max(1, -(-size // set_bytes))) if set_bytes else 1


def _warm_up(workload: Workload) -> tuple[float, float]:
    """Call until two batches in a row are steady; returns the seconds of a call in the last, and of all together."""
    # The loop around the calls counts: without it, next to nothing may be left of a short function.
    loop = workload.overhead if workload.overhead_subtracted else 0.0
    calls, total, former = 1, 0.0, 0.0
    while True:
        seconds = workload.run(calls).seconds + calls * loop
        total += seconds
        # A clock that stands still must not make a batch endless.
        per_call = max(seconds / calls, 1e-12)
        if seconds >= SHORTEST_BATCH or calls >= MOST_CALLS:
            if abs(per_call - former) <= STEADY * per_call or total >= LONGEST_WARM_UP:
                return per_call, total
            former = per_call
        else:
            calls *= 2
