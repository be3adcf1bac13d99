"""Completion of values in the shell: names of backends, and of the functions in the packages on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import typer


def complete_backends(kind: str) -> Callable[[typer.Context, str], list[tuple[str, str]]]:
    """Completes the names of the backends of a kind that can be used here."""

    def complete(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        backends = getattr(context.find_root().obj.registry, f"{kind}s").all()
        return [(backend.name, backend.summary) for backend in backends if backend.name.startswith(incomplete)]

    return complete


def complete_functions(context: typer.Context, incomplete: str) -> list[str]:
    """Completes the names and base names of the functions in the packages that are given already."""
    from hatframe.format.names import base_name
    from hatframe.packages.package import read_packages

    names: set[str] = set()
    for path in _arguments(context):
        try:
            packages = read_packages([path])
        except Exception:
            continue  # nothing can be said to the user here
        full = {name for package in packages for name in package.functions}
        names |= full | {base_name(name) for name in full}
    return sorted(name for name in names if name.startswith(incomplete))


def _arguments(context: typer.Context) -> Iterator[str]:
    for parameter in context.command.params:
        value: Any = context.params.get(parameter.name)
        if parameter.param_type_name == "argument" and isinstance(value, (list, tuple)):
            yield from map(str, value)
    # Where the option to complete still lacks its value, the parser leaves the arguments here.
    yield from context.args
