"""``hatframe cache``: what hatframe keeps for the user, and clearing it."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Annotated

import typer

from hatframe import files
from hatframe.cli.common import console, log, print_json
from hatframe.cli.probe import size_text
from hatframe.packages.store import KINDS, Cleared, Kept, clear, kept

_DAY = 86400.0
_AGES = ((2 * _DAY, _DAY, "days"), (2 * 3600.0, 3600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
_NAMES = ", ".join(kind.name for kind in KINDS)


def in_terminal() -> bool:
    """Whether a person reads what is printed."""
    return sys.stdout.isatty()


def commands() -> typer.Typer:
    """The application of ``hatframe cache``, with a command for each thing to do."""
    app = typer.Typer(
        no_args_is_help=True, help="Show what hatframe keeps, or clear it.", short_help="Show or clear what is kept."
    )
    app.command("list")(list_kept)
    app.command("clear")(clear_kept)
    return app


def list_kept(
    json: Annotated[
        bool, typer.Option("--json", help="Print every single thing as JSON, with sizes in bytes and ages in seconds.")
    ] = False,
) -> None:
    """Show what hatframe keeps: how many of each kind, their size, and when they were last used.

    Libraries, timers, packages and what compilers keep lie in the cache folder (HATFRAME_CACHE_DIR) and are made
    again when they are needed; runs and locks lie in the state folder (HATFRAME_STATE_DIR). In a pipe there is a line
    for each kind, with bytes and seconds between tabs.
    """
    found = kept()
    if json:
        print_json({"cache_folder": files.cache_folder(), "state_folder": files.state_folder(), "kept": found})
        return
    by_kind = {kind: [entry for entry in found if entry.kind == kind.name] for kind in KINDS}
    if not in_terminal():
        for kind, entries in by_kind.items():
            ages = [f"{entry.age:.0f}" for entry in sorted(entries, key=lambda entry: entry.age)]
            newest, oldest = (ages[0], ages[-1]) if ages else ("", "")
            print(kind.name, len(entries), _size(entries), newest, oldest, kind.folder, sep="\t")
        return

    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("kind", "number", "size", "last used", "what", "where"):
        table.add_column(column, overflow="fold", justify="right" if column in ("number", "size") else "left")
    for kind, entries in by_kind.items():
        used = f"{_age_text(min(entry.age for entry in entries))} ago" if entries else ""
        size = size_text(_size(entries)) if entries else ""
        table.add_row(kind.name, str(len(entries)), size, used, kind.summary, str(kind.folder))
    console().print(table)


def clear_kept(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KIND...]", help=f"What to clear: {_NAMES}. See: hatframe cache list", show_default=False
        ),
    ] = None,
    older_than: Annotated[
        float, typer.Option(min=0.0, metavar="DAYS", help="Clear only what was not used for so many days.")
    ] = 0.0,
    json: Annotated[bool, typer.Option("--json", help="Print what was removed and what was left as JSON.")] = False,
) -> None:
    """Remove what hatframe keeps; without a KIND all that is made again when it is needed.

    hatframe cache clear libraries packages --older-than 30

    Runs that could be resumed, and locks, are removed only by name. What a process uses at the moment is left, and so
    is whatever else lies in the folder: nothing is removed that hatframe did not make, and no link is followed.
    """
    cleared = clear(kinds or (), older_than * _DAY)
    reasons: dict[tuple[str, str], list[Kept]] = {}
    for left in cleared.left:
        reasons.setdefault((left.kept.kind, left.reason), []).append(left.kept)
    for (kind, reason), entries in reasons.items():
        log.info(f"left {entries[0].path if len(entries) == 1 else f'{len(entries)} of {kind}'}: {reason}")
    if json:
        print_json(cleared)
    else:
        print(_told(cleared))


def _told(cleared: Cleared) -> str:
    if not cleared.removed:
        return "removed nothing"
    numbers = Counter(entry.kind for entry in cleared.removed)
    listed = ", ".join(f"{number} of {kind}" for kind, number in numbers.items())
    return f"removed {size_text(_size(cleared.removed))}: {listed}"


def _size(entries: list[Kept] | tuple[Kept, ...]) -> int:
    return sum(entry.size for entry in entries)


def _age_text(seconds: float) -> str:
    """A time for people, in the largest unit that it holds twice: ``3 days``, ``90 minutes``."""
    least = next(entry for entry in _AGES if seconds >= entry[0])
    return f"{int(seconds / least[1])} {least[2]}"
