"""What the .hat file of a package that is built says: the tables, and the C code of the header."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from hatframe.building.describing import Described, Reading
from hatframe.format.model import Parameter
from hatframe.machine import Platform
from hatframe.packages.dependencies import Dependency
from hatframe.toolchain.compiled_for import CompiledFor


def built_document(
    reading: Reading,
    chosen: Sequence[Described],
    libraries: Sequence[str],
    *,
    target: dict[str, Any],
    dynamic: Sequence[dict[str, str]],
    compiled_with: dict[str, Any],
) -> dict[str, Any]:
    """The document of a package of the ``chosen`` functions.

    The first of ``libraries`` is what programs link with, and the rest are deployed beside them; ``dynamic`` are the
    libraries that it needs.
    """
    link_target, *deployed = libraries
    return {
        "description": {key: getattr(reading, key) for key in ("comment", "author", "version", "license_url")},
        "functions": {described.function.name: _function(described) for described in chosen},
        "target": target,
        "dependencies": {"link_target": link_target, "deploy_files": deployed, "dynamic": list(dynamic)},
        "compiled_with": compiled_with,
        "declaration": {"code": _code(chosen)},
    }


def _function(described: Described) -> dict[str, Any]:
    function = described.function
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
    table: dict[str, Any] = {
        "name": parameter.name,
        "description": parameter.description,
        "logical_type": parameter.logical_type,
        "declared_type": parameter.declared_type,
        "element_type": parameter.element_type,
        "usage": parameter.usage,
    }
    if parameter.shape is not None:
        table.update(shape=parameter.shape, affine_map=parameter.affine_map, affine_offset=parameter.affine_offset)
    if parameter.size is not None:
        table["size"] = parameter.size
    return table


def target_table(platform: Platform, target: CompiledFor) -> dict[str, Any]:
    """What a machine must have for code that was compiled for ``platform`` and ``target``."""
    required: dict[str, Any] = {
        "os": platform.os,
        "CPU": {"architecture": platform.architecture, "extensions": list(target.extensions)},
    }
    if platform.abi:
        required["auxiliary"] = {"abi": platform.abi}
    return {"required": required}


def reference_table(dependency: Dependency, folder: Path) -> dict[str, str]:
    """A library as a .hat file in ``folder`` names it: a path is one from there."""
    if not dependency.file:
        return {"name": dependency.text, "version": "", "target_file": dependency.text}
    path = Path(os.path.relpath(dependency.file.path, folder)).as_posix()
    # Without a slash it could be taken for the name of a library.
    return {"name": dependency.file.path.name, "version": "", "target_file": path if "/" in path else f"./{path}"}


def _code(chosen: Sequence[Described]) -> str:
    """The C code of the header: what the prototypes need, and the prototypes, for C and C++."""
    needed = list(dict.fromkeys(text for described in chosen for text in described.typedefs))
    prototypes = [described.prototype for described in chosen]
    blocks = [
        '#ifdef __cplusplus\nextern "C" {\n#endif',
        "\n".join(prototypes),
        "#ifdef __cplusplus\n}\n#endif",
    ]
    return "\n\n".join([*(["\n".join(needed)] if needed else []), *blocks]) + "\n"
