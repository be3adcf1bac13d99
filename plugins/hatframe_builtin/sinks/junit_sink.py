"""The sink ``junit``: the outcome of a run as test cases, in the format that CI servers read."""

from __future__ import annotations

import re
from pathlib import Path

from hatframe import hookimpl
from hatframe.plugin import (
    FunctionResult,
    JUnitCase,
    JUnitSuite,
    ResultsDocument,
    RunInfo,
    Sink,
    SinkRun,
    duration_text,
    encode_junit,
    sized_name,
)
from hatframe_builtin.sinks.checks import check_kind
from hatframe_builtin.sinks.documents import DocumentRun

_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<testsuites?\b")


class JUnitSink(Sink):
    """A test suite for each package, with a test case for each function and its sizes, replaced as results arrive.

    A function that was measured passes; its times are in ``system-out``, and the time of the test case is how long it
    was measured. One whose results are wrong is a ``failure``, and any other without figures an ``error``. A run that
    was interrupted has an ``error`` that says so. A JUnit file in the same place is replaced.
    """

    name = "junit"
    summary = "writes a test case for each function, in the JUnit format of CI servers (junit.xml)"

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        path = path or Path("junit.xml")
        check_kind(path, _START, "a JUnit file")
        return DocumentRun(run, path, _encode)


def _encode(document: ResultsDocument) -> bytes:
    run = document.run
    suites: dict[str, list[JUnitCase]] = {}
    for result in document.results:
        suites.setdefault(result.hat_file, []).append(_case(result))
    if not document.complete:
        message = "this run was interrupted; it lacks results"
        incomplete = JUnitCase(
            name="run", classname="hatframe", outcome="error", type="interrupted", message=message, text=message
        )
        suites["hatframe bench"] = [incomplete]
    properties = {"hatframe_version": run.hatframe_version, "run": run.id, "machine": str(run.machine)}
    return encode_junit(
        [
            JUnitSuite(name=name, cases=tuple(cases), timestamp=run.started, properties=properties)
            for name, cases in suites.items()
        ]
    )


def _case(result: FunctionResult) -> JUnitCase:
    name = sized_name(result.function_name, result.measured_with)
    classname = _classname(result.hat_file)
    figures = result.statistics
    if figures is None:
        return JUnitCase(
            name=name,
            classname=classname,
            outcome="failure" if result.status == "wrong" else "error",
            type=result.status,
            message=result.message or result.status,
        )
    low, high = duration_text(figures.time_low), duration_text(figures.time_high)
    times = f"{duration_text(figures.time)} for each call ({low} to {high}), {result.batches} batches"
    seconds = sum(result.batch_means) * result.calls_per_batch
    return JUnitCase(name=name, classname=classname, seconds=seconds, output=times)


def _classname(hat_file: str) -> str:
    """The path with points for its slashes, by which CI servers group test cases: ``build.gemm``."""
    path = Path(hat_file).with_suffix("")
    return ".".join(part for part in path.parts if part not in (path.anchor, "..", "."))


@hookimpl
def hatframe_sinks() -> list[JUnitSink]:
    return [JUnitSink()]
