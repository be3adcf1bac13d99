"""``hatframe plugins``: every backend, whose it is, and whether it can work here."""

from __future__ import annotations

from typing import Annotated

import typer

from hatframe.cli.common import console, kernel_of, print_json


def plugins(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every backend: its kind and name, whose it is, and whether it can work here.

    A plugin that is broken or left out is listed below with the reason.
    Leave one out with: hatframe --disable-plugin NAME, or by HATFRAME_DISABLE_PLUGINS=NAME,NAME.
    """
    registry = kernel_of(context).registry
    backends = registry.backends
    left_out = [report for report in registry.plugins if report.status != "loaded"]
    if json:
        print_json({"backends": backends, "plugins": registry.plugins})
        return

    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("kind", "name", "distribution", "version", "available", "summary"):
        table.add_column(column, overflow="fold")
    for backend in backends:
        why = f"no: {backend.reason}" + (f" ({backend.install})" if backend.install else "")
        table.add_row(
            backend.kind,
            backend.name,
            backend.distribution or "(given)",
            backend.version,
            "yes" if backend.available else why,
            backend.summary,
        )
    out = console()
    out.print(table)
    for plugin in left_out:
        owner = f" of {plugin.distribution} {plugin.version}" if plugin.distribution else ""
        out.print(f"plugin {plugin.name}{owner} is left out ({plugin.status}): {plugin.reason}")
