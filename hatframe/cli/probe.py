"""``hatframe probe``: show the facts of this machine."""

from __future__ import annotations

import textwrap

import typer

from hatframe.cli.common import console, kernel_of, print_json
from hatframe.cli.options import Json
from hatframe.errors import printable

_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def probe(context: typer.Context, json: Json = False, **options: str) -> None:
    """Show the facts of this machine: platform, caches, instruction sets.

    Benchmarks size their inputs by the caches. Packages that require an instruction set that this machine lacks are
    refused. Facts that the operating system does not report are left out.
    """
    machine = kernel_of(context).probe(**options)
    if json:
        print_json(machine)
        return

    rows = [("platform", str(machine.platform))]
    for name, details in machine.details.items():
        rows += ((f"{name} {key}".replace("_", " "), str(value)) for key, value in details.items())
    for cache in machine.caches:
        kind = "cache" if cache.kind == "unified" else f"{cache.kind} cache"
        lines = f"lines of {cache.line_size} bytes" if cache.line_size else ""
        shared = f"shared by {cache.shared_by} logical cores" if cache.shared_by > 1 else ""
        rows.append((f"L{cache.level} {kind}", ", ".join(filter(None, (size_text(cache.size), lines, shared)))))
    if present := sorted(name for name, has in machine.extensions.items() if has):
        rows.append(("extensions", " ".join(present)))
    out = console()
    indent = max(len(label) for label, _ in rows) + 2
    for label, text in rows:
        wrapped = textwrap.wrap(printable(text), max(out.width - indent, 20), break_on_hyphens=False)
        out.print(label.ljust(indent) + f"\n{'':{indent}}".join(wrapped))


def size_text(size: int) -> str:
    """A size in bytes for people, in the largest binary unit that it fills: ``48 KiB``, ``1.25 MiB``."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{round(size / unit, 2):g} {name}"
    return f"{size} bytes"
