"""``hatframe bench``: measure the functions of packages and name the fastest."""

from __future__ import annotations

import inspect
import logging
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hatframe.backends import Observer
from hatframe.cli.common import AllowOutside, console, kernel_of, log, log_failures, print_json
from hatframe.errors import UsageError
from hatframe.packages.package import is_archive
from hatframe.results.text import duration, pairs_text, percent, ratio_text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from hatframe.kernel import Kernel
    from hatframe.results.model import FunctionResult, Ratio, ResultsDocument, RunInfo


def bench(
    context: typer.Context,
    packages: Annotated[
        list[Path],
        typer.Argument(
            metavar="PKG...", help=".hat files, folders of them, or packed .zip files; one ranking for all."
        ),
    ],
    functions: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME...", help="Only these: names, base names or globs; several may follow one option."),
    ] = None,
    loader: Annotated[
        str | None, typer.Option(metavar="NAME", help="What calls host functions; see: hatframe plugins.")
    ] = None,
    sink: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=PATH]", help="Where results go; repeatable. See: hatframe plugins."),
    ] = None,
    min_time: Annotated[
        float | None,
        typer.Option(
            "--min-time-in-sec",
            "--min_time_in_sec",
            "--min-time",
            min=0.0,
            help="Measure every function at least this long.",
            show_default="0.05, and less for one that is clearly slower",
        ),
    ] = None,
    batches: Annotated[
        int | None,
        typer.Option(
            "--batches",
            "--batch-size",
            "--batch_size",
            min=1,
            help="Measure every function in at least so many batches.",
            show_default="10, and fewer for one that is clearly slower",
        ),
    ] = None,
    min_iterations: Annotated[
        int,
        typer.Option(
            "--min-iterations",
            "--min_iterations",
            "--min-timing-iterations",
            "--min_timing_iterations",
            min=1,
            help="At least so many calls in each batch.",
        ),
    ] = 1,
    precision: Annotated[
        float,
        typer.Option(
            min=0.0, metavar="PERCENT", help="Measure until each mean is known within this, with 95 % confidence."
        ),
    ] = 1.0,
    max_time: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="Measure no function longer than this.",
            show_default="45 seconds shared by all, 0.1 to 2 for each",
        ),
    ] = None,
    race: Annotated[
        bool, typer.Option("--race/--no-race", help="Measure clearly slower functions less, and near-ties more.")
    ] = True,
    timer: Annotated[
        str, typer.Option(metavar="NAME", help="How calls are timed: native (a loop in C), python, or auto.")
    ] = "auto",
    cache: Annotated[
        str,
        typer.Option(
            metavar="cold|hot", help="Input sets of twice the last-level cache (16384 at most), or a single one."
        ),
    ] = "cold",
    input_data: Annotated[
        str, typer.Option(metavar="random|zeros|ones|PATH.npz", help="What the inputs hold.")
    ] = "random",
    input_sets_minimum_size: Annotated[
        float | None,
        typer.Option(
            "--input-sets-minimum-size-MB",
            "--input_sets_minimum_size_MB",
            min=0.0,
            metavar="MB",
            help="Size of all input sets together.",
            show_default="twice the last-level cache",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random inputs.")] = 0,
    size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="M=256,N=1024",
            help="Dimensions of runtime-sized functions; repeatable, one result row for each.",
            show_default="256 each",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads for OpenMP and its like.", show_default="left to them")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Give a function up that does not return for so long.")
    ] = 60.0,
    cpu: Annotated[
        int | None, typer.Option(min=0, help="Run the functions on this processor only.", show_default="any")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from where the same run was ended; its figures so far are kept.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run code that this machine is known not to fit.")] = False,
    allow_outside: AllowOutside = False,
    time_in_ms: Annotated[
        bool, typer.Option("--time-in-ms", "--time_in_ms", help="Show all durations in milliseconds.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is done.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the results document instead of the table.")] = False,
    cpp: Annotated[bool, typer.Option("--cpp", help="Accepted for scripts of hatlib.")] = False,
    working_dir: Annotated[
        str | None,
        typer.Option("--working-dir", "--working_dir", metavar="DIR", help="Accepted for scripts of hatlib."),
    ] = None,
    **sink_options: Any,
) -> None:
    """Measure the functions of packages and name the fastest.

    hatframe bench pkg.hat --loader cffi --sink csv

    The functions are called in a worker process with random inputs, batch by batch and in turn, until the time of a
    call is known within 1 %; those that are clearly slower than the fastest are measured less. One that crashes or does
    not return is told, and the others are measured all the same. With several packages or a folder, all functions are
    in one ranking. Results go to any number of sinks: --sink csv --sink json=run.json --sink hat.
    """
    if cpp:
        log.info("--cpp is accepted and changes nothing: the loader chooses how its functions are timed")
    if working_dir is not None:
        log.info("--working-dir is accepted and changes nothing: what is compiled goes to the user's cache")
    observer = _Report(bar=sys.stderr.isatty() and not json, verbose=verbose)
    document = kernel_of(context).bench(
        *packages,
        functions=functions or (),
        loader=loader,
        sink=sink or (),
        min_time=min_time,
        batches=batches,
        min_iterations=min_iterations,
        precision=precision / 100,
        max_time=max_time,
        race=race,
        cache=cache,
        input_data=input_data,
        input_sets_size=None if input_sets_minimum_size is None else int(input_sets_minimum_size * 1e6),
        seed=seed,
        size=size or (),
        threads=threads,
        timeout=timeout,
        cpu=cpu,
        resume=resume,
        force=force,
        allow_outside=allow_outside,
        observers=observer,
        timer=timer,
        **sink_options,
    )
    for name, reason in document.skipped.items():
        log.warning(f"skipped {name}: {reason}")
    if json:
        print_json(document)
    else:
        _print_table(document, "ms" if time_in_ms else "")
    if log_failures(document, logging.ERROR):
        raise typer.Exit(1)


