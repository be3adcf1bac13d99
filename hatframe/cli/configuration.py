"""Defaults of options from ``pyproject.toml`` and ``hatframe.toml``, in the current folder or the nearest above.

click takes the values from here for options that are neither on the command line nor in the environment.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hatframe import files
from hatframe.errors import UsageError

NO_CONFIG_VARIABLE = "HATFRAME_NO_CONFIG"

# A file can come with a package, which must not decide how far it is trusted.
TRUST = ("allow-outside", "allow-link-flag", "force")
_ACTIONS = ("help", "version", "no-config", "install-completion", "show-completion")


class Table(NamedTuple):
    """A table of defaults, and where it stands."""

    path: Path
    name: str
    values: dict[str, Any]

    def child(self, name: str) -> Table:
        """The table of a command, or of a command in a group."""
        values = self.values.get(name, {})
        child = Table(self.path, f"{self.name}.{name}" if self.name else name, values)
        if not isinstance(values, dict):
            raise child.error("it must be a table", hint=f"write [{child.name}]")
        return child

    def error(self, message: str, hint: str = "") -> UsageError:
        """An error in this table."""
        return UsageError(message, where=f"{self.path}: [{self.name}]" if self.name else str(self.path), hint=hint)


def find_tables(folder: Path) -> list[Table]:
    """The tables that hold for commands in ``folder``, those that take precedence last."""
    tables = []
    for name, keys in (("pyproject.toml", ("tool", "hatframe")), ("hatframe.toml", ())):
        for parent in (folder, *folder.parents):
            if (values := _read(parent / name, keys)) is not None:
                tables.append(Table(parent / name, ".".join(keys), values))
                break
    return tables


def _read(path: Path, keys: Sequence[str]) -> dict[str, Any] | None:
    try:
        text = files.read_file(path).decode()
    except (OSError, ValueError):
        return None
    if keys and keys[-1] not in text:
        return None  # most pyproject.toml files have nothing to say here, and reading one costs 10 ms
    import rtoml

    try:
        table: Any = rtoml.loads(text)
    except rtoml.TomlParsingError as error:
        raise UsageError(f"not valid TOML: {error}", where=str(path)) from None
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else None


def disabled_plugins(tables: Sequence[Table]) -> list[str]:
    """The plugins that the files disable, which must be known before their options are."""
    found: list[str] = []
    for table in tables:
        value = table.values.get("disable-plugin", [])
        found = [str(name) for name in (value if isinstance(value, list) else [value])] or found
    return found


def defaults(command: Any, tables: Sequence[Table]) -> dict[str, Any]:
    """What click takes as the ``default_map`` of ``command``; a :class:`UsageError` for a key that it does not have."""
    children = getattr(command, "commands", {})
    named = (name for name in children if any(name in table.values for table in tables))
    found = {name: defaults(children[name], [table.child(name) for table in tables]) for name in named}
    options = dict(_options(command))
    for table in tables:
        for key, value in table.values.items():
            if key in children:
                continue
            name = key.replace("_", "-")
            if name not in options:
                raise table.error(f"unknown key {key!r}", hint=_hint(children, key, options))
            if name in TRUST:
                hint = f"use --{name} or an environment variable: files may come with a package"
                raise table.error(f"{key!r} cannot be set in a file", hint=hint)
            found[options[name].name] = _value(options[name], value, table, key)
    return found


def _options(command: Any) -> Iterator[tuple[str, Any]]:
    for option in command.params:
        names = [name.removeprefix("--") for name in option.opts if name.startswith("--")]
        if names and not getattr(option, "hidden", False) and names[0] not in _ACTIONS:
            yield names[0], option


def _hint(children: dict[str, Any], key: str, options: dict[str, Any]) -> str:
    known = [*options, *children]
    if close := difflib.get_close_matches(key.replace("_", "-"), known, n=1):
        return f"did you mean {close[0]!r}?"
    if owners := [name for name, child in children.items() if key in dict(_options(child))]:
        return f"put it in the table of a command: {', '.join(owners)}"
    return f"known keys: {', '.join(known)}"


def _value(option: Any, value: Any, table: Table, key: str) -> Any:
    """The value as the command line would give it."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise table.error(f"{key} must be true or false")
        return value
    if option.multiple:
        return [_text(each, table, key) for each in (value if isinstance(value, list) else [value])]
    return _text(value, table, key)


def _text(value: Any, table: Table, key: str) -> str:
    if isinstance(value, (bool, list, dict)):
        raise table.error(f"{key} must be a string or a number")
    return str(value)
