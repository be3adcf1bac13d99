"""``hatframe to-dynamic``: convert a static package to a dynamic one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatframe.cli.common import kernel_of, print_converted, waiting
from hatframe.cli.options import AllHats, AllowLinkFlag, AllowOutside, InHat, Json, LinkerName, OutHat


def to_dynamic(
    context: typer.Context,
    package: InHat,
    output: OutHat,
    linker: LinkerName = None,
    library: Annotated[
        list[str] | None,
        typer.Option(
            "-l",
            "--library",
            metavar="LIB",
            help="Link this library, given by name, or by the path of a library or object file. Repeatable.",
        ),
    ] = None,
    library_folder: Annotated[
        list[Path] | None,
        typer.Option(
            "-L",
            "--library-folder",
            metavar="DIR",
            help="Look for libraries in this folder, also at run time. Repeatable.",
        ),
    ] = None,
    all_hats: AllHats = False,
    allow_outside: AllowOutside = False,
    allow_link_flag: AllowLinkFlag = None,
    json: Json = False,
    **options: str,
) -> None:
    """Convert a static package to a dynamic one.

    The new library contains the whole static library and what the .hat file itself defines, exports all functions, and
    lies beside OUT.hat under its name. For Windows there is an import library as well. An undefined symbol is an error.

    Dependencies must lie in the package's folder, be names of libraries, or be one of a few known flags; hatframe
    refuses others unless you allow them.

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
            **options,
        )
    print_converted(made, json)
