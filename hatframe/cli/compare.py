"""``hatframe compare``: how many times slower the functions of one run or package are than those of another."""

from __future__ import annotations

import logging
import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hatframe.cli.common import console, kernel_of, log, log_failures, print_json, show_line
from hatframe.cli.options import AllowOutside, Functions, MaxTime, Size, Value
from hatframe.cli.tables import Section, table_lines
from hatframe.errors import UsageError
from hatframe.format.pairs import pairs_text
from hatframe.results.text import duration, ratio_text, sized_name

if TYPE_CHECKING:
    from hatframe.results.compared import ComparedFunction, Comparison
    from hatframe.results.model import FunctionResult


class Format(str, Enum):
    """What is printed."""

    TABLE = "table"
    MARKDOWN = "markdown"
    JSON = "json"


def compare(
    context: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="A B...",
            help="Results as JSON or CSV, or packages to measure now: .hat files, folders or .zip files.",
        ),
    ],
    functions: Functions = None,
    size: Size = None,
    value: Value = None,
    max_time: MaxTime = None,
    fail_slower: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="Exit with status 1 if a function is slower than in A by more than this."),
    ] = None,
    fail_missing: Annotated[
        bool, typer.Option("--fail-missing", help="Exit with status 1 if a source lacks a function of A.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Verify packages first; functions that are wrong fail.")
    ] = True,
    format: Annotated[  # noqa: A002
        Format, typer.Option(metavar="table|markdown|json", help="The output format.")
    ] = Format.TABLE,
    allow_outside: AllowOutside = False,
    **options: str,
) -> None:
    """Compare results, or packages measured now, with the first of them.

    For each function that A and another source share: both times, how many times slower it is than in A, the 95%
    confidence interval of that ratio, and whether the interval excludes 1. Functions match by name, or else by base
    name, and by sizes. hatframe measures packages together, in the same rounds, which is more exact than two runs, and
    without --size with the sizes of the results that they are compared with.

    With --fail-slower, the exit status is 1 if the whole interval of any function is above that, or if a function that
    two sources share has no figures in one of them. With --fail-missing, it is 1 if a source lacks a function of A.

        hatframe compare old.hat new.hat --fail-slower 5 --fail-missing
        hatframe compare before.json after.json --format markdown
    """
    compared = kernel_of(context).compare(
        *sources,
        functions=functions or (),
        size=size or (),
        value=value or (),
        max_time=max_time,
        fail_slower=None if fail_slower is None else _part(fail_slower),
        fail_missing=fail_missing,
        verify=verify,
        allow_outside=allow_outside,
        **options,
    )
    for warning in compared.warnings:
        log.warning(warning)
    log_failures([result for row in compared for result in row.results if result], logging.WARNING)
    if format is Format.JSON:
        print_json(_plain(compared, fail_slower is not None or fail_missing))
    else:
        _print_rows(compared, markdown=format is Format.MARKDOWN)
    for row in compared.failed:
        log.error(f"{_label(row)}: {row.problem}")
    if compared.failed:
        raise typer.Exit(1)