def command(kernel: Kernel) -> Callable[..., None]:
    """The command with the options that the sinks of ``kernel`` declare."""
    own = inspect.signature(bench, eval_str=True)
    parameters = [parameter for parameter in own.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    taken = {name for parameter in parameters for name in _option_names(parameter)}
    for owner, option in ((sink, option) for sink in kernel.registry.sinks.all() for option in sink.options):
        if clash := sorted({option.key, *option.names} & taken):
            log.warning(
                f"the option {', '.join(option.names)} of sink {owner.name} is left out: {clash[0]} is another's"
            )
            continue
        taken.update((option.key, *option.names))
        kind: Any = bool if option.flag else str | None
        typer_option = (
            typer.Option(*option.names, help=option.help)
            if option.flag
            else typer.Option(*option.names, help=option.help, metavar=option.metavar)
        )
        parameters.append(
            inspect.Parameter(
                option.key,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if option.flag else None,
                annotation=Annotated[kind, typer_option],
            )
        )

    def with_sink_options(*args: Any, **kwargs: Any) -> None:
        bench(*args, **kwargs)

    # typer reads a command's options from its signature.
    with_sink_options.__doc__ = bench.__doc__
    with_sink_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    with_sink_options.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return with_sink_options


def _option_names(parameter: inspect.Parameter) -> list[str]:
    """The spellings of a parameter of the command, and its own name."""
    names = [parameter.name, f"--{parameter.name.replace('_', '-')}"]
    for info in getattr(parameter.annotation, "__metadata__", ()):
        names += [name for spelling in getattr(info, "param_decls", None) or () for name in spelling.split("/")]
    return names


def normal_arguments(arguments: list[str]) -> list[str]:
    """Spell out what option parsers cannot take: several values after one ``--functions``, ``--verbose True``.

    The values end at the next option and at what is a package: a .hat file, a .zip file or a folder.
    """
    normal: list[str] = []
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        position += 1
        if argument == "--functions":
            first = True
            while position < len(arguments) and not arguments[position].startswith("-"):
                if not first and _is_package(arguments[position]):
                    break
                normal += ["--functions", arguments[position]]
                position += 1
                first = False
            if first:
                raise UsageError("no name follows", where="--functions", hint="write --functions NAME [NAME ...]")
        elif argument == "--verbose" and position < len(arguments) and arguments[position].lower() in _BOOLEANS:
            if _BOOLEANS[arguments[position].lower()]:
                normal.append(argument)
            position += 1
        else:
            normal.append(argument)
    return normal


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _is_package(argument: str) -> bool:
    return argument.endswith(".hat") or is_archive(argument) or Path(argument).is_dir()


# ------------------------------------------------------------------------------------------------------- showing


class _Report(Observer):
    """The progress bar on a terminal, and what is said on stderr."""

    def __init__(self, bar: bool, verbose: bool) -> None:
        self._bar = bar
        self._verbose = verbose
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._fractions: dict[str, float] = {}

    def run_started(self, run: RunInfo, functions: int) -> None:
        if self._verbose:
            cache = run.machine.last_level_cache
            size = f"{cache.size / 2**20:g} MiB last-level cache" if cache else "unknown caches"
            self.message(f"{functions} to measure on {run.machine.platform} with {size}")
        if not self._bar:
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console(stderr=True),
            transient=True,
        )
        self._progress.start()
        self._task = self._progress.add_task("", total=functions)

    def progress(self, name: str, fraction: float) -> None:
        self._advance(name, fraction)

    def function_finished(self, result: FunctionResult) -> None:
        sizes = f" ({pairs_text(result.sizes)})" if result.sizes else ""
        self._advance(f"{result.function_name}{sizes}", 1.0)
        if self._verbose and result.statistics:
            self.message(
                f"{result.function_name}: {result.input_sets} input sets of {result.input_set_bytes} bytes, "
                f"{result.batches} batches of {result.calls_per_batch} calls, {result.timer} timer, "
                f"whose loop costs {result.overhead * 1e9:.3g} ns a call"
            )

    def _advance(self, name: str, fraction: float) -> None:
        # Each function's share of the bar; they are measured in turn, and grow together.
        self._fractions[name] = max(fraction, self._fractions.get(name, 0.0))
        self._update(completed=sum(self._fractions.values()), description=name)

    def run_finished(self, document: ResultsDocument) -> None:
        if self._progress:
            self._progress.stop()
            self._progress = None

    def message(self, text: str) -> None:
        if self._progress:
            self._progress.console.print(f"hatframe: {text}")
        else:
            log.info(text)

    def _update(self, **changes: Any) -> None:
        if self._progress and self._task is not None:
            self._progress.update(self._task, **changes)


