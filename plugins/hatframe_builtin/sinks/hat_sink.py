"""The sink ``hat``: stores results in the .hat files, where later runs and other tools find them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hatframe import hookimpl
from hatframe.plugin import (
    STORED_MEAN_KEYS,
    FunctionResult,
    HatError,
    Option,
    PackageInfo,
    ResultsDocument,
    RunInfo,
    Sink,
    SinkError,
    SinkRun,
    UsageError,
    check_replaceable,
    pairs_text,
)

# The mean has two keys of its own; a count is not a duration.
_NOT_STORED = ("mean", "outliers")


class HatSink(Sink):
    """Keys in the ``auxiliary`` table of each measured function; other keys, and failed functions, stay.

    All are in seconds: ``duration_in_sec`` and ``mean_duration_in_sec`` (both the mean, for two generations
    of tools), ``median_of_means_in_sec``, ``mean_of_small_means_in_sec``, ``robust_mean_in_sec``,
    ``min_of_means_in_sec``, ``max_of_means_in_sec``, ``standard_deviation_in_sec``, and the ends of the interval that
    holds the mean with 95 % confidence, ``mean_low_in_sec`` and ``mean_high_in_sec``. ``time_in_sec``, with
    ``time_low_in_sec`` and ``time_high_in_sec``, is the estimate that rankings use. ``measured_batches`` is the number
    of batches; ``measured_date``, ``measured_machine`` and ``measured_run`` say when, where and in which run.

    A function with sizes, or other scalars that were set, also has ``measured_sizes``, such as ``"M=256 N=1024"``: what
    those are of. Of several they are the first, which all functions of a run share, so that durations compare. The
    table ``results_by_sizes`` has a table of the same keys for each; those of other sizes stay.
    """

    name = "hat"
    summary = "stores the durations in the .hat files themselves"
    # If two sinks have the same option, the one with the higher priority gets it: existing scripts mean this one.
    priority = 10
    options = (
        Option(
            names=("--store-in-hat", "--store_in_hat"),
            help="Store the durations in the .hat files, in the auxiliary table of each function.",
            flag=True,
        ),
    )

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        if path:
            raise UsageError(
                f"sink {self.name} stores in the .hat files of the packages, and takes no path ({path})",
                hint=f"use: --sink {self.name}",
            )
        for package in run.packages:
            for hat_file in map(Path, package.hat_files):
                if hat_file.parent.is_file():
                    raise SinkError(
                        f"sink {self.name} cannot store results in a .zip file",
                        where=str(hat_file.parent),
                        hint="unpack it, and benchmark the folder",
                    )
                check_replaceable(hat_file)
        return _HatRun(run)


class _HatRun(SinkRun):
    def __init__(self, run: RunInfo) -> None:
        self._origin = {
            "measured_date": run.started,
            "measured_machine": str(run.machine),
            "measured_run": run.id,
        }

    def add(self, result: FunctionResult) -> None:
        """All results are stored at the end: one edit of each file."""

    def close(self, document: ResultsDocument) -> str:
        from hatframe.plugin import store_in_auxiliary

        by_file: dict[str, dict[str, list[FunctionResult]]] = {}
        for result in document.results:
            if result.statistics:
                by_file.setdefault(result.hat_file, {}).setdefault(result.function_name, []).append(result)
        errors = []
        rebuilt = {
            file: package.library
            for package in document.run.packages
            if _has_changed(package)
            for file in package.hat_files
        }
        for file, functions in by_file.items():
            if file in rebuilt:
                errors.append(f"{file}: {rebuilt[file]} has changed since it was measured")
                continue
            try:
                store_in_auxiliary(Path(file), {name: self._keys(results) for name, results in functions.items()})
            except HatError as error:  # the other files are still written
                errors.append(str(error))
        if errors:
            raise SinkError(f"results were not stored: {'; '.join(errors)}")
        stored = sum(map(len, by_file.values()))
        return f"functions with durations stored in {', '.join(by_file) or 'no file'}: {stored}"

    def _keys(self, results: list[FunctionResult]) -> dict[str, Any]:
        keys = {STORED_MEAN_KEYS[1]: _figures(results[0])[STORED_MEAN_KEYS[0]], **_figures(results[0]), **self._origin}
        by_sizes = {pairs_text(result.measured_with): result for result in results}
        if measured := next(iter(by_sizes)):
            keys["measured_sizes"] = measured
            keys["results_by_sizes"] = {
                sizes: {**_figures(result), **self._origin} for sizes, result in by_sizes.items()
            }
        return keys


def _has_changed(package: PackageInfo) -> bool:
    """Whether the library is not the one that was measured: its results would be those of former code."""
    import hashlib

    library = Path(package.library)
    return (
        bool(package.sha256)
        and library.is_file()
        and hashlib.sha256(library.read_bytes()).hexdigest() != package.sha256
    )


def _figures(result: FunctionResult) -> dict[str, Any]:
    assert result.statistics is not None
    figures: dict[str, float] = msgspec.structs.asdict(result.statistics)
    stored = {f"{name}_in_sec": value for name, value in figures.items() if name not in _NOT_STORED}
    return {STORED_MEAN_KEYS[0]: figures["mean"], **stored, "measured_batches": result.batches}


@hookimpl
def hatframe_sinks() -> list[HatSink]:
    return [HatSink()]
