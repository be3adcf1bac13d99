"""Results that earlier runs stored in a .hat file, in the ``auxiliary`` table of each function.

Keys such as ``mean_duration_in_sec`` and ``time_in_sec`` are of the last run, with what ``measured_sizes`` says. The
table ``results_by_sizes`` has the same keys for everything that was ever measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from hatframe.format.model import Function
from hatframe.format.pairs import parse_pairs

STORED_MEAN_KEYS = ("mean_duration_in_sec", "duration_in_sec")
"""The keys of a function's ``auxiliary`` in which existing tools store its mean duration in seconds."""

RESULTS_BY_SIZES = "results_by_sizes"
"""The key of the table with a table of results for each choice of sizes, such as ``"M=256 N=1024"``."""

MEASURED_SIZES = "measured_sizes"
"""The key of the sizes that the other keys are of, with other scalars that were set."""

_MEANS_BY_SIZES = "mean_duration_in_sec_by_sizes"  # what hatframe 0.1.0 stored


class StoredResult(msgspec.Struct, frozen=True, kw_only=True):
    """A stored result of a function, and all that was stored with it.

    ``sizes`` are the dimensions and other scalars that it was measured with. ``mean`` and ``time`` are in seconds; the
    estimate ``time`` is None if another tool stored the result.
    """

    function: Function
    sizes: dict[str, int | float]
    mean: float
    time: float | None = None
    table: Mapping[str, Any] = {}


def stored_mean(function: Function) -> float | None:
    """The mean duration in seconds that an earlier run stored in the function's ``auxiliary``, or None."""
    return _mean_of(function.auxiliary)


def stored_results(function: Function) -> list[StoredResult]:
    """The stored results of a function, one for each choice of sizes; the last run's comes last."""
    tables: dict[str, Mapping[str, Any]] = {}
    by_sizes = function.auxiliary.get(_MEANS_BY_SIZES)
    if isinstance(by_sizes, dict):
        tables |= {sizes: {STORED_MEAN_KEYS[0]: mean} for sizes, mean in by_sizes.items()}
    by_sizes = function.auxiliary.get(RESULTS_BY_SIZES)
    if isinstance(by_sizes, dict):
        tables |= {sizes: table for sizes, table in by_sizes.items() if isinstance(table, dict)}
    last = str(function.auxiliary.get(MEASURED_SIZES, ""))
    tables[last] = {**tables.pop(last, {}), **function.auxiliary}
    found = []
    for text, table in tables.items():
        mean, sizes = _mean_of(table), _sizes(text)
        if mean is not None and sizes is not None:
            time = _seconds(table, "time_in_sec")
            found.append(StoredResult(function=function, sizes=sizes, mean=mean, time=time, table=table))
    return found


def without_results(auxiliary: Mapping[str, Any]) -> dict[str, Any]:
    """An ``auxiliary`` table without the results that are stored in it."""
    return {key: value for key, value in auxiliary.items() if not _is_of_result(key)}


def _is_of_result(key: str) -> bool:
    return "_in_sec" in key or key.startswith("measured_") or key == RESULTS_BY_SIZES


def _mean_of(table: Mapping[str, Any]) -> float | None:
    return next((mean for key in STORED_MEAN_KEYS if (mean := _seconds(table, key)) is not None), None)


def _seconds(table: Mapping[str, Any], key: str) -> float | None:
    value = table.get(key)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    return None


def _sizes(text: str) -> dict[str, int | float] | None:
    try:
        return parse_pairs(text)
    except ValueError:
        return None
