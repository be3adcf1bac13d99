"""``hatframe cache``: list and clear what hatframe keeps for the user."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from hatframe import files
from hatframe.cli.common import log, print_json, print_table, show, show_line
from hatframe.cli.help import Group
from hatframe.cli.options import Json
from hatframe.cli.probe import size_text

if TYPE_CHECKING:
    from hatframe.packages.store import Bucket, Entry

HELP = "List or clear what hatframe keeps."

_DAY = 86400.0
_AGES = ((2 * _DAY, _DAY, "days"), (2 * 3600.0, 3600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


def in_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def commands() -> typer.Typer:
    """The application of ``hatframe cache``, with a command for each action."""
    app = typer.Typer(
        name="cache", cls=Group, help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )
    app.command("list")(list_kept)
    app.command("clear")(clear_kept)
    return app


def list_kept(json: Json = False) -> None:
    """List what hatframe keeps: how much of each kind, and when it was last used.

    Libraries, timers, packages and the caches of compilers lie in the cache folder (HATFRAME_CACHE_DIR); hatframe makes
    them again as needed. Interrupted runs, and results that a
    sink could not write, lie in the state folder (HATFRAME_STATE_DIR). In a pipe, each kind
    is a line of tab-separated values, in bytes and seconds.
    """
    from hatframe.packages.store import kept

    kinds = _registered()
    found = kept()
    if json:
        print_json({"cache_folder": files.cache_folder(), "state_folder": files.state_folder(), "kept": found})
        return
    by_kind = {kind: [entry for entry in found if entry.kind == kind.name] for kind in kinds}
    if not in_terminal():
        for kind, entries in by_kind.items():
            ages = [f"{entry.age:.0f}" for entry in sorted(entries, key=lambda entry: entry.age)]
            newest, oldest = (ages[0], ages[-1]) if ages else ("", "")
            show_line(kind.name, len(entries), _size(entries), newest, oldest, kind.folder)
        return

    rows = []
    for kind, entries in by_kind.items():
        used = f"{_age_text(min(entry.age for entry in entries))} ago" if entries else ""
        size = size_text(_size(entries)) if entries else ""
        rows.append((kind.name, str(len(entries)), size, used, kind.summary, str(kind.folder)))
    print_table(("kind", "number", "size", "last used", "what", "where"), rows, right=("number", "size"))


def clear_kept(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KIND...",
            help="What to clear, as `hatframe cache list` names it.",
            autocompletion=lambda: [kind.name for kind in _registered()],
        ),
    ] = None,
    older_than: Annotated[
        float, typer.Option(min=0.0, metavar="DAYS", help="Clear only what was not used for this many days.")
    ] = 0.0,
    json: Json = False,
) -> None:
    """Clear what hatframe keeps.

    Without a KIND, this removes everything that hatframe makes again as needed. Interrupted runs and results
    are removed only by name. Entries in use stay, as do files that hatframe did not make.

        hatframe cache clear libraries packages --older-than 30
    """
    from hatframe.packages.store import clear

    _registered()
    cleared = clear(kinds or (), older_than * _DAY)
    reasons: dict[tuple[str, str], list[Entry]] = {}
    for left in cleared.left:
        reasons.setdefault((left.kept.kind, left.reason), []).append(left.kept)
    for (kind, reason), entries in reasons.items():
        log.info(f"left {entries[0].path if len(entries) == 1 else f'{len(entries)} {kind}'}: {reason}")
    if json:
        print_json(cleared)
    else:
        numbers = Counter(entry.kind for entry in cleared.removed)
        singular = {kind: f"{kind[:-3]}y" if kind.endswith("ies") else kind.removesuffix("s") for kind in numbers}
        counted = ", ".join(f"{number} {kind if number > 1 else singular[kind]}" for kind, number in numbers.items())
        show(f"removed {counted} ({size_text(_size(cleared.removed))})" if counted else "removed nothing")


def _registered() -> list[Bucket]:
    """The buckets of all modules that keep something, which register them as they are imported."""
    import hatframe.bench.checkpoint
    import hatframe.bench.reporting
    import hatframe.calling.timers
    import hatframe.converting.cached
    import hatframe.packages.unpacking  # noqa: F401
    from hatframe.packages.store import buckets

    return buckets()


def _size(entries: list[Entry] | tuple[Entry, ...]) -> int:
    return sum(entry.size for entry in entries)


def _age_text(seconds: float) -> str:
    """A duration in the largest unit that it holds twice: ``3 days``, ``90 minutes``."""
    least = next(entry for entry in _AGES if seconds >= entry[0])
    return f"{int(seconds / least[1])} {least[2]}"
