"""Documents of .hat files that deviate in one place, and what validation reports of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sample_packages

from hatframe.format.rendering import render_hat
from hatframe.outcomes import Deviation
from hatframe.validating.validation import validate

CODE = "void f(float*, float*, int);\n"
SOURCE = "void f(void) {}"


def valid() -> dict[str, Any]:
    function = sample_packages.function(
        sample_packages.affine("A", (2, 3)),
        sample_packages.runtime("B", "N*2", usage="output"),
        sample_packages.element("N"),
    )
    return sample_packages.document({"f": function}, "f.so", CODE)


def device() -> dict[str, Any]:
    """A valid document with a device function."""
    document = valid()
    arguments = [sample_packages.affine("A", (2, 3))]
    document["functions"]["f"].update(arguments=arguments, runtime="cuda", launches="g")
    document["declaration"]["code"] = "void f(float*);\n"
    document["device_functions"] = {
        "g": {
            **sample_packages.function(*arguments),
            "name": "g",
            "calling_convention": "device",
            "launch_parameters": [1, 1, 1, 32, 1, 1],
            "provider": "f.so",
            "runtime": "cuda",
        }
    }
    document["target"]["required"]["GPU"] = {"runtime": "cuda"}
    return document


def deviations(folder: Path, document: Mapping[str, Any], runtimes: set[str] | None = None) -> list[Deviation]:
    """What validation reports of a document, beside a library with the function ``f``."""
    sample_packages.library(folder, SOURCE, "f")
    path = folder / "f.hat"
    path.write_text(render_hat(document, "f"), encoding="utf-8")
    return validate(path, runtimes)


def places(found: list[Deviation]) -> list[tuple[str, str]]:
    return [(deviation.severity, f"{deviation.table}.{deviation.key}".strip(".")) for deviation in found]


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The document with another value at a path of keys and indices; None removes it."""
    document = copy.deepcopy(document)
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    table: Any = document
    for key in parents:
        table = table[key]
    if value is None:
        del table[last]
    else:
        table[last] = value
    return document
