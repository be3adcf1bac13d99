"""The names of functions: users write ``gemm`` for ``gemm_0123456789abcdef``."""

from __future__ import annotations

import fnmatch
import keyword
import re
from collections.abc import Iterable

# Accera appends 16 hex digits, the samples of the format have 32, and other compilers use 8 or more.
_HASH = re.compile(r"_[0-9a-fA-F]{8,}\Z")


def base_name(name: str) -> str:
    """The name without the hash that a compiler appended, unless nothing but underscores stands before it."""
    base = _HASH.sub("", name)
    return base if base.strip("_") else name


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that match: the one equal to ``pattern``, else those with this base name, else those that fit it."""
    names = list(names)
    if pattern in names:
        return [pattern]
    if same_base := [name for name in names if base_name(name) == pattern]:
        return same_base
    return [
        name for name in names if fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(base_name(name), pattern)
    ]


def python_name(name: str) -> str:
    """The name of a parameter as a keyword argument: ``in_`` for ``in``."""
    return f"{name}_" if keyword.iskeyword(name) else name
