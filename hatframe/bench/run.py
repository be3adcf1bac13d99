"""The run: which functions are measured, and what becomes of their results."""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import importlib.metadata
import math
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from hatframe import __version__
from hatframe.backends import Observer, Probe, Sink, SinkRun
from hatframe.bench.checkpoint import Checkpoint
from hatframe.bench.criterion import batch_length
from hatframe.bench.options import CACHES, BenchOptions
from hatframe.bench.schedule import Record, Schedule
from hatframe.bench.session import MOST_CALLS, Backends, Row, Session, Setup
from hatframe.calling.plans import CallPlan, plan_call
from hatframe.errors import HatError, PackageError, SinkError, UnknownFunctionError, UsageError
from hatframe.format.model import Function
from hatframe.format.names import matching
from hatframe.machine import Machine
from hatframe.packages.package import Package
from hatframe.results.comparison import rank
from hatframe.results.model import FunctionResult, PackageInfo, ResultsDocument, RunInfo
from hatframe.results.rates import rates
from hatframe.results.statistics import statistics
from hatframe.worker.process import LocalWorker, ProcessWorker, Worker

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TBB_NUM_THREADS",
)

_SKIPPED = ("Initialize", "_debug_check_allclose")


def run_benchmark(
    packages: Sequence[Package],
    options: BenchOptions,
    *,
    machine: Machine,
    probes: Sequence[Probe],
    backends: Backends,
    isolated: bool,
    sinks: Sequence[tuple[Sink, Path | None]],
    observers: Sequence[Observer],
) -> ResultsDocument:
    """Measure the chosen functions, in a worker process if ``isolated``, to which ``backends`` are then pickled.

    A function that cannot be called, crashes, exits or does not return gets a result that says so, and the others are
    measured all the same. A sink that fails is skipped for the rest of the run, and its error is raised at the end.
    After Ctrl-C the sinks are closed with the results so far.
    """
    _check(options)
    chosen, skipped = _choose(packages, options)
    rows = _with_sizes(packages, chosen, options)
    tell = _Observers(observers)
    before = _readings(probes)
    run = _run_info(packages, options, machine, before, isolated)
    note = functools.cache(tell.message)  # each new worker may have the same to say
    checkpoint = Checkpoint(run.packages, options, machine, note)
    records = (checkpoint.load() if options.resume else None) or [Record(row=row) for row in rows]
    results = _Results(packages, options)
    started = perf_counter()
    with _Sinks(sinks, run, tell) as outputs:
        tell.run_started(run, len(rows))
        complete = False

        def finished(record: Record) -> None:
            result = results.of(record)
            if not record.reported:
                outputs.add(result)
                record.reported = True
            tell.function_finished(result)

        setup = Setup(
            packages=tuple(tuple(hat.path for hat in package.hat_files if hat.path) for package in packages),
            rows=tuple(rows),
            batch_length=batch_length(len(rows)),
            min_iterations=options.min_iterations,
            input_bytes=0 if options.cache == "hot" else options.input_sets_size,
            input_data=options.input_data,
            seed=options.seed,
            cpu=options.cpu,
        )
        try:
            with _environment(options.threads, isolated) as environment:
                make_session = functools.partial(Session, setup, backends)

                def start_worker() -> Worker:
                    if isolated:
                        return ProcessWorker(make_session, note, environment)
                    return LocalWorker(make_session)

                Schedule(
                    records,
                    options,
                    start_worker=start_worker,
                    tell=tell,
                    finished=finished,
                    save=lambda: checkpoint.save(records),
                ).run()
            complete = True
        except BaseException:
            checkpoint.save(records)
            begun = sum(bool(record.samples.means) for record in records)
            if begun:
                note(f"measured {begun} of {len(records)} functions in part or in full; continue with --resume")
            raise
        finally:
            after = _readings(probes)
            run = msgspec.structs.replace(run, readings_after=after)
            document = results.document(run, records, skipped, complete, perf_counter() - started)
            outputs.close(document)
            tell.run_finished(document)
    checkpoint.remove()
    if document.comparison and (disturbances := _disturbances(probes, before, after)):
        tell.message(f"the machine disturbed these figures: {'; '.join(disturbances)}")
    outputs.raise_first_error()
    return document


def _readings(probes: Sequence[Probe]) -> dict[str, dict[str, Any]]:
    """What the probes read now; a probe that fails is left out."""
    found = {}
    for probe in probes:
        with contextlib.suppress(Exception):
            if readings := probe.readings():
                found[probe.name] = dict(readings)
    return found


