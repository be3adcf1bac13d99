"""The verification of packages: each function in a worker, which may crash, and what came of it."""

from __future__ import annotations

import contextlib
import functools
import shlex
import signal
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from hatframe import __version__
from hatframe.backends import Observer
from hatframe.calling.arguments import argument_bytes, argument_layout
from hatframe.calling.plans import plan_call
from hatframe.errors import HatError, LinkError, PackageError, PluginError, UsageError, listed
from hatframe.format.model import Function
from hatframe.outcomes import Finding, Remark, Verification
from hatframe.packages.package import Package
from hatframe.results.text import sized_name
from hatframe.rows import Row, choose, with_sizes
from hatframe.toolchain.tool import private_folder
from hatframe.verifying.agreement import Agreement, Saved, models_of
from hatframe.verifying.checks import Problem, number_of_bytes, place, written_input
from hatframe.verifying.faults import astray, extent, misaligned
from hatframe.verifying.inputs import ORDINARY, SIGNED, SPECIAL, Trial
from hatframe.verifying.options import VerifyOptions
from hatframe.verifying.placing import index_at
from hatframe.verifying.session import Backends, Examine, Repeat, Report, Save, Session, Setup
from hatframe.verifying.shapes import consistent, edge_shapes, shrunk_shape
from hatframe.worker.messages import Faulted, Request
from hatframe.worker.process import ProcessWorker, Worker, WorkerEndedError

# What vector instructions ask for, in the order in which it is tried.
_ALIGNMENTS = (16, 32, 64)

# Arguments of more bytes take too long to fill for a quick verification, which then takes no size above the second.
_QUICK_BYTES, _SMALL = 64 << 20, 64

# No vector register has this number of lanes, nor a multiple of it.
_ODD = 13

# Functions of a package that end their worker one after another, before a quick verification gives the package up.
_MOST_FAILURES = 2

_SPECIAL_INPUTS = "with NaN, infinities, the largest and the least numbers among its inputs"

_MEMORY_FAULTS = {int(signal.SIGSEGV), int(getattr(signal, "SIGBUS", signal.SIGSEGV))}


def verify_packages(
    packages: Sequence[Package],
    options: VerifyOptions,
    *,
    backends: Backends,
    isolated: bool,
    observer: Observer,
) -> Verification:
    """Verify the chosen functions of packages, in worker processes to which ``backends`` are pickled."""
    if not 0 <= options.seed < 1 << 63:
        raise UsageError("seed does not fit in 63 bits")
    if not isolated:
        raise PluginError(
            "functions are verified in a process of their own, which cannot have the plugins of this one",
            hint="use plugins that can be pickled, or installed ones",
        )
    chosen, skipped = choose(packages, options)
    if not chosen:
        raise PackageError(
            f"no function to verify: {listed(list(skipped))} are initialisers or debugging aids",
            where=listed([str(package.path) for package in packages]),
        )
    models = models_of(packages, chosen, options.same) if "agreement" in options.checks else []
    rows = with_sizes(packages, [*chosen, *models], options)
    started = perf_counter()
    with private_folder() as folder, Verifier(packages, rows, options, backends, observer, folder) as verifier:
        verifier.run([(id(package), function.name) for package, function in chosen])
    return Verification(
        hatframe_version=__version__,
        findings=tuple(verifier.findings),
        notes=tuple(verifier.notes),
        functions=tuple(dict.fromkeys(function.name for _, function in chosen)),
        hat_files=_hat_files(chosen),
        checks=options.checks,
        compared=verifier.compared,
        skipped=skipped,
        seed=options.seed,
        seconds=perf_counter() - started,
    )


def _hat_files(chosen: Sequence[tuple[Package, Function]]) -> dict[str, tuple[str, ...]]:
    """The .hat files that describe each function."""
    found: dict[str, dict[str, None]] = {}
    for package, function in chosen:
        found.setdefault(function.name, {})[package.shown(package.hat_file(function.name).path)] = None
    return {name: tuple(files) for name, files in found.items()}


class _SkipRowError(Exception):
    """Nothing more can be learned of a row."""


