"""Makes results for the tests, by the code that measures: statistics of given times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hatframe.machine import Cache, Machine, Platform
from hatframe.results.model import FunctionResult, PackageInfo, ResultsDocument, RunInfo
from hatframe.results.statistics import statistics

TIMES = (1.5e-6, 1.25e-6, 1.75e-6)


def result(
    name: str = "gemm", *, times: Sequence[float] = TIMES, hat_file: str = "pkg.hat", **more: Any
) -> FunctionResult:
    """A result that is ``ok``, of batches that took ``times``."""
    fields: dict[str, Any] = {
        "statistics": statistics(times),
        "batches": len(times),
        "calls_per_batch": 100,
        "overhead": 5e-8,
        "timer": "python",
        "loader": "ctypes",
        "seed": 7,
        "input_sets": 4,
        "input_set_bytes": 786432,
        "batch_means": tuple(times),
    }
    return FunctionResult(function_name=name, hat_file=hat_file, **{**fields, **more})


def failed(name: str, message: str, hat_file: str = "pkg.hat") -> FunctionResult:
    """A result of a function that could not be measured."""
    return FunctionResult(function_name=name, hat_file=hat_file, status="failed", message=message)


def run_info(*hat_files: str, **options: Any) -> RunInfo:
    """A run over packages of one .hat file each, on a small machine."""
    return RunInfo(
        id="0123456789abcdef0123456789abcdef",
        started="2024-05-06T07:08:09Z",
        hatframe_version="0.1.0",
        python_version="3.11.2",
        machine=Machine(
            platform=Platform("linux", "x86_64"),
            caches=(Cache(level=1, kind="data", size=48 << 10, line_size=64),),
            extensions={"avx2": True, "avx512f": False},
            details={"cpu": {"model": "A processor", "logical_cores": 2}},
        ),
        packages=tuple(PackageInfo(hat_files=(file,)) for file in hat_files),
        options=options,
    )


def document(*results: FunctionResult, **more: Any) -> ResultsDocument:
    """A results document of a run over one package."""
    return ResultsDocument(run=run_info("pkg.hat"), results=results, **more)
