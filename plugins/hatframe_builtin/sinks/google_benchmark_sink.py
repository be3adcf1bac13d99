"""The sink ``google-benchmark``: the JSON of Google Benchmark, which dashboards and actions for CI read.

The format is that of ``--benchmark_format=json`` (``src/json_reporter.cc`` of Google Benchmark).
"""

from __future__ import annotations

import functools
import math
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatframe import hookimpl
from hatframe.plugin import FunctionResult, Machine, Option, ResultsDocument, RunInfo, Sink, SinkRun, check_kind
from hatframe_builtin.sinks.documents import DocumentRun

_START = re.compile(rb'\s*\{\s*"context"')
_PER_SECOND = 1e9

_AGGREGATES = {"mean": "mean", "median": "median_of_means", "stddev": "standard_deviation"}
_CACHES = {"data": "Data", "instruction": "Instruction", "unified": "Unified"}


class GoogleBenchmarkSink(Sink):
    """One document, replaced atomically as results arrive, also where a document of this format was before.

    Each function has an entry such as ``gemm/M:256/N:1024/threads:2``, whose ``real_time`` is the function's ``time``,
    and whose ``cpu_time`` the processor time of a call if a meter counted it, or else the same. With ``aggregates``
    there are also ``mean``, ``median``, ``stddev`` and ``cv`` over the batches, and with ``repetitions`` each batch. A
    function without figures has ``error_occurred`` and ``error_message``.
    """

    name = "google-benchmark"
    summary = "writes the JSON of Google Benchmark, for dashboards and CI (benchmark.json)"
    options = (
        Option(
            names=("--google-benchmark-entries",),
            help="What the sink google-benchmark writes of each function: its time, aggregates over the batches too, or"
            " all batches and the aggregates.",
            choices=("time", "aggregates", "repetitions"),
            metavar="ENTRIES",
        ),
    )

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        path = path or Path("benchmark.json")
        check_kind(path, _START, "a document of Google Benchmark")
        entries = self.settings.get(self.options[0].key, self.options[0].choices[0])
        return DocumentRun(run, path, functools.partial(_encode, entries=entries))


def _encode(document: ResultsDocument, entries: str) -> bytes:
    import json

    from hatframe.plugin import short_names

    benchmarks: list[dict[str, Any]] = []
    families: dict[str, int] = {}
    instances: dict[str, int] = {}
    for name, result in zip(short_names(document.results), document.results, strict=True):
        instances[name] = instances.get(name, -1) + 1
        place = {
            "family_index": families.setdefault(name, len(families)),
            "per_family_instance_index": instances[name],
        }
        benchmarks += ({**entry, **place} for entry in _entries(name, result, entries))
    written = {"context": _context(document), "benchmarks": benchmarks}
    return (json.dumps(written, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")


def _context(document: ResultsDocument) -> dict[str, Any]:
    run = document.run
    readings = {name: value for of_probe in run.readings_before.values() for name, value in of_probe.items()}
    details = {name: value for of_probe in run.machine.details.values() for name, value in of_probe.items()}
    return {
        "date": run.started,
        "host_name": platform.node(),
        "executable": " ".join(file for package in run.packages for file in package.hat_files),
        "num_cpus": details.get("logical_cores", 1),
        "mhz_per_cpu": round(readings.get("frequency", 0) / 1e6),
        "cpu_scaling_enabled": any(governor != "performance" for governor in readings.get("governors", ())),
        "caches": _caches(run.machine),
        "load_avg": readings.get("load", []),
        "library_build_type": "release",
        # As of --benchmark_context, all are texts.
        "hatframe_version": run.hatframe_version,
        "hatframe_run": run.id,
        "machine": str(run.machine),
        "complete": str(document.complete).lower(),
    }


def _caches(machine: Machine) -> list[dict[str, Any]]:
    return [
        {
            "type": _CACHES.get(cache.kind, cache.kind),
            "level": cache.level,
            "size": cache.size,
            "num_sharing": cache.shared_by,
        }
        for cache in machine.caches
    ]


def _entries(name: str, result: FunctionResult, entries: str) -> Iterator[dict[str, Any]]:
    """The entries of one result, in the order of Google Benchmark: repetitions, and then aggregates."""
    parts = [name, *(f"{scalar}:{value}" for scalar, value in result.measured_with.items())]
    if result.threads:
        parts.append(f"threads:{result.threads}")
    run_name = "/".join(parts)
    batches = result.batch_means if entries == "repetitions" else ()
    of_run = {"run_name": run_name, "repetitions": max(1, len(batches)), "threads": result.threads or 1}
    iteration = {"name": run_name, **of_run, "run_type": "iteration"}
    if result.statistics is None:
        message = f"{result.status}: {result.message}" if result.message else result.status
        error = {"error_occurred": True, "error_message": message, "iterations": 0}
        yield {**iteration, "repetition_index": 0, **error, **_times(0.0, 0.0)}
        return
    processor = result.counters.get("task_clock_ns", math.nan) / _PER_SECOND
    for index, seconds in enumerate(batches):
        calls = {"repetition_index": index, "iterations": result.calls_per_batch}
        yield {**iteration, **calls, **_times(seconds, processor)}
    if not batches:
        calls = {"repetition_index": 0, "iterations": result.batches * result.calls_per_batch}
        entry = {**iteration, **calls, **_times(result.statistics.time, processor)}
        counters = {**result.rates, **result.counters}
        yield entry | {key: value for key, value in counters.items() if key not in entry and math.isfinite(value)}
    if entries == "time":
        return
    of_all = {**of_run, "repetitions": result.batches, "run_type": "aggregate", "iterations": result.batches}
    figures = {short: getattr(result.statistics, field) for short, field in _AGGREGATES.items()}
    for short, seconds in figures.items():
        aggregate = {"name": f"{run_name}_{short}", **of_all, "aggregate_name": short, "aggregate_unit": "time"}
        # A meter counts what a call takes on average, without the spread.
        yield {**aggregate, **_times(seconds, math.nan if short == "stddev" else processor)}
    relative = figures["stddev"] / figures["mean"] if figures["mean"] else 0.0
    aggregate = {"name": f"{run_name}_cv", **of_all, "aggregate_name": "cv", "aggregate_unit": "percentage"}
    yield {**aggregate, "real_time": relative, "cpu_time": relative, "time_unit": "ns"}


def _times(seconds: float, processor: float) -> dict[str, Any]:
    real = seconds * _PER_SECOND
    # A single unit, since tools compare only entries with the same.
    return {
        "real_time": real,
        "cpu_time": real if math.isnan(processor) else processor * _PER_SECOND,
        "time_unit": "ns",
    }


@hookimpl
def hatframe_sinks() -> list[GoogleBenchmarkSink]:
    return [GoogleBenchmarkSink()]
