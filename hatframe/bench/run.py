"""The run: measures the chosen functions of packages, and reports and records their results."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from hatframe.backends import Observer, Probe, Sink
from hatframe.bench.checkpoint import Checkpoint
from hatframe.bench.criterion import BATCH_LENGTH
from hatframe.bench.options import CACHES, MOST_PROCESSES, BenchOptions
from hatframe.bench.recording import Recorder, run_info
from hatframe.bench.reporting import Observers, Sinks, forget
from hatframe.bench.restoring import RESTORE
from hatframe.bench.schedule import Record, Schedule
from hatframe.bench.session import MOST_CALLS, Backends, Session, Setup
from hatframe.errors import PackageError, UsageError, listed
from hatframe.machine import Machine
from hatframe.packages.package import Package
from hatframe.results.model import ResultsDocument
from hatframe.rows import choose, with_sizes
from hatframe.verifying.quick import verify_quickly
from hatframe.worker.process import LocalWorker, ProcessWorker, Worker

# Seconds: three years. Clocks of some systems count no further.
_LARGEST = 1e8
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TBB_NUM_THREADS",
)


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
    measured all the same. A sink that fails is skipped for the rest of the run; its error is raised at the end, with
    the results. After Ctrl-C the sinks are closed with the results so far.
    """
    _check(options)
    if not isolated:
        options = msgspec.structs.replace(options, processes=1)
    backends.meters()  # an unknown one is an error now, not in the worker
    chosen, skipped = choose(packages, options)
    if not chosen:
        raise PackageError(
            f"no function to measure: {listed(list(skipped))} are initialisers or debugging aids",
            where=listed([str(package.path) for package in packages]),
        )
    rows = with_sizes(packages, chosen, options)
    everyone = Observers(observers)
    before = _readings(probes)
    run = run_info(packages, options, machine, before, isolated)
    note = functools.cache(everyone.message)  # each new worker may have the same to say
    checkpoint = Checkpoint(packages, options, run, note)
    records = [Record(row=row) for row in rows]
    if saved := checkpoint.load() if options.resume else None:
        run = msgspec.structs.replace(run, id=saved.id, started=saved.started)
        records = saved.records
    results = Recorder(packages, options)
    started = perf_counter()
    with Sinks(sinks, run, everyone.message) as outputs:
        for record in records:
            # Sinks know which results of a run they have.
            if record.status:
                outputs.add(results.of(record))
            record.reported = bool(record.status)
        everyone.run_started(run, len(rows))
        complete = False

        def finished(record: Record) -> None:
            result = results.of(record)
            if not record.reported:
                outputs.add(result)
                record.reported = True
            everyone.function_finished(result)

        setup = Setup(
            packages=tuple(tuple(hat.path for hat in package.hat_files if hat.path) for package in packages),
            rows=tuple(rows),
            batch_length=BATCH_LENGTH,
            min_iterations=options.min_iterations,
            input_bytes=0 if options.cache == "hot" else options.input_sets_size,
            input_data=options.input_data,
            seed=options.seed,
            restore=options.restore,
            cpu=options.cpu,
        )
        try:
            with _environment(options.threads, isolated) as environment:
                make_session = functools.partial(Session, setup, backends)

                def start_worker() -> Worker:
                    if isolated:
                        return ProcessWorker(make_session, note, environment)
                    return LocalWorker(make_session)

                if options.verify and isolated:
                    _verify(packages, records, options, backends, note, environment)
                    for record in records:
                        if record.status and not record.reported:
                            finished(record)
                Schedule(
                    records,
                    options,
                    start_worker=start_worker,
                    observer=everyone,
                    finished=finished,
                    save=lambda: checkpoint.save(run, records),
                ).run()
            complete = True
        except BaseException:
            checkpoint.save(run, records)
            begun = sum(bool(record.samples.means) for record in records)
            if begun:
                note(f"measured {begun} of {len(records)} functions in part or in full; continue with --resume")
            raise
        finally:
            after = _readings(probes)
            run = msgspec.structs.replace(run, readings_after=after)
            document = results.document(run, records, skipped, complete, perf_counter() - started)
            outputs.close(document)
            if not complete:
                for error in outputs.errors.values():
                    everyone.message(str(error))
            everyone.run_finished(document)
    if outputs.errors:
        checkpoint.save(run, records)
    else:
        checkpoint.remove()
        forget(document)
    if any(result.statistics for result in document) and (disturbances := _disturbances(probes, before, after)):
        everyone.message(f"the machine disturbed these figures: {'; '.join(disturbances)}")
    outputs.raise_errors(document)
    return document


def _verify(
    packages: Sequence[Package],
    records: Sequence[Record],
    options: BenchOptions,
    backends: Backends,
    notify: Callable[[str], None],
    environment: dict[str, str],
) -> None:
    """Verify the functions that are still to be measured, and give those that are wrong their status."""
    verdicts = verify_quickly(
        packages,
        [record.row for record in records],
        [index for index, record in enumerate(records) if not record.status],
        backends=backends,
        notify=notify,
        environment=environment,
        loader=options.loader,
        seed=options.seed,
        input_data=options.input_data,
        sizes=options.sizes,
        timeout=options.timeout,
    )
    for index, verdict in verdicts.items():
        records[index].checks = verdict.checks
        if finding := verdict.finding:
            records[index].status = "wrong"
            text = f"{records[index].label} is wrong: {finding.message} ({finding.check})"
            records[index].message = f"{text}; to see it again: {finding.reproduce}"


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
    if options.restore not in RESTORE:
        hint = f"choose one of {', '.join(RESTORE)}"
        raise UsageError(f"invalid choice {options.restore!r}", where="--restore", hint=hint)
    for name in ("min_time", "max_time", "precision", "timeout"):
        value = getattr(options, name)
        if value is not None and not 0 <= value <= _LARGEST:
            raise UsageError(f"{name} is {value}", hint=f"give a number from 0 to {_LARGEST:g}")
    for name in ("batches", "cpu", "input_sets_size", "min_iterations", "seed", "threads"):
        if not -(1 << 63) <= (getattr(options, name) or 0) < 1 << 63:
            raise UsageError(f"{name} does not fit in 64 bits")
    if options.min_iterations > MOST_CALLS or (options.batches or 0) > MOST_CALLS:
        raise UsageError("too many calls or batches", hint=f"at most {MOST_CALLS}")
    if not 1 <= options.processes <= MOST_PROCESSES:
        raise UsageError(f"processes is {options.processes}", hint=f"give a number from 1 to {MOST_PROCESSES}")


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