def _print_table(document: ResultsDocument, unit: str) -> None:
    from rich.table import Table

    from hatframe.results.comparison import summary

    measured = [
        (result, ratio)
        for result, ratio in zip(document.results, _ratios(document), strict=True)
        if result.statistics is not None
    ]
    if not measured:
        return
    measured.sort(key=lambda entry: entry[1].ratio if entry[1] else math.inf)
    with_sizes = any(result.sizes for result, _ in measured)
    packages = {result.hat_file for result, _ in measured}
    several = len(packages) > 1
    same_names = len({Path(package).name for package in packages}) < len(packages)
    table = Table(box=None, pad_edge=False)
    table.add_column("function", overflow="fold")
    if several:
        table.add_column("package", overflow="fold")
    if with_sizes:
        table.add_column("sizes")
    with_flops = any("flops_per_second" in result.rates for result, _ in measured)
    columns = ["mean", "±", "median", "min", "ratio", *(["GFLOP/s"] if with_flops else []), "batches"]
    for column in columns:
        table.add_column(column, justify="right")
    for result, ratio in measured:
        figures = result.statistics
        assert figures is not None
        cells = [result.function_name]
        if several:
            cells.append(result.hat_file if same_names else Path(result.hat_file).name)
        if with_sizes:
            cells.append(pairs_text(result.sizes))
        half_width = (figures.mean_high - figures.mean_low) / 2
        cells += [
            duration(figures.mean, unit),
            percent(half_width / figures.mean),
            duration(figures.median_of_means, unit),
            duration(figures.min_of_means, unit),
            ratio_text(ratio) if ratio and ratio.low != ratio.high else "1",
        ]
        if with_flops:
            flops = result.rates.get("flops_per_second")
            cells.append(f"{flops / 1e9:.4g}" if flops is not None else "")
        table.add_row(*cells, f"{result.batches} x {result.calls_per_batch}")
    out = console()
    out.print(table)
    out.print(summary(document, unit))


def _ratios(document: ResultsDocument) -> tuple[Ratio | None, ...]:
    return document.comparison.ratios if document.comparison else (None,) * len(document.results)
