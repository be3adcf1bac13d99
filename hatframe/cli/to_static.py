"""``hatframe to-static``: objects become one static library, which programs link with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatframe.cli.common import AllowLinkFlag, AllowOutside, LinkerName, kernel_of, print_converted, waiting


def to_static(
    context: typer.Context,
    package: Annotated[Path, typer.Argument(metavar="IN.hat", help="The .hat file of a package of objects.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT.hat", help="The .hat file to write, or a folder to write it to.")
    ],
    linker: LinkerName = None,
    add: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Put the objects of this object file or static library in too; repeatable."),
    ] = None,
    all_hats: Annotated[
        bool, typer.Option("--all", help="Convert every .hat file in the folder that is of the same library.")
    ] = False,
    allow_outside: AllowOutside = False,
    allow_link_flag: AllowLinkFlag = None,
    json: Annotated[bool, typer.Option("--json", help="Print the paths and the linker as JSON.")] = False,
) -> None:
    """Convert a package of objects to one with a static library.

    The object file or library of the package, the object files and static libraries that its dependencies name by
    a path, and those of --add become one archive (.a, or .lib for Windows) beside OUT.hat. Libraries that are known
    by name stay dependencies. A dynamic library cannot be taken apart.

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
        )
    print_converted(made, json)
