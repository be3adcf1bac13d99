"""The flat layout of results."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_documents import failed, result, run_info

from hatframe.results.table import columns, result_of, row


def test_new_columns_come_after_hatlibs_and_all_former_ones() -> None:
    assert columns()[:6] == (
        "function_name",
        "mean",
        "median_of_means",
        "mean_of_small_means",
        "robust_mean",
        "min_of_means",
    )
    assert columns()[21:] == (
        "counters",
        "mean_low",
        "mean_high",
        "outliers",
        "overhead_subtracted",
        "cache",
        "input_data",
        "restored",
        "rates",
        "values",
        "restore",
        "run",
        "date",
        "machine",
        "group",
        "time",
        "time_low",
        "time_high",
        "verified",
    )


def test_a_row_has_a_cell_for_each_column_and_loses_no_field() -> None:
    whole = result(
        "gemm",
        sizes={"M": 256, "N": 1024},
        values={"alpha": 0.5, "limit": 1000},
        counters={"cycles": 2.5, "misses": 3.0},
        threads=8,
        rates={"r": 4e9},
    )
    cells = dict(zip(columns(), row(whole, run_info()), strict=True))
    assert cells["sizes"] == "M=256 N=1024"
    assert cells["values"] == "alpha=0.5 limit=1000"
    assert cells["counters"] == "cycles=2.5 misses=3.0"
    assert cells["rates"] == "r=4000000000.0"
    assert cells["threads"] == 8
    assert (cells["run"], cells["date"]) == (run_info().id, run_info().started)
    assert cells["machine"] == "x86_64-linux, A processor"
    assert whole.statistics
    assert cells["mean"] == whole.statistics.mean
    left_out = ("statistics", "batch_means", "rounds", "processes", "checks")
    of_fields = {name for name in whole.__struct_fields__ if name not in left_out}
    of_run = {"run", "date", "machine"}
    assert of_fields | set(whole.statistics.__struct_fields__) | of_run == set(columns())


def test_a_failed_result_has_no_figures() -> None:
    cells = dict(zip(columns(), row(failed("f", "it crashed"), run_info()), strict=True))
    assert cells["mean"] is None
    assert cells["standard_deviation"] is None
    assert (cells["status"], cells["message"]) == ("failed", "it crashed")


PAIRS = st.dictionaries(st.from_regex(r"[A-Za-z_]\w{0,8}", fullmatch=True), st.integers(0, 1 << 40), max_size=3)
TEXT = st.text(max_size=20)


@given(
    name=TEXT.filter(bool),
    message=TEXT,
    times=st.lists(st.floats(0, 1e9), min_size=1, max_size=5),
    sizes=PAIRS,
    rates=PAIRS,
    threads=st.none() | st.integers(1, 1000),
    subtracted=st.booleans(),
)
def test_a_row_as_text_gives_the_result_back_without_its_batches(
    name: str,
    message: str,
    times: list[float],
    sizes: dict[str, int],
    rates: dict[str, int],
    threads: int | None,
    subtracted: bool,
) -> None:
    written = result(
        name,
        message=message,
        times=times,
        sizes=sizes,
        rates={key: float(value) for key, value in rates.items()},
        threads=threads,
        overhead_subtracted=subtracted,
        batch_means=(),
    )
    texts = ("" if cell is None else str(cell) for cell in row(written, run_info()))
    assert result_of(dict(zip(columns(), texts, strict=True))) == written


def test_a_row_of_a_failed_result_gives_it_back() -> None:
    written = failed("f", "it crashed")
    texts = ("" if cell is None else str(cell) for cell in row(written, run_info()))
    assert result_of(dict(zip(columns(), texts, strict=True))) == written


@pytest.mark.parametrize(("column", "text"), [("mean", "fast"), ("batches", "1.5"), ("sizes", "M=a"), ("seed", "x")])
def test_a_cell_that_is_none_of_its_column_is_refused(column: str, text: str) -> None:
    texts = {
        name: "" if cell is None else str(cell) for name, cell in zip(columns(), row(result(), run_info()), strict=True)
    }
    with pytest.raises(ValueError, match="Expected"):
        result_of({**texts, column: text})


@pytest.mark.parametrize(
    ("column", "text"),
    [("mean", "nan"), ("mean", "inf"), ("mean", "1e200"), ("mean_low", "-1e200"), ("min_of_means", "nan")],
)
def test_a_duration_that_is_not_a_number_is_invalid(column: str, text: str) -> None:
    texts = ("" if cell is None else str(cell) for cell in row(result("f"), run_info()))
    cells = dict(zip(columns(), texts, strict=True))
    assert result_of(cells).function_name == "f"
    with pytest.raises(ValueError, match="finite"):
        result_of({**cells, column: text})
