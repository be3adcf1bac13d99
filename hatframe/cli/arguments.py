"""Command lines that option parsers cannot take: several values after one ``--functions``, ``--verbose True``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from hatframe.errors import UsageError
from hatframe.packages.package import is_zip

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_SOURCES = (".hat", ".c", ".json", ".csv")


def normal_arguments(arguments: list[str], spellings: Collection[str]) -> list[str]:
    """Spell out the arguments of a command whose options have these ``spellings``.

    The values after ``--functions`` end at the next option and at a package, a folder or another file to work on.
    """
    normal: list[str] = []
    rest = list(reversed(arguments))
    while rest:
        argument = rest.pop()
        if argument == "--":
            return [*normal, argument, *reversed(rest)]
        if argument == "--functions" and argument in spellings:
            names: list[str] = []
            while rest and not rest[-1].startswith("-") and not (names and _is_source(rest[-1])):
                names.append(rest.pop())
            if rest and not names:
                raise UsageError(f"a name must follow, not {rest[-1]}", where=argument)
            normal += [word for name in names for word in (argument, name)] or [argument]
        elif argument == "--verbose" and rest and rest[-1].lower() in _BOOLEANS:
            if _BOOLEANS[rest.pop().lower()]:
                normal.append(argument)
        else:
            normal.append(argument)
    return normal


def _is_source(argument: str) -> bool:
    return Path(argument).suffix in _SOURCES or is_zip(argument) or Path(argument).is_dir()
