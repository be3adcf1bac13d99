"""``hatframe verify``: findings as lines and as JSON, and the exit status."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import junitparser
import pytest
from command_line import hatframe
from facts import assert_names
from sample_packages import affine, function, make_package

SOURCE = """
void right(const float *x, float *y) { for (int i = 0; i < 8; i++) y[i] = x[i]; }
void wrong(const float *x, float *y) { right(x, y); ((volatile float *)y)[8] = 1; }
"""
FUNCTIONS = dict.fromkeys(("right", "wrong"), function(affine("x", [8]), affine("y", [8], usage="output")))


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("verify"), SOURCE, FUNCTIONS)


def test_a_right_function_is_ok(hat: Path) -> None:
    done = hatframe("verify", hat, "--functions", "right", status=0)
    assert_names(done.stdout, "1 function", "ok")


def test_findings_are_lines_with_the_command_that_reproduces_them(hat: Path) -> None:
    done = hatframe("verify", hat, "--only", "bounds", status=1)
    line, summary = done.stdout.splitlines()
    assert line.split("\t")[:3] == ["wrong", "bounds", "y"]
    assert_names(summary, "2 functions", "1 of 2")
    command = done.stderr.strip().partition("reproduce wrong, bounds: ")[2]
    repeated = hatframe(*shlex.split(command)[1:], status=1)
    assert repeated.stdout.splitlines()[0] == line


def test_json_has_all_that_a_finding_says(hat: Path) -> None:
    found = json.loads(hatframe("verify", hat, "--json", "--seed", "5", status=1).stdout)
    (finding,) = found["findings"]
    assert found["format"] == "hatframe-verification"
    assert (finding["function"], finding["argument"], finding["check"]) == ("wrong", "y", "bounds")
    assert (finding["index"], finding["byte_offset"], finding["seed"]) == ([8], 32, 5)
    assert_names(finding["message"], "writes", "past the end", "'y'")
    assert finding["reproduce"].startswith("hatframe verify")


def test_junit_has_a_test_case_for_each_function(hat: Path, tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    done = hatframe("verify", hat, "--only", "bounds", "--junit", path, status=1)
    assert str(path) in done.stderr
    (suite,) = junitparser.JUnitXml.fromfile(str(path))
    assert suite.name == str(hat)
    assert {case.name: case.is_passed for case in suite} == {"right": True, "wrong": False}


def test_a_place_for_junit_that_cannot_be_written_is_an_error_before_anything_runs(hat: Path, tmp_path: Path) -> None:
    done = hatframe("verify", hat, "--junit", tmp_path / "none" / "junit.xml", status=1)
    assert done.stdout == ""
    assert_names(done.stderr, "none")


def test_a_check_that_is_skipped_finds_nothing(hat: Path) -> None:
    done = hatframe("verify", hat, "--skip", "bounds", status=0)
    assert "bounds" not in done.stdout


@pytest.mark.parametrize("option", ["--only", "--skip"])
def test_an_unknown_check_is_an_error_that_lists_them(hat: Path, option: str) -> None:
    done = hatframe("verify", hat, option, "bound", status=2)
    assert_names(done.stderr, option, "'bound'", "bounds", "determinism")
