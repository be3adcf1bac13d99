"""The quick verification that precedes measuring: a function that is wrong must not be the fastest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hatframe.backends import Observer
from hatframe.outcomes import Finding
from hatframe.packages.package import Package
from hatframe.rows import Row
from hatframe.toolchain.tool import private_folder
from hatframe.verifying.options import QUICK_CHECKS, VerifyOptions
from hatframe.verifying.run import Verifier
from hatframe.verifying.session import Backends

# Seconds for each row.
BUDGET = 0.1

# Seconds: a function that has not returned by then is left to the benchmark, whose time limit is the user's.
_LONGEST_CALL = 2.0


class Verdict(msgspec.Struct, frozen=True):
    """What a quick verification says of a row: the ``checks`` that were made, and what is wrong, if anything."""

    checks: tuple[str, ...] = ()
    finding: Finding | None = None


class _Messages(Observer):
    """Passes messages on: the progress of a run is that of measuring."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify

    def message(self, text: str) -> None:
        self._notify(text)


def verify_quickly(
    packages: Sequence[Package],
    rows: Sequence[Row],
    chosen: Sequence[int],
    *,
    backends: Backends,
    notify: Callable[[str], None],
    environment: dict[str, str],
    loader: str | None = None,
    seed: int = 0,
    input_data: str = "random",
    sizes: tuple[dict[str, int], ...] = (),
    timeout: float = _LONGEST_CALL,
) -> dict[int, Verdict]:
    """Verify those of ``rows`` that are ``chosen``; what crashes here or takes long is not verified.

    Without ``sizes`` of the user's, functions of any size are called with a small odd one too: one that is wrong there
    must not win with its default size.
    """
    options = VerifyOptions(
        checks=QUICK_CHECKS,
        budget=BUDGET,
        loader=loader,
        seed=seed,
        input_data=input_data,
        sizes=sizes,
        timeout=min(timeout, _LONGEST_CALL),
    )
    with (
        private_folder() as folder,
        Verifier(packages, rows, options, backends, _Messages(notify), folder, environment) as verifier,
    ):
        for row in chosen:
            verifier.verify(row)
        verifier.compare()
    verdicts = {}
    for row in chosen:
        compared = ("agreement",) if row in verifier.compared_rows else ()
        finding = verifier.found.get(row)
        checks = dict.fromkeys((*verifier.checked.get(row, ()), *compared, *([finding.check] if finding else [])))
        verdicts[row] = Verdict(tuple(checks), finding)
    return verdicts
