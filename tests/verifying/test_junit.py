"""A verification as a JUnit file."""

from __future__ import annotations

from pathlib import Path

import junitparser
import pytest
from junit_schema import check_schema

from hatframe.errors import SinkError
from hatframe.outcomes import Finding, Remark, Verification
from hatframe.verifying.junit import JUnitFile

PAST = Finding(
    function="gemm",
    hat_file="new/gemm.hat",
    argument="B",
    check="bounds",
    message="reads 16 bytes past the end of B",
    reproduce="hatframe verify new/gemm.hat --functions gemm --seed 0",
)
CRASH = Finding(function="dot", hat_file="new/gemm.hat", check="crash", message="signal 8", reproduce="hatframe verify")
FOUND = Verification(
    hatframe_version="1.0",
    findings=(PAST, Finding(function="gemm", hat_file="new/gemm.hat", check="values", message="NaN"), CRASH),
    notes=(Remark(function="sum", message="needs an alignment of 32 bytes", hat_file="new/gemm.hat"),),
    functions=("gemm", "sum", "dot"),
    hat_files={"gemm": ("old/gemm.hat", "new/gemm.hat"), "sum": ("new/gemm.hat",), "dot": ("new/gemm.hat",)},
    checks=("bounds", "values", "crash"),
    compared={"sum": "sum(x)"},
)


def written(path: Path) -> dict[str, dict[str, junitparser.TestCase]]:
    JUnitFile(path).write(FOUND)
    return {suite.name: {case.name: case for case in suite} for suite in junitparser.JUnitXml.fromfile(str(path))}


def test_each_function_of_each_package_is_a_case(tmp_path: Path) -> None:
    suites = written(tmp_path / "junit.xml")
    assert {name: list(cases) for name, cases in suites.items()} == {
        "old/gemm.hat": ["gemm"],
        "new/gemm.hat": ["gemm", "sum", "dot"],
    }
    assert suites["old/gemm.hat"]["gemm"].is_passed
    assert suites["new/gemm.hat"]["gemm"].classname == "new.gemm"


def test_findings_are_a_failure_with_the_commands_that_reproduce_them(tmp_path: Path) -> None:
    (failure,) = written(tmp_path / "junit.xml")["new/gemm.hat"]["gemm"].result
    assert isinstance(failure, junitparser.Failure)
    assert failure.type == "bounds"
    assert PAST.message in failure.message
    assert all(text in failure.text for text in (PAST.message, PAST.reproduce, "values: NaN"))


def test_a_function_without_a_result_is_an_error(tmp_path: Path) -> None:
    (error,) = written(tmp_path / "junit.xml")["new/gemm.hat"]["dot"].result
    assert isinstance(error, junitparser.Error)
    assert error.type == "crash"


def test_notes_are_the_output_of_a_case(tmp_path: Path) -> None:
    case = written(tmp_path / "junit.xml")["new/gemm.hat"]["sum"]
    assert case.is_passed
    assert case.system_out == "needs an alignment of 32 bytes\ncompared with sum(x)"


def test_the_file_is_valid(tmp_path: Path) -> None:
    written(tmp_path / "junit.xml")
    check_schema((tmp_path / "junit.xml").read_bytes())


def test_a_place_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "gemm.c").write_text("int f(void);")
    for path in (tmp_path / "none" / "junit.xml", tmp_path, tmp_path / "gemm.c"):
        with pytest.raises(SinkError):
            JUnitFile(path)
    assert (tmp_path / "gemm.c").read_text() == "int f(void);"