def _disturbances(
    probes: Sequence[Probe], before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> list[str]:
    found: list[str] = []
    for probe in probes:
        if probe.name in before and probe.name in after:
            with contextlib.suppress(Exception):
                found += probe.disturbances(before[probe.name], after[probe.name])
    return found


def _check(options: BenchOptions) -> None:
    if options.cache not in CACHES:
        raise UsageError(
            f"invalid cache mode {options.cache!r}", where="--cache", hint=f"choose one of {', '.join(CACHES)}"
        )
    for name in ("min_time", "max_time", "precision", "timeout"):
        value = getattr(options, name)
        if value is not None and not (0 <= value < math.inf):
            raise UsageError(f"{name} is {value}", hint="give a number from 0 up")
    if options.min_iterations > MOST_CALLS or (options.batches or 0) > MOST_CALLS:
        raise UsageError("too many calls or batches", hint=f"at most {MOST_CALLS}")


class _Results:
    """Turns records into results."""

    def __init__(self, packages: Sequence[Package], options: BenchOptions) -> None:
        self._packages = packages
        self._options = options

    def of(self, record: Record) -> FunctionResult:
        """The result of a record, with statistics if it has an ``ok`` status and samples."""
        package = self._packages[record.row.package]
        common = FunctionResult(
            function_name=record.row.function,
            hat_file=package.shown(package.hat_file(record.row.function).path),
            status=record.status,
            message=record.message,
            sizes=record.row.sizes,
            threads=self._options.threads,
            seed=self._options.seed,
            cache=self._options.cache,
            input_data=self._options.input_data,
            restored=record.restored,
            calls_per_batch=record.calls,
            batches=len(record.samples.means),
            batch_means=tuple(record.samples.means),
            rounds=tuple(record.samples.rounds),
        )
        warmed = record.warmed
        if warmed is not None:
            common = msgspec.structs.replace(
                common,
                overhead=warmed.overhead,
                overhead_subtracted=warmed.overhead_subtracted,
                timer=warmed.timer,
                loader=warmed.loader,
                cache=self._options.cache if warmed.covers_cache else "mixed",
                input_sets=warmed.input_sets,
                input_set_bytes=warmed.input_set_bytes,
            )
        if record.status != "ok" or not record.samples.means:
            return common
        figures = statistics(record.samples.means)
        calls = record.calls * len(record.samples.means)
        message = ""
        found: dict[str, float] = {}
        try:
            found = rates(package.functions[record.row.function], record.row.sizes, figures.mean)
        except HatError as error:
            message = str(error)  # metadata that make no sense do not spoil what was measured
        return msgspec.structs.replace(
            common,
            message=message,
            statistics=figures,
            counters={name: value / calls for name, value in record.counters.items()},
            rates=found,
        )

    def document(
        self, run: RunInfo, records: Sequence[Record], skipped: dict[str, str], complete: bool, seconds: float
    ) -> ResultsDocument:
        """All results that are final, with their ranking."""
        results = tuple(self.of(record) for record in records if record.status)
        return ResultsDocument(
            run=run,
            results=results,
            skipped=skipped,
            complete=complete,
            comparison=rank(results),
            seconds=seconds,
            measured_seconds=sum(record.measured_seconds + record.warm_up_seconds for record in records),
        )


# --------------------------------------------------------------------------------------------- choosing what to run


def _choose(
    packages: Sequence[Package], options: BenchOptions
) -> tuple[list[tuple[Package, Function]], dict[str, str]]:
    """The functions to measure, and those that are left out with the reason."""
    patterns = options.functions or ("*",)
    chosen: list[tuple[Package, Function]] = []
    for package in packages:
        known = [pattern for pattern in patterns if matching(pattern, package.functions)]
        chosen.extend((package, function) for function in package.select(known))
    for pattern in options.functions:
        if not any(matching(pattern, package.functions) for package in packages):
            if len(packages) == 1:
                packages[0].select([pattern])  # raises, with names that are close
            raise UnknownFunctionError(f"no package has a function {pattern!r}")
    if not chosen:
        listed = ", ".join(str(package.path) for package in packages)
        raise PackageError("it has no functions", where=listed, hint="name the .hat file that describes some")
    skipped = {
        function.name: "an initialiser or a debugging aid, not a function to measure"
        for _, function in chosen
        if any(part in function.name for part in _SKIPPED)
    }
    return [entry for entry in chosen if entry[1].name not in skipped], skipped


def _with_sizes(
    packages: Sequence[Package], chosen: Sequence[tuple[Package, Function]], options: BenchOptions
) -> list[Row]:
    """Each function once for each choice of sizes that makes a difference to it."""
    rows: list[Row] = []
    known: set[str] = set()
    positions = {id(package): position for position, package in enumerate(packages)}
    for package, function in chosen:
        numbers, dimensions = _numbers_and_dimensions(function)
        known |= numbers
        different: list[dict[str, int]] = []
        for given in options.sizes or ({},):
            sizes = dict.fromkeys(dimensions, options.default_size)
            sizes.update({name: value for name, value in given.items() if name in numbers})
            if sizes not in different:
                different.append(sizes)
        rows.extend(Row(positions[id(package)], function.name, sizes) for sizes in different)
    if unknown := sorted({name for given in options.sizes for name in given} - known):
        hint = f"there are {', '.join(sorted(known))}" if known else "these functions have fixed sizes"
        raise UsageError(f"no function has a dimension {', '.join(unknown)}", where="--size", hint=hint)
    return rows


def _numbers_and_dimensions(function: Function) -> tuple[set[str], list[str]]:
    """The integer parameters that can be given, and those that array sizes refer to; none where it has no plan."""
    try:
        plan: CallPlan = plan_call(function)
    except HatError:
        return set(), []  # measuring it reports the error
    numbers = {
        argument.name
        for argument in plan.arguments
        if argument.read and not argument.is_array and argument.element.kind in ("int", "uint")
    }
    return numbers, [name for name in plan.dimensions if name in numbers]


# ------------------------------------------------------------------------------------------------------ the record


def _run_info(
    packages: Sequence[Package],
    options: BenchOptions,
    machine: Machine,
    before: dict[str, dict[str, Any]],
    isolated: bool,
) -> RunInfo:
    return RunInfo(
        started=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        hatframe_version=__version__,
        python_version=platform.python_version(),
        machine=machine,
        packages=tuple(_package_info(package) for package in packages),
        options=options.recorded(),
        readings_before=before,
        versions=_versions(),
        isolated=isolated,
    )


def _package_info(package: Package) -> PackageInfo:
    library = package.library
    return PackageInfo(
        hat_files=tuple(package.shown(hat.path) for hat in package.hat_files),
        library=package.shown(library),
        sha256=_sha256(library) if library and library.is_file() else "",
        version=package.hat_files[0].description.version,
        other_files={
            package.shown(path): _sha256(path) for path in package.files if path.is_file() and path != library
        },
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    """The distributions that provide plugins, and those that they require, with their versions."""
    from packaging.requirements import Requirement

    versions: dict[str, str] = {}
    providers = [entry.dist for entry in importlib.metadata.entry_points(group="hatframe") if entry.dist]
    for distribution in {provider.metadata["Name"]: provider for provider in providers}.values():
        versions[distribution.metadata["Name"]] = distribution.version
        for text in distribution.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                    versions[requirement.name] = importlib.metadata.version(requirement.name)
    return versions


@contextlib.contextmanager
def _environment(threads: int | None, isolated: bool) -> Iterator[dict[str, str]]:
    """The variables that threading runtimes read when they are loaded; without a worker they are set here."""
    if threads is None:
        yield {}
        return
    variables = {name: str(threads) for name in _THREAD_VARIABLES}
    if isolated:
        yield variables
        return
    former = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield {}
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# ------------------------------------------------------------------------------------------------ sinks, observers


class _Observers(Observer):
    """Notifies all observers; one that raises is dropped, and the run continues."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = list(observers)

    def _tell(self, method: str, *arguments: Any) -> None:
        for observer in list(self._observers):
            try:
                getattr(observer, method)(*arguments)
            except Exception as error:
                self._observers.remove(observer)
                self.message(f"observer {type(observer).__name__} failed in {method}: {error}")

    def run_started(self, run: RunInfo, functions: int) -> None:
        self._tell("run_started", run, functions)

    def function_started(self, name: str) -> None:
        self._tell("function_started", name)

    def progress(self, name: str, fraction: float) -> None:
        self._tell("progress", name, fraction)

    def function_finished(self, result: FunctionResult) -> None:
        self._tell("function_finished", result)

    def run_finished(self, document: ResultsDocument) -> None:
        self._tell("run_finished", document)

    def message(self, text: str) -> None:
        self._tell("message", text)


class _Sinks:
    """All sinks of a run. A sink that cannot be opened ends the run; one that fails later leaves the others working."""

    def __init__(self, sinks: Sequence[tuple[Sink, Path | None]], run: RunInfo, tell: Observer) -> None:
        self._sinks = sinks
        self._run = run
        self._tell = tell
        self._opened: dict[str, SinkRun] = {}
        self._errors: list[HatError] = []

    def __enter__(self) -> _Sinks:
        for sink, path in self._sinks:
            try:
                self._opened[sink.name] = sink.open(self._run, path)
            except HatError:
                raise
            except Exception as error:
                raise _sink_failed(sink.name, error) from error
        return self

    def __exit__(self, *exception: Any) -> None:
        self._opened.clear()

    def add(self, result: FunctionResult) -> None:
        for name, opened in list(self._opened.items()):
            self._guarded(name, opened.add, result)

    def close(self, document: ResultsDocument) -> None:
        for name, opened in list(self._opened.items()):
            if said := self._guarded(name, opened.close, document):
                self._tell.message(said)

    def raise_first_error(self) -> None:
        if self._errors:
            raise self._errors[0]

    def _guarded(self, name: str, call: Callable[[Any], Any], value: Any) -> Any:
        try:
            return call(value)
        except HatError as error:
            problem = error
        except Exception as error:
            problem = _sink_failed(name, error)
        self._errors.append(problem)
        del self._opened[name]
        return None


def _sink_failed(name: str, error: Exception) -> SinkError:
    return SinkError(f"sink {name!r} failed: {type(error).__name__}: {error}")
