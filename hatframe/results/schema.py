"""The published schema of the results document, as JSON Schema."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from hatframe.results.model import FORMAT, FORMAT_VERSION, ResultsDocument


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a results document; ``schema/results.schema.json`` is a copy of it."""
    (_, components) = msgspec.json.schema_components([ResultsDocument], ref_template="#/$defs/{name}")
    definitions = msgspec.json.decode(msgspec.json.encode(components))
    for definition in definitions.values():
        # Python 3.13 compiles docstrings without their indentation, older ones with it.
        definition["description"] = inspect.cleandoc(definition["description"])
    document = definitions[ResultsDocument.__name__]
    # The model has these as defaults; in a file they identify the format.
    document["properties"]["format"] = {"const": FORMAT}
    document["properties"]["format_version"] = {"const": FORMAT_VERSION}
    document["required"] = ["format", "format_version", *document["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Results of hatframe bench",
        "$ref": f"#/$defs/{ResultsDocument.__name__}",
        "$defs": definitions,
    }
