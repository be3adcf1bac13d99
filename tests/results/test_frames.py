"""Results and comparisons as tables, in pandas and in a notebook."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pandas as pd
import pytest
from hatframe_builtin.sinks.csv_sink import CsvSink
from result_documents import document, failed, result

import hatframe
from hatframe import HatError
from hatframe.results.comparison import rankings

RESULTS = (
    result("fast", times=[1e-6] * 4),
    result("slow", times=[2e-6] * 4),
    failed("g", "it <broke>"),
)


def test_results_are_a_sequence_with_a_winner() -> None:
    found = document(*RESULTS, rankings=rankings(RESULTS))
    assert list(found) == list(RESULTS)
    assert len(found) == 3
    assert found.fastest is RESULTS[0]


def test_a_dataframe_has_the_columns_of_the_csv_file(tmp_path: Path) -> None:
    found = document(*RESULTS)
    run = CsvSink().open(found.run, tmp_path / "results.csv")
    for each in RESULTS:
        run.add(each)
    run.close(found)
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(found.to_dataframe().to_csv(index=False))), pd.read_csv(tmp_path / "results.csv")
    )


def test_a_repr_is_one_line_that_names_the_fastest() -> None:
    assert "fast" in repr(document(*RESULTS, rankings=rankings(RESULTS)))
    for shown in (document(*RESULTS), document()):
        assert len(repr(shown).splitlines()) == 1


def test_a_notebook_shows_a_table_with_text_escaped() -> None:
    html = document(result("a<b>"))._repr_html_()
    assert "<table" in html
    assert "a<b>" not in html


def test_a_comparison_is_a_table_of_ratios() -> None:
    after = document(result("fast", times=[2e-6] * 4), failed("slow", "it crashed"))
    comparison = hatframe.compare(document(*RESULTS), after, fail_slower=0.05)
    frame = comparison.to_dataframe()
    assert list(frame["function_name"]) == ["fast", "slow"]
    assert frame["ratio"][0] == pytest.approx(2)
    assert [row.function_name for row in comparison.failed] == ["fast", "slow"]
    assert "<table" in comparison._repr_html_()
    assert len(comparison) == 2
    assert len(repr(comparison).splitlines()) == 1


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(HatError, match="pip install pandas"):
        document(*RESULTS).to_dataframe()
