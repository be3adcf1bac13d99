"""``hatframe inspect``: show what packages contain, without running their code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import typer

from hatframe.calling.processors import needed_extensions, other_builds, runs_on
from hatframe.calling.requirements import unmet
from hatframe.cli.common import kernel_of, print_json, print_table, show_line
from hatframe.cli.options import Json, Packages
from hatframe.format.model import Function, LogicalType, Parameter, Target
from hatframe.format.names import base_name
from hatframe.format.numpy_expressions import REFERENCE_KEY, SAME_AS_KEY
from hatframe.machine import Machine
from hatframe.packages.package import Package, read_packages
from hatframe.packages.stored import stored_mean
from hatframe.results.text import duration


def inspect(context: typer.Context, packages: Packages, json: Json = False) -> None:
    """Show what packages contain: functions, parameters, target, dependencies, and which processors run them.

    hatframe reads only the .hat files, and runs no code of a package. Parameters without a name are shown as arg0,
    arg1 and so on, which callers use too. See also: hatframe validate
    """
    found = read_packages(packages)
    if json:
        print_json([_as_json(package) for package in found])
        return
    for index, package in enumerate(found):
        if index:
            print()
        _print_package(package, kernel_of(context).machine)


def _as_json(package: Package) -> dict[str, Any]:
    library = package.library
    first = package.hat_files[0]
    return {
        "hat_files": [package.shown(hat.path) for hat in package.hat_files],
        "library": package.shown(library) or None,
        "library_exists": bool(library and library.is_file()),
        "description": first.description,
        "target": first.target,
        "dependencies": first.dependencies,
        "compiled_with": first.compiled_with,
        "functions": list(map(_function_as_json, package.functions.values())),
        "device_functions": list(map(_function_as_json, _on_device(package))),
    }


def _on_device(package: Package) -> list[Function]:
    return [function for hat in package.hat_files for function in hat.device_functions.values()]


def _function_as_json(function: Function) -> dict[str, Any]:
    derived = {
        "name": function.name,
        "base_name": base_name(function.name),
        "stored_mean_in_sec": stored_mean(function),
    }
    return {**derived, **msgspec.to_builtins(function, enc_hook=str)}


def _print_package(package: Package, machine: Machine) -> None:
    facts = list(_facts(package, machine))
    rows = list(_rows(package))
    if not sys.stdout.isatty():
        # A line for each parameter, with tabs between the cells: easy to cut and to search.
        for row in [*facts, *rows]:
            show_line(*row)
        return

    print_table(("name", "value"), facts, header=False)
    if rows:
        print()
        # For people, each function is named once.
        named = [
            row if position == 0 or row[0] != rows[position - 1][0] else ("", *row[1:-1], "")
            for position, row in enumerate(rows)
        ]
        columns = ("function", "parameter", "usage", "type", "elements", "stored mean")
        print_table(columns, named, right=("stored mean",))


def _rows(package: Package) -> Iterator[tuple[str, ...]]:
    for function in (*package.functions.values(), *_on_device(package)):
        seconds = stored_mean(function)
        for name, parameter in _parameters(function):
            yield (
                function.name,
                name,
                str(parameter.usage) if name != "return" else "",
                parameter.declared_type or parameter.element_type,
                _elements(parameter),
                duration(seconds) if seconds is not None else "",
            )


def _facts(package: Package, machine: Machine) -> Iterator[tuple[str, str]]:
    first = package.hat_files[0]
    for hat in package.hat_files:
        yield "file", package.shown(hat.path)
    on_device = len(_on_device(package))
    yield "functions", f"{len(package.functions)}" + (f", and {on_device} on a device" if on_device else "")
    for function in package.functions.values():
        if text := function.auxiliary.get(REFERENCE_KEY):
            yield "reference", f"{function.name}: {'; '.join(str(text).splitlines())}"
        if name := function.auxiliary.get(SAME_AS_KEY):
            yield "reference", f"{function.name}: same as {name}"
    library = package.library
    if library:
        yield "library", package.shown(library) + ("" if library.is_file() else " (missing)")
    for key in ("comment", "author", "version", "license_url"):
        if value := getattr(first.description, key):
            yield key.replace("_", " "), value
    yield from _target_facts(first.target, machine)
    for reference in first.dependencies.dynamic:
        yield "needs library", " ".join(filter(None, (reference.name, reference.version, reference.target_file)))
    if first.dependencies.deploy_files:
        yield "goes along", " ".join(first.dependencies.deploy_files)
    if built := " ".join(filter(None, (first.compiled_with.compiler, first.compiled_with.flags))):
        yield "compiled with", built


def _target_facts(target: Target, machine: Machine) -> Iterator[tuple[str, str]]:
    required = target.required
    abi = str(required.auxiliary.get("abi", ""))
    if platform := " ".join(filter(None, (required.os, required.cpu.architecture, abi))):
        yield "target", platform
    if processors := runs_on(required):
        yield "runs on", processors
    elif needed := needed_extensions(required):
        yield "needs", " ".join(needed)
    if required.os or required.cpu.architecture:
        yield "this machine", "; ".join(unmet(required, machine)) or "meets the requirements"
    if builds := [f"--processor {name} ({where})" for name, where in other_builds(required)]:
        yield "for others", f"build with {' or '.join(builds)}"
    if required.cpu.runtime:
        yield "runtime", required.cpu.runtime
    if required.gpu:
        yield "GPU", " ".join(filter(None, (required.gpu.model, required.gpu.runtime)))
    if target.optimized_for and target.optimized_for.cpu and target.optimized_for.cpu.name:
        yield "tuned for", target.optimized_for.cpu.name


def _parameters(function: Function) -> Iterator[tuple[str, Parameter]]:
    for index, parameter in enumerate(function.arguments):
        yield parameter.name or f"arg{index}", parameter
    if function.return_value.logical_type is not LogicalType.VOID or not function.arguments:
        yield "return", function.return_value


def _elements(parameter: Parameter) -> str:
    """The shape or size of an array; the strides only where they are not those of a row-major array."""
    if parameter.logical_type is LogicalType.RUNTIME_ARRAY:
        return parameter.size or ""
    if parameter.shape is None:
        return ""
    text = "x".join(map(str, parameter.shape)) or "1"
    from hatframe.c.layouts import UNSET_OFFSET, row_major

    if parameter.affine_map is not None and row_major(parameter.shape) != parameter.affine_map:
        text += f" affine_map {list(parameter.affine_map)}"
    return text if parameter.affine_offset in (0, UNSET_OFFSET) else f"{text} offset {parameter.affine_offset}"
