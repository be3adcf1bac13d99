"""Which functions a run takes, and with which sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facts import assert_names
from sample_packages import affine, document, element, function, hat_text, range_function, runtime

from hatframe.bench.options import BenchOptions
from hatframe.errors import PackageError, UnknownFunctionError, UsageError
from hatframe.packages.package import Package, read_package
from hatframe.rows import choose, with_sizes

FIXED = function(affine("x", [4]))
SIZED = function(element("M"), element("K"), runtime("x", "M*K"))


def package(folder: Path, name: str = "package", **functions: Any) -> Package:
    path = folder / f"{name}.hat"
    path.write_text(hat_text(document(functions, f"{name}.so")))
    return read_package(path)


def names(packages: list[Package], *patterns: str) -> list[str]:
    return [each.name for _, each in choose(packages, BenchOptions(functions=patterns))[0]]


def test_patterns_choose_over_all_packages(tmp_path: Path) -> None:
    one = package(tmp_path, "one", gemm_a=FIXED, other=FIXED)
    two = package(tmp_path, "two", gemm_b_0123456789abcdef=FIXED)
    assert names([one, two]) == ["gemm_a", "other", "gemm_b_0123456789abcdef"]
    assert names([one, two], "gemm_*") == ["gemm_a", "gemm_b_0123456789abcdef"]
    assert names([one, two], "gemm_b") == ["gemm_b_0123456789abcdef"]


def test_a_pattern_that_nothing_matches_is_an_error(tmp_path: Path) -> None:
    packages = [package(tmp_path, "one", gemm=FIXED), package(tmp_path, "two", other=FIXED)]
    with pytest.raises(UnknownFunctionError) as caught:
        names(packages, "gemm", "gem")
    assert "'gem'" in str(caught.value)
    with pytest.raises(PackageError):
        names([package(tmp_path, "empty")])


def test_initialisers_and_debugging_aids_are_left_out_with_a_reason(tmp_path: Path) -> None:
    chosen, skipped = choose([package(tmp_path, gemm=FIXED, Initialize=FIXED)], BenchOptions())
    assert [each.name for _, each in chosen] == ["gemm"]
    assert skipped.keys() == {"Initialize"}


def test_each_choice_of_sizes_that_makes_a_difference_is_a_row(tmp_path: Path) -> None:
    packages = [package(tmp_path, fixed=FIXED, sized=SIZED)]
    options = BenchOptions(sizes=({"M": 3}, {"M": 3, "K": 256}, {"M": 5, "K": 7}))
    rows = with_sizes(packages, choose(packages, options)[0], options)
    assert [(row.function, row.sizes) for row in rows] == [
        ("fixed", {}),
        ("sized", {"M": 3, "K": 256}),
        ("sized", {"M": 5, "K": 7}),
    ]


def test_choices_of_dimensions_that_only_others_have_do_not_count(tmp_path: Path) -> None:
    other = function(element("n", "int64_t"), runtime("x", "n"))
    packages = [package(tmp_path, sized=SIZED, other=other)]
    options = BenchOptions(sizes=({"M": 5}, {"n": 7}, {"n": 8}))
    rows = with_sizes(packages, choose(packages, options)[0], options)
    assert [(row.function, row.sizes) for row in rows] == [
        ("sized", {"M": 5, "K": 256}),
        ("other", {"n": 7}),
        ("other", {"n": 8}),
    ]


def test_rows_compete_with_those_of_the_same_parameters_and_sizes(tmp_path: Path) -> None:
    packages = [package(tmp_path, sized=SIZED, again=SIZED, fixed=function(element("n", "int64_t")))]
    options = BenchOptions(sizes=({"M": 5}, {"M": 6}))
    rows = with_sizes(packages, choose(packages, options)[0], options)
    groups: dict[str, list[str]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row.function)
    assert sorted(groups.values()) == [["fixed"], ["sized", "again"], ["sized", "again"]]


def test_a_dimension_that_no_function_has_is_a_usage_error(tmp_path: Path) -> None:
    packages = [package(tmp_path, sized=SIZED)]
    options = BenchOptions(sizes=({"Q": 3},))
    with pytest.raises(UsageError) as caught:
        with_sizes(packages, choose(packages, options)[0], options)
    assert "Q" in str(caught.value)
    assert "K, M" in str(caught.value)


def row_of(packages: list[Package], **options: Any) -> tuple[dict[str, int], dict[str, Any]]:
    (row,) = with_sizes(packages, choose(packages, BenchOptions())[0], BenchOptions(**options))
    return row.sizes, row.values


def test_values_set_scalars_and_examples_are_their_defaults(tmp_path: Path) -> None:
    examples = {"auxiliary": {"examples": {"limit": 1000, "delta": 2, "start": 0.5, "other": 3}}}
    packages = [package(tmp_path, Range=range_function(**examples))]
    assert row_of(packages) == ({}, {"limit": 1000, "delta": 2})
    assert row_of(packages, values={"limit": 7, "start": 3}) == ({}, {"start": 3, "limit": 7, "delta": 2})
    assert row_of(packages, sizes=({"limit": 8},)) == ({"limit": 8}, {"delta": 2})


def test_an_example_of_a_dimension_is_its_default_size(tmp_path: Path) -> None:
    sized = {**SIZED, "auxiliary": {"examples": {"M": 1000}}}
    packages = [package(tmp_path, sized=sized)]
    assert row_of(packages) == ({"M": 1000, "K": 256}, {})
    assert row_of(packages, values={"K": 3}, sizes=({"M": 5},)) == ({"M": 5, "K": 3}, {})


def test_a_file_gives_dimensions_unless_an_option_does(tmp_path: Path) -> None:
    packages = [package(tmp_path, sized=SIZED)]
    path = tmp_path / "x.npz"
    np.savez(path, x=np.zeros((3, 5), np.float32))
    assert row_of(packages, input_data=str(path)) == ({"M": 3, "K": 5}, {})
    assert row_of(packages, input_data=str(path), sizes=({"M": 7},)) == ({"M": 7, "K": 5}, {})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"values": {"Q": 3}}, "Q"),
        ({"values": {"M": 1.5}}, "M=1.5"),
        ({"values": {"M": 1 << 31}}, "M="),
        ({"sizes": ({"M": 1 << 31},)}, "M="),
        ({"values": {"M": 3}, "sizes": ({"M": 3},)}, "M"),
    ],
)
def test_a_value_that_no_scalar_can_have_is_a_usage_error(tmp_path: Path, options: Any, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        row_of([package(tmp_path, sized=SIZED)], **options)
    assert_names(caught.value, named)
