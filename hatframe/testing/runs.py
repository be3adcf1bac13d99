"""A made-up run, for what takes results: its packages and machine, and results of each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatframe import __version__
from hatframe.machine import Cache, Machine, Platform
from hatframe.results.model import FunctionResult, PackageInfo, RunInfo
from hatframe.results.statistics import statistics

# What a table or a quoting rule may trip over, and every function's message can hold.
AWKWARD = 'it said: "1 | 2", \\n does not end a line;\nthis did, and <µs> is text'


def run_info(hat_file: Path | None = None) -> RunInfo:
    """A run over one package."""
    return RunInfo(
        started="2024-05-06T07:08:09+00:00",
        hatframe_version=__version__,
        python_version="3.10.0",
        machine=Machine(
            platform=Platform.host(),
            caches=(Cache(level=1, kind="data", size=32768, line_size=64),),
            details={"sample": {"model": "a processor"}},
        ),
        packages=(PackageInfo(hat_files=(str(hat_file or "sample.hat"),)),),
    )


def ok_result(name: str, hat_file: Path | None = None, **changes: Any) -> FunctionResult:
    """A result of a function that was measured."""
    means = (1.5e-6, 1.25e-6, 2e-6)
    fields: dict[str, Any] = {
        "statistics": statistics(means),
        "batches": len(means),
        "calls_per_batch": 100,
        "overhead": 5e-8,
        "timer": "python",
        "loader": "sample",
        "seed": 0,
        "input_sets": 2,
        "input_set_bytes": 4096,
        "batch_means": means,
    }
    return FunctionResult(function_name=name, hat_file=str(hat_file or "sample.hat"), **{**fields, **changes})


def failed_result(name: str, hat_file: Path | None = None) -> FunctionResult:
    """A result of a function that could not be measured: it has a message, and no statistics."""
    return FunctionResult(function_name=name, hat_file=str(hat_file or "sample.hat"), status="failed", message=AWKWARD)
