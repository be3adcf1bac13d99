"""``hatframe verify``: check what functions do against what their metadata say."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hatframe.backends import Observer
from hatframe.cli.common import console, counted, kernel_of, log, print_json, print_table, show, show_line
from hatframe.cli.completion import complete_backends
from hatframe.cli.options import Functions, Json, Packages, Size, Value
from hatframe.errors import printable

if TYPE_CHECKING:
    import rich.status

    from hatframe.outcomes import Finding, Verification

_selection, _checks, _output, _machine = (
    functools.partial(typer.Option, rich_help_panel=panel) for panel in ("Selection", "Checks", "Output", "Machine")
)


def _names() -> list[str]:
    from hatframe.verifying.options import CHECKS

    return list(CHECKS)


def verify(
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
    only: Annotated[
        list[str] | None,
        _checks(metavar="CHECK", help="Make only this check. Repeatable.", autocompletion=_names),
    ] = None,
    skip: Annotated[
        list[str] | None,
        _checks(metavar="CHECK", help="Leave this check out. Repeatable.", autocompletion=_names),
    ] = None,
    reference: Annotated[
        str,
        _checks(
            metavar="FILE.py:FUNCTION",
            help="Compare results with those of this function, which takes numpy arrays.",
            show_default="auxiliary.reference of each function",
        ),
    ] = "",
    same: Annotated[
        list[str] | None,
        _checks(
            metavar="GLOB",
            help="Compare results with those of the functions that match. Repeatable.",
            show_default="those of most functions of a group",
        ),
    ] = None,
    rtol: Annotated[
        float | None,
        _checks(
            min=0.0,
            metavar="NUMBER",
            help="Accept this relative error of results.",
            show_default="a bound for the type and the length of sums",
        ),
    ] = None,
    atol: Annotated[float | None, _checks(min=0.0, metavar="NUMBER", help="Accept this absolute error too.")] = None,
    seed: Annotated[int, _checks(min=0, metavar="N", help="The seed of random inputs.")] = 0,
    timeout: Annotated[
        float, _checks(min=0.1, metavar="SECONDS", help="Kill a function that runs longer than this.")
    ] = 60.0,
    junit: Annotated[
        Path | None,
        _output(metavar="FILE", dir_okay=False, help="Write a JUnit file, with a test case for each function."),
    ] = None,
    force: Annotated[
        bool, _machine("--force", help="Run code that requires instruction sets this machine lacks.")
    ] = False,
    allow_outside: Annotated[
        bool, _machine("--allow-outside", help="Use libraries and files outside the packages' folders.")
    ] = False,
    json: Json = False,
    **options: str,
) -> None:
    """Check what functions do against what their metadata say.

    A worker process calls each function with inputs made from its metadata, in memory that ends at its arrays. Each
    finding names the function, the argument and the check, and the command that reproduces it. Functions that crash
    or exceed --timeout are findings too.

    The checks are bounds, usage, determinism, values, shapes, agreement, crash and timeout.

        hatframe verify pkg.hat
        hatframe verify pkg.hat --functions "gemm_*" --skip shapes

    The exit status is 1 if there are findings.
    """
    with _Progress(bar=not json) as progress:
        found = kernel_of(context).verify(
            *packages,
            functions=functions or (),
            only=only or (),
            skip=skip or (),
            reference=reference,
            same=same or (),
            rtol=rtol,
            atol=atol,
            loader=loader,
            size=size or (),
            value=value or (),
            seed=seed,
            timeout=timeout,
            junit=junit,
            force=force,
            allow_outside=allow_outside,
            observers=progress,
            **options,
        )
    if junit:
        log.info(f"test cases written to {junit}")
    for name, reason in found.skipped.items():
        log.warning(f"skipped {name}: {reason}")
    if json:
        print_json(found)
    else:
        _print(found)
    if not found.ok:
        raise typer.Exit(1)


def _print(found: Verification) -> None:
    several = len({finding.hat_file for finding in found.findings}) > 1
    for note in found.notes:
        log.info(f"{note.function}: {note.message}")
    if sys.stdout.isatty():
        _print_table(found.findings, several)
    else:
        for finding in found.findings:
            show_line(*_cells(finding, several))
    for finding in found.findings:
        log.info(f"reproduce {finding.function}, {finding.check}: {finding.reproduce}")
    wrong = len({(finding.hat_file, finding.function) for finding in found.findings})
    checks = ", ".join(found.checks)
    verdict = f"{wrong} of {counted(len(found.functions), 'function')} wrong" if wrong else "ok"
    show(f"{counted(len(found.functions), 'function')} verified in {found.seconds:.2g} s ({checks}): {verdict}")


def _cells(finding: Finding, several: bool) -> Sequence[str]:
    sizes = " ".join(f"{name}={size}" for name, size in finding.sizes.items())
    package = [finding.hat_file] if several else []
    return [*package, finding.function, finding.check, finding.argument, sizes, finding.message]


def _print_table(findings: Sequence[Finding], several: bool) -> None:
    if findings:
        package = ["package"] if several else []
        columns = [*package, "function", "check", "argument", "sizes", "what"]
        print_table(columns, [_cells(finding, several) for finding in findings])


class _Progress(Observer):
    """Shows the function that is verified, on a terminal."""

    def __init__(self, bar: bool) -> None:
        self._bar = bar and sys.stderr.isatty() and log.isEnabledFor(logging.INFO)
        self._status: rich.status.Status | None = None

    def __enter__(self) -> _Progress:
        if self._bar:
            self._status = console(stderr=True).status("")
            self._status.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._status:
            self._status.stop()

    def function_started(self, name: str) -> None:
        log.debug(f"verifying {name}")
        if self._status:
            self._status.update(printable(name))

    def message(self, text: str) -> None:
        log.info(text)
