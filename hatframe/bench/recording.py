"""Recording: the results document of a run, from what was measured and from what the run was made of."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import platform
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from hatframe import __version__
from hatframe.bench.options import BenchOptions
from hatframe.bench.schedule import Record
from hatframe.errors import HatError
from hatframe.files import sha256_of
from hatframe.machine import Machine
from hatframe.packages.package import Package
from hatframe.results.comparison import rankings
from hatframe.results.model import FunctionResult, PackageInfo, ResultsDocument, RunInfo
from hatframe.results.rates import rates
from hatframe.results.statistics import statistics


class Recorder:
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
            group=record.row.group,
            sizes=record.row.sizes,
            values=record.row.values,
            threads=self._options.threads,
            seed=self._options.seed,
            cache=self._options.cache,
            input_data=self._options.input_data,
            restore="pass" if record.pristine else "never" if self._options.restore == "never" else "drift",
            restored=record.restored,
            calls_per_batch=record.calls,
            batches=len(record.samples.means),
            batch_means=tuple(record.samples.means),
            rounds=tuple(record.samples.rounds),
            processes=tuple(record.samples.processes),
            verified=bool(record.checks),
            checks=record.checks,
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
        figures = statistics(record.samples.means, record.samples.processes)
        calls = record.calls * len(record.samples.means)
        message = ""
        found: dict[str, float] = {}
        try:
            found = rates(package.functions[record.row.function], record.row.sizes, figures.time)
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
        """All results that are final, with their rankings."""
        results = tuple(self.of(record) for record in records if record.status)
        return ResultsDocument(
            run=run,
            results=results,
            skipped=skipped,
            complete=complete,
            rankings=rankings(results),
            seconds=seconds,
            measured_seconds=sum(record.measured_seconds + record.warm_up_seconds for record in records),
        )


def run_info(
    packages: Sequence[Package],
    options: BenchOptions,
    machine: Machine,
    before: dict[str, dict[str, Any]],
    isolated: bool,
) -> RunInfo:
    return RunInfo(
        id=uuid.uuid4().hex,
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
        sha256=sha256_of(library) if library and library.is_file() else "",
        version=package.hat_files[0].description.version,
        other_files={
            package.shown(path): sha256_of(path) for path in package.files if path.is_file() and path != library
        },
    )


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
