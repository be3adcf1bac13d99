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
        (document(result("a"), result("b"), failed("f", "why"), rankings=(Ranking(fastest=1),)), "b"),
        (document(result("a"), failed("f", "why")), "a"),
        (document(result("a"), result("b")), None),
        (document(result("a"), result("b"), rankings=(Ranking(fastest=0), Ranking(fastest=1))), None),
        (document(failed("f", "why")), None),
        (document(), None),
    ],
)
def test_the_fastest_is_the_winner_of_the_only_ranking_or_the_only_result(
    whole: ResultsDocument, name: str | None
) -> None:
    assert (whole.fastest.function_name if whole.fastest else None) == name


def test_the_winners_are_the_fastest_of_each_group() -> None:
    rankings = (Ranking(group="f", fastest=2), Ranking(group="g", fastest=1))
    whole = document(result("a"), result("b"), result("c"), rankings=rankings)
    assert {group: each.function_name for group, each in whole.winners.items()} == {"f": "c", "g": "b"}


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
