"""The results document: a versioned format, so that others can read it later.

All times are in seconds and all sizes in bytes. ``hatframe.results.schema`` publishes it as JSON Schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from hatframe.machine import Machine

if TYPE_CHECKING:
    from pandas import DataFrame
else:
    DataFrame = Any  # pandas is imported where it is used

FORMAT = "hatframe-results"
FORMAT_VERSION = 1


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics over the batches: each batch counts as the mean time of its calls. In seconds.

    ``time`` is the estimate of a call's time that rankings, ratios and rates use: a low quantile of the batches, which
    other programs on the machine disturb least (``hatframe.results.estimation``). ``time_low`` and ``time_high`` bound
    it with 95 % confidence, for runs in other processes too.

    The next five have the names and the meaning that hatlib gave them: ``mean_of_small_means`` is the mean of
    the faster half of the batches, ``robust_mean`` leaves out the fastest and the slowest fifth. ``mean_low`` and
    ``mean_high`` bound the mean with 95 % confidence (bootstrap over the batches); ``outliers`` counts the batches
    outside of Tukey's fences.
    """

    time: float
    time_low: float
    time_high: float
    mean: float
    median_of_means: float
    mean_of_small_means: float
    robust_mean: float
    min_of_means: float
    max_of_means: float
    standard_deviation: float
    mean_low: float
    mean_high: float
    outliers: int = 0


class FunctionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one function, with one choice of sizes.

    ``group`` names the functions that it competes with: those that have the same parameters and sizes.

    ``status`` is ``ok``, ``wrong``, ``failed``, ``crashed``, ``exited`` or ``timeout``, with the reason in ``message``;
    only an ``ok`` result has ``statistics``. ``overhead`` is what the timing loop itself costs for each call, in
    seconds; it is included in the times, or subtracted from them if ``overhead_subtracted``. ``counters`` and ``rates``
    (``flops_per_second``, ``bytes_per_second``) are for one call and one second. ``rounds`` has the round in which
    each of ``batch_means`` was measured: batches of one round follow each other in time, and can be compared in
    pairs.
    """

    function_name: str
    hat_file: str
    status: str = "ok"
    message: str = ""
    statistics: Statistics | None = None
    batches: int = 0
    calls_per_batch: int = 0
    overhead: float = 0.0
    overhead_subtracted: bool = False
    timer: str = ""
    loader: str = ""
    group: str = ""
    sizes: dict[str, int] = {}
    values: dict[str, int | float] = {}
    """The scalars that were set, beside ``sizes``: by ``--value``, by the package's examples or by an ``.npz`` file."""
    threads: int | None = None
    seed: int | None = None
    input_sets: int = 0
    input_set_bytes: int = 0
    cache: str = "cold"
    """``cold``, ``hot``, or ``mixed`` if all sets that could be made are smaller than requested."""
    input_data: str = "random"
    restore: str = "drift"
    """When inputs got their first values back, outside the clock: ``drift``, only where values left the normal numbers;
    ``pass``, after each use of an argument set; ``never``."""
    restored: int = 0
    """The number of batches in or after which inputs were restored."""
    counters: dict[str, float] = {}
    rates: dict[str, float] = {}
    batch_means: tuple[float, ...] = ()
    rounds: tuple[int, ...] = ()
    processes: tuple[int, ...] = ()
    """The worker process of each of ``batch_means``."""
    verified: bool = False
    """Whether the function was verified before it was measured: with ``checks``."""
    checks: tuple[str, ...] = ()
    """The checks that were made: ``bounds``, ``usage``, ``agreement``."""

    @property
    def time(self) -> float | None:
        """The estimated seconds of a call; None if nothing was measured."""
        return self.statistics.time if self.statistics else None

    @property
    def measured_with(self) -> dict[str, int | float]:
        """The sizes and the values of other scalars: results compare only if these are the same."""
        return {**self.sizes, **self.values}


class PackageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A package that was measured: ``sha256`` is of its library, ``other_files`` has those of all its other files."""

    hat_files: tuple[str, ...]
    library: str = ""
    sha256: str = ""
    version: str = ""
    other_files: dict[str, str] = {}


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One call of ``hatframe bench``: when, by what, on which machine, with which options.

    ``id`` distinguishes the run from all others; documents of hatframe 0.1.0 have none.
    """

    id: str = ""
    started: str
    """ISO 8601, UTC."""
    hatframe_version: str
    python_version: str
    machine: Machine
    packages: tuple[PackageInfo, ...] = ()
    options: dict[str, Any] = {}
    readings_before: dict[str, dict[str, Any]] = {}
    """What each probe read before the run: governors, frequencies, temperatures, load, processor time …"""
    readings_after: dict[str, dict[str, Any]] = {}
    versions: dict[str, str] = {}
    """The distributions that provide plugins, and those that they require."""
    isolated: bool = True
    """Whether the functions ran in a process of their own."""


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """How many times slower one result is than another, and the interval that holds it with 95 % confidence."""

    ratio: float
    low: float
    high: float

    @property
    def distinguishable(self) -> bool:
        """Whether the interval leaves out 1."""
        return not self.low <= 1.0 <= self.high

    @property
    def verdict(self) -> str:
        """``slower`` or ``faster``, or ``not significant`` if the interval contains 1."""
        if not self.distinguishable:
            return "not significant"
        return "slower" if self.ratio > 1 else "faster"


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """The ranking of the results of one group, which are given by their positions in the document.

    ``members`` are all results of the group that have figures: the fastest, and then the others by their ratio to it.
    ``ratios`` are these ratios, in the same order; their intervals hold all at once with 95 % confidence. Those that
    are ``indistinguishable`` may be just as fast; ``next`` is the fastest of the others, or None.
    """

    group: str = ""
    fastest: int
    indistinguishable: tuple[int, ...] = ()
    next: int | None = None
    members: tuple[int, ...] = ()
    ratios: tuple[Ratio, ...] = ()


class ResultsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """All results of one run. ``complete`` is False where it ended before its end.

    ``rankings`` has one for each group of at least two results with figures.
    """

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    run: RunInfo
    results: tuple[FunctionResult, ...] = ()
    skipped: dict[str, str] = {}
    complete: bool = True
    rankings: tuple[Ranking, ...] = ()
    seconds: float = 0.0
    """From the start of the run to its end."""
    measured_seconds: float = 0.0
    """Of these, inside of batches and their warm-up."""

    def __iter__(self) -> Iterator[FunctionResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def fastest(self) -> FunctionResult | None:
        """The winner of the only ranking, or the only result with figures.

        None where there are several rankings or nothing to rank: ``winners`` has the fastest of each group.
        """
        if len(self.rankings) == 1:
            return self.results[self.rankings[0].fastest]
        measured = [result for result in self.results if result.statistics]
        return measured[0] if len(measured) == 1 else None

    @property
    def winners(self) -> dict[str, FunctionResult]:
        """The fastest of each ranking, by its group."""
        return {ranking.group: self.results[ranking.fastest] for ranking in self.rankings}

    def to_dataframe(self) -> DataFrame:
        """A row for each result, with the columns of ``--sink csv``; times are in seconds.

        Raises :class:`HatError` if pandas is not installed.
        """
        from hatframe.results.frames import results_frame

        return results_frame(self)

    def __repr__(self) -> str:
        from hatframe.results.comparison import summary

        return f"<ResultsDocument of {len(self)} results: {summary(self) or 'none measured'}>"

    def _repr_html_(self) -> str:
        from html import escape

        shown = ["function_name", "sizes", "time", "time_low", "time_high", "batches", "status"]
        html: str = self.to_dataframe()[shown].to_html(index=False, float_format="{:.4g}".format)
        return f"<p>{escape(repr(self))}</p>{html}"
