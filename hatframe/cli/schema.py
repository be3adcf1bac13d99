"""``hatframe schema``: print the schema of the metadata in a .hat file."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hatframe.cli.common import print_json


def schema(
    json: Annotated[bool, typer.Option("--json", help="Print JSON Schema (draft 2020-12), which editors use.")] = False,
) -> None:
    """Print the schema of the metadata in .hat files.

    It describes every table and key with its type and meaning. The schema is hat.tosd, a TOML Schema 1.0.0 document.
    For completion and checks in an editor:

        hatframe schema --json > hat.schema.json
    """
    from hatframe.format.schema import json_schema, schema_text

    if json:
        print_json(json_schema())
    else:
        sys.stdout.write(schema_text())
