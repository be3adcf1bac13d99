"""Holds JUnit files against the schema of Jenkins, which `.ci/run` takes from pytest's own tests."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest


def check_schema(data: bytes) -> None:
    """Hold a file against the schema that HATFRAME_JUNIT_SCHEMA names."""
    path = os.environ.get("HATFRAME_JUNIT_SCHEMA")
    if not path:
        pytest.skip("HATFRAME_JUNIT_SCHEMA does not name junit-10.xsd")
    xmlschema = pytest.importorskip("xmlschema")
    # It misspells one element: pytest, Maven and Jenkins itself write and read `error`.
    schema = Path(path).read_text(encoding="utf-8")
    schema = schema.replace('"errors">', '"error">').replace('ref="errors"', 'ref="error"')
    xmlschema.XMLSchema(schema).validate(ElementTree.fromstring(data))
