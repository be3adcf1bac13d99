"""``hatframe build``: a package from plain C."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatframe.cli.common import counted, kernel_of, log, print_converted, waiting
from hatframe.cli.options import Json, LinkerName


def build(
    context: typer.Context,
    sources: Annotated[list[Path], typer.Argument(metavar="SRC.c...", help="The C files.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT.hat", help="The .hat file to write, or the folder to write it to."),
    ],
    functions: Annotated[
        list[str] | None,
        typer.Option(
            *("--functions", "--function"), metavar="NAME...", help="Describe only these functions: names or globs."
        ),
    ] = None,
    static: Annotated[bool, typer.Option("--static/--dynamic", help="Make a static or a dynamic library.")] = False,
    linker: LinkerName = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="PLATFORM",
            help="Build for another platform, such as x86_64-windows, aarch64-linux or x86_64-linux-musl.",
            show_default="this machine",
        ),
    ] = None,
    optimize: Annotated[
        int, typer.Option("-O", "--optimize", min=0, max=3, metavar="LEVEL", help="The optimization level, 0 to 3.")
    ] = 3,
    processor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Use the instructions of this processor: native, a name that the compiler knows, or none.",
            show_default="native, and none with --target",
        ),
    ] = None,
    cflags: Annotated[
        list[str] | None,
        typer.Option(metavar="FLAGS", help="Flags for the compiler, as one argument: --cflags '-std=c11 -fopenmp'."),
    ] = None,
    include: Annotated[
        list[Path] | None,
        typer.Option("-I", "--include", metavar="DIR", help="Look for headers in this folder. Repeatable."),
    ] = None,
    define: Annotated[
        list[str] | None, typer.Option("-D", "--define", metavar="NAME[=VALUE]", help="Define a macro. Repeatable.")
    ] = None,
    library: Annotated[
        list[str] | None,
        typer.Option("-l", "--library", metavar="LIB", help="Link this library, given by name or path. Repeatable."),
    ] = None,
    library_folder: Annotated[
        list[Path] | None,
        typer.Option("-L", "--library-folder", metavar="DIR", help="Look for libraries in this folder. Repeatable."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail, and write nothing, if a function is left out.")
    ] = False,
    json: Json = False,
    **options: str,
) -> None:
    """Build a package from C: compile the sources, and derive the metadata.

    Declarations give most of the metadata: float A[64][32] is an array of that shape, int n, const double x[n] an array
    whose size is an argument, and const marks an input. A comment above a function adds what C cannot express:

        @hat y[n] output              the size of a pointer that is only written
        @hat A[64][64] column-major   or a layout: strides [80][1] offset 160
        @hat count output             a number that the function sets
        @hat found[count] output      an array that the function allocates
        @hat flops: 2*m*n             the number of operations
        @hat author: Name             likewise version, license and comment

    Functions that cannot be described are left out and listed with the reason; with --strict, they fail the build. See
    docs/building.md.

        hatframe build gemm.c -o gemm.hat
        hatframe build a.c b.c -o ab.hat --static --cflags "-O2 -fopenmp" -l gomp
        hatframe build gemm.c -o gemm.hat --linker zig --target x86_64-windows
    """
    with waiting(f"building {output}", json):
        built = kernel_of(context).build(
            sources,
            output,
            functions=functions or (),
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
            strict=strict,
            **options,
        )
    more = {name: getattr(built, name) for name in ("functions", "unsupported", "dropped_results")}
    print_converted(built.written, json, **more)
    if not json:
        for each in built.unsupported:
            log.warning(f"left out {each.name} ({each.file}:{each.line}): {each.reason}")
        if dropped := built.dropped_results:
            log.warning(
                f"dropped the stored results of {counted(len(dropped), 'function')}, which the former build had;"
                f" measure again with: hatframe bench {built.written.hat} --sink hat"
            )
