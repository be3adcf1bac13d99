"""Figures in the words of people: durations, percentages, ratios, sizes."""

from __future__ import annotations

import math
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


def percent(part: float) -> str:
    """A part as a percentage with two digits: ``0.3 %``, ``0.04 %``, ``120 %``."""
    value = 100 * part
    if value >= 10:
        return f"{value:.0f} %"
    return f"{value:.1f} %" if value >= 0.1 else f"{max(value, 0.01):.2f} %"


def ratio_text(ratio: Ratio) -> str:
    """A ratio with half the width of its interval, such as ``1.04 ± 0.01``; with its ends where that misleads."""
    if ratio.high > _UNKNOWN * ratio.ratio:
        return f"{ratio.ratio:.2f} (of an unknown interval)"
    half = (ratio.high - ratio.low) / 2
    if half > ratio.ratio / 2:
        return f"{ratio.ratio:.2f} ({ratio.low:.2g} to {ratio.high:.2g})"
    # As many decimals as the first digit of the half width has, and from two to four.
    decimals = min(4, max(2, -math.floor(math.log10(half)))) if half else 4
    if ratio.ratio >= 100:
        decimals = 0
    return f"{ratio.ratio:.{decimals}f} ± {max(half, 10.0**-decimals):.{decimals}f}"


def sized_name(name: str, sizes: Mapping[str, int | float]) -> str:
    """A function with the sizes it was measured with: ``gemm (M=256 N=1024)``."""
    return f"{name} ({pairs_text(sizes)})" if sizes else name
