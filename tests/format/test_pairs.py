"""Named numbers in one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.format.pairs import pairs_text, parse_pairs

NAMES = st.text("abMN_0", min_size=1)


def test_pairs_stand_in_one_line() -> None:
    assert pairs_text({"M": 256, "alpha": 0.5}) == "M=256 alpha=0.5"
    assert pairs_text({}) == ""


@given(st.dictionaries(NAMES, st.integers() | st.floats(allow_nan=False)))
def test_the_line_reads_back(values: dict[str, int | float]) -> None:
    assert parse_pairs(pairs_text(values)) == values


@pytest.mark.parametrize("text", ["M", "M=", "M=many", "M=1 words"])
def test_other_text_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="could not convert"):
        parse_pairs(text)
