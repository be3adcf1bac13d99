"""The bytes of a results document."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from result_documents import document, failed, result, run_info

from hatframe.results.model import ResultsDocument
from hatframe.results.writing import encode_results


def test_a_document_is_read_back_as_it_was() -> None:
    whole = document(result("gemm", sizes={"M": 4}), failed("f", "why"), skipped={"Initialize": "an initializer"})
    assert msgspec.json.decode(encode_results(whole), type=ResultsDocument) == whole


def test_it_is_indented_text_in_utf_8_that_ends_with_a_line() -> None:
    text = encode_results(document(failed("größe", "µs"))).decode("utf-8")
    assert "größe" in text
    assert '\n  "format": "hatframe-results"' in text
    assert text.endswith("}\n")


def test_what_json_lacks_becomes_text() -> None:
    odd = "a\udcff.hat"  # as Python spells a path with a byte that is not UTF-8
    whole = ResultsDocument(run=run_info(odd, folder=Path("x") / "y"))
    read = json.loads(encode_results(whole))
    assert read["run"]["options"]["folder"] == str(Path("x") / "y")
    assert read["run"]["packages"][0]["hat_files"] == ["a?.hat"]
