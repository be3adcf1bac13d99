"""Makes real packages for the tests: C source, compiled here, and the .hat file that describes it."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hatframe.format.reading import read_hat

OS = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}[platform.system()]
LINKERS = ("gcc", "clang", "zig", "msvc")
"""The plugins that compile: without them there is no compiler."""
ARCHITECTURE = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())


def compiler(name: str = "cc") -> str:
    """The path of a compiler; the test is skipped where there is none."""
    found = shutil.which(name) or (shutil.which("gcc") or shutil.which("clang") if name == "cc" else None)
    if not found:
        pytest.skip(f"no {name} on this machine")
    return found


def affine(
    name: str = "",
    shape: Sequence[int] = (),
    element: str = "float",
    usage: str = "input",
    affine_map: Sequence[int] | None = None,
    offset: int = 0,
) -> dict[str, Any]:
    """An affine_array parameter; row-major unless ``affine_map`` tells otherwise."""
    if affine_map is None:
        affine_map, step = [], 1
        for extent in reversed(shape):
            affine_map.insert(0, step)
            step *= extent
    return {
        "name": name,
        "description": "",
        "logical_type": "affine_array",
        "declared_type": f"{element}*",
        "element_type": element,
        "usage": usage,
        "shape": list(shape),
        "affine_map": list(affine_map),
        "affine_offset": offset,
    }


def runtime(
    name: str, size: str, element: str = "float", usage: str = "input", declared: str | None = None
) -> dict[str, Any]:
    """A runtime_array parameter."""
    return {
        "name": name,
        "description": "",
        "logical_type": "runtime_array",
        "declared_type": declared or f"{element}*",
        "element_type": element,
        "usage": usage,
        "size": size,
    }


def element(name: str, c_type: str = "int", usage: str = "input", declared: str | None = None) -> dict[str, Any]:
    """An element parameter, by value unless it is an output."""
    return {
        "name": name,
        "description": "",
        "logical_type": "element",
        "declared_type": declared or (c_type if usage == "input" else f"{c_type}*"),
        "element_type": c_type,
        "usage": usage,
    }


RANGE_SOURCE = """
#include <stdint.h>
#include <stdlib.h>
void Range(const int32_t *start, const int32_t *limit, const int32_t *delta, uint32_t *count, int32_t **output) {
    const int64_t span = (int64_t)*limit - *start;
    *count = span > 0 ? (uint32_t)((span + *delta - 1) / *delta) : 0;
    *output = malloc(*count * sizeof(int32_t));
    for (uint32_t i = 0; i < *count; i++) (*output)[i] = *start + (int32_t)i * *delta;
}
"""


def range_function(**more: Any) -> dict[str, Any]:
    """The sample of the format: arrays without axes as inputs, and an output of a size that the function sets."""
    scalars = [affine(name, [], "int32_t") for name in ("start", "limit", "delta")]
    output = runtime("output", "count", "int32_t", "output", declared="int32_t**")
    return function(*scalars, element("count", "uint32_t", "output"), output, **more)


VOID = {
    "name": "",
    "description": "",
    "logical_type": "void",
    "declared_type": "void",
    "element_type": "void",
    "usage": "output",
}


def function(*arguments: Mapping[str, Any], returns: Mapping[str, Any] = VOID, **more: Any) -> dict[str, Any]:
    """A function table; its name is set by :func:`document`."""
    return {
        "description": "",
        "calling_convention": "cdecl",
        "arguments": [dict(argument) for argument in arguments],
        "return": dict(returns),
        **more,
    }


def document(functions: Mapping[str, Mapping[str, Any]], link_target: str, code: str = "") -> dict[str, Any]:
    """A whole .hat document for this machine."""
    return {
        "description": {"comment": "", "author": "", "version": "1", "license_url": ""},
        "functions": {name: {"name": name, **table} for name, table in functions.items()},
        "target": {"required": {"os": OS, "CPU": {"architecture": ARCHITECTURE, "extensions": []}}},
        "dependencies": {"link_target": link_target, "deploy_files": [], "dynamic": []},
        "compiled_with": {"compiler": "", "flags": "", "crt": "", "libraries": []},
        "declaration": {"code": code},
    }


def hat_text(table: Mapping[str, Any], guard: str = "test_package") -> str:
    """A document as Accera writes it: the code in a basic multi-line string between #endif and #ifdef."""
    import tomlkit

    table = dict(table)
    code = table.pop("declaration")["code"]
    body = tomlkit.dumps(table)
    return (
        f"\n#ifndef __{guard}__\n#define __{guard}__\n\n#ifdef TOML\n{body}\n[declaration]\n"
        f'code = """\n#endif // TOML\n{code}\n#ifdef TOML\n"""\n\n#endif // TOML\n\n#endif // __{guard}__\n'
    )


def make_package(
    folder: Path,
    source: str,
    functions: Mapping[str, Mapping[str, Any]],
    *,
    name: str = "package",
    static: bool = False,
    code: str = "",
    flags: Sequence[str] = (),
    change: Mapping[str, Any] | None = None,
) -> Path:
    """Compile ``source`` and write a .hat file beside it; gives the .hat file's path.

    ``change`` replaces whole top-level tables of the document.
    """
    made = library(folder, source, name, static=static, flags=flags)
    table = document(functions, made.name, code)
    table.update(change or {})
    path = folder / f"{name}.hat"
    path.write_text(hat_text(table, name))
    return path


def library(
    folder: Path, source: str, name: str = "package", *, static: bool = False, flags: Sequence[str] = ()
) -> Path:
    """Compile ``source`` to a library in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.c").write_text(source)
    if "HATFRAME_TEST_SHARED" not in os.environ:
        return _compile(folder, source, name, static, flags)
    path = folder / f"{name}{'.a' if static else '.so'}"
    shutil.copy(_compiled(source, name, static, flags), path)
    return path


def _compiled(source: str, name: str, static: bool, flags: Sequence[str]) -> Path:
    """A library that is compiled once for all tests of a run that ask for the same."""
    digest = hashlib.sha256(repr((source, name, static, list(flags))).encode()).hexdigest()
    made = Path(os.environ["HATFRAME_TEST_SHARED"], "libraries", digest)
    if not made.exists():
        made.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as folder:
            _compile(Path(folder), source, name, static, flags).replace(made)
    return made


def _compile(folder: Path, source: str, name: str, static: bool, flags: Sequence[str]) -> Path:
    c_file = folder / f"{name}.c"
    c_file.write_text(source)
    command = [compiler(), "-O2", "-fPIC", *flags]
    if static:
        library = folder / f"{name}.a"
        objects = folder / f"{name}.o"
        subprocess.run([*command, "-c", "-o", objects, c_file], check=True)
        subprocess.run([compiler("ar"), "rcs", library, objects], check=True)
        objects.unlink()
    else:
        library = folder / f"{name}.so"
        subprocess.run([*command, "-shared", "-o", library, c_file, "-lm"], check=True)
    return library


def call(hat: Path, name: str = "next_0123456789abcdef", argument: int = 41) -> int:
    """What a function of a dynamic package makes of an int, in a process of its own.

    In one process the system takes a library that another needs for one of the same name that is open already.
    """
    library = read_hat(hat).library
    assert library is not None
    code = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1])[sys.argv[2]](int(sys.argv[3])))"
    command = [sys.executable, "-I", "-S", "-c", code, library.absolute(), name, str(argument)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
