"""The commands of a group, each made when it is first used: a command line runs one, and the help needs their names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple

from hatframe.cli.help import Group


class Definition(NamedTuple):
    """A command that is not made yet: what the help of its group shows, and what makes it."""

    help: str
    make: Callable[[], Any]
    short_help: str = ""
    hidden: bool = False


def definition(function: Callable[..., Any], make: Callable[[], Any]) -> Definition:
    """The definition of the command that a function is, whose docstring is the help."""
    return Definition(inspect.getdoc(function) or "", make)


class LazyCommands(MutableMapping[str, Any]):
    """Commands by name, which may be defined only."""

    def __init__(self, commands: Mapping[str, Any]) -> None:
        self.defined = dict(commands)

    def __getitem__(self, name: str) -> Any:
        command = self.defined[name]
        if isinstance(command, Definition):
            command = self.defined[name] = command.make()
        return command

    def __setitem__(self, name: str, command: Any) -> None:
        self.defined[name] = command

    def __delitem__(self, name: str) -> None:
        del self.defined[name]

    def __contains__(self, name: object) -> bool:
        return name in self.defined

    def __iter__(self) -> Iterator[str]:
        return iter(self.defined)

    def __len__(self) -> int:
        return len(self.defined)


def group_of(definitions: Mapping[str, Definition]) -> type[Group]:
    """The class of a group that has these commands before those that are added to it."""

    class LazyGroup(Group):
        def __init__(self, *, commands: Mapping[str, Any] | None = None, **settings: Any) -> None:
            # typer's hint asks for a dict, where click takes any mapping.
            lazy: Any = LazyCommands({**definitions, **(commands or {})})
            super().__init__(commands=lazy, **settings)

        def list_commands(self, context: Any) -> list[str]:
            return list(self.commands)

        def shown(self, context: Any, name: str) -> Any:
            assert isinstance(self.commands, LazyCommands)
            return self.commands.defined[name]

    return LazyGroup
