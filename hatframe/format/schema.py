"""The schema of a .hat file: ``schema/hat.tosd``, the violations of it in a document, and its JSON Schema.

This module interprets the part of TOML Schema 1.0.0 that the file needs.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from hatframe.errors import HatError
from hatframe.format.positions import Keys, Positions
from hatframe.format.reading import parse_document, read_text

_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "table": dict,
    "collection": dict,
}
_JSON_TYPES = {"float": "number", "table": "object", "collection": "object"}


class ViolationKind(enum.Enum):
    MISSING = "missing key"
    UNKNOWN = "unknown key"
    TYPE = "wrong type"
    VALUE = "invalid value"


class Violation(msgspec.Struct, frozen=True):
    """One violation of the schema in a document: its path, its kind, and a message."""

    path: Keys
    kind: ViolationKind
    message: str


def schema_path() -> Path:
    """The path of ``hat.tosd``: in the installed package, or in ``schema/`` of a checkout."""
    package = Path(__file__).parent.parent
    for folder in (package, package.parent):
        if (path := folder / "schema" / "hat.tosd").is_file():
            return path
    raise HatError("schema/hat.tosd is missing", where=str(package), hint="install hatframe again")


def schema_text() -> str:
    return read_text(schema_path())


@cache
def _schema() -> dict[str, Any]:
    return parse_document(schema_text(), str(schema_path()))


def check(document: Mapping[str, Any]) -> list[Violation]:
    """All violations of the schema in a plain document, in the order of the schema."""
    # TOML Schema reserves this table for a reference to the schema.
    document = {key: value for key, value in document.items() if key != "toml-schema"}
    return list(_check({"type": "table", **_schema()["elements"]}, document, ()))


def _resolved(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition merged over the type that it refers to."""
    if "typeof" not in definition or definition.get("type") == "collection":
        return dict(definition)
    return {**_resolved(_named(definition["typeof"])), **{k: v for k, v in definition.items() if k != "typeof"}}


def _named(reference: str) -> dict[str, Any]:
    name = reference.removeprefix("types.")
    return {"type": name} if name in _PYTHON_TYPES else _resolved(_schema()["types"][name])


def _children(definition: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {key: value for key, value in definition.items() if isinstance(value, dict)}


def _check(definition: Mapping[str, Any], value: Any, path: Keys) -> Iterator[Violation]:
    definition = _resolved(definition)
    if "anyof" in definition:
        results = [list(_check(_named(name), value, path)) for name in definition["anyof"]]
        # If none fits, the one of the right type explains best what is wrong.
        yield from min(results, key=lambda found: (len(found), any(each.kind is ViolationKind.TYPE for each in found)))
        return
    expected = definition["type"]
    # In Python, a bool is an int.
    fits = isinstance(value, _PYTHON_TYPES[expected]) and (expected == "boolean" or not isinstance(value, bool))
    if not fits:
        message = f"expected {_with_article(expected)}, got {_with_article(toml_type(value))}"
        yield Violation(path, ViolationKind.TYPE, message)
        return
    if "allowedvalues" in definition and value not in definition["allowedvalues"]:
        allowed = ", ".join(map(str, definition["allowedvalues"]))
        yield Violation(path, ViolationKind.VALUE, f"{value!r} is not one of {allowed}")
    if "min" in definition and not value >= definition["min"]:
        yield Violation(path, ViolationKind.VALUE, f"{value} is less than {definition['min']}")
    if "maxlength" in definition and len(value) > definition["maxlength"]:
        yield Violation(path, ViolationKind.VALUE, f"it has {len(value)} elements, more than {definition['maxlength']}")
    if expected == "array":
        item = _named(definition["itemtype"] if "itemtype" in definition else definition["arraytype"])
        for index, element in enumerate(value):
            yield from _check(item, element, (*path, index))
    elif expected == "collection":
        for key, element in value.items():
            yield from _check(_named(definition["typeof"]), element, (*path, key))
    elif expected == "table" and (children := _children(definition)):
        for key, child in children.items():
            if key in value:
                yield from _check(child, value[key], (*path, key))
            elif not child.get("optional", False):
                yield Violation((*path, key), ViolationKind.MISSING, f"{key} is missing")
        for key in value:
            if key not in children:
                yield Violation((*path, key), ViolationKind.UNKNOWN, f"unknown key {key}")


def toml_type(value: Any) -> str:
    """The name that TOML has for the type of a plain value."""
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return "date or time"
    return next(name for name in ("boolean", *_PYTHON_TYPES) if isinstance(value, _PYTHON_TYPES[name]))


def _with_article(name: str) -> str:
    name = "table" if name == "collection" else name
    return f"{'an' if name[0] in 'aio' else 'a'} {name}"


def json_schema() -> dict[str, Any]:
    """The schema as JSON Schema (draft 2020-12), for editors; the comments become descriptions."""
    comments = _comments()
    schema = _schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "HAT metadata",
        "description": "The TOML of a .hat file: a C header that carries the metadata of a compiled package.",
        **_json({"type": "table", **schema["elements"]}, ("elements",), comments),
        "$defs": {name: _json(table, ("types", name), comments) for name, table in schema["types"].items()},
    }


def _json(definition: Mapping[str, Any], path: Keys, comments: Mapping[Keys, str]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if path in comments:
        written["description"] = comments[path]
    if "anyof" in definition:
        return {**written, "anyOf": [_json_reference(name) for name in definition["anyof"]]}
    if definition.get("type") == "collection":
        return {**written, "type": "object", "additionalProperties": _json_reference(definition["typeof"])}
    if "typeof" in definition:
        return {**written, **_json_reference(definition["typeof"])}
    written["type"] = _JSON_TYPES.get(definition["type"], definition["type"])
    for ours, theirs in (("allowedvalues", "enum"), ("min", "minimum"), ("maxlength", "maxItems")):
        if ours in definition:
            written[theirs] = definition[ours]
    if written["type"] == "array":
        written["items"] = _json_reference(definition.get("itemtype") or definition["arraytype"])
    if children := _children(definition):
        written["properties"] = {key: _json(child, (*path, key), comments) for key, child in children.items()}
        written["required"] = [key for key, child in children.items() if not child.get("optional", False)]
        written["additionalProperties"] = False
    return written


def _json_reference(name: str) -> dict[str, Any]:
    name = name.removeprefix("types.")
    return {"type": _JSON_TYPES.get(name, name)} if name in _PYTHON_TYPES else {"$ref": f"#/$defs/{name}"}


def _comments() -> dict[Keys, str]:
    """The comment directly above each header of the schema, as one line."""
    positions = Positions(schema_text())
    comments = {}
    for section in positions.sections:
        lines: list[str] = []
        for line in reversed(positions.source[: section.start].decode().splitlines()):
            if not line.lstrip().startswith("# "):
                break
            lines.insert(0, line.strip().removeprefix("# "))
        if lines:
            comments[section.path] = " ".join(lines)
    return comments
