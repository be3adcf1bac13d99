"""The arguments of operations as callers write them: one value or several, text or data."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatframe.backends import Sink
from hatframe.errors import UsageError

if TYPE_CHECKING:
    from hatframe.registry import BackendSet


def as_tuple(value: Any) -> tuple[Any, ...]:
    """The values of an argument that takes one value or several."""
    if isinstance(value, Iterable) and not isinstance(value, (str, Mapping, os.PathLike)):
        return tuple(value)
    return () if value is None else (value,)


def as_flags(flags: str | Sequence[str]) -> tuple[str, ...]:
    """Single flags of a text that is split as by a shell, or of a sequence that is split already."""
    import shlex

    try:
        return tuple(shlex.split(flags) if isinstance(flags, str) else flags)
    except ValueError as error:
        raise UsageError(f"invalid flags {flags!r}: {str(error).lower()}", where="cflags") from None


def as_sizes(size: Any) -> tuple[dict[str, int], ...]:
    """Choices of dimensions, each given as text or as a mapping of names to numbers, sequences or text.

    The text is ``M=64,128,N=2^4..2^8``: every combination of the values of each name. ``docs/benchmarking.md`` has the
    grammar.
    """
    choices: list[dict[str, int]] = []
    for one in as_tuple(size):
        given = _parse_sizes(one) if isinstance(one, str) else one
        values = {name: _numbers(name, numbers) for name, numbers in given.items()}
        if len(choices) + math.prod(map(len, values.values())) > MAX_CHOICES:
            raise UsageError("too many sizes", where="size", hint=f"at most {MAX_CHOICES}")
        choices += [dict(zip(values, combined, strict=True)) for combined in itertools.product(*values.values())]
    return tuple(choices)


MAX_CHOICES = 10_000
"""The most choices of sizes in a run."""

_LARGEST = (1 << 63) - 1
_NUMBER = r"\d{1,19}(?:\^\d{1,2})?"
_ITEM = re.compile(rf"(?P<first>{_NUMBER})(?:\s*\.\.\s*(?P<last>{_NUMBER})(?:\s+step\s+(?P<step>\d{{1,19}}))?)?")
_FORM = "write M=256,N=1024, n=1000,10000, n=2^10..2^20 or n=100..1000 step 100"


def _parse_sizes(text: str) -> dict[str, list[int]]:
    sizes: dict[str, list[int]] = {}
    name = ""
    for part in text.split(","):
        before, equals, item = part.rpartition("=")
        if equals:
            name = before.strip()
            if name in sizes:
                raise UsageError(f"{name} is given twice in {text!r}", where="size")
        if not name or "=" in name:
            raise UsageError(f"invalid size {part!r}", where="size", hint=_FORM)
        sizes.setdefault(name, []).extend(_range(item))
    return sizes


def _numbers(name: str, given: Any) -> list[int]:
    if isinstance(given, str):
        return _parse_sizes(f"{name}={given}")[name]
    return list(given) if isinstance(given, Iterable) else [given]


def _range(text: str) -> list[int]:
    """The numbers of one item: ``1000``, ``2^10..2^20`` (by doubling) or ``100..1000 step 100``."""
    match = _ITEM.fullmatch(text.strip())
    if not match:
        raise UsageError(f"invalid size {text!r}", where="size", hint=_FORM)
    base, value = _power(match["first"])
    last = _power(match["last"])[1] if match["last"] else value
    factor, step = (base, 0) if base > 1 and not match["step"] else (1, int(match["step"] or 1))
    if last < value or (factor == 1 and step < 1):
        raise UsageError(f"the range {text.strip()!r} is empty", where="size", hint=_FORM)
    values = []
    while value <= last:
        values.append(value)
        if len(values) > MAX_CHOICES:
            raise UsageError(f"too many sizes in {text.strip()!r}", where="size", hint=f"at most {MAX_CHOICES}")
        value = value * factor + step
    return values


def _power(text: str) -> tuple[int, int]:
    """The base of a power (1 for a plain number) and its value."""
    number, caret, exponent = text.partition("^")
    value: int = int(number) ** int(exponent or 1)
    if value > _LARGEST:
        raise UsageError(f"{text} is too large", where="size", hint="the largest is 2^63 - 1")
    return (int(number) if caret else 1), value


def as_values(value: Any) -> dict[str, int | float]:
    """The values of scalars, given as ``"limit=1000"`` or as mappings, one or several."""
    values: dict[str, int | float] = {}
    for one in as_tuple(value):
        pairs = [part.partition("=")[::2] for part in one.split(",")] if isinstance(one, str) else one.items()
        for name, number in pairs:
            name = name.strip()
            if name in values:
                raise UsageError(f"{name} is given twice", where="value")
            values[name] = _scalar(name, number)
    return values


def _scalar(name: str, given: Any) -> int | float:
    number: int | float = math.nan
    if name:
        with contextlib.suppress(ValueError, TypeError):
            number = int(given) if re.fullmatch(r"\s*[+-]?\d{1,20}\s*", str(given)) else float(given)
    if not math.isfinite(number):
        raise UsageError(f"invalid value {given!r} of {name!r}", where="value", hint="write NAME=NUMBER, as limit=1000")
    return number


def backend_options(
    options: Mapping[str, Any], *kinds: BackendSet[Any], operation: Callable[..., Any] | None = None
) -> dict[str, str]:
    """The options that backends of these kinds declare, as their settings hold them.

    Raises :class:`UsageError` for an option that none of them declares, which may be a keyword of the ``operation``
    that is misspelt.
    """
    known = {option.key: option for kind in kinds for backend in kind.all() for option in backend.options}
    if unknown := sorted(options.keys() - known):
        import difflib
        import inspect

        keywords = inspect.signature(operation).parameters if operation else ()
        close = difflib.get_close_matches(unknown[0], [*known, *keywords], n=1)
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
