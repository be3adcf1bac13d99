"""``hatframe schema``: the schema as it is, and as JSON Schema."""

from __future__ import annotations

import json
import subprocess
import sys

import jsonschema

from hatframe.format.schema import json_schema, schema_text


def hatframe(*arguments: str) -> str:
    command = [sys.executable, "-m", "hatframe", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_schema_is_printed_as_it_is() -> None:
    assert hatframe("schema") == schema_text()


def test_json_is_a_json_schema() -> None:
    printed = json.loads(hatframe("schema", "--json"))
    assert printed == json_schema()
    jsonschema.Draft202012Validator.check_schema(printed)
