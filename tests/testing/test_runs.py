"""The made-up run that sinks are checked with."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hatframe.results.model import ResultsDocument
from hatframe.results.writing import encode_results
from hatframe.testing.runs import AWKWARD, failed_result, ok_result, run_info


def test_it_is_a_run_like_any_other() -> None:
    document = ResultsDocument(run=run_info(Path("a.hat")), results=(ok_result("f"), failed_result("g")))
    assert msgspec.json.decode(encode_results(document), type=ResultsDocument) == document
    assert document.fastest is not None
    assert document.fastest.function_name == "f"


def test_a_result_that_failed_has_a_message_that_tables_and_quoting_trip_over() -> None:
    assert failed_result("g").message == AWKWARD
    assert {'"', "|", "\n", ";", "<"} <= set(AWKWARD)
