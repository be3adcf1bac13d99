"""The published schema of the results document."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
from result_documents import document, failed, result

from hatframe.outcomes import Finding, Verification
from hatframe.results.schema import json_schema, verification_schema
from hatframe.results.writing import encode_results

COPY = Path(__file__).parents[2] / "schema" / "results.schema.json"


def test_the_committed_copy_is_the_schema() -> None:
    # After a change of the model: json.dumps(json_schema(), indent=2) makes it anew.
    assert json.loads(COPY.read_text()) == json_schema()


def test_what_is_written_fits_the_schema() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    written = document(
        result(sizes={"M": 3}, counters={"cycles": 1.5}, threads=2),
        failed("f", "why"),
        skipped={"g": "debug"},
    )
    jsonschema.Draft202012Validator(schema).validate(json.loads(encode_results(written)))


@pytest.mark.parametrize(("key", "value"), [("format", "else"), ("format_version", 99), ("results", {}), ("run", None)])
def test_what_is_no_such_document_does_not_fit(key: str, value: object) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    table = json.loads(encode_results(document(result())))
    assert validator.is_valid(table)
    assert not validator.is_valid({**table, key: value})
    del table[key]
    assert validator.is_valid(table) == (key == "results")


def test_a_verification_fits_its_schema() -> None:
    schema = json.loads(COPY.with_name("verification.schema.json").read_text())
    assert schema == verification_schema()
    finding = Finding(function="f", check="bounds", message="writes", index=(3,), byte_offset=12, sizes={"n": 3})
    written = msgspec.to_builtins(Verification(findings=(finding,), functions=("f",)))
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(written)))
