"""The help of every command, as a terminal of 80 columns shows it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
import typer.main
from command_line import hatframe
from typer.testing import CliRunner

from hatframe import Kernel, hookimpl
from hatframe.cli.main import build_app


def commands(command: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield names, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, *names, name)


COMMANDS = dict(commands(typer.main.get_command(build_app(Kernel()))))
HIDDEN = {"--cpp", "--working-dir", "--working_dir"}
ALIASES = {
    *("--min-time-in-sec", "--min_time_in_sec", "--batch-size", "--batch_size", "--min_iterations"),
    *("--min-timing-iterations", "--min_timing_iterations", "--input-sets-minimum-size-MB"),
    *("--input_sets_minimum_size_MB", "--time_in_ms", "--results_file", "--store_in_hat", "--function", "--all"),
}


def help_of(*names: str) -> str:
    done = hatframe(*names, "--help", environment={**os.environ, "COLUMNS": "80"}, status=0)
    assert done.stderr == ""
    return done.stdout


def spellings(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", text))


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_option_is_shown_in_full(names: tuple[str, ...]) -> None:
    shown = spellings(help_of(*names))
    for option in COMMANDS[names].params:
        if option.param_type_name == "option":
            every = {*option.opts, *option.secondary_opts} - HIDDEN - ALIASES
            assert every <= shown
    assert not shown & (HIDDEN | ALIASES)


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_lines_fit_and_nothing_is_cut(names: tuple[str, ...]) -> None:
    text = help_of(*names)
    assert max(map(len, text.splitlines())) <= 80
    for mark in ("…", "<", "[[", "[default: (", "..."):
        assert mark not in re.sub(r"\b(PKG|FILE|NAME|KIND|COMMAND|SRC\.c|A B) ?\.\.\.", "", text)


def test_every_command_is_listed_with_its_first_sentence() -> None:
    text = " ".join(help_of().split())
    for (name,) in (names for names in COMMANDS if len(names) == 1):
        first = " ".join(COMMANDS[name,].help.split("\n\n")[0].split()).removesuffix(".")
        assert f"{name} {first}" in text


def test_options_of_bench_are_in_named_panels() -> None:
    panels = dict(re.findall(r"^(\S[^\n]*):\n((?:  [^\n]*\n)+)", help_of("bench"), re.MULTILINE))
    members = {title: spellings(rows) for title, rows in panels.items()}
    assert {"--functions", "--size", "--loader"} <= members["Selection"]
    assert {"--min-time", "--max-time", "--timeout"} <= members["Duration"]
    assert {"--input-data", "--seed", "--cache"} <= members["Inputs"]
    assert {"--sink", "--json"} <= members["Output"]
    assert {"--threads", "--cpu"} <= members["Machine"]
    assert members["Options of sink hat"] == {"--store-in-hat"}
    assert {"-q", "--quiet", "-v", "--verbose", "--log-level", "--debug", "-h", "--help"} <= members["Global options"]


def test_a_command_of_a_plugin_has_the_global_options_but_for_clashes() -> None:
    class Plugin:
        @hookimpl
        def hatframe_commands(self, app: typer.Typer) -> None:
            @app.command()
            def shout(word: str, loud: bool = typer.Option(False, "-v", "--loud", help="Shout louder.")) -> None:
                """Shout a word."""
                print(word.upper() + "!" * loud)

    app = build_app(Kernel(plugins=[Plugin()], entry_points=False))
    text = CliRunner().invoke(app, ["shout", "--help"]).output
    assert "-v, --loud" in text
    assert "--verbose" not in text
    assert "--log-level LEVEL" in text
    assert CliRunner().invoke(app, ["shout", "hey", "-v", "-q"]).output == "HEY!\n"
