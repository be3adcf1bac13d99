"""``hatframe plugins``: list the backends, where they come from, and whether they can work here."""

from __future__ import annotations

import typer

from hatframe.cli.common import kernel_of, print_json, print_table, show
from hatframe.cli.options import Json


def plugins(context: typer.Context, json: Json = False) -> None:
    """List the backends of all plugins, and whether they can work here.

    Plugins that are broken or disabled are listed below with the reason. To disable one, use hatframe
    --disable-plugin NAME, or set HATFRAME_DISABLE_PLUGINS=NAME,NAME.
    """
    registry = kernel_of(context).registry
    backends = registry.backends
    if json:
        print_json({"backends": backends, "plugins": registry.plugins})
        return

    rows = []
    for backend in backends:
        why = f"no: {backend.reason}" + (f" ({backend.install})" if backend.install else "")
        available = "yes" if backend.available else why
        owner = backend.distribution or "(given)"
        rows.append((backend.kind, backend.name, owner, backend.version, available, backend.summary))
    print_table(("kind", "name", "distribution", "version", "available", "summary"), rows)
    for plugin in (report for report in registry.plugins if report.status != "loaded"):
        owner = f" of {plugin.distribution} {plugin.version}" if plugin.distribution else ""
        show(f"plugin {plugin.name}{owner} {plugin.status}: {plugin.reason}")
