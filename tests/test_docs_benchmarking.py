"""docs/benchmarking.md names only options that exist, and its numbers are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from hatframe import Kernel
from hatframe.arguments import MAX_CHOICES
from hatframe.bench import criterion, race, restoring, schedule, session
from hatframe.bench.options import BenchOptions
from hatframe.calling import drift
from hatframe.cli.main import build_app
from hatframe.results.estimation import QUANTILE

PAGE = (Path(__file__).parent.parent / "docs" / "benchmarking.md").read_text(encoding="utf-8")
FLOWING = " ".join(PAGE.split())


def test_no_option_is_named_that_does_not_exist() -> None:
    commands = typer.main.get_command(build_app(Kernel())).commands  # type: ignore[attr-defined]
    parameters = [*commands["bench"].params, *commands["show"].params]
    options = {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}
    named = set(re.findall(r"(?<![\w-])--[a-zA-Z][\w-]*", PAGE))
    assert named <= options | {"--help"}


@pytest.mark.parametrize(
    "statement",
    [
        f"when it has {criterion.DEFAULT_BATCHES} batches, {criterion.DEFAULT_MIN_TIME:g} s of them",
        f"known within {BenchOptions().precision:.0%}".replace("%", " %"),
        f"The share is {criterion.RUN_TIME:g} s divided by the number of functions, but at least "
        f"{criterion.SHORTEST_SHARE:g} s and at most {criterion.LONGEST_SHARE:g} s",
        f"except for {criterion.FEWEST_BATCHES} batches",
        f"**Batches** then take {criterion.BATCH_LENGTH * 1e3:g} ms",
        f"`time` is the {QUANTILE:.0%} quantile of the batches".replace("%", " %"),
        f"until they take {session.SHORTEST_BATCH * 1e3:g} ms",
        f"less than {session.STEADY * 100:g} %, or {session.LONGEST_WARM_UP:g} s have passed",
        f"({race.FEWEST_ROUNDS} to {race.MOST_ROUNDS} rounds)",
        f"over {race.FAR_BEHIND:g} times those of the leader, or if it is certainly slower by more than "
        f"{race.BEHIND * 100:g} %",
        f"at most {session.MAX_SETS} sets",
        f"beyond 2^{drift.MAX_GROWTH.hex().rpartition('+')[2]} times",
        f"{BenchOptions().default_size} for dimensions",
        f"in up to {restoring.PAIRS} pairs",
        f"differ by over {restoring.DIFFERENCE * 100:g} %",
        f"Functions of over {restoring.SLOW * 1e3:g} ms",
        f"at most {MAX_CHOICES:,}:",
    ],
)
def test_numbers_are_those_of_the_code(statement: str) -> None:
    assert statement in FLOWING


def test_what_is_saved_every_two_seconds_is() -> None:
    assert "Every two seconds, the batches so far are saved" in FLOWING
    assert schedule._SAVE_INTERVAL == 2.0
