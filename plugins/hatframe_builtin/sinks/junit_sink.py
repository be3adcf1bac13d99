"""The sink ``junit``: the outcome of a run as test cases, in the format that CI servers read."""

from __future__ import annotations

from pathlib import Path

from hatframe import hookimpl
from hatframe.plugin import (
    JUNIT_START,
    FunctionResult,
    JUnitCase,
    JUnitSuite,
    ResultsDocument,
    RunInfo,
    Sink,
    SinkRun,
    check_kind,
    duration_text,
    encode_junit,
    sized_name,
)
from hatframe_builtin.sinks.documents import DocumentRun


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
        check_kind(path, JUNIT_START, "a JUnit file")
        return DocumentRun(run, path, _encode)


def _encode(document: ResultsDocument) -> bytes:
    run = document.run
    suites: dict[str, list[JUnitCase]] = {}
    for result in document.results:
        suites.setdefault(result.hat_file, []).append(_case(result))
    if not document.complete:
        message = "this run was interrupted; it lacks results"
        suites["hatframe bench"] = [JUnitCase(name="run", outcome="error", type="interrupted", message=message)]
    properties = {"hatframe_version": run.hatframe_version, "run": run.id, "machine": str(run.machine)}
    return encode_junit(
        [
            JUnitSuite(name=name, cases=tuple(cases), timestamp=run.started, properties=properties)
            for name, cases in suites.items()
        ]
    )


def _case(result: FunctionResult) -> JUnitCase:
    name = sized_name(result.function_name, result.measured_with)
    figures = result.statistics
    if figures is None:
        return JUnitCase(
            name=name,
            outcome="failure" if result.status == "wrong" else "error",
            type=result.status,
            message=result.message or result.status,
        )
    low, high = duration_text(figures.time_low), duration_text(figures.time_high)
    times = f"{duration_text(figures.time)} for each call ({low} to {high}), {result.batches} batches"
    seconds = sum(result.batch_means) * result.calls_per_batch
    return JUnitCase(name=name, seconds=seconds, output=times)


@hookimpl
def hatframe_sinks() -> list[JUnitSink]:
    return [JUnitSink()]
