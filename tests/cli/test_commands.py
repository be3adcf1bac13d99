"""Commands that are made when they are first used, and all the same listed by the help."""

from __future__ import annotations

from typing import Any

import typer
import typer.main
from typer.testing import CliRunner

from hatframe import Kernel, hookimpl
from hatframe.backends import Option, Sink
from hatframe.cli.commands import Definition, LazyCommands, definition
from hatframe.cli.main import build_app


def greet() -> None:
    """Greet somebody. Politely."""


def test_a_command_is_made_once_when_it_is_looked_up() -> None:
    made: list[str] = []
    commands = LazyCommands({"greet": definition(greet, lambda: made.append("greet") or "command"), "other": "another"})
    assert list(commands) == ["greet", "other"]
    assert "greet" in commands
    assert len(commands) == 2
    assert made == []
    assert commands["greet"] == "command"
    assert dict(commands) == {"greet": "command", "other": "another"}
    assert made == ["greet"]


def test_a_definition_has_what_the_help_shows() -> None:
    defined = definition(greet, greet)
    assert defined == Definition("Greet somebody. Politely.", greet)
    assert not defined.hidden


def test_commands_can_be_replaced_and_removed() -> None:
    commands = LazyCommands({"greet": definition(greet, greet)})
    commands["greet"] = "another"
    assert commands["greet"] == "another"
    del commands["greet"]
    assert not commands


class Watched(Sink):
    """A sink whose options are looked at by the commands that have them only."""

    name = "watched"
    summary = "counts how often its options are read"
    reads = 0

    @property
    def options(self) -> tuple[Option, ...]:  # type: ignore[override]
        type(self).reads += 1
        return (Option(names=("--watched-option",), help="An option."),)

    def open(self, run: Any, path: Any) -> Any:
        raise NotImplementedError


class Plugin:
    @hookimpl
    def hatframe_sinks(self) -> list[Sink]:
        return [Watched()]

    @hookimpl
    def hatframe_commands(self, app: typer.Typer) -> None:
        @app.command()
        def bench() -> None:
            """Bench in another way."""
            print("another way")


def test_the_help_and_other_commands_do_not_look_at_the_options_of_backends() -> None:
    app = build_app(Kernel([Plugin()], entry_points=False))
    Watched.reads = 0
    assert "Write the results of an earlier run to sinks" in CliRunner().invoke(app, ["--help"]).output
    assert CliRunner().invoke(app, ["inspect", "--help"]).exit_code == 0
    assert Watched.reads == 0
    assert "--watched-option" in CliRunner().invoke(app, ["store", "--help"]).output


def test_a_command_of_a_plugin_replaces_the_one_of_that_name() -> None:
    app = build_app(Kernel([Plugin()], entry_points=False))
    assert "Bench in another way" in CliRunner().invoke(app, ["--help"]).output
    assert CliRunner().invoke(app, ["bench"]).output == "another way\n"
