"""The flat layout of results."""

from __future__ import annotations

from result_documents import failed, result

from hatframe.results.table import columns, row


def test_the_first_columns_are_hatlibs() -> None:
    assert columns()[:6] == (
        "function_name",
        "mean",
        "median_of_means",
        "mean_of_small_means",
        "robust_mean",
        "min_of_means",
    )


def test_a_row_has_a_cell_for_each_column_and_loses_no_field() -> None:
    whole = result("gemm", sizes={"M": 256, "N": 1024}, counters={"cycles": 2.5, "misses": 3.0}, threads=8)
    cells = dict(zip(columns(), row(whole), strict=True))
    assert cells["sizes"] == "M=256 N=1024"
    assert cells["counters"] == "cycles=2.5 misses=3.0"
    assert cells["threads"] == 8
    assert whole.statistics
    assert cells["mean"] == whole.statistics.mean
    of_fields = {name for name in whole.__struct_fields__ if name not in ("statistics", "batch_means")}
    assert of_fields | set(whole.statistics.__struct_fields__) == set(columns())


def test_a_failed_result_has_no_figures() -> None:
    cells = dict(zip(columns(), row(failed("f", "it crashed")), strict=True))
    assert cells["mean"] is None
    assert cells["standard_deviation"] is None
    assert (cells["status"], cells["message"]) == ("failed", "it crashed")
