"""Figures in the words of people: durations, percentages, ratios, sizes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from hatframe.format.pairs import pairs_text
from hatframe.results.model import Ratio

_UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}

# An interval this wide, as a factor, says only that nothing is known.
_UNKNOWN = 1e6


def duration(seconds: float, unit: str = "") -> str:
    """A duration with four digits: ``137.2 µs``; ``unit`` (s, ms, µs or ns) fixes the unit."""
    if unit:
        return f"{seconds / _UNITS[unit]:.4g} {unit}"
    chosen = next((name for name, scale in _UNITS.items() if seconds >= scale), "ns")
    return f"{seconds / _UNITS[chosen]:.4g} {chosen}"


def date_text(started: str) -> str:
    """A date in ISO 8601 to the minute, in UTC: ``2026-11-28 02:17 UTC``; any other text as it is."""
    try:
        date = datetime.datetime.fromisoformat(started.replace("Z", "+00:00"))
    except ValueError:
        return started
    return f"{date.astimezone(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC"


def percent(part: float) -> str:
    """A part as a percentage with two digits: ``0.3 %``, ``0.04 %``, ``120 %``."""
    value = 100 * part
    if value >= 10:
        return f"{value:.0f} %"
    return f"{value:.1f} %" if value >= 0.1 else f"{max(value, 0.01):.2f} %"


def ratio_text(ratio: Ratio) -> str:
    """A ratio with half the width of its interval, such as ``1.04 ± 0.01``; with its ends where that misleads.

    It has no more digits than the first that is uncertain, and at most four after the point.
    """
    half = (ratio.high - ratio.low) / 2
    if not half:
        return _rounded(ratio.ratio, -4)
    if ratio.high > _UNKNOWN * ratio.ratio:
        return f"{_rounded(ratio.ratio, _place(ratio.ratio) - 1)} (unknown interval)"
    if half > ratio.ratio / 2:
        ends = " to ".join(_rounded(end, _place(end) - 1) for end in (ratio.low, ratio.high))
        return f"{_rounded(ratio.ratio, _place(ratio.ratio))} ({ends})"
    place = max(-4, _place(half))
    return f"{_rounded(ratio.ratio, place)} ± {_rounded(max(half, 10.0**place), place)}"


def _place(number: float) -> int:
    """The power of ten of the first digit of a positive number, rounded to this digit."""
    return int(f"{number:.0e}".partition("e")[2])


def _rounded(number: float, place: int) -> str:
    """A number with no digits beyond a power of ten; a large one in the notation of powers."""
    if place < 6:
        return f"{round(number, -place):.{max(0, -place)}f}"
    return f"{number:.{max(0, _place(number) - place)}e}".replace("e+0", "e").replace("e+", "e")


def sized_name(name: str, sizes: Mapping[str, int | float]) -> str:
    """A function with the sizes it was measured with: ``gemm (M=256 N=1024)``."""
    return f"{name} ({pairs_text(sizes)})" if sizes else name
