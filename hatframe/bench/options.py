"""What a benchmark run can be asked for."""

from __future__ import annotations

from typing import Any

import msgspec

CACHES = ("cold", "hot")


class BenchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one run. Times are in seconds, sizes in bytes.

    Parameters
    ----------
    functions
        Names, base names or globs of the functions to measure; all where there are none.
    min_time, batches, min_iterations
        Each function is measured for at least this time and this many batches of at least this many calls. None has a
        default that a long function, or one that is clearly slower than others, need not reach.
    precision
        A function is measured until its mean is known within this fraction (the half-width of the 95 % interval) …
    max_time
        … or until it was measured for this time. None shares 45 s among all functions, from 0.1 to 2 s each.
    race
        Whether functions that are clearly slower than the leader get fewer batches.
    cache
        ``cold`` for input sets that no cache holds all of, ``hot`` for a single one.
    input_data
        ``random``, ``zeros``, ``ones``, or the path of an .npz file with an array for each parameter, by name.
    input_sets_size
        The least size of all input sets together; None for twice the last cache in front of their memory.
    seed
        Seeds the random inputs and the order of the functions.
    sizes
        Dimensions of runtime-sized functions; one result for each. Omitted ones are ``default_size``.
    threads
        The number of threads for functions that use OpenMP and its like; None leaves it to them.
    timeout
        A function that runs longer than this is killed.
    cpu
        The processor that the functions run on; None for any.
    force
        Measure packages whose requirements this machine does not meet.
    allow_outside
        Accept libraries and dependencies outside their package's folder.
    resume
        Continue an interrupted run with the same packages and options.
    backend_options
        The options that backends declare, by their keys.
    """

    functions: tuple[str, ...] = ()
    loader: str | None = None
    sinks: tuple[str, ...] = ()
    meters: tuple[str, ...] = ()
    min_time: float | None = None
    batches: int | None = None
    min_iterations: int = 1
    precision: float = 0.01
    max_time: float | None = None
    race: bool = True
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
    backend_options: dict[str, str] = {}

    def recorded(self) -> dict[str, Any]:
        """The options as the results document keeps them."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return plain