def _part(text: str) -> float:
    """The part that a percentage stands for, which may lack its sign."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", text)
    # Who writes 0.05 may mean 5 %.
    if not found or (float(found[1]) < 1 and not found[2]):
        raise UsageError(f"invalid percentage {text!r}", where="--fail-slower", hint="write it as 5, 5% or 0.5%")
    return float(found[1]) / 100


def _print_rows(compared: Comparison, markdown: bool) -> None:
    # The names of the files if they differ, or else the paths.
    short = [Path(source).name or source for source in compared.names]
    names = short if len(set(short)) == len(short) else list(compared.names)
    rows = list(map(_cells, compared.functions))
    if markdown:
        _print_markdown(_columns(names), rows)
    else:
        from rich.cells import cell_len

        output = console()
        lines = _lines(names, rows, output.width)
        functions = {row["function"] for row in rows}
        if any(cell_len(line) > output.width for line in lines if line not in functions):
            letters = string.ascii_uppercase[: len(names)]
            lines = [*(f"{letter}: {name}" for letter, name in zip(letters, names, strict=True)), ""]
            lines += _lines(letters, rows, output.width)
            names = list(letters)
        for line in lines:
            output.print(line, soft_wrap=True)
    for line in _closing(compared, names):
        if markdown:
            print()
        show_line(line)


def _columns(names: Sequence[str]) -> dict[str, str]:
    """The titles of the columns, by key: a time for each source, and for each but the first its ratio and verdict."""
    first, *others = names
    columns = {"function": "function", "sizes": "sizes", "0": first}
    for position, name in enumerate(others, 1):
        columns |= {f"{position}": name, f"{position} ratio": f"{name} / {first}", f"{position} verdict": ""}
    return columns


def _cells(row: ComparedFunction) -> dict[str, str]:
    cells = {"function": row.function_name, "sizes": pairs_text(row.measured_with), "0": _time(row.results[0])}
    for position, (result, ratio) in enumerate(zip(row.results[1:], row.ratios, strict=True), 1):
        cells[f"{position}"] = _time(result)
        if ratio:
            cells |= {f"{position} ratio": ratio_text(ratio), f"{position} verdict": ratio.verdict}
    return cells


def _is_number(column: str) -> bool:
    return column[0].isdigit() and not column.endswith("verdict")


def _lines(names: Sequence[str], rows: Sequence[Mapping[str, str]], width: int) -> list[str]:
    columns = _columns(names)
    return list(table_lines(columns, [Section(rows=rows)], width=width, right=list(filter(_is_number, columns))))


def _print_markdown(columns: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> None:
    shown = [column for column in columns if column != "sizes" or any(row["sizes"] for row in rows)]

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"

    show_line(line(columns[column] for column in shown))
    show_line(line("---:" if _is_number(column) else "---" for column in shown))
    for row in rows:
        show_line(line(f"`{row[column]}`" if column == "function" else row.get(column, "") for column in shown))


def _closing(compared: Comparison, names: Sequence[str]) -> Iterator[str]:
    for position, name in enumerate(names[1:]):
        verdicts = [ratio.verdict for row in compared.functions if (ratio := row.ratios[position])]
        counts = (f"{verdicts.count(word)} {word}" for word in ("slower", "faster", "not significant"))
        yield f"{name} against {names[0]}: {', '.join(counts)}"
    for name, unmatched in zip(names, compared.unmatched, strict=True):
        if unmatched:
            yield f"only in {name}: {', '.join(unmatched)}"


def _time(result: FunctionResult | None) -> str:
    if result is None:
        return ""
    return duration(result.statistics.time) if result.statistics else result.status


def _label(row: ComparedFunction) -> str:
    return sized_name(row.function_name, row.measured_with)


def _fields(of: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(of, name) for name in names}


def _plain(compared: Comparison, with_problems: bool) -> dict[str, Any]:
    """The comparison as JSON: durations in seconds, and for each source but the first its ratio to that."""
    functions = [
        {
            "function_name": row.function_name,
            "sizes": row.sizes,
            "values": row.values,
            "results": [
                result
                and {
                    **_fields(result, "function_name", "status", "message"),
                    "time": result.time,
                    "mean": result.statistics and result.statistics.mean,
                }
                for result in row.results
            ],
            "ratios": [
                ratio and {**_fields(ratio, "ratio", "low", "high"), "significant": ratio.distinguishable}
                for ratio in row.ratios
            ],
            **({"problem": row.problem} if with_problems else {}),
        }
        for row in compared.functions
    ]
    return {
        "sources": compared.names,
        "functions": functions,
        "unmatched": compared.unmatched,
        "warnings": compared.warnings,
        **({"failed": list(map(_label, compared.failed))} if with_problems else {}),
    }
