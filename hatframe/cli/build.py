"""``hatframe build``: a package from plain C."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatframe.cli.common import LinkerName, kernel_of, log, print_converted, waiting


def build(
    context: typer.Context,
    sources: Annotated[list[Path], typer.Argument(metavar="SRC.c...", help="The C files.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT.hat", help="The .hat file to write, or a folder to write it to."),
    ],
    function: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Describe only this function; a name or a glob, repeatable.", show_default="all"
        ),
    ] = None,
    static: Annotated[
        bool, typer.Option("--static/--dynamic", help="Make a static library, or a dynamic one.")
    ] = False,
    linker: LinkerName = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="PLATFORM",
            help="Build for another platform: x86_64-windows, aarch64-linux, aarch64-macos, x86_64-linux-musl ...",
            show_default="this machine",
        ),
    ] = None,
    optimize: Annotated[int, typer.Option("--optimize", "-O", min=0, max=3, help="The level of optimization.")] = 3,
    processor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Use what this processor can do: native, or the compiler's name of one; none for any processor.",
            show_default="native, and none with --target",
        ),
    ] = None,
    cflags: Annotated[
        list[str] | None,
        typer.Option(metavar="FLAGS", help="More flags for the compiler, as one text: --cflags '-std=c11 -fopenmp'."),
    ] = None,
    include: Annotated[
        list[Path] | None, typer.Option("-I", "--include", metavar="DIR", help="Look for headers here; repeatable.")
    ] = None,
    define: Annotated[
        list[str] | None, typer.Option("-D", "--define", metavar="NAME[=VALUE]", help="Define a macro; repeatable.")
    ] = None,
    library: Annotated[
        list[str] | None,
        typer.Option("-l", "--library", metavar="LIB", help="Link this: a library's name or path; repeatable."),
    ] = None,
    library_folder: Annotated[
        list[Path] | None,
        typer.Option("-L", "--library-folder", metavar="DIR", help="Look for libraries here; repeatable."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was made and what was left out as JSON.")] = False,
) -> None:
    """Build a package from C: compile it, and describe the functions that it defines.

    hatframe build gemm.c -o gemm.hat

    The declarations tell the metadata: float A[64][32] is an array of that shape, int n, const double x[n] one
    whose size is an argument, const makes an input. What C cannot say stands in the comment above a function:

    - `@hat y[n] output` tells the size of a bare pointer, and that it is written only

    - `@hat A[64][64] column-major`, or `strides [80][1] offset 160`, tells another layout

    - `@hat count output` is a number that is set, and `@hat found[count] output` an array that is allocated

    - `@hat flops: 2*m*n` counts operations; `author:`, `version:`, `license:` and `comment:` are the package's

    Functions that cannot be described are listed with the reason, and left out. docs/building.md tells all of it.

    hatframe build stencil.c reduce.c -o kernels.hat --static --cflags "-std=c11 -fopenmp" -l gomp

    hatframe build gemm.c -o gemm_windows.hat --linker zig --target x86_64-windows
    """
    with waiting(f"building {output}", json):
        built = kernel_of(context).build(
            sources,
            output,
            functions=function or (),
            static=static,
            linker=linker,
            target=target,
            optimize=optimize,
            processor=processor,
            cflags=" ".join(cflags or ()),
            include=include or (),
            define=define or (),
            library=library or (),
            library_folder=library_folder or (),
        )
    print_converted(
        built.written, json, functions=built.functions, refused=[_as_json(refused) for refused in built.refused]
    )
    if not json:
        for refused in built.refused:
            log.warning(f"left out {refused.name} ({refused.file}:{refused.line}): {refused.reason}")


def _as_json(refused: object) -> dict[str, object]:
    import msgspec

    table: dict[str, object] = msgspec.to_builtins(refused)
    return table
