"""What measures: opened packages, input sets and timers. It lives in the worker process, or in this one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hatframe.backends import BoundFunction, Timer
from hatframe.bench.counters import open_counters
from hatframe.packages.package import Package, read_package

if TYPE_CHECKING:
    from hatframe.bench.inputs import InputSets
    from hatframe.calling.loaded import LoadedPackage

OpenPackage = Callable[[Package], "LoadedPackage"]

# A shorter batch suffers from the clock: at 25 ns a reading this is 0.005 % of it.
SHORTEST_BATCH = 0.0005

# Caches, page tables and the processor's clock settle within this time; longer warming gives nothing.
LONGEST_WARM_UP = 0.1

# Two batches in a row that differ by less are steady.
STEADY = 0.03

# No batch has more calls, whatever a clock tells that stands still.
MOST_CALLS = 1 << 30


class Row(msgspec.Struct, frozen=True):
    """One row of a run: a function of a package, by their positions, with one choice of sizes."""

    package: int
    function: str
    sizes: dict[str, int] = {}


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """All that a session begins with; it can be sent to another process."""

    packages: tuple[tuple[Path, ...], ...]
    rows: tuple[Row, ...]
    batch_length: float
    min_iterations: int
    input_bytes: int
    input_data: str
    seed: int
    cpu: int | None = None


class Described(msgspec.Struct, frozen=True):
    """What a row needs: rows of one ``key`` share their input sets, which take ``bytes`` together."""

    key: str
    bytes: int


class Measured(msgspec.Struct, frozen=True):
    """One batch: its seconds, counters over all of its calls, and whether inputs were restored after it."""

    seconds: float
    counters: dict[str, float] = {}
    restored: bool = False


class Warmed(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was warmed up for ``seconds``: how it is measured, the calls of its batches, and the first of them."""

    seconds: float
    calls: int
    first: Measured
    overhead: float
    overhead_subtracted: bool
    timer: str
    loader: str
    input_sets: int
    input_set_bytes: int


class Session:
    """Opens packages when they are first needed, and measures their functions batch by batch.

    ``calling`` is called when all is ready and a function is about to be called, with the seconds that its calls are
    known to take together; 0 where that is not known.
    """

    def __init__(
        self, setup: Setup, open_package: OpenPackage, calling: Callable[[float], None] = lambda seconds: None
    ) -> None:
        self._setup = setup
        self._open_package = open_package
        self._calling = calling
        self._packages: dict[int, LoadedPackage] = {}
        self._inputs: dict[str, InputSets] = {}
        self._timers: dict[int, Timer] = {}
        self._keys: dict[int, str] = {}
        self._per_call: dict[int, float] = {}
        self._data: Any = None
        # Opened before any function runs: threads that a function starts are counted with it, and may be kept.
        self._counters = open_counters()
        if setup.cpu is not None:
            from hatframe.bench.conditions import pin

            pin(setup.cpu)

    def describe(self, row: int) -> Described:
        """What the row needs; raises a HatError where its function cannot be called."""
        from hatframe.bench.inputs import set_count

        bound = self._bound(row)
        set_bytes = bound.argument_bytes(self._setup.rows[row].sizes)
        return Described(self._key(row), set_count(set_bytes, self._setup.input_bytes) * set_bytes)

    def warm(self, row: int) -> Warmed:
        """Get the row ready, call its function until the times are steady, and measure a first batch."""
        timer = self._timer(row)
        inputs = self._inputs[self._key(row)]
        self._calling(0.0)
        per_call, total = _warm_up(timer)
        self._per_call[row] = per_call
        inputs.restore_if_drifted()
        wished = round(self._setup.batch_length / per_call)
        calls = max(1, self._setup.min_iterations, min(MOST_CALLS, wished))
        return Warmed(
            seconds=total,
            calls=calls,
            first=self.run(row, calls),
            overhead=timer.overhead,
            overhead_subtracted=timer.subtracts_overhead,
            timer=timer.name,
            loader=self._bound(row).loader,
            input_sets=len(inputs.sets),
            input_set_bytes=inputs.set_bytes,
        )

    def run(self, row: int, calls: int) -> Measured:
        """Measure one batch."""
        if row not in self._timers:
            self.warm(row)
        timer = self._timers[row]
        self._calling(calls * self._per_call[row])
        with self._counters or contextlib.nullcontext():
            measured = timer.run(calls)
        restored = self._inputs[self._keys[row]].restore_if_drifted()
        counted = {**(self._counters.read() if self._counters else {}), **measured.counters}
        return Measured(measured.seconds, counted, restored)

    def drop(self, keys: Sequence[str]) -> None:
        """Give the input sets of ``keys`` back, with the timers that use them."""
        for row in [row for row in self._timers if self._key(row) in keys]:
            del self._timers[row]
        for key in keys:
            self._inputs.pop(key, None)

    def close(self) -> None:
        """Close all packages."""
        self._timers.clear()
        self._inputs.clear()
        for package in self._packages.values():
            package.close()

    def _bound(self, row: int) -> BoundFunction:
        index = self._setup.rows[row].package
        if index not in self._packages:
            self._packages[index] = self._open_package(read_package(*self._setup.packages[index]))
        return self._packages[index][self._setup.rows[row].function]

    def _key(self, row: int) -> str:
        """The same for rows whose functions take the same arguments."""
        if row not in self._keys:
            bound = self._bound(row)
            arguments = [msgspec.structs.replace(argument, description="") for argument in bound.function.arguments]
            self._keys[row] = repr((bound.loader, arguments, sorted(self._setup.rows[row].sizes.items())))
        return self._keys[row]

    def _timer(self, row: int) -> Timer:
        if row not in self._timers:
            from hatframe.bench.inputs import InputData, InputSets

            if self._data is None:
                self._data = InputData(self._setup.seed, self._setup.input_data)
            key, bound = self._key(row), self._bound(row)
            if key not in self._inputs:
                self._inputs[key] = InputSets(bound, self._setup.rows[row].sizes, self._data, self._setup.input_bytes)
            self._timers[row] = bound.prepare(self._inputs[key].sets)
        return self._timers[row]


def _warm_up(timer: Timer) -> tuple[float, float]:
    """Call until two batches in a row are steady; gives the seconds of a call in the last, and of all together.

    They are with the loop around the calls: it may take most of the time, and all but nothing be left without it.
    """
    loop = timer.overhead if timer.subtracts_overhead else 0.0
    calls, total, former = 1, 0.0, 0.0
    while True:
        seconds = timer.run(calls).seconds + calls * loop
        total += seconds
        # A clock that stands still must not make a batch endless.
        per_call = max(seconds / calls, 1e-12)
        if seconds >= SHORTEST_BATCH or calls >= MOST_CALLS:
            if abs(per_call - former) <= STEADY * per_call or total >= LONGEST_WARM_UP:
                return per_call, total
            former = per_call
        else:
            calls *= 2
