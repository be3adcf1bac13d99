"""The names of functions: users call ``gemm`` what a compiler named ``gemm_0123456789abcdef``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

# Accera appends an underscore and 16 hex digits; the sample packages of the format have 32.
_HASH = re.compile(r"_(?:[0-9a-f]{16}|[0-9a-f]{32})\Z")


def base_name(name: str) -> str:
    """The name without the hash that a compiler appended: ``gemm`` of ``gemm_0123456789abcdef``."""
    return _HASH.sub("", name)


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that ``pattern`` means: that very name, else all of that base name, else all that fit as a glob.

    A glob is tried on the full name and on the base name, and letter case counts.
    """
    names = list(names)
    if pattern in names:
        return [pattern]
    if same_base := [name for name in names if base_name(name) == pattern]:
        return same_base
    return [
        name for name in names if fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(base_name(name), pattern)
    ]
