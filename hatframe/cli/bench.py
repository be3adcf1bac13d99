"""``hatframe bench``: measure the functions of packages and name the fastest."""

from __future__ import annotations

import functools
import logging
from typing import Annotated

import typer

from hatframe.cli.common import kernel_of, log, log_failures, print_json
from hatframe.cli.completion import complete_backends
from hatframe.cli.options import Functions, MaxTime, Packages, Size, Value
from hatframe.errors import SinkError

_selection, _duration, _inputs, _output, _machine = (
    functools.partial(typer.Option, rich_help_panel=panel)
    for panel in ("Selection", "Duration", "Inputs", "Output", "Machine")
)


def bench(
    context: typer.Context,
    packages: Packages,
    functions: Functions = None,
    size: Size = None,
    value: Value = None,
    loader: Annotated[
        str | None,
        _selection(
            metavar="NAME",
            help="The loader that calls host functions.",
            show_default="the first available one",
            autocompletion=complete_backends("loader"),
        ),
    ] = None,
    meter: Annotated[
        list[str] | None,
        _selection(
            metavar="NAME",
            help="Measure with this meter beside the clock; none for no meter. Repeatable.",
            show_default="all available ones",
            autocompletion=complete_backends("meter"),
        ),
    ] = None,
    min_time: Annotated[
        float | None,
        _duration(
            *("--min-time", "--min-time-in-sec", "--min_time_in_sec"),
            min=0.0,
            metavar="SECONDS",
            help="Measure each function for at least this long.",
            show_default="0.05, less for clearly slower functions",
        ),
    ] = None,
    max_time: MaxTime = None,
    batches: Annotated[
        int | None,
        _duration(
            *("--batches", "--batch-size", "--batch_size"),
            min=1,
            metavar="N",
            help="Measure at least N batches of each function.",
            show_default="10, fewer for clearly slower functions",
        ),
    ] = None,
    min_iterations: Annotated[
        int,
        _duration(
            *("--min-iterations", "--min_iterations", "--min-timing-iterations", "--min_timing_iterations"),
            min=1,
            metavar="N",
            help="Make at least N calls in each batch.",
        ),
    ] = 1,
    precision: Annotated[
        float,
        _duration(
            min=0.0, metavar="PERCENT", help="Measure until each mean is known within this, with 95% confidence."
        ),
    ] = 1.0,
    race: Annotated[
        bool, _duration("--race/--no-race", help="Measure clearly slower functions less, and near-ties more.")
    ] = True,
    timeout: Annotated[
        float, _duration(min=0.1, metavar="SECONDS", help="Kill a function that runs longer than this.")
    ] = 60.0,
    input_data: Annotated[
        str,
        _inputs(
            metavar="VALUES",
            help="The values of inputs: random, zeros, ones, or an .npz file with an array for each parameter.",
            autocompletion=lambda: ["random", "zeros", "ones"],
        ),
    ] = "random",
    cache: Annotated[
        str,
        _inputs(
            metavar="cold|hot",
            help="Use input sets of twice the last-level cache, at most 16384 sets, or a single one.",
            autocompletion=lambda: ["cold", "hot"],
        ),
    ] = "cold",
    input_sets_size: Annotated[
        float | None,
        _inputs(
            *("--input-sets-size", "--input-sets-minimum-size-MB", "--input_sets_minimum_size_MB"),
            min=0.0,
            metavar="MB",
            help="The size of all input sets together.",
            show_default="twice the last-level cache",
        ),
    ] = None,
    restore: Annotated[
        str,
        _inputs(
            metavar="auto|always|never",
            help="Restore inputs that functions change: after each use if that makes a difference, always, or never.",
            autocompletion=lambda: ["auto", "always", "never"],
        ),
    ] = "auto",
    seed: Annotated[
        int, _inputs(min=0, metavar="N", help="The seed of random inputs and of the order of functions.")
    ] = 0,
    verify: Annotated[
        bool, _inputs("--verify/--no-verify", help="Verify functions first; those that are wrong are not measured.")
    ] = True,
    sink: Annotated[
        list[str] | None,
        _output(
            metavar="NAME[=PATH]",
            help="Write results to this sink. Repeatable.",
            autocompletion=complete_backends("sink"),
        ),
    ] = None,
    resume: Annotated[
        bool, _output("--resume", help="Continue the same run after an interruption, keeping its results.")
    ] = False,
    time_in_ms: Annotated[
        bool, _output("--time-in-ms", "--time_in_ms", help="Show all durations in milliseconds.")
    ] = False,
    json: Annotated[bool, _output("--json", help="Print the results document instead of the table.")] = False,
    threads: Annotated[
        int | None,
        _machine(
            min=1,
            metavar="N",
            help="The number of threads of OpenMP and other threading runtimes.",
            show_default="their own choice",
        ),
    ] = None,
    cpu: Annotated[
        int | None,
        _machine(
            min=0,
            metavar="N",
            help="Run the functions on this processor only; the system counts from 0.",
            show_default="any",
        ),
    ] = None,
    processes: Annotated[
        int,
        _machine(
            min=1,
            metavar="N",
            help="Measure in this number of processes in turn, so that the intervals hold for other processes, too.",
        ),
    ] = 2,
    force: Annotated[
        bool, _machine("--force", help="Run code that requires instruction sets this machine lacks.")
    ] = False,
    allow_outside: Annotated[
        bool, _machine("--allow-outside", help="Use libraries and files outside the packages' folders.")
    ] = False,
    cpp: Annotated[bool, typer.Option("--cpp", hidden=True)] = False,
    working_dir: Annotated[str | None, typer.Option("--working-dir", "--working_dir", hidden=True)] = None,
    **options: str,
) -> None:
    """Measure the functions of packages and name the fastest of those that do the same work.

    Worker processes call the functions with random inputs, in batches that take turns, until the time of a call is
    known within 1%. Functions that are clearly slower than the fastest get fewer batches. If a function crashes or
    exceeds --timeout, hatframe reports it and measures the others. Functions of all packages are ranked together, in
    groups that have the same parameters and sizes.

        hatframe bench pkg.hat --loader cffi --sink csv
        hatframe bench . --functions "gemm_*" --sink csv --sink json=run.json
    """
    from hatframe.cli.progress import Progress

    for name, given in (("--cpp", cpp), ("--working-dir", working_dir is not None)):
        if given:
            log.info(f"{name} has no effect: hatframe keeps what it compiles in its cache")
    failure: SinkError | None = None
    try:
        document = kernel_of(context).bench(
            *packages,
            functions=functions or (),
            loader=loader,
            sink=sink or (),
            meter=meter or (),
            min_time=min_time,
            batches=batches,
            min_iterations=min_iterations,
            precision=precision / 100,
            max_time=max_time,
            race=race,
            cache=cache,
            input_data=input_data,
            input_sets_size=None if input_sets_size is None else int(input_sets_size * 1e6),
            restore=restore,
            seed=seed,
            size=size or (),
            value=value or (),
            threads=threads,
            timeout=timeout,
            cpu=cpu,
            processes=processes,
            resume=resume,
            verify=verify,
            force=force,
            allow_outside=allow_outside,
            observers=Progress(bar=not json),
            **options,
        )
    except SinkError as error:
        if error.results is None:
            raise
        document, failure = error.results, error
    for name, reason in document.skipped.items():
        log.warning(f"skipped {name}: {reason}")
    if json:
        print_json(document)
    else:
        from hatframe.cli.results_table import print_results

        print_results(document.results, document.rankings, "ms" if time_in_ms else "")
    failed = log_failures(document, logging.ERROR)
    if failure:
        raise failure
    if failed:
        raise typer.Exit(1)
