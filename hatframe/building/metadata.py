"""The document of a package built from C: its tables, and the C code of its header."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from hatframe.building.describing import FunctionDefinition
from hatframe.format.model import Function, Parameter
from hatframe.machine import Platform
from hatframe.packages.dependencies import Dependency
from hatframe.toolchain.compiled_for import CompiledFor


def built_document(
    functions: Sequence[FunctionDefinition],
    libraries: Sequence[str],
    *,
    description: dict[str, str],
    target: dict[str, Any],
    dynamic: Sequence[dict[str, str]],
    compiled_with: dict[str, Any],
) -> dict[str, Any]:
    """The document of a package; programs link with the first of ``libraries``, and the others are deployed."""
    link_target, *deployed = libraries
    return {
        "description": description,
        "functions": {definition.function.name: _function(definition.function) for definition in functions},
        "target": target,
        "dependencies": {"link_target": link_target, "deploy_files": deployed, "dynamic": list(dynamic)},
        "compiled_with": compiled_with,
        "declaration": {"code": _code(functions)},
    }


def _function(function: Function) -> dict[str, Any]:
    table = {
        "name": function.name,
        "description": function.description,
        "calling_convention": function.calling_convention,
        "arguments": [
            _parameter(msgspec.structs.replace(parameter, name=parameter.name or f"arg{index}"))
            for index, parameter in enumerate(function.arguments)
        ],
        "return": _parameter(function.return_value),
    }
    return {**table, "auxiliary": function.auxiliary} if function.auxiliary else table


def _parameter(parameter: Parameter) -> dict[str, Any]:
    keys = ["name", "description", "logical_type", "declared_type", "element_type", "usage"]
    if parameter.shape is not None:
        keys += ["shape", "affine_map", "affine_offset"]
    if parameter.size is not None:
        keys.append("size")
    return {key: getattr(parameter, key) for key in keys}


def target_table(platform: Platform, target: CompiledFor) -> dict[str, Any]:
    """The requirements of code compiled for ``platform`` and ``target``."""
    required: dict[str, Any] = {
        "os": platform.os,
        "CPU": {"architecture": platform.architecture, "extensions": list(target.extensions)},
    }
    if platform.abi:
        required["auxiliary"] = {"abi": platform.abi}
    return {"required": required}


def reference_table(dependency: Dependency, folder: Path) -> dict[str, str]:
    """A library as a .hat file in ``folder`` refers to it, with paths relative to that folder."""
    if not dependency.file:
        return {"name": dependency.text, "version": "", "target_file": dependency.text}
    path = Path(os.path.relpath(dependency.file.path, folder)).as_posix()
    # A slash distinguishes a path from the name of a library.
    return {"name": dependency.file.path.name, "version": "", "target_file": path if "/" in path else f"./{path}"}


def _code(functions: Sequence[FunctionDefinition]) -> str:
    needed = list(dict.fromkeys(text for definition in functions for text in definition.prerequisites))
    blocks = [
        *(["\n".join(needed)] if needed else []),
        '#ifdef __cplusplus\nextern "C" {\n#endif',
        "\n".join(definition.prototype for definition in functions),
        "#ifdef __cplusplus\n}\n#endif",
    ]
    return "\n\n".join(blocks) + "\n"
