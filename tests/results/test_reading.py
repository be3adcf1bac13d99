"""Reading results documents: what was written is read, and anything else is refused with a reason."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_documents import document, failed, result, run_info

from hatframe.errors import HatError
from hatframe.results.model import FORMAT_VERSION, ResultsDocument
from hatframe.results.reading import read_results, read_table
from hatframe.results.table import columns, row
from hatframe.results.writing import encode_results

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = document(
        result("gemm", sizes={"M": 256, "N": 1024}, counters={"cycles": 12.5}, threads=4),
        failed("broken", "it crashed"),
        skipped={"Initialize": "an initializer"},
        complete=False,
    )
    path = tmp_path / "results.json"
    path.write_bytes(encode_results(written))
    assert read_results(path) == written


@given(name=TEXT, message=TEXT, times=st.lists(st.floats(0, 1e6), min_size=1, max_size=5))
def test_any_name_and_time_survives(
    tmp_path_factory: pytest.TempPathFactory, name: str, message: str, times: list[float]
) -> None:
    written = document(result(name, times=times), failed("f", message))
    path = tmp_path_factory.mktemp("results") / "results.json"
    path.write_bytes(encode_results(written))
    assert read_results(path) == written


def test_options_without_a_form_in_json_become_text(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(encode_results(ResultsDocument(run=run_info(file=tmp_path))))
    assert read_results(path).run.options == {"file": str(tmp_path)}


def test_a_path_that_is_no_utf_8_does_not_cost_the_results(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(encode_results(document(result(hat_file=os.fsdecode(b"caf\xe9.hat")))))
    (read,) = read_results(path).results
    assert read.statistics == result().statistics
    assert read.hat_file.startswith("caf")


def test_keys_of_a_later_hatframe_are_ignored(tmp_path: Path) -> None:
    table = json.loads(encode_results(document(result())))
    table["later"] = 1
    table["results"][0]["later"] = [2]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(table))
    assert read_results(path) == document(result())


def test_a_newer_format_is_refused_with_both_versions(tmp_path: Path) -> None:
    table = json.loads(encode_results(document(result())))
    table["format_version"] = FORMAT_VERSION + 1
    table["results"] = "of another shape"
    path = tmp_path / "results.json"
    path.write_text(json.dumps(table))
    with pytest.raises(HatError, match=rf"\b{FORMAT_VERSION + 1}\b.*\b{FORMAT_VERSION}\b"):
        read_results(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF\x02\x01\xff",
        b"{",
        b"[]",
        b"null",
        b'{"format": "else"}',
        b'{"format": 3}',
        b"a,b\n1,2\n",
    ],
)
def test_what_is_not_a_results_document_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(HatError, match="--sink json") as caught:
        read_results(path)
    assert caught.value.where == str(path)


def test_an_invalid_document_is_an_error_with_its_place(tmp_path: Path) -> None:
    table = json.loads(encode_results(document(result())))
    table["results"][0]["batches"] = "three"
    path = tmp_path / "results.json"
    path.write_text(json.dumps(table))
    with pytest.raises(HatError, match=r"results\[(0|\.\.\.)\]"):
        read_results(path)


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(HatError, match="No such file"):
        read_results(tmp_path / "none.json")
    with pytest.raises(HatError, match=r"directory|Permission"):
        read_results(tmp_path)


# ----------------------------------------------------------------------------------------------------- tables


def write_table(path: Path, *rows: Iterable[object], end: str = "\n") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator=end).writerows([columns(), *rows])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_gives_its_results_without_their_batches(tmp_path: Path, end: str) -> None:
    results = (result("gemm", sizes={"M": 8}, batch_means=()), failed("f", 'it said: "a, b"\nand more'))
    path = tmp_path / "results.csv"
    write_table(path, *(row(each, run_info()) for each in results), end=end)
    (run,) = read_table(path)
    assert run.results == results
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + end.encode())
    assert read_table(path) == (run,)


def test_a_table_of_no_rows_has_no_results(tmp_path: Path) -> None:
    write_table(tmp_path / "results.csv")
    assert read_table(tmp_path / "results.csv") == ()


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"function_name,mean\n", b"\x7fELF\xff\x00", b'"' * 200_000])
def test_what_is_not_a_table_of_results_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(HatError) as caught:
        read_table(path)
    assert str(path) in caught.value.where


@pytest.mark.parametrize("cells", [("gemm",), ("gemm", "fast", *row(result(), run_info())[2:])], ids=["short", "text"])
def test_an_invalid_row_is_skipped_with_a_warning(
    tmp_path: Path, cells: tuple[object, ...], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "results.csv"
    write_table(path, row(result("a"), run_info()), cells, row(result("b"), run_info()))
    (run,) = read_table(path)
    assert [each.function_name for each in run] == ["a", "b"]
    (message,) = caplog.messages
    assert str(path) in message
    assert "line 3" in message
