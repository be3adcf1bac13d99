"""The published schemas of the documents of results and verifications, as JSON Schema."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from hatframe.outcomes import VERIFICATION_FORMAT, VERIFICATION_VERSION, Verification
from hatframe.results.model import FORMAT, FORMAT_VERSION, ResultsDocument


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a results document; ``schema/results.schema.json`` is a copy of it."""
    return _schema_of(ResultsDocument, FORMAT, FORMAT_VERSION, "Results of hatframe bench")


def verification_schema() -> dict[str, Any]:
    """The same for what ``hatframe verify --json`` prints; the copy is ``schema/verification.schema.json``."""
    return _schema_of(Verification, VERIFICATION_FORMAT, VERIFICATION_VERSION, "Findings of hatframe verify")


def _schema_of(kind: type[Any], name: str, version: int, title: str) -> dict[str, Any]:
    (_, components) = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    definitions = msgspec.json.decode(msgspec.json.encode(components))
    for definition in definitions.values():
        # Python 3.13 compiles docstrings without their indentation, older ones with it.
        definition["description"] = inspect.cleandoc(definition["description"])
    document = definitions[kind.__name__]
    # The model has these as defaults; in a file they identify the format.
    document["properties"]["format"] = {"const": name}
    document["properties"]["format_version"] = {"const": version}
    document["required"] = ["format", "format_version", *document.get("required", [])]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "$ref": f"#/$defs/{kind.__name__}",
        "$defs": definitions,
    }
