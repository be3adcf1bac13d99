"""A small package for the checks: C functions that take arguments in each way, and their .hat file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hatframe.backends import Linker, SharedLibrary
from hatframe.binary.libraries import LibraryKind, identify
from hatframe.format.model import (
    Dependencies,
    Function,
    HatFile,
    LogicalType,
    Parameter,
    Required,
    RequiredCpu,
    Target,
    Usage,
)
from hatframe.format.rendering import render_hat, to_document
from hatframe.machine import Platform
from hatframe.packages.package import Package, read_package

# No header is included: a compiler without a C library can compile it too.
SOURCE = """
void add(const float *a, const float *b, float *c) { for (int i = 0; i < 12; i++) c[i] = a[i] + b[i]; }
void column(const double *a, double *b) {
    for (int j = 0; j < 4; j++) for (int i = 0; i < 3; i++) b[j * 3 + i] = a[j * 3 + i] + 100 * i + j;
}
void scale(int n, float factor, const float *x, float *y) { for (int i = 0; i < n; i++) y[i] = factor * x[i]; }
float total(const float *x) { float sum = 0; for (int i = 0; i < 12; i++) sum += x[i]; return sum; }
void next(int x, int *y) { *y = x + 1; }
void grow(float *x) { for (int i = 0; i < 16; i++) x[i] *= 1e30f; }
void step(int *counter) { for (int i = 0; i < 16; i++) counter[i]++; }
void work(int *counter) { volatile int spin = 3000000; while (spin) spin--; for (int i = 0; i < 16; i++) counter[i]++; }
"""

_C_TYPES = {"float": "float", "double": "double", "int32_t": "int"}


def _parameter(
    name: str, element: str, usage: Usage, kind: LogicalType, pointer: str = "*", **described: Any
) -> Parameter:
    declared = f"{_C_TYPES[element]}{pointer}"
    return Parameter(
        logical_type=kind, name=name, declared_type=declared, element_type=element, usage=usage, **described
    )


def _affine(name: str, shape: tuple[int, ...], strides: tuple[int, ...], element: str, usage: Usage) -> Parameter:
    return _parameter(name, element, usage, LogicalType.AFFINE_ARRAY, shape=shape, affine_map=strides)


def _functions() -> dict[str, Function]:
    read, write, both = Usage.INPUT, Usage.OUTPUT, Usage.INPUT_OUTPUT
    number, runtime = LogicalType.ELEMENT, LogicalType.RUNTIME_ARRAY
    signatures: Mapping[str, tuple[Parameter, ...]] = {
        "add": tuple(_affine(name, (3, 4), (4, 1), "float", write if name == "c" else read) for name in "abc"),
        "column": tuple(_affine(name, (3, 4), (1, 3), "double", write if name == "b" else read) for name in "ab"),
        "scale": (
            _parameter("n", "int32_t", read, number, ""),
            _parameter("factor", "float", read, number, ""),
            _parameter("x", "float", read, runtime, size="n"),
            _parameter("y", "float", write, runtime, size="n"),
        ),
        "total": (_affine("x", (12,), (1,), "float", read),),
        "next": (_parameter("x", "int32_t", read, number, ""), _parameter("y", "int32_t", write, number)),
        "grow": (_affine("x", (16,), (1,), "float", both),),
        "step": (_affine("counter", (16,), (1,), "int32_t", both),),
        "work": (_affine("counter", (16,), (1,), "int32_t", both),),
    }
    functions = {name: Function(name=name, arguments=arguments) for name, arguments in signatures.items()}
    total = msgspec.structs.replace(functions["total"], return_value=_parameter("", "float", write, number, ""))
    return {**functions, "total": total}


FUNCTIONS = _functions()
"""The functions of the sample, by name."""


def write_sample(folder: Path, link_target: str) -> Path:
    """Write the .hat file of the sample, without its library, and return its path."""
    host = Platform.host()
    hat = HatFile(
        functions=FUNCTIONS,
        target=Target(required=Required(os=host.os, cpu=RequiredCpu(architecture=host.architecture))),
        dependencies=Dependencies(link_target=link_target),
    )
    path = folder / "sample.hat"
    path.write_text(render_hat(to_document(hat), "sample"), encoding="utf-8")
    return path


def make_sample(folder: Path, linker: Linker) -> Package:
    """Compile the sample into a dynamic library in ``folder``, with its .hat file."""
    source, compiled = folder / "sample.c", folder / "sample.o"
    source.write_text(SOURCE, encoding="utf-8")
    linker.compile(source, compiled)
    library = identify(compiled)
    output = folder / library.dynamic_name("sample")
    linker.link_shared(SharedLibrary(output=output, objects=(compiled,), exports=tuple(FUNCTIONS)))
    if identify(output).kind is not LibraryKind.DYNAMIC:
        raise AssertionError(f"linker {linker.name!r} breaks its contract: link_shared makes a dynamic library")
    return read_package(write_sample(folder, output.name))
