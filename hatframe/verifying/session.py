"""What verifies: opened packages whose functions are called with placed arrays. It lives in the worker's process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec
import numpy as np

from hatframe.backends import BoundFunction
from hatframe.calling.arguments import argument_layout
from hatframe.calling.float_mode import PreservedMode
from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode, plan_call
from hatframe.format.numpy_expressions import RETURN
from hatframe.packages.package import Package, read_package
from hatframe.rows import Row
from hatframe.verifying.checks import Problem, changed_input, damaged, depends, not_finite, untouched, varies
from hatframe.verifying.faults import FaultReporter
from hatframe.verifying.inputs import ORDINARY, Inputs, Trial, prefill
from hatframe.verifying.placing import Edge, PlacedArray
from hatframe.worker.messages import Request
from hatframe.worker.process import Context

if TYPE_CHECKING:
    from hatframe.calling.loaded import LoadedPackage

Array = np.ndarray[Any, Any]

# Threads call a function for this number of seconds, but at most this number of times: enough to meet in it.
_TOGETHER, _MOST_CALLS, _ROUNDS = 0.002, 64, 3

_ELSEWHERE = "with its arrays elsewhere in memory"

# A function that takes longer is called by threads no more than needed.
_LONG_CALL = 1.0


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """All that a session begins with; ``folder`` is where outputs are written to be compared."""

    packages: tuple[tuple[Path, ...], ...]
    rows: tuple[Row, ...]
    folder: Path
    input_data: str = "random"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request: problems, how long a call took, and whether the function changed the float mode.

    ``complete`` is whether nothing was left out.
    """

    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    changes_mode: bool = False
    complete: bool = True


class Examine(Request, frozen=True):
    """Call a function at both edges of its arrays, with outputs that held different values before.

    Its outputs are written to the folder as ``save``, if that is given. ``budget`` is in seconds: the second call is
    left out if it would not fit.
    """

    trial: Trial
    save: str = ""
    budget: float | None = None
    reply = Report


class Repeat(Request, frozen=True):
    """Call a function again with equal inputs, and from two threads at once."""

    trial: Trial
    reply = Report


class Save(Request, frozen=True):
    """Call a function with inputs of a ``style``, and write its outputs to the folder as ``save``."""

    trial: Trial
    style: str
    save: str
    reply = Report


class Backends(Protocol):
    """What the kernel provides in the process that verifies."""

    def open_package(self, package: Package, opening: Callable[[], None]) -> LoadedPackage:
        """Open a package with the loader and the options of this run; ``opening`` is called before its code can run."""


