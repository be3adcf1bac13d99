"""What ``--verbose`` shows of a run, and that a pipe gets no bar."""

from __future__ import annotations

import logging

import pytest
from result_documents import document, failed, result, run_info

from hatframe.cli.progress import Progress


def test_each_function_is_a_line_of_details(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "hatframe.cli"):
        progress = Progress(bar=True)
        progress.run_started(run_info(), 2)
        progress.progress("gemm", 0.5)
        progress.function_finished(result("gemm", sizes={"M": 4}))
        progress.function_finished(failed("f", "why"))
        progress.run_finished(document())
    first, second = caplog.messages
    assert "2 functions" in first
    assert "gemm" in second
    assert "786432" in second


def test_a_pipe_gets_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(bar=True)
    progress.run_started(run_info(), 1)
    progress.function_finished(result("gemm"))
    progress.run_finished(document())
    assert capsys.readouterr() == ("", "")
