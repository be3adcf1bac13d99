"""The results document: a format of its own, with a version, so that it can be trusted later by somebody else.

All times are in seconds and all sizes in bytes. ``hatframe.results.schema`` publishes it as JSON Schema.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hatframe.machine import Machine

FORMAT = "hatframe-results"
FORMAT_VERSION = 1


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics over the batches: each batch counts as the mean time of its calls. In seconds.

    The first five have the names and the meaning that hatlib gave them: ``mean_of_small_means`` is the mean of
    the faster half of the batches, ``robust_mean`` leaves out the fastest and the slowest fifth.
    """

    mean: float
    median_of_means: float
    mean_of_small_means: float
    robust_mean: float
    min_of_means: float
    max_of_means: float
    standard_deviation: float


class FunctionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one function, with one choice of sizes.

    ``status`` is ``ok``, or ``failed`` with the reason in ``message``; only an ``ok`` result has ``statistics``.
    ``overhead`` is what the timing loop itself costs for each call, in seconds; it is contained in the times.
    """

    function_name: str
    hat_file: str
    status: str = "ok"
    message: str = ""
    statistics: Statistics | None = None
    batches: int = 0
    calls_per_batch: int = 0
    overhead: float = 0.0
    timer: str = ""
    loader: str = ""
    sizes: dict[str, int] = {}
    threads: int | None = None
    seed: int | None = None
    input_sets: int = 0
    input_set_bytes: int = 0
    counters: dict[str, float] = {}
    batch_means: tuple[float, ...] = ()


class PackageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A package that was measured, and which library it was: ``sha256`` is of the library's content."""

    hat_files: tuple[str, ...]
    library: str = ""
    sha256: str = ""
    version: str = ""


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One call of ``hatframe bench``: when, by what, on which machine, with which options."""

    started: str
    """ISO 8601, UTC."""
    hatframe_version: str
    python_version: str
    machine: Machine
    packages: tuple[PackageInfo, ...] = ()
    options: dict[str, Any] = {}


class ResultsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """All results of one run. ``complete`` is False where it ended before its end."""

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    run: RunInfo
    results: tuple[FunctionResult, ...] = ()
    skipped: dict[str, str] = {}
    complete: bool = True

    @property
    def fastest(self) -> FunctionResult | None:
        """The result with the smallest mean, or None where none is ``ok``."""
        measured = [(result.statistics.mean, result) for result in self.results if result.statistics]
        return min(measured, key=lambda pair: pair[0])[1] if measured else None
