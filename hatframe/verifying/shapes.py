"""Shapes: the sizes at which functions of any size tend to fail."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence

# Around the lanes of vector registers of all widths and types, and primes, which no blocking divides.
_EDGES = (1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33, 61, 63, 64, 65)
_LONG_EDGES = (127, 128, 129, 251, 255, 256, 257, 1021)

# The sizes of one dimension, while the others have the second number.
_UNEVEN, _OTHERS = (1, 2, 7, 8, 16, 29, 33), 17

# Random sizes, after those above: how many, up to which, and how often they may fail on the way to the smallest.
_EXAMPLES, _LARGEST, _MOST_FAILURES = 25, 150, 12

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


Sizes = dict[str, int]


def shrunk_shape(dimensions: Sequence[str], fails: Callable[[Sizes], bool], seed: int) -> Sizes | None:
    """The smallest sizes at which a function fails that hypothesis finds by random ones; None if it finds none."""
    import hypothesis
    from hypothesis import strategies

    failing: list[dict[str, int]] = []
    tried: dict[tuple[int, ...], bool] = {}

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=_EXAMPLES,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
        suppress_health_check=list(hypothesis.HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=hypothesis.Verbosity.quiet,
    )
    @hypothesis.given(strategies.fixed_dictionaries({name: strategies.integers(0, _LARGEST) for name in dimensions}))
    def attempt(drawn: dict[str, int]) -> None:
        sizes = consistent(drawn)
        key = tuple(sizes.values())
        if key not in tried:
            # A failure may cost a worker: a smaller example is not worth more of them.
            tried[key] = len(failing) < _MOST_FAILURES and fails(sizes)
            if tried[key]:
                failing.append(sizes)
        assert not tried[key]

    try:
        with _own_folder():
            attempt()
    except AssertionError:
        return min(failing, key=lambda sizes: sum(sizes.values()))
    except hypothesis.errors.HypothesisException:  # what fails only sometimes is for other checks
        pass
    return None


@contextlib.contextmanager
def _own_folder() -> Iterator[None]:
    """Have hypothesis keep its files in a temporary folder, rather than in the current one."""
    from hypothesis import configuration

    former = getattr(configuration, "__hypothesis_home_directory", None)
    with tempfile.TemporaryDirectory() as folder:
        configuration.set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            configuration.set_hypothesis_home_dir(former)


def consistent(sizes: dict[str, int]) -> dict[str, int]:
    """The same sizes, with distances between rows that are no shorter than any row."""
    longest = max(sizes.values(), default=0)
    return {name: longest if _LEADING.fullmatch(name) else size for name, size in sizes.items()}


def _distinct() -> Iterator[int]:
    """Primes, each for another dimension: an index with two of them swapped leaves the array."""
    yield from (19, 31, 23, 11, 37, 13, 29, 7)
    while True:
        yield 5
