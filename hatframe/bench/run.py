"""The run: goes through all functions of all packages, and gives each result to every sink as soon as it is final."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hatframe import __version__
from hatframe.backends import BoundFunction, Observer, Sink, SinkRun
from hatframe.bench.inputs import InputData, make_input_sets
from hatframe.bench.options import BenchOptions, SinkChoice
from hatframe.bench.sampling import sample
from hatframe.calling.loaded import LoadedPackage
from hatframe.calling.plans import CallPlan, plan_call
from hatframe.errors import HatError, PackageError, SinkError, UnknownFunctionError, UsageError
from hatframe.format.model import Function
from hatframe.format.names import matching
from hatframe.format.package import Package
from hatframe.machine import Machine
from hatframe.results.model import FunctionResult, PackageInfo, ResultsDocument, RunInfo
from hatframe.results.statistics import statistics

# Without a probe that knows the caches: more than most processors have.
_FALLBACK_INPUT_BYTES = 64 << 20

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TBB_NUM_THREADS",
)

_SKIPPED = ("Initialize", "_debug_check_allclose")


class _Measured(msgspec.Struct, frozen=True):
    """One row of the run to come: a function of a package with one choice of sizes."""

    package: Package
    function: Function
    sizes: dict[str, int]


def run_benchmark(
    packages: Sequence[Package],
    options: BenchOptions,
    *,
    machine: Machine,
    open_package: Callable[[Package], LoadedPackage],
    sinks: Sequence[tuple[Sink, SinkChoice]],
    observers: Sequence[Observer],
) -> ResultsDocument:
    """Measure the chosen functions one after another.

    A function that cannot be called gets a ``failed`` result, and the others are measured all the same. A sink
    that fails is left out of the rest of the run, and its error is raised at the end. After Ctrl-C the sinks are
    closed with the results so far.
    """
    chosen, skipped = _choose(packages, options)
    rows = _with_sizes(chosen, options)
    with _threads(options.threads):
        run = _run_info(packages, options, machine)
        tell = _Observers(observers)
        with _Sinks(sinks, run, tell) as outputs:
            tell.run_started(run, len(rows))
            results: list[FunctionResult] = []
            complete = False
            try:
                for result in _measure_all(rows, options, machine, open_package, tell):
                    results.append(result)
                    outputs.add(result)
                    tell.function_finished(result)
                complete = True
            finally:
                document = ResultsDocument(run=run, results=tuple(results), skipped=skipped, complete=complete)
                outputs.close(document)
                tell.run_finished(document)
    outputs.raise_first_error()
    return document


def _measure_all(
    rows: Sequence[_Measured],
    options: BenchOptions,
    machine: Machine,
    open_package: Callable[[Package], LoadedPackage],
    tell: _Observers,
) -> Iterator[FunctionResult]:
    data = InputData(options.seed)
    input_bytes = _input_bytes(options, machine)
    opened: dict[int, LoadedPackage] = {}
    for row in rows:
        tell.function_started(row.function.name)
        common = FunctionResult(
            function_name=row.function.name,
            hat_file=str(row.package.hat_file(row.function.name).path or ""),
            sizes=row.sizes,
            threads=options.threads,
            seed=options.seed,
        )
        try:
            if id(row.package) not in opened:
                for package in opened.values():
                    package.close()
                opened = {id(row.package): open_package(row.package)}
            bound = opened[id(row.package)].find(row.function.name)
            yield _measure(bound, common, options, data, input_bytes, tell)
        except HatError as error:
            yield msgspec.structs.replace(common, status="failed", message=str(error))
    for package in opened.values():
        package.close()


def _measure(
    bound: BoundFunction,
    common: FunctionResult,
    options: BenchOptions,
    data: InputData,
    input_bytes: int,
    tell: _Observers,
) -> FunctionResult:
    sets, set_bytes = make_input_sets(bound, common.sizes, data, input_bytes)
    timer = bound.prepare(sets)
    samples = sample(
        timer,
        min_time=options.min_time,
        batches=options.batches,
        min_iterations=options.min_iterations,
        progress=lambda fraction: tell.progress(common.function_name, fraction),
    )
    return msgspec.structs.replace(
        common,
        statistics=statistics(samples.batch_means),
        batches=len(samples.batch_means),
        calls_per_batch=samples.calls_per_batch,
        batch_means=samples.batch_means,
        counters=samples.counters,
        overhead=timer.overhead,
        timer=timer.name,
        loader=bound.loader,
        input_sets=len(sets),
        input_set_bytes=set_bytes,
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


def _with_sizes(chosen: Sequence[tuple[Package, Function]], options: BenchOptions) -> list[_Measured]:
    """Each function once for each choice of sizes that makes a difference to it."""
    rows: list[_Measured] = []
    known: set[str] = set()
    for package, function in chosen:
        numbers, dimensions = _numbers_and_dimensions(function)
        known |= numbers
        different = []
        for given in options.sizes or ({},):
            sizes = dict.fromkeys(dimensions, options.default_size)
            sizes.update({name: value for name, value in given.items() if name in numbers})
            if sizes not in different:
                different.append(sizes)
        rows.extend(_Measured(package, function, sizes) for sizes in different)
    if unknown := sorted({name for given in options.sizes for name in given} - known):
        hint = f"there are {', '.join(sorted(known))}" if known else "these functions have fixed sizes"
        raise UsageError(f"no function has a dimension {', '.join(unknown)}", where="--size", hint=hint)
    return rows


def _numbers_and_dimensions(function: Function) -> tuple[set[str], list[str]]:
    """The integer parameters that can be given, and those that array sizes refer to; none where it has no plan."""
    try:
        plan: CallPlan = plan_call(function)
    except HatError:
        return set(), []  # measuring it tells the error
    numbers = {
        argument.name
        for argument in plan.arguments
        if argument.read and not argument.is_array and argument.element.kind in ("int", "uint")
    }
    return numbers, [name for name in plan.dimensions if name in numbers]


def _input_bytes(options: BenchOptions, machine: Machine) -> int:
    if options.input_sets_size is not None:
        return options.input_sets_size
    cache = machine.last_level_cache
    return 2 * cache.size if cache else _FALLBACK_INPUT_BYTES


# ------------------------------------------------------------------------------------------------------ the record


def _run_info(packages: Sequence[Package], options: BenchOptions, machine: Machine) -> RunInfo:
    return RunInfo(
        started=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        hatframe_version=__version__,
        python_version=platform.python_version(),
        machine=machine,
        packages=tuple(_package_info(package) for package in packages),
        options=options.recorded(),
    )


def _package_info(package: Package) -> PackageInfo:
    library = package.library
    return PackageInfo(
        hat_files=tuple(str(hat.path) for hat in package.hat_files),
        library=str(library or ""),
        sha256=_sha256(library) if library and library.is_file() else "",
        version=package.hat_files[0].description.version,
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Set the variables that threading runtimes read when they are loaded; the former ones come back."""
    if count is None:
        yield
        return
    former = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update({name: str(count) for name in _THREAD_VARIABLES})
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# ------------------------------------------------------------------------------------------------ sinks, observers


class _Observers(Observer):
    """Tells all observers; one that raises is not told again, and the run goes on."""

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
    """All sinks of a run. Opening fails at once; a later fault of one leaves the others working."""

    def __init__(self, sinks: Sequence[tuple[Sink, SinkChoice]], run: RunInfo, tell: Observer) -> None:
        self._sinks = sinks
        self._run = run
        self._tell = tell
        self._opened: dict[str, SinkRun] = {}
        self._errors: list[HatError] = []

    def __enter__(self) -> _Sinks:
        for sink, choice in self._sinks:
            try:
                self._opened[sink.name] = sink.open(self._run, choice.path, choice.options)
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
