"""Completion of values in the shell: names of backends, and of the functions in the packages on the command line."""

from __future__ import annotations

from collections.abc import Callable

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
    given = [context.params.get(each.name) for each in context.command.params if each.param_type_name == "argument"]
    paths = [str(path) for paths in given if isinstance(paths, (list, tuple)) for path in paths]
    # Where the option to complete still lacks its value, the parser leaves the arguments in context.args.
    for path in (*paths, *context.args):
        try:
            packages = read_packages([path])
        except Exception:
            continue  # nothing can be said to the user here
        full = {name for package in packages for name in package.functions}
        names |= full | {base_name(name) for name in full}
    return sorted(name for name in names if name.startswith(incomplete))
