"""``hatframe to-static``: convert a package of objects to one with a static library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatframe.cli.common import kernel_of, print_converted, waiting
from hatframe.cli.options import AllHats, AllowLinkFlag, AllowOutside, InHat, Json, LinkerName, OutHat


def to_static(
    context: typer.Context,
    package: InHat,
    output: OutHat,
    linker: LinkerName = None,
    add: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Add this object file, or the objects of this static library. Repeatable."),
    ] = None,
    all_hats: AllHats = False,
    allow_outside: AllowOutside = False,
    allow_link_flag: AllowLinkFlag = None,
    json: Json = False,
    **options: str,
) -> None:
    """Convert a package of objects to one with a static library.

    The archive (.a, or .lib for Windows) beside OUT.hat contains the object file or library of the package, the object
    files and static libraries that its dependencies name by path, and those of --add. Libraries that are known by name
    stay dependencies.

        hatframe to-static package_of_objects.hat package.hat
        hatframe to-static main.hat all.hat --add helpers.o --add extra.a
    """
    with waiting(f"converting {package}", json):
        made = kernel_of(context).to_static(
            package,
            output,
            linker=linker,
            add=add or (),
            all_hats=all_hats,
            allow_outside=allow_outside,
            allow_link_flag=allow_link_flag or (),
            **options,
        )
    print_converted(made, json)
