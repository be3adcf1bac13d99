"""What a benchmark run can be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

CACHES = ("cold", "hot")
INPUT_DATA = ("random", "zeros", "ones")


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
        Each function is measured for at least this time and this many batches, of at least so many calls each. What is
        None has a default that a long function, or one that is clearly slower than others, need not reach.
    precision
        A function is measured until its mean is known within this fraction (the half-width of the 95 % interval) …
    max_time
        … or until it was measured for so long. None shares 45 s among all functions, from 0.1 to 2 s each.
    race
        Whether functions that are clearly slower than the leader get fewer batches.
    timer
        ``native``, ``python``, or ``auto`` for the first that can be had; the loader may know others.
    cache
        ``cold`` for input sets that no cache holds all of, ``hot`` for a single one.
    input_data
        ``random``, ``zeros``, ``ones``, or the path of an .npz file with an array for each parameter, by name.
    input_sets_size
        The least size of all input sets together; None for twice the last-level cache.
    seed
        Seeds the random inputs and the order of the functions.
    sizes
        Dimensions of runtime-sized functions; one result for each. Those that are not given are ``default_size``.
    threads
        The number of threads for functions that use OpenMP and its like; None leaves it to them.
    timeout
        A function that does not return for so long is given up.
    cpu
        The processor that the functions run on; None for any.
    force
        Measure packages whose requirements this machine does not meet.
    allow_outside
        Take libraries and dependencies that lie outside of their package's folder.
    resume
        Go on from where a run with the same packages and options was ended.
    """

    functions: tuple[str, ...] = ()
    loader: str | None = None
    sinks: tuple[SinkChoice, ...] = ()
    min_time: float | None = None
    batches: int | None = None
    min_iterations: int = 1
    precision: float = 0.01
    max_time: float | None = None
    race: bool = True
    timer: str = "auto"
    cache: str = "cold"
    input_data: str = "random"
    input_sets_size: int | None = None
    seed: int = 0
    sizes: tuple[dict[str, int], ...] = ()
    default_size: int = 256
    threads: int | None = None
    timeout: float = 60.0
    cpu: int | None = None
    force: bool = False
    allow_outside: bool = False
    resume: bool = False

    def recorded(self) -> dict[str, Any]:
        """The options as the results document keeps them."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return plain
