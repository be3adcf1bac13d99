"""Named numbers in one line, such as the sizes ``M=256 N=1024``."""

from __future__ import annotations

from collections.abc import Mapping


def pairs_text(values: Mapping[str, int | float]) -> str:
    """Named numbers in one line; empty where there are none."""
    return " ".join(f"{name}={value}" for name, value in values.items())


def parse_pairs(text: str) -> dict[str, int | float]:
    """The numbers in such a line; ValueError for anything else."""
    pairs: dict[str, int | float] = {}
    for pair in text.split():
        name, _, value = pair.rpartition("=")
        try:
            pairs[name] = int(value)
        except ValueError:
            pairs[name] = float(value)
    return pairs
