"""``hatframe to-dynamic``: a static package becomes a dynamic one, which can be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatframe.cli.common import AllowLinkFlag, AllowOutside, LinkerName, kernel_of, print_converted, waiting


def to_dynamic(
    context: typer.Context,
    package: Annotated[Path, typer.Argument(metavar="IN.hat", help="The .hat file of the static package.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT.hat", help="The .hat file to write, or a folder to write it to.")
    ],
    linker: LinkerName = None,
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
    allow_outside: AllowOutside = False,
    allow_link_flag: AllowLinkFlag = None,
    json: Annotated[bool, typer.Option("--json", help="Print the paths and the linker as JSON.")] = False,
) -> None:
    """Convert a static package to a dynamic one.

    The whole static library is linked into a dynamic one, with what the .hat file itself defines; all its
    functions are exported, and a symbol that nothing defines is an error that names it. The new library lies
    beside OUT.hat and has its name; for Windows there is an import library too, which programs link with. The new
    .hat file is the old one, but for the library, the dependencies that are in it now, and stored durations.

    What the package's dependencies name must lie in its folder, be a library's name or one of a few known flags;
    anything else is refused unless you allow it.

    hatframe to-dynamic gemm_static.hat gemm.hat

    hatframe to-dynamic parallel.hat out/ -l omp -L /usr/lib/llvm-18/lib
    """
    with waiting(f"converting {package}", json):
        made = kernel_of(context).to_dynamic(
            package,
            output,
            linker=linker,
            library=library or (),
            library_folder=library_folder or (),
            all_hats=all_hats,
            allow_outside=allow_outside,
            allow_link_flag=allow_link_flag or (),
        )
    print_converted(made, json)
