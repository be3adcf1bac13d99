"""The options of a verification."""

from __future__ import annotations

import msgspec

from hatframe.errors import UsageError

CHECKS = ("bounds", "usage", "determinism", "values", "shapes", "agreement", "crash", "timeout")
"""All checks, by the names that ``--only`` and ``--skip`` take and that findings have."""

QUICK_CHECKS = ("bounds", "usage", "agreement")
"""Those that precede measuring."""


class VerifyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one verification: the keywords of :meth:`hatframe.Kernel.verify`, with one type each.

    ``sizes`` are the choices of dimensions, and those that neither a choice nor an example gives are ``default_size``.
    With a ``budget`` of seconds for each row, a verification is quick: it ends at the first finding of a row, and
    leaves out what does not fit. Times are in seconds.
    """

    functions: tuple[str, ...] = ()
    checks: tuple[str, ...] = CHECKS
    loader: str | None = None
    sizes: tuple[dict[str, int], ...] = ()
    values: dict[str, int | float] = {}
    seed: int = 0
    timeout: float = 60.0
    reference: str = ""
    same: tuple[str, ...] = ()
    rtol: float | None = None
    atol: float | None = None
    budget: float | None = None
    force: bool = False
    allow_outside: bool = False
    backend_options: dict[str, str] = {}
    default_size: int = 64
    input_data: str = "random"
    meters: tuple[str, ...] = ("none",)


def chosen_checks(only: tuple[str, ...], skip: tuple[str, ...]) -> tuple[str, ...]:
    """The checks to make; raises :class:`UsageError` for unknown names, and where none is left."""
    for option, names in (("--only", only), ("--skip", skip)):
        if unknown := [name for name in names if name not in CHECKS]:
            raise UsageError(f"invalid check {unknown[0]!r}", where=option, hint=f"choose from {', '.join(CHECKS)}")
    chosen = tuple(name for name in CHECKS if (not only or name in only) and name not in skip)
    if not chosen:
        raise UsageError("no check is left", hint=f"there are {', '.join(CHECKS)}")
    return chosen
