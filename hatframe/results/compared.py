"""The outcome of a comparison: for each function its result on every side, and the ratios to the first side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from hatframe.results.model import FunctionResult, Ratio, RunInfo

if TYPE_CHECKING:
    from pandas import DataFrame
else:
    DataFrame = Any  # pandas is imported where it is used


class ResultSet(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a comparison: its results, and its name for the user. ``run`` is None if it is unknown."""

    name: str
    results: tuple[FunctionResult, ...]
    run: RunInfo | None = None


class ComparedFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the first side, with its result on each side, and each other side's ratio to the first.

    A result is None if that side lacks the function, and a ratio if one of the two has no figures. ``problem`` says why
    the function fails the comparison; it is empty if it does not, or if no limit was given.
    """

    function_name: str
    sizes: dict[str, int]
    values: dict[str, int | float] = {}
    results: tuple[FunctionResult | None, ...]
    ratios: tuple[Ratio | None, ...]
    problem: str = ""

    @property
    def measured_with(self) -> dict[str, int | float]:
        """The sizes and the values of other scalars."""
        return {**self.sizes, **self.values}


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Several sides, all compared with the first.

    ``unmatched`` lists, for each side, the functions without a partner: on the first side, those that no other side
    has. ``warnings`` say what else differs between the sides. Iterating yields the functions.
    """

    names: tuple[str, ...]
    functions: tuple[ComparedFunction, ...]
    unmatched: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...]

    def __iter__(self) -> Iterator[ComparedFunction]:
        return iter(self.functions)

    def __len__(self) -> int:
        return len(self.functions)

    @property
    def failed(self) -> tuple[ComparedFunction, ...]:
        """The functions that fail the comparison, each with its ``problem``."""
        return tuple(row for row in self.functions if row.problem)

    def to_dataframe(self) -> DataFrame:
        """A row for each function and each side but the first; means are in seconds.

        Raises :class:`HatError` if pandas is not installed.
        """
        from hatframe.results.frames import comparison_frame

        return comparison_frame(self)

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<Comparison of {' and '.join(self.names)}: {len(self)} functions{failed}>"

    def _repr_html_(self) -> str:
        html: str = self.to_dataframe().to_html(index=False, float_format="{:.4g}".format)
        return html


def problem_of(row: ComparedFunction, names: tuple[str, ...], limit: float | None, fail_missing: bool = False) -> str:
    """Why a function fails a comparison that allows it to be slower than on the first side by ``limit`` (0.05).

    With ``fail_missing``, a side that lacks it fails too.
    """
    for name, result in zip(names, row.results, strict=True):
        if result is None and fail_missing:
            return f"missing in {name}"
        if result is not None and result.statistics is None:
            return f"{result.status} in {name}" + (f": {result.message}" if result.message else "")
    for name, ratio in zip(names[1:], row.ratios, strict=True):
        if ratio is not None and limit is not None and ratio.low > 1 + limit:
            return f"{ratio.ratio:.2f} times slower in {name} ({ratio.low:.2f} to {ratio.high:.2f})"
    return ""
