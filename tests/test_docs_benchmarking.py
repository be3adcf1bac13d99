"""docs/benchmarking.md names every option of ``hatframe bench`` and no other, and its numbers are those of the code."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from command_line import hatframe

from hatframe.bench import criterion, drift, inputs, race, schedule, session
from hatframe.bench.options import BenchOptions

PAGE = (Path(__file__).parent.parent / "docs" / "benchmarking.md").read_text(encoding="utf-8")
FLOWING = " ".join(PAGE.split())

OPTION = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")


@pytest.fixture(scope="module")
def options() -> set[str]:
    """All spellings of all options, as the help lists them."""
    done = hatframe("bench", "--help", environment={**os.environ, "COLUMNS": "400"}, status=0)
    lines = [re.match(r"\W*(--.*)", line) for line in done.stdout.splitlines()]
    # The names stand before the first wide gap, but for a short form or an opposite.
    listed = {name for line in lines if line for name in OPTION.findall(re.split(r"\s<|\s{2,}[A-Z]", line[1])[0])}
    assert len(listed) > 40
    return listed


def test_every_option_is_explained(options: set[str]) -> None:
    rows = [line for line in PAGE.partition("## Options")[2].splitlines() if line.startswith("| `-")]
    explained = {name for row in rows for code in re.findall(r"`([^`]*)`", row) for name in OPTION.findall(code)}
    assert explained == options - {"--help", "-h"}


def test_no_option_is_named_that_does_not_exist(options: set[str]) -> None:
    named = {name for name in OPTION.findall(PAGE) if name.startswith("--")}
    assert named <= options


@pytest.mark.parametrize(
    "statement",
    [
        f"when it has {criterion.DEFAULT_BATCHES} batches, {criterion.DEFAULT_MIN_TIME:g} s of them",
        f"known within {BenchOptions().precision:.0%}".replace("%", " %"),
        f"The share is {criterion.RUN_TIME:g} s divided by the number of functions, but at least "
        f"{criterion.SHORTEST_SHARE:g} s and at most {criterion.LONGEST_SHARE:g} s",
        f"but for {criterion.FEWEST_BATCHES} batches",
        f"take {criterion.batch_length(100) * 1e3:g} ms ({criterion.batch_length(101) * 1e3:g} ms where there are more "
        "than 100 functions)",
        f"until they take {session.SHORTEST_BATCH * 1e3:g} ms",
        f"less than {session.STEADY * 100:g} %, or {session.LONGEST_WARM_UP:g} s are over",
        f"(from {race.FEWEST_ROUNDS} to {race.MOST_ROUNDS} rounds)",
        f"over {race.FAR_BEHIND:g} times that of the leader, or which is slower by more than {race.BEHIND * 100:g} %",
        f"no more than {inputs.MAX_SETS} sets",
        f"beyond 2^{drift.MAX_GROWTH.hex().rpartition('+')[2]} times",
        f"for so long; {BenchOptions().timeout:g} |",
        f"{BenchOptions().default_size} where not given",
    ],
)
def test_numbers_are_those_of_the_code(statement: str) -> None:
    assert statement in FLOWING


def test_what_is_said_to_happen_every_two_seconds_does() -> None:
    assert "Every two seconds the batches so far are saved" in FLOWING
    assert schedule._SAVE_INTERVAL == 2.0
