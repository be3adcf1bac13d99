"""What a benchmark run can be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


class SinkChoice(msgspec.Struct, frozen=True):
    """A sink to write results to, by name, with the path and the options that it was given."""

    name: str
    path: Path | None = None
    options: dict[str, str] = {}


class BenchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one run. Times are in seconds, sizes in bytes.

    Parameters
    ----------
    functions
        Names, base names or globs of the functions to measure; all where there are none.
    min_time, batches, min_iterations
        Each function is measured for at least this time and this many batches, of at least so many calls each.
    input_sets_size
        The least size of all input sets together; None for twice the last-level cache.
    seed
        Seeds the random inputs: the same seed gives the same inputs.
    sizes
        Dimensions of runtime-sized functions; one result for each. None gives each ``default_size``.
    threads
        The number of threads for functions that use OpenMP and its like; None leaves it to them.
    force
        Measure packages whose requirements this machine does not meet.
    """

    functions: tuple[str, ...] = ()
    loader: str | None = None
    sinks: tuple[SinkChoice, ...] = ()
    min_time: float = 0.5
    batches: int = 10
    min_iterations: int = 1
    input_sets_size: int | None = None
    seed: int = 0
    sizes: tuple[dict[str, int], ...] = ()
    default_size: int = 256
    threads: int | None = None
    force: bool = False

    def recorded(self) -> dict[str, Any]:
        """The options as the results document keeps them."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return plain
