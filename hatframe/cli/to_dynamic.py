"""``hatframe to-dynamic``: a static package becomes a dynamic one, which can be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatframe.cli.common import console, kernel_of, print_json


def to_dynamic(
    context: typer.Context,
    package: Annotated[Path, typer.Argument(metavar="IN.hat", help="The .hat file of the static package.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT.hat", help="The .hat file to write, or a folder to write it to.")
    ],
    linker: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The linker; without it the first that can work here."),
    ] = None,
    library: Annotated[
        list[str] | None,
        typer.Option(
            "-l",
            "--library",
            metavar="LIB",
            help="Link this too: a library's name, or the path of a library or object file; repeatable.",
        ),
    ] = None,
    library_folder: Annotated[
        list[Path] | None,
        typer.Option(
            "-L",
            "--library-folder",
            metavar="DIR",
            help="Look for libraries here, also at run time; repeatable.",
        ),
    ] = None,
    all_hats: Annotated[
        bool, typer.Option("--all", help="Convert every .hat file in the folder that is of the same library.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the paths and the linker as JSON.")] = False,
) -> None:
    """Convert a static package to a dynamic one.

    The whole static library is linked into a dynamic one, with what the .hat file itself defines; all its
    functions are exported, and a symbol that nothing defines is an error that names it. The new library lies
    beside OUT.hat and has its name. The new .hat file is the old one, but for the library, the dependencies
    that are in it now, and stored durations.

    hatframe to-dynamic gemm_static.hat gemm.hat

    hatframe to-dynamic parallel.hat out/ -l omp -L /usr/lib/llvm-18/lib
    """
    made = kernel_of(context).to_dynamic(
        package,
        output,
        linker=linker,
        libraries=library or (),
        library_folders=library_folder or (),
        all_hats=all_hats,
    )
    if json:
        print_json({"hat": made.hat, "library": made.library, "linker": made.linker})
        return
    others = f" and {len(made.other_hats)} more .hat files" if made.other_hats else ""
    console().print(f"wrote {made.hat}{others} and {made.library}, linked with {made.linker}")
