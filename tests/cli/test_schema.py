"""``hatframe schema``: the schema as it is, and as JSON Schema."""

from __future__ import annotations

import json

import jsonschema
from command_line import hatframe

from hatframe.format.schema import json_schema, schema_text


def test_the_schema_is_printed_as_it_is() -> None:
    assert hatframe("schema", status=0).stdout == schema_text()


def test_json_is_a_json_schema() -> None:
    printed = json.loads(hatframe("schema", "--json", status=0).stdout)
    assert printed == json_schema()
    jsonschema.Draft202012Validator.check_schema(printed)
