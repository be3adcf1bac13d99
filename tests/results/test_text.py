"""Figures in the words of people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.errors import listed
from hatframe.results.model import Ratio
from hatframe.results.text import duration, percent, ratio_text, sized_name


@pytest.mark.parametrize(
    ("seconds", "unit", "text"),
    [
        (1.3724e-4, "", "137.2 µs"),
        (1.4e-9, "", "1.4 ns"),
        (4e-13, "", "0.0004 ns"),
        (0.0, "", "0 ns"),
        (2.5, "", "2.5 s"),
        (1.5e-6, "ms", "0.0015 ms"),
    ],
)
def test_durations(seconds: float, unit: str, text: str) -> None:
    assert duration(seconds, unit) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [(0.003, "0.3 %"), (0.0004, "0.04 %"), (0.0, "0.01 %"), (0.0143, "1.4 %"), (0.123, "12 %"), (1.2, "120 %")],
)
def test_percentages(part: float, text: str) -> None:
    assert percent(part) == text


@pytest.mark.parametrize(
    ("low", "ratio", "high", "text"),
    [
        (1.03, 1.04, 1.05, "1.04 ± 0.01"),
        (1.0412, 1.042, 1.0428, "1.0420 ± 0.0008"),
        (20.1, 20.5, 20.9, "20.5 ± 0.4"),
        (1.0, 1.0, 1.0, "1.0000"),
        (0.99997, 1.0, 1.00003, "1.0000 ± 0.0001"),
        (1.0303, 1.0398, 1.0494, "1.04 ± 0.01"),
        (190.0, 200.0, 210.0, "200 ± 10"),
        (1170.0, 1234.0, 1298.0, "1230 ± 60"),
        (7.9e9, 8.1e9, 8.3e9, "8.1e9 ± 2e8"),
        (9.2e8, 8334687808.59, 7.5e10, "8e9 (9.2e8 to 7.5e10)"),
        (0.9, 2.0, 4.5, "2 (0.90 to 4.5)"),
        (0.4, 0.9, 1.9, "0.9 (0.40 to 1.9)"),
        (1e-300, 1.04, 1e300, "1.0 (unknown interval)"),
    ],
)
def test_ratios(low: float, ratio: float, high: float, text: str) -> None:
    assert ratio_text(Ratio(ratio=ratio, low=low, high=high)) == text


@given(st.floats(1e-3, 1e3), st.floats(0, 0.4))
def test_a_ratio_as_text_is_the_ratio(ratio: float, part: float) -> None:
    shown, _, half = ratio_text(Ratio(ratio=ratio, low=ratio * (1 - part), high=ratio * (1 + part))).partition(" ± ")
    assert float(shown) == pytest.approx(ratio, abs=max(ratio * part, 1e-4))
    assert float(half or 0) == pytest.approx(ratio * part, abs=max(ratio * part / 2, 1e-4))


def test_names() -> None:
    assert listed([]) == ""
    assert listed(["a", "b"]) == "a, b"
    assert listed(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert sized_name("f", {}) == "f"
    assert sized_name("f", {"M": 3, "N": 4}) == "f (M=3 N=4)"
