"""The help of commands: plain text in named panels, with every option's name in full at any width."""

from __future__ import annotations

import inspect
import math
import textwrap
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

# Names longer than this stand on a line of their own, so that the descriptions keep most of the width.
_NAME_WIDTH = 26

GLOBAL_PANEL = "Global options"


class _Help:
    """Replaces how click and typer format the help of a command.

    Of the spellings of an option, the first long and the short ones are shown; further long ones keep working unseen.
    """

    help: str | None
    epilog: str | None

    def format_usage(self, context: Any, formatter: Any) -> None:
        command: Any = self
        arguments = [each for each in command.get_params(context) if each.param_type_name == "argument"]
        words = [_value(each) if each.required else f"[{_value(each)}]" for each in arguments]
        words += ["COMMAND ..."] if isinstance(self, TyperGroup) else []
        formatter.write(f"{_heading('Usage')} {' '.join([context.command_path, '[OPTIONS]', *words])}\n")

    def format_help(self, context: Any, formatter: Any) -> None:
        command: Any = self
        self.format_usage(context, formatter)
        if command.help:
            formatter.write("\n" + _paragraphs(inspect.cleandoc(command.help), formatter.width) + "\n")
        panels = _panels(command, context)
        column = min(max(len(name) for rows in panels.values() for name, _ in rows), _NAME_WIDTH)
        for title, rows in panels.items():
            formatter.write(f"\n{_heading(title)}\n")
            for name, text in rows:
                formatter.write(_row(name, text, column, formatter.width))


class Command(_Help, TyperCommand):
    """A command."""

    def parse_args(self, context: Any, arguments: list[str]) -> list[str]:
        from hatframe.cli.arguments import normal_arguments

        parameter: Any
        spellings = {spelling for parameter in self.params for spelling in parameter.opts}
        try:
            rest = super().parse_args(context, normal_arguments(arguments, spellings))
            for parameter in self.params:
                value = context.params.get(parameter.name)
                if isinstance(value, float) and not math.isfinite(value):
                    raise typer.BadParameter(f"{value} is not a finite number", ctx=context, param=parameter)
            return rest
        except typer.BadParameter as error:
            error.message += _origin(context, error.param)
            raise


class Group(_Help, TyperGroup):
    """A group of commands."""

    def shown(self, context: Any, name: str) -> Any:
        """What the help shows of a command: an object with ``help``, ``short_help`` and ``hidden``."""
        return self.get_command(context, name)


def _origin(context: Any, parameter: Any) -> str:
    """Where a value that is not from the command line comes from, for its error."""
    source = context.get_parameter_source(parameter.name) if parameter else None
    if source and source.name == "ENVIRONMENT":
        return f" (from {context.auto_envvar_prefix}_{parameter.name.upper()})"
    return " (from hatframe.toml or pyproject.toml)" if source and source.name == "DEFAULT_MAP" else ""


def _heading(text: str) -> str:
    return typer.style(f"{text}:", bold=True)


def _panels(command: Any, context: typer.Context) -> dict[str, list[tuple[str, str]]]:
    """The rows of each panel: arguments, commands, options by their panel, and last those of every command."""
    panels: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Commands": []}
    common: list[tuple[str, str]] = []
    for parameter in command.get_params(context):
        if getattr(parameter, "hidden", False):
            continue
        if parameter.param_type_name == "argument":
            panels["Arguments"].append((_value(parameter), parameter.help or ""))
            continue
        panel = getattr(parameter, "rich_help_panel", None) or "Options"
        rows = common if "--help" in parameter.opts or panel == GLOBAL_PANEL else panels.setdefault(panel, [])
        rows.append((_names(parameter), _description(parameter, context)))
    if isinstance(command, Group):
        for name in command.list_commands(context):
            child = command.shown(context, name)
            if child is not None and not child.hidden:
                panels["Commands"].append((name, _summary(child.short_help or child.help or "")))
    panels[GLOBAL_PANEL] = common
    return {title: rows for title, rows in panels.items() if rows}


def _names(option: Any) -> str:
    """The spellings to show: ``-o, --output FILE``, ``--race / --no-race``."""
    names = ", ".join([*(name for name in option.opts if not name.startswith("--")), *_first_long(option.opts)])
    if option.secondary_opts:
        return f"{names} / {_first_long(option.secondary_opts)[0]}"
    if option.is_flag or option.count:
        return names
    return f"{names} {_value(option)}"


def _value(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _first_long(spellings: list[str]) -> list[str]:
    return [name for name in spellings if name.startswith("--")][:1]


def _description(option: Any, context: typer.Context) -> str:
    text = option.help or ""
    if option.required:
        return f"{text} [required]"
    default = context.lookup_default(option.name)
    if default is None:
        default = option.show_default if isinstance(option.show_default, str) else option.default
    if option.is_flag:
        default = _first_long(option.opts if default is True else option.secondary_opts)
    values = default if isinstance(default, (list, tuple)) else [default]
    shown = ", ".join(
        f"{value:g}" if isinstance(value, float) else str(getattr(value, "value", value)) for value in values
    )
    return text if shown in ("None", "") else f"{text} [default: {shown}]"


def _summary(text: str) -> str:
    """The first sentence."""
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split()).partition(". ")[0].removesuffix(".")


def _paragraphs(text: str, width: int) -> str:
    """A docstring with its paragraphs filled; those that are indented, such as examples, stay as they are."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(
        paragraph if paragraph.startswith(" ") else textwrap.fill(paragraph, width, break_on_hyphens=False)
        for paragraph in paragraphs
    )


def _row(name: str, text: str, column: int, width: int) -> str:
    lines = textwrap.wrap(text, width - column - 4, break_long_words=False, break_on_hyphens=False)
    head = typer.style(name, fg="cyan")
    if lines and len(name) <= column:
        head += " " * (column + 2 - len(name)) + lines.pop(0)
    return "".join(f"  {line}\n" for line in (head, *(" " * (column + 2) + line for line in lines)))
