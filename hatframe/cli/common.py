"""What the commands share: the kernel, and output that is pleasant in a terminal and plain in a pipe."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from hatframe.errors import UNPRINTABLE, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from hatframe.kernel import Kernel
    from hatframe.outcomes import Converted
    from hatframe.results.model import FunctionResult

log = logging.getLogger("hatframe.cli")


class TerminatedError(BaseException):
    """A signal terminates the process. This is not an error of the program, and so not an Exception."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def kernel_of(context: typer.Context) -> Kernel:
    """The kernel of this command line, without the plugins that it disables."""
    kernel: Kernel = context.find_root().obj
    return kernel


def console(stderr: bool = False) -> Console:
    """A console; in a pipe it writes neither colours nor line breaks at 80 columns."""
    from rich.console import Console

    piped = not (sys.stderr if stderr else sys.stdout).isatty()
    width = 10_000 if piped else None
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=piped, markup=False, emoji=False)


def show(text: str) -> None:
    """Print a sentence, whose words wrap in a terminal; control characters are escaped."""
    console().print(printable(text))


def show_line(*cells: object) -> None:
    """Print a line of cells with tabs between them, which scripts can cut; control characters are escaped."""
    print("\t".join(printable(str(cell)) for cell in cells))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[RenderableType]], right: Collection[str] = (), header: bool = True
) -> None:
    """Print rows of cells under their columns; those that ``right`` names are aligned to the right."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=header)
    for column in columns:
        table.add_column(printable(column), overflow="fold", justify="right" if column in right else "left")
    for row in rows:
        table.add_row(*(printable(cell) if isinstance(cell, str) else cell for cell in row))
    console().print(table)


def counted(number: int, what: str) -> str:
    """A number of things: ``1 file``, ``2 files``."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def print_json(value: Any) -> None:
    """Print a value as indented JSON; msgspec structs, paths and the like are turned into plain data."""
    import json

    import msgspec

    try:
        encoded = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
    except UnicodeEncodeError:  # a file name that is not text
        encoded = json.dumps(msgspec.to_builtins(value, enc_hook=str), indent=2)
    # JSON may contain control characters beyond ASCII; their escapes mean the same.
    for line in encoded.split("\n"):
        print(UNPRINTABLE.sub(lambda found: json.dumps(found[0])[1:-1], line))


@contextlib.contextmanager
def waiting(text: str, json: bool) -> Iterator[None]:
    """Show a spinner on a terminal: a compiler may take a minute for its first work."""
    if json or not sys.stderr.isatty() or not log.isEnabledFor(logging.INFO):
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        progress.add_task(printable(text), total=None)
        yield


def print_converted(made: Converted, json: bool, **more: Any) -> None:
    """Print what a conversion or a build wrote, as a line or as JSON, which also contains ``more``."""
    if json:
        print_json({**{name: getattr(made, name) for name in made.__struct_fields__}, **more})
    else:
        others = f" and {len(made.other_hats)} more .hat files" if made.other_hats else ""
        written = " and ".join(map(str, [made.library, *made.deploy_files]))
        show_line(f"wrote {made.hat}{others} and {written}, made with {made.linker}")
    if extra := made.extra_exports:
        rest = f" and {len(extra) - 5} more" if len(extra) > 5 else ""
        log.warning(f"{made.linker} cannot leave these out of the exports: {', '.join(extra[:5])}{rest}")


def log_failures(results: Iterable[FunctionResult], level: int) -> bool:
    """Log why functions have no figures, each reason once; returns whether any has none."""
    names: dict[str, list[str]] = {}
    for result in results:
        if result.status != "ok":
            names.setdefault(result.message, []).append(result.function_name)
    for message, (first, *others) in names.items():
        more = f" (and {len(others)} more)" if others else ""
        log.log(level, message if first in message else f"{first}{more}: {message}")
    return bool(names)
