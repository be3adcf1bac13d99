"""What the probes of all operating systems share: names of instruction sets, and the choice of caches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from hatframe.plugin import Cache


def names(text: str) -> dict[str, str]:
    """LLVM's names and the system's, of words such as ``avx2`` (the same in both) or ``lzcnt=abm``."""
    pairs = (word.partition("=") for word in text.split())
    return {llvm: system or llvm for llvm, _, system in pairs}


def known_extensions(wanted: Mapping[str, str], present: Collection[str], absence_counts: bool) -> dict[str, bool]:
    """Which of ``wanted`` are ``present``; the others are False if ``absence_counts``, and otherwise left out."""
    return {llvm: system in present for llvm, system in wanted.items() if absence_counts or system in present}


def largest(caches: Iterable[Cache]) -> tuple[Cache, ...]:
    """The largest cache of each level and kind, from the smallest level up: cores may differ in theirs."""
    chosen: dict[tuple[int, str], Cache] = {}
    for cache in caches:
        key = (cache.level, cache.kind)
        if key not in chosen or cache.size > chosen[key].size:
            chosen[key] = cache
    return tuple(chosen[key] for key in sorted(chosen))


def file_text(path: Path) -> str:
    """The content of a file without the white space around it; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
