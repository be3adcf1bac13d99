"""``hatframe show``: results that were stored before, as the table of the run or as a picture."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hatframe.cli.common import kernel_of, log_failures, print_json
from hatframe.cli.common import show as print_text
from hatframe.cli.options import Functions, Json
from hatframe.results.text import date_text

if TYPE_CHECKING:
    from hatframe.results.model import ResultsDocument


def show(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Results as JSON or CSV, or packages with stored results: .hat files or folders."
        ),
    ],
    functions: Functions = None,
    last: Annotated[bool, typer.Option("--last", help="Show only the last run of each file.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw the results to this file: .svg, .png or .pdf.")
    ] = None,
    time_in_ms: Annotated[bool, typer.Option("--time-in-ms", help="Show all durations in milliseconds.")] = False,
    json: Json = False,
) -> None:
    """Show stored results: the table that the run printed, with its date and machine.

    FILE is what a sink of hatframe bench wrote. A CSV file may hold several runs; they are shown in turn. --plot draws
    the interval of each function, or a curve for each function over several sizes; pip install 'hatframe[plot]' makes
    that possible.

        hatframe bench pkg.hat --sink json=run.json
        hatframe show run.json
        hatframe show before.json after.json --plot runs.svg
    """
    documents = kernel_of(context).show(*files, functions=functions or (), last=last, plot=plot)
    if json:
        print_json(documents)
        return
    from hatframe.cli.results_table import print_results

    for index, document in enumerate(documents):
        if index:
            print()
        print_text(_heading(document))
        print_results(document.results, document.rankings, "ms" if time_in_ms else "")
        log_failures(document, logging.WARNING)


def _heading(document: ResultsDocument) -> str:
    run = document.run
    files = " ".join(dict.fromkeys(result.hat_file for result in document if result.hat_file))
    facts = (
        files,
        date_text(run.started),
        str(run.machine),
        f"hatframe {run.hatframe_version}" if run.hatframe_version else "",
        "" if document.complete else "interrupted",
    )
    return ", ".join(filter(None, facts))
