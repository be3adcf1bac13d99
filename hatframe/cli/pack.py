"""``hatframe pack``: copy a package into a folder or a .zip file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatframe.cli.common import counted, kernel_of, log, print_json, show
from hatframe.cli.options import AllowOutside, Json
from hatframe.errors import listed


def pack(
    context: typer.Context,
    package: Annotated[Path, typer.Argument(metavar="PKG.hat", help="A .hat file of the package.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER|FILE.zip",
            help="A new or empty folder, or a .zip file, which is replaced.",
        ),
    ],
    allow_outside: AllowOutside = False,
    json: Json = False,
) -> None:
    """Copy a package with all of its files into a folder or a .zip file.

    Packed are the library, all of its .hat files in the folder, deploy_files, the sources of device functions, and the
    objects and libraries that dependencies name by path. Files keep their places; paths that would break elsewhere are
    rewritten. The same package always makes the same .zip file, byte for byte, which every command takes as it is.

        hatframe pack gemm.hat -o gemm.zip
        hatframe bench gemm.zip
    """
    packed = kernel_of(context).pack(package, output, allow_outside=allow_outside)
    if json:
        print_json(packed)
        return
    if packed.edited:
        log.info(f"rewrote paths in {listed(packed.edited)}")
    show(f"wrote {packed.path} with {counted(len(packed.files), 'file')}: {listed(packed.files)}")
