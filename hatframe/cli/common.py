"""What the commands share: the kernel, and printing that is pleasant in a terminal and plain in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from hatframe.results.text import duration as duration

if TYPE_CHECKING:
    from rich.console import Console

    from hatframe.kernel import Kernel


class TerminatedError(BaseException):
    """The process was asked to end by a signal; no error of the program, and so no Exception."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def kernel_of(context: typer.Context) -> Kernel:
    """The kernel of this call, with the plugins that the global options leave in."""
    kernel: Kernel = context.find_root().obj
    return kernel


def console(stderr: bool = False) -> Console:
    """A console; in a pipe it writes no colours and does not wrap lines at 80 columns."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 10_000
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=not stream.isatty(), markup=False)


def print_json(value: Any) -> None:
    """Print a value as indented JSON; msgspec structs, paths and the like are turned into plain data."""
    import msgspec

    encoded = msgspec.json.encode(value, enc_hook=str)
    sys.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")


def note(text: str) -> None:
    """Say something beside the output, on stderr."""
    print(f"hatframe: {text}", file=sys.stderr)
