"""Results and comparisons as pandas tables. pandas takes half a second to import, so it is imported here only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hatframe.errors import HatError
from hatframe.format.pairs import pairs_text
from hatframe.results.table import columns, row

if TYPE_CHECKING:
    import pandas as pd

    from hatframe.results.compared import Comparison
    from hatframe.results.model import ResultsDocument


def _frame(rows: list[Any], names: list[str] | None = None) -> pd.DataFrame:
    try:
        import pandas as pd
    except ImportError:
        raise HatError("pandas is not installed", hint="pip install pandas") from None
    return pd.DataFrame(rows, columns=names)


def results_frame(document: ResultsDocument) -> pd.DataFrame:
    """A row for each result, with the columns of the CSV file."""
    return _frame([row(result, document.run) for result in document], list(columns()))


def comparison_frame(comparison: Comparison) -> pd.DataFrame:
    """A row for each function and each side but the first."""
    first, *others = comparison.names
    rows = [
        {
            "function_name": compared.function_name,
            "sizes": pairs_text(compared.measured_with),
            "source": name,
            f"mean in {first}": _mean(compared.results[0]),
            "mean": _mean(result),
            "ratio": ratio and ratio.ratio,
            "low": ratio and ratio.low,
            "high": ratio and ratio.high,
            "significant": ratio and ratio.distinguishable,
            "problem": compared.problem,
        }
        for compared in comparison
        for name, result, ratio in zip(others, compared.results[1:], compared.ratios, strict=True)
        if result
    ]
    return _frame(rows)


def _mean(result: Any) -> float | None:
    return result.statistics.mean if result and result.statistics else None
