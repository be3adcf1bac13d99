"""``hatframe store``: write the results of an earlier run to sinks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatframe.cli.common import kernel_of
from hatframe.cli.completion import complete_backends


def store(
    context: typer.Context,
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="Results as JSON, as --sink json writes them.")],
    sink: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=PATH]",
            help="Write the results to this sink. Repeatable.",
            autocompletion=complete_backends("sink"),
        ),
    ] = None,
    **options: str,
) -> None:
    """Write the results of an earlier run to sinks.

    If a sink fails at the end of a run, hatframe bench keeps the results and prints where they are. Nothing is measured
    again, and a sink that has some of the results already gets only the others.

        hatframe store run.json --sink csv=results.csv --sink hat
    """
    kernel_of(context).store(results, sink or (), **options)