class Session:
    """Opens packages when they are first needed, and examines their functions."""

    requests: ClassVar[Any] = Examine | Repeat | Save

    def __init__(self, setup: Setup, backends: Backends, context: Context) -> None:
        self._setup = setup
        self._backends = backends
        self._context = context
        self._packages: dict[int, LoadedPackage] = {}
        self._reporter = FaultReporter(context)

    def handle(self, request: Examine | Repeat | Save) -> Report:
        with PreservedMode() as mode:
            report = self._handle(request)
        return msgspec.structs.replace(report, changes_mode=bool(mode.changed))

    def _handle(self, request: Examine | Repeat | Save) -> Report:
        match request:
            case Examine(trial, save, budget):
                return self._examine(trial, save, budget)
            case Repeat(trial):
                return self._repeat(trial)
            case Save(trial, style, save):
                run = self._run(trial, Edge.END, style=style)
                self._save(save, run.results)
                return Report(problems=run.problems, seconds=run.seconds)

    def close(self) -> None:
        """Close all packages."""
        for package in self._packages.values():
            package.close()

    def _examine(self, trial: Trial, save: str, budget: float | None) -> Report:
        first = self._run(trial, Edge.END)
        if save:
            self._save(save, first.results)
        problems = [*first.problems, *not_finite(first.plan, first.results)]
        if budget is not None and 2 * first.elapsed > budget:
            return Report(problems=tuple(problems), seconds=first.seconds, complete=False)
        second = self._run(trial, Edge.BEGIN, second=True)
        problems += second.problems
        left = {name: untouched(first, second, name) for name in first.prefilled}
        problems += [problem for problem in left.values() if problem]
        different = [
            name
            for name, value in first.results.items()
            if varies(value, second.results[name], first.elements[name]) is not None and not left.get(name)
        ]
        if different:
            problems += self._cause(trial, first, second, different)
        return Report(problems=tuple(problems), seconds=first.seconds)

    def _cause(self, trial: Trial, first: Run, second: Run, names: Sequence[str]) -> list[Problem]:
        """Why outputs differ between runs: by themselves, by what outputs held before, or by the place in memory."""
        again = self._run(trial, Edge.END)
        if by_itself := _differences(first, again, "with equal inputs"):
            return by_itself
        held = self._run(trial, Edge.END, second=True)
        problems = []
        for name in names:
            place = varies(first.results[name], held.results[name], first.elements[name])
            if place is not None:
                problems.append(depends(first, held, name))
            else:
                problems.append(varying(first, second, name, _ELSEWHERE))
        return problems

    def _repeat(self, trial: Trial) -> Report:
        first = self._run(trial, Edge.END)
        if _differences(first, elsewhere := self._run(trial, Edge.NEITHER), ""):
            again = self._run(trial, Edge.END)
            problems = _differences(first, again, "with equal inputs") or _differences(first, elsewhere, _ELSEWHERE)
            return Report(problems=tuple(problems), seconds=first.seconds)
        calls = max(1, min(_MOST_CALLS, int(_TOGETHER / max(first.seconds, 1e-6))))
        expected = [self._run(trial, Edge.NEITHER, turn=turn, calls=calls) for turn in range(2)]
        for _ in range(_ROUNDS if first.seconds < _LONG_CALL else 1):
            runs = self._together(trial, calls, first.seconds)
            for alone, run in zip(expected, runs, strict=True):
                problems = _differences(alone, run, "when two threads call it at once")
                if problems:
                    return Report(problems=tuple(problems), seconds=first.seconds)
        return Report(seconds=first.seconds)

    def _together(self, trial: Trial, calls: int, seconds: float) -> list[Run]:
        runs = [
            Run(self._bound(trial), trial, self._row(trial), Edge.NEITHER, turn=turn, kind=self._setup.input_data)
            for turn in range(2)
        ]
        self._reporter.regions = [region for run in runs for region in run.regions]
        gate = threading.Barrier(len(runs))

        def work(run: Run) -> None:
            gate.wait()
            run.make(calls)

        threads = [threading.Thread(target=work, args=(run,)) for run in runs]
        self._context.calling(calls * len(runs) * seconds)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._context.returned()
        for run in runs:
            run.finish()
        return runs

    def _run(
        self,
        trial: Trial,
        edge: Edge,
        *,
        second: bool = False,
        style: str = ORDINARY,
        turn: int = 0,
        calls: int = 1,
    ) -> Run:
        run = Run(
            self._bound(trial),
            trial,
            self._row(trial),
            edge,
            second=second,
            style=style,
            turn=turn,
            kind=self._setup.input_data,
        )
        self._reporter.regions = run.regions
        self._context.calling(0.0)
        run.make(calls)
        self._context.returned()
        run.finish()
        return run

    def _row(self, trial: Trial) -> Row:
        return self._setup.rows[trial.row]

    def _bound(self, trial: Trial) -> BoundFunction:
        row = self._row(trial)
        if row.package not in self._packages:
            package = read_package(*self._setup.packages[row.package])
            self._packages[row.package] = self._backends.open_package(package, lambda: self._context.calling(0.0))
            self._context.returned()
        return self._packages[row.package][row.function]

    def _save(self, name: str, results: dict[str, Array]) -> None:
        for number, value in enumerate(results.values()):
            # What is not a type of numpy's own cannot be read again without trust.
            plain = value if value.dtype.isbuiltin == 1 else value.view(np.uint16)
            np.save(self._setup.folder / f"{name}.{number}.npy", plain, allow_pickle=False)


