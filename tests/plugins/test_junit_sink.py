"""The sink ``junit``, by what a reader of JUnit files finds."""

from __future__ import annotations

from pathlib import Path

import junitparser
import msgspec
import pytest
from hatframe_builtin.sinks.junit_sink import JUnitSink
from junit_schema import check_schema
from result_documents import document, failed, result, run_info

from hatframe.errors import SinkError
from hatframe.results.model import FunctionResult


def suites(path: Path) -> list[junitparser.TestSuite]:
    return list(junitparser.JUnitXml.fromfile(str(path)))


def write(path: Path, *results: FunctionResult, complete: bool = True) -> list[junitparser.TestSuite]:
    run = JUnitSink().open(run_info(), path)
    for each in results:
        run.add(each)
    run.close(document(*results, complete=complete))
    return suites(path)


WRONG = msgspec.structs.replace(failed("gemm_b", "B: reads 16 bytes past its end"), status="wrong")
CRASHED = msgspec.structs.replace(failed("gemm_c", "it crashed, with signal 11"), status="crashed")


def test_each_function_is_a_case_with_its_outcome(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    (suite,) = write(path, result("gemm_a", sizes={"M": 8, "N": 16}), WRONG, CRASHED)
    good, wrong, crashed = suite
    assert (suite.name, good.classname, good.name) == ("pkg.hat", "pkg", "gemm_a (M=8 N=16)")
    assert good.is_passed
    assert "µs" in good.system_out
    (failure,) = wrong.result
    assert isinstance(failure, junitparser.Failure)
    assert (failure.type, failure.message) == ("wrong", "B: reads 16 bytes past its end")
    (error,) = crashed.result
    assert isinstance(error, junitparser.Error)
    assert (error.type, error.message) == ("crashed", "it crashed, with signal 11")


def test_the_file_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    write(path, result("gemm_a", sizes={"M": 8, "N": 16}), WRONG, CRASHED, complete=False)
    check_schema(path.read_bytes())


def test_the_time_of_a_case_is_how_long_it_was_measured(tmp_path: Path) -> None:
    ((case,),) = write(tmp_path / "junit.xml", result(times=(0.25, 0.5), calls_per_batch=10))
    assert case.time == 7.5


def test_each_package_is_a_suite_whose_cases_have_their_folder(tmp_path: Path) -> None:
    old, new = write(tmp_path / "junit.xml", result(hat_file="../old/gemm.hat"), result(hat_file="/abs/new/gemm.hat"))
    assert [old.name, new.name] == ["../old/gemm.hat", "/abs/new/gemm.hat"]
    assert [case.classname for suite in (old, new) for case in suite] == ["old.gemm", "abs.new.gemm"]


def test_an_interrupted_run_does_not_pass(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    *_, interrupted = write(path, result(), complete=False)
    ((error,),) = (case.result for case in interrupted)
    assert error.type == "interrupted"


def test_a_run_that_is_killed_leaves_its_results_and_does_not_pass(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    JUnitSink().open(run_info(), path).add(result("first"))
    first, interrupted = suites(path)
    assert [case.name for case in first] == ["first"]
    assert interrupted.errors == 1


@pytest.mark.parametrize(
    "content", [b"", b"<testsuite name='a'/>", b'\xef\xbb\xbf<?xml version="1.0"?>\n<testsuites>\n</testsuites>']
)
def test_a_junit_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junit.xml"
    path.write_bytes(content)
    ((case,),) = write(path, result("new"))
    assert case.name == "new"


@pytest.mark.parametrize("content", [b"int f(void);", b'<?xml version="1.0"?><project/>', b"<testsuitesX/>"])
def test_another_file_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junit.xml"
    path.write_bytes(content)
    with pytest.raises(SinkError, match="not replaced"):
        JUnitSink().open(run_info(), path)
    assert path.read_bytes() == content


def test_without_a_path_it_goes_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    JUnitSink().open(run_info(), None).close(document(result()))
    assert len(suites(tmp_path / "junit.xml")) == 1
