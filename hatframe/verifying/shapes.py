"""Shapes: the sizes at which functions of any size tend to fail."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# Around the lanes of vector registers of all widths and types, and primes, which no blocking divides.
_EDGES = (1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33, 61, 63, 64, 65)
_LONG_EDGES = (127, 128, 129, 251, 255, 256, 257, 1021)

# The sizes of one dimension, while the others have the second number.
_UNEVEN, _OTHERS = (1, 2, 7, 8, 16, 29, 33), 17

# What a program calls the distance between rows: it is at least their length.
_LEADING = re.compile(r"ld\w?|\w*(stride|pitch|lead)\w*", re.IGNORECASE)


def edge_shapes(dimensions: Sequence[str]) -> list[dict[str, int]]:
    """The choices of sizes to try, small ones first: equal in all dimensions, one that differs, and none at all."""
    if not dimensions:
        return []
    edges = (*_EDGES, *_LONG_EDGES) if len(dimensions) == 1 else _EDGES
    choices = [dict.fromkeys(dimensions, size) for size in edges]
    if len(dimensions) > 1:
        choices += [
            {**dict.fromkeys(dimensions, _OTHERS), dimension: size} for dimension in dimensions for size in _UNEVEN
        ]
        choices.append(dict(zip(dimensions, _distinct(), strict=False)))
        choices += [{**dict.fromkeys(dimensions, 5), dimension: 0} for dimension in dimensions]
    choices.append(dict.fromkeys(dimensions, 0))
    found: list[dict[str, int]] = []
    for choice in map(consistent, choices):
        if choice not in found:
            found.append(choice)
    return sorted(found, key=lambda choice: sum(choice.values()) if any(choice.values()) else 0)


def consistent(sizes: dict[str, int]) -> dict[str, int]:
    """The same sizes, with distances between rows that are no shorter than any row."""
    longest = max(sizes.values(), default=0)
    return {name: longest if _LEADING.fullmatch(name) else size for name, size in sizes.items()}


def _distinct() -> Iterator[int]:
    """Primes, each for another dimension: an index with two of them swapped leaves the array."""
    yield from (19, 31, 23, 11, 37, 13, 29, 7)
    while True:
        yield 5
