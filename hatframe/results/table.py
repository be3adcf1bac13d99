"""The results as flat rows, one for each result: the layout of the CSV file and of every other table."""

from __future__ import annotations

from collections.abc import Mapping

from hatframe.results.model import FunctionResult, Statistics

Cell = str | int | float | None

# hatlib's columns come first, and in its order; the first figures are those of Statistics, in its order.
_STATISTICS = Statistics.__struct_fields__
_MEASURED = ("batches", "calls_per_batch", "overhead", "timer", "loader")
_INPUTS = ("threads", "seed", "input_sets", "input_set_bytes", "hat_file", "status", "message")


def columns() -> tuple[str, ...]:
    """The names of the columns. Times are in seconds and sizes in bytes."""
    return ("function_name", *_STATISTICS, *_MEASURED, "sizes", *_INPUTS, "counters")


def row(result: FunctionResult) -> tuple[Cell, ...]:
    """The cells of one result, in the order of :func:`columns`; None where there is no value."""
    return (
        result.function_name,
        *(getattr(result.statistics, name, None) for name in _STATISTICS),
        *(getattr(result, name) for name in _MEASURED),
        pairs_text(result.sizes),
        *(getattr(result, name) for name in _INPUTS),
        pairs_text(result.counters),
    )


def pairs_text(values: Mapping[str, int | float]) -> str:
    """Named numbers in one line, such as the sizes ``M=256 N=1024``; empty where there are none."""
    return " ".join(f"{name}={value}" for name, value in values.items())
