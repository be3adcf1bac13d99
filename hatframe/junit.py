"""Writing JUnit XML: the format in which CI servers read the outcome of tests.

Every file is valid by the schema of Jenkins (``junit-10.xsd`` of its xUnit plugin), which is the strictest in use, but
for the element ``error``: the schema names it ``errors``, and everyone writes ``error``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal

import msgspec

from hatframe.errors import printable

# Besides what is not printable, XML has no place for these.
_NONCHARACTERS = re.compile("[\ufffe\uffff]")


JUnitOutcome = Literal["passed", "failure", "error", "skipped"]


JUNIT_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<testsuites?\b")
"""How a JUnit file begins."""


class JUnitCase(msgspec.Struct, frozen=True, kw_only=True):
    """One test case, and its outcome: a ``failure`` where a result is wrong, an ``error`` where there is none.

    ``seconds`` is how long it took, if that is known. ``type`` classifies the outcome in a word, ``message`` says it in
    a line, and ``text`` in full. ``output`` is what the case printed.
    """

    name: str
    seconds: float | None = None
    outcome: JUnitOutcome = "passed"
    type: str = ""
    message: str = ""
    text: str = ""
    output: str = ""


class JUnitSuite(msgspec.Struct, frozen=True, kw_only=True):
    """The test cases of one package, whose .hat file is the ``name``. ``timestamp`` is in ISO 8601."""

    name: str
    cases: tuple[JUnitCase, ...] = ()
    timestamp: str = ""
    properties: dict[str, str] = {}


def encode_junit(suites: Sequence[JUnitSuite]) -> bytes:
    """The file with these suites. Characters that XML cannot hold become escapes such as ``\\x1b``."""
    import junitparser

    outcomes = {"failure": junitparser.Failure, "error": junitparser.Error, "skipped": junitparser.Skipped}
    document = junitparser.JUnitXml()
    for suite in suites:
        written = junitparser.TestSuite(_text(suite.name))
        if suite.timestamp:
            written.timestamp = suite.timestamp
        for name, value in suite.properties.items():
            written.add_property(_text(name), _text(value))
        cases = []
        for case in suite.cases:
            # The schema allows three digits.
            seconds = None if case.seconds is None else round(case.seconds, 3)
            cases.append(junitparser.TestCase(_text(case.name), _text(_classname(suite.name)), seconds))
            if outcome := outcomes.get(case.outcome):
                problem = outcome(_text(case.message).replace("\n", " "), _text(case.type))
                problem.text = _text(case.text or case.message)
                cases[-1].result = problem
            if case.output:
                cases[-1].system_out = _text(case.output)
        written.add_testcases(cases)
        document.add_testsuite(written)
    file = io.BytesIO()
    document.write(file, pretty=True)
    return file.getvalue()


def _classname(path: str) -> str:
    """The path with points for its slashes, by which CI servers group test cases: ``build.gemm`` for build/gemm.hat."""
    parts = PurePath(path).with_suffix("").parts
    return ".".join(part for part in parts if part not in (PurePath(path).anchor, "..", "."))


def _text(text: str) -> str:
    lines = (printable(line) for line in text.splitlines())
    return _NONCHARACTERS.sub(lambda found: f"\\u{ord(found[0]):04x}", "\n".join(lines))
