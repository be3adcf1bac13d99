"""The results as flat rows, one for each result: the layout of the CSV file and of every other table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hatframe.format.pairs import pairs_text
from hatframe.results.model import FunctionResult, RunInfo, Statistics

Cell = str | int | float | None

# hatlib's columns come first, in its order. New columns are appended, so that scripts that use positions keep working.
_COLUMNS = (
    "function_name",
    "mean",
    "median_of_means",
    "mean_of_small_means",
    "robust_mean",
    "min_of_means",
    "max_of_means",
    "standard_deviation",
    "batches",
    "calls_per_batch",
    "overhead",
    "timer",
    "loader",
    "sizes",
    "threads",
    "seed",
    "input_sets",
    "input_set_bytes",
    "hat_file",
    "status",
    "message",
    "counters",
    "mean_low",
    "mean_high",
    "outliers",
    "overhead_subtracted",
    "cache",
    "input_data",
    "restored",
    "rates",
    "values",
    "restore",
    "run",
    "date",
    "machine",
    "group",
    "time",
    "time_low",
    "time_high",
    "verified",
)
_PAIRS = ("sizes", "values", "counters", "rates")


_DURATIONS = [name for name in Statistics.__struct_fields__ if name not in ("standard_deviation", "outliers")]
# The columns that every version has.
_LEAST = _COLUMNS[:6]


# Three thousand years, in seconds.
_LONGEST = 1e11


def columns() -> tuple[str, ...]:
    """The names of the columns. Times are in seconds and sizes in bytes."""
    return _COLUMNS


def row(result: FunctionResult, run: RunInfo) -> tuple[Cell, ...]:
    """The cells of one result of ``run``, in the order of :func:`columns`; None for a value that is missing."""
    values: dict[str, Any] = msgspec.structs.asdict(result)
    values |= msgspec.structs.asdict(result.statistics) if result.statistics else {}
    values |= {"run": run.id, "date": run.started, "machine": str(run.machine)}
    cells = (values.get(name) for name in _COLUMNS)
    return tuple(pairs_text(cell) if isinstance(cell, dict) else cell for cell in cells)


def check_header(names: Sequence[str]) -> None:
    """Raise ValueError unless these are columns of results, of this version or of another."""
    if tuple(names[: len(_LEAST)]) != _LEAST:
        raise ValueError("not a CSV file of hatframe's results: its header differs")


def result_of(cells: Mapping[str, str]) -> FunctionResult:
    """The result in a row of text, by the names of the columns; ValueError for a cell that is invalid."""
    values: dict[str, Any] = {name: text for name, text in cells.items() if text}
    figures = {name: values.pop(name) for name in Statistics.__struct_fields__ if name in values}
    if "mean" in figures:
        # Files of former versions have fewer columns.
        figures = dict.fromkeys(_DURATIONS, figures["mean"]) | {"standard_deviation": 0.0} | figures
    values = {"hat_file": "", **values}
    for name in _PAIRS:
        values[name] = dict(pair.rpartition("=")[::2] for pair in values.get(name, "").split())
    # In a table, numbers are text.
    result = msgspec.convert({**values, "statistics": figures or None}, FunctionResult, strict=False)
    check_durations(result)
    return result


def check_durations(result: FunctionResult) -> None:
    """Raise ValueError for durations that no clock measures, with which no arithmetic works."""
    if result.statistics is None:
        return
    if not math.isfinite(result.statistics.mean):
        raise ValueError(f"the mean of {result.function_name} is not a finite number")
    for seconds in (*msgspec.structs.astuple(result.statistics), *result.batch_means):
        # Of a single batch, the upper end of an interval is infinite.
        if math.isnan(seconds) or (abs(seconds) > _LONGEST and seconds != math.inf):
            raise ValueError(f"a duration of {result.function_name} is not a finite number of seconds: {seconds}")
