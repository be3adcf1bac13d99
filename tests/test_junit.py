"""JUnit files: what the readers of CI servers find in them."""

from __future__ import annotations

from xml.etree import ElementTree

import junitparser
from junit_schema import check_schema

from hatframe.junit import JUnitCase, JUnitSuite, encode_junit

CASES = (
    JUnitCase(name="fast", seconds=1e-7, output="100 ns"),
    JUnitCase(name="wrong", outcome="failure", type="bounds", message="reads past B", text="a\nb"),
    JUnitCase(name="lost", seconds=0.25, outcome="error", type="crashed", message="signal 11"),
    JUnitCase(name="left", outcome="skipped", message="not here"),
)
SUITE = JUnitSuite(name="build/gemm.hat", cases=CASES, timestamp="2024-05-06T07:08:09Z", properties={"run": "1"})


def read(data: bytes) -> junitparser.JUnitXml:
    return junitparser.JUnitXml.fromstring(data)


def test_each_outcome_is_where_readers_look_for_it() -> None:
    (suite,) = read(encode_junit([SUITE]))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (4, 1, 1, 1)
    assert (suite.name, suite.timestamp, suite.time) == ("build/gemm.hat", "2024-05-06T07:08:09Z", 0.25)
    assert [(each.name, each.value) for each in suite.properties()] == [("run", "1")]
    fast, wrong, lost, left = suite
    assert (fast.name, fast.classname, fast.is_passed, fast.system_out) == ("fast", "build.gemm", True, "100 ns")
    (failure,) = wrong.result
    assert isinstance(failure, junitparser.Failure)
    assert (failure.type, failure.message, failure.text) == ("bounds", "reads past B", "a\nb")
    (error,) = lost.result
    assert isinstance(error, junitparser.Error)
    assert (error.type, error.message, error.text, lost.time) == ("crashed", "signal 11", "signal 11", 0.25)
    assert left.is_skipped


def test_the_file_is_valid() -> None:
    check_schema(encode_junit([SUITE]))
    check_schema(encode_junit([]))


def test_no_text_makes_a_file_that_cannot_be_read() -> None:
    awkward = "a\x00\x1b[31m\r\n<&\"'>\ufffe\udce9\u202eµ]]>"
    case = JUnitCase(name=awkward, outcome="error", message=awkward, type=awkward, output=awkward)
    data = encode_junit([JUnitSuite(name=awkward, cases=(case,), properties={awkward: awkward})])
    ((found,),) = read(data)
    (error,) = found.result
    assert error.text == "a\\x00\\x1b[31m\n<&\"'>\\ufffe\\udce9\\u202eµ]]>"
    assert error.message == error.text.replace("\n", " ")


def test_durations_have_no_exponent() -> None:
    times = (None, 1e-9, 1e-4, 0.0014, 12345.678)
    cases = tuple(JUnitCase(name=str(time), seconds=time) for time in times)
    root = ElementTree.fromstring(encode_junit([JUnitSuite(name="s", cases=cases)]))
    assert [case.get("time") for case in root.iter("testcase")] == [None, "0.0", "0.0", "0.001", "12345.678"]


def test_suites_of_the_same_name_lose_no_case() -> None:
    suites = read(encode_junit([SUITE, SUITE]))
    assert sum(len(suite) for suite in suites) == 8
