"""The results document as an object."""

from __future__ import annotations

import pytest
from result_documents import document, failed, result

from hatframe.results.model import Ranking, Ratio, ResultsDocument


def test_a_document_is_a_collection_of_its_results() -> None:
    whole = document(result("a"), failed("b", "why"))
    assert [each.function_name for each in whole] == ["a", "b"]
    assert len(whole) == 2


@pytest.mark.parametrize(
    ("whole", "name"),
    [
        (document(result("slow", times=(2e-6,) * 3), result("quick", times=(1e-6,) * 3), failed("f", "why")), "quick"),
        (document(result("a", times=(2e-6,) * 3), result("b"), comparison=Ranking(fastest=0)), "a"),
        (document(failed("f", "why")), None),
        (document(), None),
    ],
)
def test_the_fastest_is_the_winner_of_the_comparison_or_has_the_smallest_mean(
    whole: ResultsDocument, name: str | None
) -> None:
    assert (whole.fastest.function_name if whole.fastest else None) == name


@pytest.mark.parametrize(
    ("low", "high", "distinguishable"), [(1.01, 1.2, True), (0.9, 0.99, True), (0.99, 1.01, False), (1.0, 1.1, False)]
)
def test_a_ratio_is_distinguishable_where_its_interval_leaves_out_one(
    low: float, high: float, distinguishable: bool
) -> None:
    assert Ratio(ratio=(low + high) / 2, low=low, high=high).distinguishable is distinguishable


def test_a_dataframe_has_a_row_for_each_result() -> None:
    frame = document(result("a"), failed("b", "why")).to_dataframe()
    assert list(frame["function_name"]) == ["a", "b"]
    assert list(frame["status"]) == ["ok", "failed"]


def test_it_is_shown_in_one_line_and_as_a_table() -> None:
    whole = document(result("a<b"))
    assert "\n" not in repr(whole)
    html = whole._repr_html_()
    assert "<table" in html
    assert "a<b" not in html
