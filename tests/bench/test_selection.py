"""Which functions a run measures, and with which sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sample_packages import affine, document, element, function, hat_text, runtime

from hatframe.bench.options import BenchOptions
from hatframe.bench.selection import choose, with_sizes
from hatframe.errors import PackageError, UnknownFunctionError, UsageError
from hatframe.packages.package import Package, read_package

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
