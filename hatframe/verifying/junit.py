"""A verification as a JUnit file, which CI servers show: a test case for each function."""

from __future__ import annotations

import datetime
from pathlib import Path

from hatframe.errors import SinkError
from hatframe.files import write_atomically
from hatframe.junit import JUNIT_START, JUnitCase, JUnitSuite, encode_junit
from hatframe.outcomes import Finding, Verification
from hatframe.outputs import check_kind

# The checks that give no result, rather than a wrong one.
_ERRORS = {"crash", "timeout"}


class JUnitFile:
    """A file to write a verification to, with a test suite for each package.

    Raises :class:`SinkError` now, rather than after the run, if it cannot be written or is not a JUnit file.
    """

    def __init__(self, path: Path) -> None:
        check_kind(path, JUNIT_START, "a JUnit file")
        self._path = path
        self._started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")

    def write(self, found: Verification) -> None:
        """Write the file, or replace it."""
        suites: dict[str, list[JUnitCase]] = {}
        for function in found.functions:
            for hat_file in found.hat_files[function]:
                suites.setdefault(hat_file, []).append(_case(found, function, hat_file))
        properties = {
            "hatframe_version": found.hatframe_version,
            "checks": " ".join(found.checks),
            "seed": str(found.seed),
        }
        written = [
            JUnitSuite(name=name, cases=tuple(cases), timestamp=self._started, properties=properties)
            for name, cases in suites.items()
        ]
        try:
            write_atomically(self._path, encode_junit(written))
        except OSError as error:
            raise SinkError(f"cannot be written: {error.strerror or error}", where=str(self._path)) from None


def _case(found: Verification, function: str, hat_file: str) -> JUnitCase:
    findings = [each for each in found.findings if (each.function, each.hat_file) == (function, hat_file)]
    notes = [each.message for each in found.notes if (each.function, each.hat_file) == (function, hat_file)]
    if function in found.compared:
        notes.append(f"compared with {found.compared[function]}")
    output = "\n".join(notes)
    if not findings:
        return JUnitCase(name=function, output=output)
    more = f" (and {len(findings) - 1} more)" if findings[1:] else ""
    return JUnitCase(
        name=function,
        output=output,
        outcome="error" if _ERRORS.issuperset(finding.check for finding in findings) else "failure",
        type=findings[0].check,
        message=f"{_line(findings[0])}{more}",
        text="\n".join(f"{_line(finding)}\n    {finding.reproduce}" for finding in findings),
    )


def _line(finding: Finding) -> str:
    return f"{finding.check}: {finding.message}"