class Run:
    """A call of a function with arrays placed for it, and what came of it.

    ``results`` are the outputs by the names of parameters, and ``return``; ``prefilled`` are what those that the
    function does not read held before.
    """

    def __init__(
        self,
        bound: BoundFunction,
        trial: Trial,
        row: Row,
        edge: Edge,
        *,
        second: bool = False,
        style: str = ORDINARY,
        turn: int = 0,
        kind: str = "random",
    ) -> None:
        self.started = thread_time()
        self.plan: CallPlan = plan_call(bound.function)
        self.results: dict[str, Array] = {}
        self.prefilled: dict[str, Array] = {}
        self.problems: tuple[Problem, ...] = ()
        self.seconds = self.elapsed = 0.0
        self.elements = {argument.name: argument.element for argument in self.plan.arguments}
        if self.plan.returns:
            self.elements[RETURN] = self.plan.returns
        self._inputs = Inputs(self.plan, trial, row.values, style, turn, kind)
        self._placed: dict[str, PlacedArray] = {}
        self._returned: Any = None
        self._trial = trial
        edge = edge if trial.guarded else Edge.NEITHER
        values: dict[str, Any] = {}
        for argument in self.plan.arguments:
            if argument.passing is PassingMode.ALLOCATED:
                continue
            if argument.passing is PassingMode.VALUE:
                values[argument.name] = self._inputs.scalar(argument)
                continue
            values[argument.name] = self._place(argument, edge, second)
        self._call = bound.prepare_call(**values)

    def _place(self, argument: ArgumentPlan, edge: Edge, second: bool) -> Array:
        layout = argument_layout(self.plan, argument, self._inputs.given)
        placed = PlacedArray(argument.name, layout, argument.element.dtype, edge, self._trial.alignment)
        if argument.read:
            self._inputs.fill(argument, placed.array)
        else:
            prefill(argument, placed.array, self._trial.seed, second)
            self.prefilled[argument.name] = placed.array.copy()
        if not argument.written and self._trial.protected:
            placed.make_read_only()
        self._placed[argument.name] = placed
        return placed.array

    @property
    def regions(self) -> list[Any]:
        return [placed.region for placed in self._placed.values()]

    def make(self, calls: int = 1) -> None:
        """Make the call, or several of them in a row."""
        started = perf_counter()
        for _ in range(calls):
            self._returned = self._call()
        self.seconds = (perf_counter() - started) / calls

    def finish(self) -> None:
        """Take the results, and look for what the function wrote outside of its outputs."""
        allocated = [argument.name for argument in self.plan.arguments if argument.passing is PassingMode.ALLOCATED]
        names = [*([RETURN] if self.plan.returns else []), *allocated]
        values = self._returned if len(names) > 1 else [self._returned]
        for name, value in zip(names, values, strict=False):
            self.results[name] = np.array(value, self.elements[name].dtype)
        problems = []
        for argument in self.plan.arguments:
            placed = self._placed.get(argument.name)
            if placed is None:
                continue
            if argument.written:
                self.results[argument.name] = placed.array.copy()
            elif not self._trial.protected:
                expected = np.empty(placed.array.shape, placed.array.dtype)
                self._inputs.fill(argument, expected)
                problems += changed_input(argument, expected, placed.array)
            problems += damaged(argument, placed)
        self.problems = tuple(problems)
        self._returned = None
        del self._call  # it keeps the arrays
        self._placed.clear()
        self.elapsed = thread_time() - self.started


def varying(first: Run, other: Run, name: str, how: str) -> Problem:
    """The problem of an output that is another in two runs."""
    index = varies(first.results[name], other.results[name], first.elements[name]) or ()
    values = f"{first.results[name][index]} and {other.results[name][index]}"
    what = "returns" if name == RETURN else "gives"
    return Problem("determinism", name, f"{what} {values} {how}", index=index)


def _differences(first: Run, other: Run, how: str) -> list[Problem]:
    problems = []
    for name, value in first.results.items():
        if varies(value, other.results[name], first.elements[name]) is not None:
            problems.append(varying(first, other, name, how))
    return problems
