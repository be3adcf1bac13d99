"""The arguments of operations as callers write them: one value or several, text or data."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hatframe.backends import Sink
from hatframe.errors import UsageError
from hatframe.registry import BackendSet


def as_tuple(value: Any) -> tuple[Any, ...]:
    """The values of an argument that takes one value or several."""
    if isinstance(value, Iterable) and not isinstance(value, (str, Mapping, os.PathLike)):
        return tuple(value)
    return () if value is None else (value,)


def as_flags(flags: str | Sequence[str]) -> tuple[str, ...]:
    """Single flags of a text that is split as by a shell, or of a sequence that is split already."""
    try:
        return tuple(shlex.split(flags) if isinstance(flags, str) else flags)
    except ValueError as error:
        raise UsageError(f"invalid flags {flags!r}: {str(error).lower()}", where="cflags") from None


def as_sizes(size: Any) -> tuple[dict[str, int], ...]:
    """Choices of dimensions, each given as ``"M=256,N=1024"`` or as a mapping."""
    return tuple(_parse_sizes(one) if isinstance(one, str) else dict(one) for one in as_tuple(size))


def _parse_sizes(text: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not name or not equals or not value.isdecimal():
            raise UsageError(f"invalid size {part!r}", where="size", hint="write M=256,N=1024")
        if name in sizes:
            raise UsageError(f"{name} is given twice in {text!r}", where="size")
        sizes[name] = int(value)
    return sizes


def backend_options(options: Mapping[str, Any], *kinds: BackendSet[Any]) -> dict[str, str]:
    """The options that backends of these kinds declare, as their settings hold them.

    Raises :class:`UsageError` for an option that none of them declares.
    """
    known = {option.key: option for kind in kinds for backend in kind.all() for option in backend.options}
    if unknown := sorted(options.keys() - known):
        close = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"options of backends: {', '.join(sorted(known))}"
        raise UsageError(f"unexpected option {unknown[0]!r}", hint=hint)
    given = {key: value for key, value in options.items() if value is not None and value is not False}
    settings = {key: "true" if value is True else str(value) for key, value in given.items()}
    for option in known.values():
        if option.choices and settings.get(option.key, option.choices[0]) not in option.choices:
            raise UsageError(
                f"invalid value {settings[option.key]!r}",
                where=option.names[0],
                hint=f"choose from {', '.join(option.choices)}",
            )
    return settings


def chosen_sinks(
    choices: Iterable[str], settings: Mapping[str, str], sinks: BackendSet[Sink]
) -> list[tuple[Sink, Path | None]]:
    """Each sink to use, configured, with its path: those chosen, and those with an option among the settings."""
    paths: dict[str, Path | None] = {}
    for text in choices:
        name, equals, path = text.partition("=")
        if equals and not path:
            raise UsageError(f"{text!r} has no path", where="sink", hint="write NAME or NAME=PATH")
        if name in paths:
            raise UsageError(f"sink {name!r} is given twice", where="sink")
        sinks.get(name)
        paths[name] = Path(path) if path else None
    for sink in sinks.all():
        if sink.configured(settings).settings:
            paths.setdefault(sink.name, None)
    return [(sinks.get(name).configured(settings), path) for name, path in paths.items()]
