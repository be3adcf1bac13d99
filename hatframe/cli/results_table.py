"""The results of a run as a table: a section for each ranking, the fastest first."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from pathlib import Path

from hatframe.cli.common import console, counted, show
from hatframe.cli.tables import Row, Section, table_lines
from hatframe.results.comparison import verdict
from hatframe.results.model import FunctionResult, Ranking, Ratio
from hatframe.results.text import duration, percent, ratio_text, sized_name

_COLUMNS = ("function", "package", "time", "±", "median", "min", "ratio", "GFLOP/s", "batches")
_NAMES = ("function", "package")
_OPTIONAL = ("GFLOP/s", "min", "median", "batches")
_ALONE = "no other function has the same parameters and sizes"


def print_results(results: Sequence[FunctionResult], rankings: Sequence[Ranking], unit: str = "") -> None:
    """Print the results that have figures; ``unit`` is that of all durations."""
    output = console()
    right = [column for column in _COLUMNS if column not in _NAMES]
    sections = list(_sections(results, rankings, unit))
    columns = {name: name for name in _COLUMNS}
    for line in table_lines(columns, sections, width=output.width, right=right, optional=_OPTIONAL):
        output.print(line, soft_wrap=True)
    if checked := checked_text(results):
        show(checked)


def checked_text(results: Sequence[FunctionResult]) -> str:
    """What was checked before measuring, in a line; empty if nothing was."""
    counts = collections.Counter(check for result in results for check in result.checks)
    if not counts:
        return ""
    names = [name if count == len(results) else f"{name} ({count})" for name, count in counts.items()]
    missing = sum(not result.verified for result in results)
    rest = f"; {missing} not verified" if missing else ""
    return f"verified before measuring: {', '.join(names)} of {counted(len(results), 'function')}{rest}"


def _sections(results: Sequence[FunctionResult], rankings: Sequence[Ranking], unit: str) -> list[Section]:
    ranked = {position for ranking in rankings for position in ranking.members}
    alone = [result for position, result in enumerate(results) if result.statistics and position not in ranked]
    packages = _shown_packages(results)
    sections = [
        Section(
            heading=ranking.group if len(rankings) > 1 or alone or results[ranking.fastest].sizes else "",
            rows=[
                _row(results[position].function_name, results[position], ratio, packages, unit)
                for position, ratio in zip(ranking.members, ranking.ratios, strict=True)
            ],
            closing=verdict(results, ranking, unit),
        )
        for ranking in rankings
    ]
    if alone:
        rows = [
            _row(
                sized_name(result.function_name, result.measured_with),
                result,
                None,
                packages,
                unit,
            )
            for result in alone
        ]
        heading = f"not ranked: {_ALONE}" if rankings else ""
        several = len({result.function_name for result in alone}) > 1
        closing = f"no ranking: {_ALONE}" if several and not rankings else ""
        sections.append(Section(heading=heading, rows=rows, closing=closing))
    return sections


def _row(name: str, result: FunctionResult, ratio: Ratio | None, packages: dict[str, str], unit: str) -> Row:
    figures = result.statistics
    assert figures is not None
    width = figures.time_high - figures.time_low
    flops = result.rates.get("flops_per_second")
    return {
        "function": name,
        "package": packages[result.hat_file],
        "time": duration(figures.time, unit),
        "±": percent(width / 2 / figures.time) if width > 0 else "",
        "median": duration(figures.median_of_means, unit),
        "min": duration(figures.min_of_means, unit),
        "ratio": "" if ratio is None else ratio_text(ratio) if ratio.low != ratio.high else "1",
        "GFLOP/s": "" if flops is None else f"{flops / 1e9:.4g}",
        "batches": f"{result.batches} x {result.calls_per_batch}" if result.calls_per_batch else "",
    }


def _shown_packages(results: Sequence[FunctionResult]) -> dict[str, str]:
    """How to show each package: not at all if there is one, by file name, or by path if file names are the same."""
    files = list(dict.fromkeys(result.hat_file for result in results if result.statistics))
    if len(files) < 2:
        return dict.fromkeys(files, "")
    by_name = len({Path(file).name for file in files}) == len(files)
    return {file: Path(file).name if by_name else file for file in files}
