"""What the shell completes, asked for as the completion script of bash does."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command_line import hatframe
from sample_packages import affine, function, make_package


def completed(line: str, folder: Path) -> set[str]:
    words = f"hatframe {line}".split(" ")
    asked = {
        "_HATFRAME_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    return set(hatframe(folder=folder, environment={**os.environ, **asked}, status=0).stdout.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bench x.hat --loader ", {"cffi", "compiled", "ctypes"}),
        ("bench x.hat --loader ct", {"ctypes"}),
        ("bench x.hat --sink ", {"csv", "google-benchmark", "hat", "json", "junit"}),
        ("bench x.hat --cache ", {"cold", "hot"}),
        ("bench --input-da", {"--input-data"}),
        ("cache cl", {"clear"}),
        ("inspect --log-level d", {"debug"}),
        ("compare a b --format m", {"markdown"}),
    ],
)
def test_names_and_values(line: str, expected: set[str], tmp_path: Path) -> None:
    assert completed(line, tmp_path) == expected


@pytest.mark.parametrize(
    ("line", "kind"), [("build a.c -o a.hat --linker ", "linker"), ("bench a.hat --meter ", "meter")]
)
def test_available_backends(line: str, kind: str, tmp_path: Path) -> None:
    backends = json.loads(hatframe("plugins", "--json", status=0).stdout)["backends"]
    available = {each["name"] for each in backends if each["kind"] == kind and each["available"]}
    assert completed(line, tmp_path) == available


def test_functions_of_the_packages_on_the_command_line(tmp_path: Path) -> None:
    functions = {"scale_0123456789abcdef": function(affine("a", [4])), "shift": function(affine("a", [4]))}
    source = "void scale_0123456789abcdef(float *a) {} void shift(float *a) {}"
    make_package(tmp_path, source, functions)
    assert completed("bench package.hat --functions ", tmp_path) == {"scale", "scale_0123456789abcdef", "shift"}
    assert completed("compare package.hat old.json --functions sh", tmp_path) == {"shift"}
    assert completed("bench missing.hat --functions ", tmp_path) == set()
