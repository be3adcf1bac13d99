"""The options of a benchmark run."""

from __future__ import annotations

from typing import Any

import msgspec

CACHES = ("cold", "hot")
MOST_PROCESSES = 64


class BenchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one run: the keywords of :meth:`hatframe.Kernel.bench`, with one type each.

    ``sizes`` are the choices of dimensions, and those that a choice omits are ``default_size``. ``values`` are those of
    other scalars. ``backend_options`` are
    the options of backends that may change figures. Times are in seconds, sizes in bytes.
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
    values: dict[str, int | float] = {}
    restore: str = "auto"
    default_size: int = 256
    threads: int | None = None
    timeout: float = 60.0
    cpu: int | None = None
    processes: int = 2
    force: bool = False
    allow_outside: bool = False
    resume: bool = False
    verify: bool = True
    backend_options: dict[str, str] = {}

    def recorded(self) -> dict[str, Any]:
        """The options as the results document keeps them."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return plain
