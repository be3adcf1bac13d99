"""Which functions of several runs are the same, and what else differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_documents import failed, result, run_info

from hatframe.errors import HatError
from hatframe.machine import Cache, Machine, Platform
from hatframe.results.compared import Comparison, ResultSet
from hatframe.results.matching import compare_sets
from hatframe.results.model import FunctionResult, RunInfo

A, B, C = "0123456789abcdef", "fedcba9876543210", "00000000000000aa"
TIMES = (1.0, 1.01, 0.99, 1.0, 1.005, 0.995)


def side(name: str, *results: FunctionResult, run: RunInfo | None = None) -> ResultSet:
    return ResultSet(name=name, results=results, run=run)


def measured(name: str, factor: float = 1.0, **more: Any) -> FunctionResult:
    times = [time * factor for time in TIMES]
    return result(name, times=times, rounds=tuple(range(len(times))), **more)


def matched(compared: Comparison) -> list[tuple[str | None, ...]]:
    return [tuple(each.function_name if each else None for each in row.results) for row in compared.functions]


def compared(first: Sequence[FunctionResult], second: Sequence[FunctionResult]) -> Comparison:
    return compare_sets([side("a", *first), side("b", *second)])


def test_the_exact_name_comes_before_the_base_name() -> None:
    found = compared([measured(f"f_{A}"), measured(f"f_{B}")], [measured(f"f_{C}"), measured(f"f_{A}"), measured("g")])
    assert matched(found) == [(f"f_{A}", f"f_{A}"), (f"f_{B}", f"f_{C}")]
    assert found.unmatched == ((), ("g",))


def test_a_base_name_of_several_matches_none() -> None:
    found = compared([measured(f"f_{A}"), measured("g")], [measured(f"f_{B}"), measured(f"f_{C}"), measured("g")])
    assert matched(found) == [("g", "g")]
    assert found.unmatched == ((f"f_{A}",), (f"f_{B}", f"f_{C}"))


def test_other_sizes_are_another_function_and_a_warning() -> None:
    first = [measured("f", sizes={"M": 8}), measured("f", sizes={"M": 16}), measured("g", sizes={"M": 8})]
    second = [measured(f"f_{A}", sizes={"M": 16}), measured("g", sizes={"M": 9})]
    found = compared(first, second)
    assert matched(found) == [("f", f"f_{A}")]
    assert found.functions[0].sizes == {"M": 16}
    assert found.unmatched == (("f (M=8)", "g (M=8)"), ("g (M=9)",))
    assert found.warnings == ("a and b were not measured alike: sizes (g: M=8 / M=9)",)


def test_other_values_of_scalars_are_another_function() -> None:
    first = [measured("f", sizes={"M": 8}, values={"alpha": 0.5}), measured("g")]
    found = compared(first, [measured("f", sizes={"M": 8}, values={"alpha": 2}), measured("g")])
    assert matched(found) == [("g", "g")]
    assert found.unmatched == (("f (M=8 alpha=0.5)",), ("f (M=8 alpha=2)",))


def test_all_sides_are_compared_with_the_first() -> None:
    sides = [
        side("a", measured("f"), measured("g")),
        side("b", measured("f", 1.5)),
        side("c", measured("g", 0.5), measured("f", 2.0)),
    ]
    found = compare_sets(sides)
    assert matched(found) == [("f", "f", "f"), ("g", None, "g")]
    ratios = [[ratio and round(ratio.ratio, 6) for ratio in row.ratios] for row in found.functions]
    assert ratios == [[1.5, 2.0], [None, 0.5]]
    assert all(ratio.distinguishable for row in found.functions for ratio in row.ratios if ratio)
    assert found.unmatched == ((), (), ())


def test_only_results_of_one_run_are_paired() -> None:
    run, times = run_info(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    a = result("f", times=times, rounds=tuple(range(6)))
    b = result("f", times=[1.1 * time for time in times], rounds=tuple(range(6)))
    (paired,) = compare_sets([side("a", a, run=run), side("b", b, run=run)]).functions[0].ratios
    (unpaired,) = compare_sets([side("a", a, run=run), side("b", b, run=run_info())]).functions[0].ratios
    assert paired
    assert unpaired
    assert paired.distinguishable
    assert not unpaired.distinguishable


def test_the_last_of_several_rows_of_a_function_counts() -> None:
    found = compared([measured("f")], [measured("f", 9.0), measured("f", 2.0)])
    (ratio,) = found.functions[0].ratios
    assert ratio
    assert ratio.ratio == pytest.approx(2.0)


def test_one_function_from_two_packages_on_one_side_is_refused() -> None:
    with pytest.raises(HatError, match=r"f .*x\.hat and y\.hat") as caught:
        compared([measured("f")], [measured("f", hat_file="x.hat"), measured("f", hat_file="y.hat")])
    assert caught.value.where == "b"


def test_nothing_in_common_is_an_error_that_names_both() -> None:
    with pytest.raises(HatError, match="no function in common") as caught:
        compared([measured("f")], [measured("g"), measured("h")])
    assert caught.value.hint == "the first has f, and the second g, h"


def test_patterns_choose_the_functions() -> None:
    sides = [side("a", measured(f"f_{A}"), measured("g"), measured("h")), side("b", measured("f"), measured("g"))]
    assert matched(compare_sets(sides, ["f"])) == [(f"f_{A}", "f")]
    assert matched(compare_sets(sides, ["[fg]"])) == [(f"f_{A}", "f"), ("g", "g")]
    with pytest.raises(HatError, match="'none'"):
        compare_sets(sides, ["f", "none"])


# ------------------------------------------------------------------------------------------------------- slower


def test_slower_means_that_the_whole_interval_is_beyond_the_part() -> None:
    sides = [side("a", measured("f")), side("b", measured("f", 1.1))]
    (row,) = compare_sets(sides).functions
    (ratio,) = row.ratios
    assert ratio
    assert "b" in compare_sets(sides, fail_slower=0.05).functions[0].problem
    assert compare_sets(sides, fail_slower=ratio.low - 1 - 1e-9).failed
    assert not compare_sets(sides, fail_slower=ratio.low - 1 + 1e-9).failed
    assert not compare_sets(sides[::-1], fail_slower=0.0).failed
    assert not compare_sets(sides).failed


@pytest.mark.parametrize("failing", [(0,), (1,), (0, 1)])
def test_a_function_without_figures_on_any_side_fails_a_limit_with_the_reason(failing: tuple[int, ...]) -> None:
    broken = failed("f", "it crashed")
    sides = [side(name, broken if i in failing else measured("f"), measured("g")) for i, name in enumerate("ab")]
    (row,) = compare_sets(sides, fail_slower=9.0).failed
    assert row.function_name == "f"
    assert row.ratios == (None,)
    assert "it crashed" in row.problem


# ----------------------------------------------------------------------------------------------------- warnings


def test_results_of_like_runs_give_no_warning() -> None:
    sides = [side("a", measured("f"), run=run_info("x.hat")), side("b", measured("f"), run=run_info("y.hat"))]
    assert compare_sets(sides).warnings == ()


def test_other_settings_are_one_warning() -> None:
    other = measured("f", timer="native", cache="hot", threads=4, input_data="zeros")
    assert compared([measured("f")], [other]).warnings == (
        "a and b were not measured alike: timer (python / native), cache (cold / hot), threads (not set / 4), "
        "input data (random / zeros)",
    )


def test_another_machine_is_a_warning() -> None:
    run = run_info()
    machine = Machine(
        platform=Platform("linux", "aarch64"),
        caches=(Cache(level=1, kind="data", size=65536, line_size=64),),
        details={"cpu": {"model": "Another processor", "logical_cores": 2}, "gpu": {"model": "unknown to the other"}},
    )
    sides = [
        side("a", measured("f"), run=run),
        side("b", measured("f"), run=msgspec.structs.replace(run, machine=machine)),
    ]
    assert compare_sets(sides).warnings == (
        "a and b were not measured alike: platform (x86_64-linux / aarch64-linux), caches (L1:49152 / L1:65536), "
        "cpu model (A processor / Another processor)",
    )


def test_results_without_a_known_machine_give_no_warning_of_it() -> None:
    assert compare_sets([side("a", measured("f"), run=run_info()), side("b", measured("f"))]).warnings == ()


NAMES = st.lists(st.builds("{}{}".format, st.sampled_from("fgh"), st.sampled_from(["", f"_{A}", f"_{B}"])), max_size=9)


@given(NAMES, NAMES)
def test_every_function_is_matched_once_or_listed(first: list[str], second: list[str]) -> None:
    one = {name: measured(name) for name in ["same", *first]}
    other = {name: measured(name) for name in ["same", *second]}
    found = compared(list(one.values()), list(other.values()))
    pairs = matched(found)
    assert sorted([*(pair[0] or "" for pair in pairs), *found.unmatched[0]]) == sorted(one)
    assert sorted([*(pair[1] or "" for pair in pairs), *found.unmatched[1]]) == sorted(other)
    assert all((name, name) in pairs for name in one if name in other)