class Verifier:
    """Verifies rows one after another, in a worker that it starts again when a function ends it."""

    def __init__(
        self,
        packages: Sequence[Package],
        rows: Sequence[Row],
        options: VerifyOptions,
        backends: Backends,
        observer: Observer,
        folder: Path,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.findings: list[Finding] = []
        self.notes: list[Remark] = []
        self.checked: dict[int, tuple[str, ...]] = {}
        """The checks that were made of each row, of :data:`QUICK_CHECKS`."""
        self.found: dict[int, Finding] = {}
        """The first finding of each row."""
        self._packages = packages
        self._rows = rows
        self._options = options
        self._observer = observer
        self._agreement = Agreement(packages, rows, options, folder)
        setup = Setup(
            packages=tuple(tuple(hat.path for hat in package.hat_files if hat.path) for package in packages),
            rows=tuple(rows),
            folder=folder,
            input_data=options.input_data,
        )
        self._start = functools.partial(
            ProcessWorker,
            functools.partial(Session, setup, backends),
            functools.cache(observer.message),
            environment or {},
        )
        self._worker: Worker | None = None
        self._ran: set[int] = set()
        # What functions of a group needed, for the others of a quick verification: a fault costs a worker.
        self._needs: dict[str, Trial] = {}
        # The functions of each package that failed before any succeeded: opening it may be what fails.
        self._failed: dict[int, int] = {}
        self._succeeded: set[int] = set()

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._end_worker()

    def run(self, chosen: Collection[tuple[int, str]]) -> None:
        """Verify the functions that are ``chosen``, by the id of their package and their name.

        The others are only there to be compared with.
        """
        for index, row in enumerate(self._rows):
            self.verify(index, only_outputs=(id(self._packages[row.package]), row.function) not in chosen)
        self.compare()

    @property
    def compared(self) -> dict[str, str]:
        """What the outputs of each function were compared with."""
        return {self._rows[row].function: what for row, what in self._agreement.compared.items()}

    @property
    def compared_rows(self) -> Collection[int]:
        """The rows whose outputs were compared."""
        return self._agreement.compared.keys()

    def compare(self) -> None:
        """Compare the outputs of functions; those that have findings are not compared with their group."""
        wrong = {(finding.hat_file, finding.function) for finding in self.findings}
        trusted = [row for row, of_row in enumerate(self._rows) if (self._hat_file(row), of_row.function) not in wrong]
        for disagreement in self._agreement.disagreements(trusted):
            self._found(disagreement.row, disagreement.trial, disagreement.problem, others=disagreement.others)
        for row, text in self._agreement.special_differences():
            self._note(row, f"{_SPECIAL_INPUTS}: {text}")
        for row, note in self._agreement.notes.items():
            self._note(row, note)

    def verify(self, row: int, only_outputs: bool = False) -> None:
        """Make the calls of a row; what they show is added to the findings, unless the row is ``only_outputs``."""
        of_row = self._rows[row]
        label = sized_name(of_row.function, {**of_row.sizes, **of_row.values})
        self._observer.function_started(label)
        if self._options.budget is not None and self._failed.get(of_row.package, 0) >= _MOST_FAILURES:
            return
        try:
            self._verify(row, only_outputs)
        except _SkipRowError:
            pass
        except UsageError:  # a wrong option is wrong for all rows
            raise
        except (PackageError, LinkError) as error:
            self._failed[of_row.package] = _MOST_FAILURES
            if not only_outputs:
                self._found(row, Trial(row=row), Problem("crash", "", f"it cannot be called: {error}"))
        except HatError as error:
            if not only_outputs:
                self._found(row, Trial(row=row), Problem("crash", "", f"it cannot be called: {error}"))
        self._observer.progress(label, 1.0)

    def _verify(self, row: int, only_outputs: bool) -> None:
        checks, of_row = set(self._options.checks), self._rows[row]
        plan = plan_call(self._function(row))
        trial = Trial(
            row=row,
            sizes=of_row.sizes,
            seed=self._options.seed,
            guarded=bool(checks & {"bounds", "shapes"}),
            protected="usage" in checks,
        )
        if self._options.budget is not None:
            if argument_bytes(plan, of_row.sizes) > _QUICK_BYTES and self._options.input_data == "random":
                trial = msgspec.structs.replace(trial, sizes={name: min(n, _SMALL) for name, n in of_row.sizes.items()})
            if argument_bytes(plan, trial.sizes) > _QUICK_BYTES:
                return
            if needs := self._needs.get(of_row.group):
                trial = msgspec.structs.replace(trial, alignment=needs.alignment, index_limit=needs.index_limit)
        compared = "agreement" in checks and self._agreement.takes_part(row)
        trial, report = self._ask(trial, self._examine(compared, "0"))
        self._needs[of_row.group] = trial
        self.checked[row] = ("bounds", "usage") if report.complete else ("bounds",)
        for problem in report.problems if not only_outputs else ():
            self._found(row, trial, problem)
        if report.changes_mode:
            self._note(row, "changes the floating-point mode, such as whether denormal numbers count as zero")
        quick = self._options.budget is not None
        if quick and of_row.sizes and row not in self.found and self._may_be_odd():
            self._try_sizes(trial, [consistent(dict.fromkeys(of_row.sizes, _ODD))], compared, check="")
        if compared and not quick:
            trial, report = self._ask(trial, self._save_signed)
            if "values" in checks:
                self._try_special(trial)
        if only_outputs:
            return
        if "determinism" in checks:
            trial, report = self._ask(trial, Repeat)
            for problem in report.problems:
                self._found(row, trial, problem)
        self._note_needs(row, trial)
        if "shapes" in checks and not self._options.sizes:
            found = len(self.findings)
            self._try_sizes(trial, edge_shapes(list(of_row.sizes)), compared, check="shapes")
            if of_row.sizes and len(self.findings) == found:
                self._try_random_sizes(trial)

    def _try_random_sizes(self, trial: Trial) -> None:
        """Examine a row with random sizes; the smallest that fail are a finding."""

        def fails(sizes: dict[str, int]) -> bool:
            before = list(self.findings)
            with contextlib.suppress(_SkipRowError):
                self._try_sizes(trial, [sizes], compared=False, check="shapes")
            failed = len(self.findings) > len(before)
            self.findings[:] = before
            return failed

        if smallest := shrunk_shape(list(trial.sizes), fails, trial.seed):
            self._try_sizes(trial, [smallest], compared=False, check="shapes")

    def _may_be_odd(self) -> bool:
        """Whether sizes may be tried that nobody asked for."""
        return not self._options.sizes and self._options.input_data == "random"

    def _examine(self, save: bool, what: str, shape: bool = False) -> Callable[[Trial], Examine]:
        """Makes requests that examine a trial, and expects outputs in the folder if they are to ``save`` them."""

        def make(trial: Trial) -> Examine:
            saved = Saved(what, trial, ORDINARY, shape)
            if save:
                self._agreement.saved(saved)
            return Examine(trial, save=saved.name if save else "", budget=self._options.budget)

        return make

    def _try_special(self, trial: Trial) -> None:
        """Call a row with special numbers among its inputs; what comes of it is no finding."""
        saved = Saved("2", trial, SPECIAL)
        try:
            self._exchange(trial.row, Save(trial, SPECIAL, saved.name))
        except WorkerEndedError as error:
            self._note(trial.row, f"{_SPECIAL_INPUTS}: {error.message}")
        else:
            self._agreement.saved(saved)

    def _save_signed(self, trial: Trial) -> Save:
        saved = Saved("1", trial, SIGNED)
        self._agreement.saved(saved)
        return Save(trial, SIGNED, saved.name)

    def _try_sizes(self, trial: Trial, choices: Sequence[dict[str, int]], compared: bool, check: str) -> None:
        """Examine a row with each choice of sizes until one fails; what is found then is a finding of ``check``."""
        found = len(self.findings)
        for number, sizes in enumerate(choices):
            shaped = msgspec.structs.replace(trial, sizes=sizes)
            if trial.index_limit:
                shaped = msgspec.structs.replace(shaped, index_limit=self._index_limit(shaped))
            try:
                shaped, report = self._ask(shaped, self._examine(compared, f"s{number}", shape=True), check)
            except HatError as error:
                if isinstance(error, UsageError):
                    raise
                continue  # sizes that the type of a parameter or an expression rules out
            for problem in report.problems:
                self._found(trial.row, shaped, problem, check)
            if len(self.findings) > found:
                break

    def _ask(self, trial: Trial, make: Any, check: str = "") -> tuple[Trial, Report]:
        """The report on a trial, and the trial that it is about in the end: one that gives the function what it needs.

        Faults become findings; after the first, the function gets room around its arrays, to learn more of it.
        """
        first_fault: WorkerEndedError | None = None
        while True:
            try:
                return trial, self._exchange(trial.row, make(trial))
            except WorkerEndedError as error:
                fault, problem = error.fault, self._problem(trial, error)
                if error.status != "crashed" or fault is None:
                    self._found(trial.row, trial, problem, check)
                    raise _SkipRowError from None
                alignment = next((each for each in _ALIGNMENTS if each > trial.alignment), 0)
                if fault.general_protection and alignment:
                    alignment = alignment if self._options.budget is None else _ALIGNMENTS[-1]
                    trial = msgspec.structs.replace(trial, alignment=alignment)
                    first_fault = first_fault or error
                    continue
                if fault.general_protection and first_fault:
                    problem = self._problem(trial, first_fault)
                elif self._may_be_index(trial, fault):
                    trial = msgspec.structs.replace(trial, index_limit=self._index_limit(trial))
                    first_fault = error
                    continue
                self._found(trial.row, trial, problem, check)
                if check or not trial.guarded or self._options.budget is not None:
                    raise _SkipRowError from None
                changes = {"protected": False} if problem.check == "usage" else {"guarded": False, "protected": False}
                if not trial.protected and "guarded" not in changes:
                    raise _SkipRowError from None
                trial = msgspec.structs.replace(trial, **changes)

    def _exchange(self, row: int, request: Request) -> Report:
        """The reply of the worker. A crash without an argument to blame counts only in a worker of its own."""
        while True:
            if self._worker is None:
                self._worker, self._ran = self._start(), set()
            self._worker.submit(request)
            try:
                report: Report = self._worker.result(self._options.timeout)
            except WorkerEndedError as error:
                others = self._ran - {row}
                self._end_worker()
                package = self._rows[row].package
                if package not in self._succeeded and not (error.fault and error.fault.regions):
                    self._failed[package] = self._failed.get(package, 0) + 1
                clear = error.fault is not None and (astray(error.fault) or error.fault.general_protection)
                if others and error.status == "crashed" and not clear:
                    continue
                raise
            self._ran.add(row)
            self._succeeded.add(self._rows[row].package)
            return report

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _problem(self, trial: Trial, error: WorkerEndedError) -> Problem:
        """What the end of a worker says of the function that it called."""
        if error.status == "timeout":
            return Problem("timeout", "", error.message)
        fault = error.fault
        if error.status != "crashed" or fault is None:
            return Problem("crash", "", f"crashed: {error.message}" if error.status == "crashed" else error.message)
        if fault.general_protection:
            names = misaligned(fault, _ALIGNMENTS[-1]) or [""]
            about = f" of {' or '.join(map(repr, filter(None, names)))}" if any(names) else ""
            text = f"crashed: a vector access{about} that is misaligned, or an invalid address"
            return Problem("crash", names[0] if len(names) == 1 else "", text)
        region = astray(fault)
        if region is None or fault.address is None:
            if fault.address is None:
                return Problem("crash", "", f"crashed: {error.message}")
            kind = f"{fault.access}s" if fault.access else "uses"
            text = f"crashed: {kind} memory at 0x{fault.address:x}, near no argument"
            return Problem("crash", "", text, byte_offset=None)
        offset = fault.address - region.pointer
        plan = plan_call(self._function(trial.row))
        argument = next(argument for argument in plan.arguments if argument.name == region.name)
        given = {**self._rows[trial.row].values, **trial.sizes}
        index = index_at(argument_layout(plan, argument, given), argument.element.size, offset)
        if region.begin <= fault.address < region.end:
            return Problem("usage", region.name, written_input(region.name, index), index, offset)
        kind = f"{fault.access}s" if fault.access else "goes"
        if reach := extent(fault):
            begin, end = reach
            outside = end - max(begin, region.end) if end > region.end else min(end, region.begin) - begin
            kind = f"{kind if fault.access else 'accesses'} {number_of_bytes(outside)}"
        where = place(region.name, region.begin - region.pointer, region.end - region.pointer, offset)
        return Problem("bounds", region.name, f"{kind} {where}", index, offset)

    def _may_be_index(self, trial: Trial, fault: Faulted) -> bool:
        """Whether a fault far from any argument may come of random integers that the function uses as indices."""
        if trial.index_limit or fault.signal not in _MEMORY_FAULTS:
            return False
        plan = plan_call(self._function(trial.row))
        return any(argument.read and argument.is_array and argument.element.is_integer for argument in plan.arguments)

    def _index_limit(self, trial: Trial) -> int:
        """The number of elements of the shortest array: below it, integers are indices of any."""
        plan, given = plan_call(self._function(trial.row)), {**self._rows[trial.row].values, **trial.sizes}
        lengths = [
            min(argument_layout(plan, argument, given).shape, default=1)
            for argument in plan.arguments
            if argument.is_array and not argument.is_scalar
        ]
        return max(1, min(lengths, default=1))

    def _note_needs(self, row: int, trial: Trial) -> None:
        if trial.alignment > 1:
            self._note(row, f"needs arrays that are aligned to {trial.alignment} bytes")
        if trial.index_limit:
            text = f"uses integers as indices: it was called with integers from 0 to {trial.index_limit - 1}"
            self._note(row, text)

    def _note(self, row: int, message: str) -> None:
        of_row = self._rows[row]
        self.notes.append(
            Remark(function=of_row.function, message=message, sizes=of_row.sizes, hat_file=self._hat_file(row))
        )

    def _found(self, row: int, trial: Trial, problem: Problem, check: str = "", others: Sequence[str] = ()) -> None:
        """Add a finding, unless its check was not asked for or the same was found before."""
        name = check or problem.check
        of_row = self._rows[row]
        # A crash at the sizes of a benchmark is an outcome of that; at others it is only seen here.
        is_seen_here = self._options.budget is not None and name == "crash" and trial.sizes != of_row.sizes
        if name not in self._options.checks and not is_seen_here:
            return
        finding = Finding(
            function=of_row.function,
            argument=problem.argument,
            check=name,
            message=problem.message,
            reproduce=self._reproduce(row, trial, name, others),
            index=problem.index,
            byte_offset=problem.byte_offset,
            sizes=trial.sizes,
            seed=trial.seed,
            hat_file=self._hat_file(row),
        )
        self.found.setdefault(row, finding)
        if not any(_same(finding, other) for other in self.findings):
            self.findings.append(finding)

    def _reproduce(self, row: int, trial: Trial, check: str, others: Sequence[str]) -> str:
        """The command that makes the same calls of this function alone, or with ``others`` to compare it with."""
        of_row, options = self._rows[row], self._options
        words = ["hatframe", "verify", self._source(row), "--functions", of_row.function, *others]
        words += ["--only", check]
        if sizes := ",".join(f"{name}={size}" for name, size in trial.sizes.items()):
            words += ["--size", sizes]
        for name, value in of_row.values.items():
            words += ["--value", f"{name}={value}"]
        words += ["--loader", options.loader] if options.loader else []
        if check == "agreement":
            words += ["--reference", options.reference] if options.reference else []
            words += [word for pattern in options.same for word in ("--same", pattern)]
            for name in ("rtol", "atol"):
                value = getattr(options, name)
                words += [f"--{name}", repr(value)] if value is not None else []
        return shlex.join([*words, "--seed", str(trial.seed)])

    def _source(self, row: int) -> str:
        """What a command names the package by: an archive, or a .hat file."""
        unpacked = self._packages[self._rows[row].package].unpacked
        return str(unpacked.archive) if unpacked else self._hat_file(row)

    def _function(self, row: int) -> Function:
        return self._packages[self._rows[row].package].functions[self._rows[row].function]

    def _hat_file(self, row: int) -> str:
        package = self._packages[self._rows[row].package]
        return package.shown(package.hat_file(self._rows[row].function).path)


def _same(one: Finding, other: Finding) -> bool:
    """Whether two findings are of the same check of the same argument."""
    names = ("hat_file", "function", "argument", "check")
    return all(getattr(one, name) == getattr(other, name) for name in names)
