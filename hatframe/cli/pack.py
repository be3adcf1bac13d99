"""``hatframe pack``: gather a package into a folder or a .zip file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatframe.cli.common import console, kernel_of, log, print_json
from hatframe.results.text import listed


def pack(
    context: typer.Context,
    package: Annotated[Path, typer.Argument(metavar="PKG.hat", help="A .hat file of the package.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER|FILE.zip",
            help="Where to: a folder that is new or empty, or a .zip file, which is replaced.",
        ),
    ],
    allow_outside: Annotated[
        bool,
        typer.Option("--allow-outside", help="Take files from outside of the package's folder too; trust it first."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the path and the files as JSON.")] = False,
) -> None:
    """Gather a package, so that it can be moved: to another folder, into an archive, to another machine.

    hatframe pack gemm.hat -o gemm.zip

    Packed are all .hat files of the same library in the folder, the library, the deploy_files, the sources of device
    functions, and the objects and libraries that the dependencies name by a path. The files stay as they are, and
    where they are beside each other; only a path that would not be found elsewhere is written anew. The same package
    gives the same .zip file, byte for byte. It is used as it is: hatframe bench gemm.zip
    """
    packed = kernel_of(context).pack(package, output, allow_outside=allow_outside)
    if json:
        print_json(packed)
        return
    if packed.edited:
        log.info(f"paths are written anew in {listed(packed.edited)}")
    number = f"{len(packed.files)} file" + ("" if len(packed.files) == 1 else "s")
    console().print(f"wrote {packed.path} with {number}: {listed(packed.files)}")
