"""Ratios with honest intervals, the ranking of a run, and its summary."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_documents import document, failed, result

from hatframe.results.comparison import (
    batches_of,
    clearly_slower,
    rank,
    rankings,
    ratio_of,
    ratio_of_batches,
    summary,
    verdict,
)
from hatframe.results.estimation import Batches
from hatframe.results.model import FunctionResult, Ranking, Ratio

TIMES = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=30)


def paired_ratio(
    a: Sequence[float], a_rounds: Sequence[int], b: Sequence[float], b_rounds: Sequence[int], confidence: float = 0.95
) -> Ratio:
    return ratio_of_batches(Batches(a, a_rounds), Batches(b, b_rounds), confidence)


def first_rounds(result: FunctionResult, count: int) -> Batches:
    return Batches(result.batch_means[:count], result.rounds[:count])


def drift(source: random.Random, rounds: int) -> list[float]:
    """How much slower the machine is in each round: a random walk of some 2 % a step."""
    factors = [1.0]
    while len(factors) < rounds:
        factors.append(factors[-1] * source.lognormvariate(0, 0.02))
    return factors


def times(
    source: random.Random, factors: Sequence[float], mean: float, noise: float, disturbed: float = 0
) -> list[float]:
    """A batch in each round, some of them up to twice as long."""
    return [
        mean * factor * source.lognormvariate(0, noise) * (1 + source.random() * (source.random() < disturbed))
        for factor in factors
    ]


def of_run(means: Sequence[float], rounds: int, noise: float = 0.01, seed: int = 0) -> list[FunctionResult]:
    """Results of one run, f0, f1 and so on, measured in the same rounds of a machine that drifts."""
    source = random.Random(seed)
    factors = drift(source, rounds)
    return [
        result(f"f{position}", times=times(source, factors, mean, noise), rounds=tuple(range(rounds)))
        for position, mean in enumerate(means)
    ]


# ---------------------------------------------------------------------------------------------------- pairs


@pytest.mark.parametrize("disturbed", [0.0, 0.05])
@pytest.mark.parametrize("rounds", [5, 7, 10, 50, 200])
def test_the_interval_holds_the_true_ratio_as_often_as_it_says(rounds: int, disturbed: float) -> None:
    source = random.Random(rounds)
    held = narrower = 0
    for _ in range(400):
        factors = drift(source, rounds)
        a, b = (times(source, factors, mean, 0.01, disturbed) for mean in (1.04e-6, 1e-6))
        paired = paired_ratio(a, range(rounds), b, range(rounds))
        unpaired = paired_ratio(a, (), b, ())
        held += paired.low <= 1.04 <= paired.high
        narrower += paired.high - paired.low < unpaired.high - unpaired.low
    # 0.95 is meant; three standard deviations of 400 trials are 0.033.
    assert held / 400 > 0.91
    if rounds >= 10:
        assert narrower / 400 > 0.6


def test_drift_that_both_share_does_not_widen_the_interval() -> None:
    source = random.Random(4)
    factors = [1 + number / 20 for number in range(40)]
    a, b = (times(source, factors, mean, 0.005) for mean in (1.02, 1.0))
    paired = paired_ratio(a, range(40), b, range(40))
    assert 1.01 < paired.low < 1.02 < paired.high < 1.04
    unpaired = paired_ratio(a, (), b, ())
    assert unpaired.low < 0.9 < 1.1 < unpaired.high


def test_pairs_are_the_rounds_that_both_have() -> None:
    a, b = [2.0, 4.0, 8.0, 16.0, 99.0], [77.0, 1.0, 2.0, 4.0, 8.0]
    found = paired_ratio(a, [1, 2, 3, 4, 9], b, [0, 1, 2, 3, 4])
    assert (found.low, found.ratio, found.high) == pytest.approx((1.99, 2.0, 2.01), abs=0.005)


def test_several_batches_of_a_round_count_as_one() -> None:
    many = paired_ratio([1.0, 4.0] * 5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], [1.0] * 5, range(5))
    assert (many.low, many.ratio, many.high) == pytest.approx((1.99, 2.0, 2.01), abs=0.005)


@pytest.mark.parametrize("rounds", [5, 20])
def test_one_disturbed_round_in_five_moves_nothing(rounds: int) -> None:
    source = random.Random(1)
    a, b = (times(source, [1.0] * rounds, mean, 0.002) for mean in (1.1, 1.0))
    for position in range(0, rounds, 5):
        a[position] *= 50
    found = paired_ratio(a, range(rounds), b, range(rounds))
    assert 1.07 < found.low < found.high < 1.14
    assert found.ratio == pytest.approx(1.1, abs=0.005)


def test_a_single_batch_tells_no_interval() -> None:
    for found in (paired_ratio([2.0], [0], [1.0], [0]), paired_ratio([2.0], [], [1.0, 1.1, 1.2, 1.3, 1.4], [])):
        assert found.low < 1e-100
        assert found.high > 1e100
        assert math.isfinite(found.high)
        assert not found.distinguishable


def test_two_runs_of_few_batches_differ_only_if_they_are_far_apart() -> None:
    assert not paired_ratio([1.1, 1.12], [], [1.0, 1.05], []).distinguishable
    assert paired_ratio([9.0, 9.1], [], [1.0, 1.01], []).distinguishable


@given(TIMES, TIMES, st.booleans())
def test_the_ratio_lies_within_its_interval_and_turns_around(a: list[float], b: list[float], paired: bool) -> None:
    rounds_a, rounds_b = (range(len(a)), range(len(b))) if paired else ((), ())
    found, back = paired_ratio(a, rounds_a, b, rounds_b), paired_ratio(b, rounds_b, a, rounds_a)
    assert 0 < found.low <= found.ratio <= found.high < math.inf
    assert math.isclose(found.ratio * back.ratio, 1, rel_tol=1e-9)
    assert math.isclose(math.log(found.low), -math.log(back.high), rel_tol=1e-6, abs_tol=1e-9)


@given(TIMES, st.floats(1.0, 1e3))
def test_a_result_is_as_fast_as_itself_and_the_unit_does_not_matter(a: list[float], unit: float) -> None:
    found = paired_ratio(a, range(len(a)), a, range(len(a)))
    assert found.ratio == 1.0
    if len(a) >= 4:
        assert (found.low, found.high) == pytest.approx((1.0, 1.0), abs=0.007)
    scaled = paired_ratio([time * unit for time in a], range(len(a)), a, range(len(a)))
    assert math.isclose(scaled.ratio, unit, rel_tol=1e-9)


@given(TIMES, TIMES, st.randoms(use_true_random=False))
def test_the_order_of_the_rounds_does_not_matter(a: list[float], b: list[float], source: random.Random) -> None:
    count = min(len(a), len(b))
    order = source.sample(range(count), count)
    expected = paired_ratio(a[:count], range(count), b[:count], range(count))
    assert paired_ratio([a[i] for i in order], order, b[:count], range(count)) == expected


def test_more_confidence_takes_a_wider_interval() -> None:
    a, b = of_run([1.01, 1.0], rounds=10)
    widths = []
    for confidence in (0.5, 0.9, 0.95, 0.999):
        found = paired_ratio(a.batch_means, a.rounds, b.batch_means, b.rounds, confidence)
        widths.append(found.high - found.low)
    assert widths == sorted(widths)
    assert len(set(widths)) == 4


def test_times_that_the_loops_own_cost_was_subtracted_from_may_be_none() -> None:
    found = paired_ratio([0.0, -1e-9, 2e-9, 1e-9, 3e-10], range(5), [1e-9] * 5, range(5))
    assert not found.distinguishable


def test_results_without_batches_are_compared_by_their_intervals() -> None:
    source = random.Random(2)
    a, b = (result("f", times=times(source, [1.0] * 50, mean, 0.02)) for mean in (1.05, 1.0))
    bare_a = result("f", statistics=a.statistics, batches=50, batch_means=())
    for found in (ratio_of(bare_a, b, same_run=False), ratio_of(a, b, same_run=False)):
        assert found
        # What the processes of two runs differ by, 0.01 each, counts for most.
        assert found.ratio == pytest.approx(1.05, abs=0.02)
        assert found.high - found.low == pytest.approx(1.05 * 2 * 1.98 * 0.01 * math.sqrt(2), rel=0.25)


def test_what_has_no_figures_has_no_ratio() -> None:
    assert ratio_of(failed("f", "why"), result(), same_run=True) is None
    assert ratio_of(result(), failed("f", "why"), same_run=True) is None


# ---------------------------------------------------------------------------------------------------- racing


def test_clearly_slower_is_beyond_the_margin() -> None:
    leader, near, far = of_run([1.0, 1.01, 1.2], rounds=30)

    def slower(one: FunctionResult, margin: float, among: int = 60) -> bool:
        return clearly_slower(batches_of(one), batches_of(leader), margin, among)

    assert slower(far, 0.03)
    assert not slower(far, 0.25)
    assert not slower(near, 0.03)
    assert not clearly_slower(batches_of(leader), batches_of(far), 0.0)


def test_asking_every_round_hardly_ever_drops_one_that_is_as_fast() -> None:
    dropped = 0
    for seed in range(40):
        leader, *others = of_run([1.0] * 5, rounds=30, noise=0.03, seed=seed)
        dropped += any(
            clearly_slower(first_rounds(one, n), first_rounds(leader, n), 0.02, 5)
            for one in others
            for n in range(5, 31)
        )
    assert dropped <= 2


# --------------------------------------------------------------------------------------------------- ranking


def test_the_fastest_and_all_that_may_be_as_fast_are_found() -> None:
    results = of_run([1.04, 1.0, 1.5, 1.0, 1.1], rounds=100)
    found = rank(results, range(len(results)))
    assert {found.fastest, *found.indistinguishable} == {1, 3}
    assert found.next == 0
    assert found.ratios[0] == Ratio(ratio=1.0, low=1.0, high=1.0)
    assert (found.members[0], found.members[-1]) == (found.fastest, 2)
    assert found.ratios[-1].low < 1.5 < found.ratios[-1].high


def test_runs_of_a_noisy_machine_agree_in_who_may_be_fastest() -> None:
    equals = range(5)
    truth = [1.0] * len(equals) + [1.03 + 0.004 * number for number in range(25)]
    winners = []
    for seed in range(20):
        found = rank(of_run(truth, rounds=30, seed=seed), range(len(truth)))
        winners.append({found.fastest, *found.indistinguishable})
    # All equals are among the winners in 95 % of the runs, and what is 3 % slower hardly ever.
    assert sum(not set(equals) <= each for each in winners) <= 2
    assert sum(bool(each - set(equals)) for each in winners) <= 4


def test_those_that_left_the_race_early_are_not_called_winners() -> None:
    truth = [1.0, *(1.5 + number / 200 for number in range(100))]
    results = [
        one if position == 0 else result(one.function_name, times=one.batch_means[:5], rounds=one.rounds[:5])
        for position, one in enumerate(of_run(truth, rounds=60, noise=0.02))
    ]
    found = rank(results, range(len(results)))
    assert found.fastest == 0
    assert len(found.indistinguishable) <= 2


def test_a_smaller_mean_by_luck_of_the_rounds_does_not_win() -> None:
    # The machine was twice as fast in the rounds 30 to 39; only b was measured in them alone.
    factors = [1.0] * 30 + [0.5] * 10
    source = random.Random(5)
    a = result("a", times=times(source, factors, 1.0, 0.005), rounds=tuple(range(40)))
    b = result("b", times=times(source, factors[30:], 1.2, 0.005), rounds=tuple(range(30, 40)))
    assert a.statistics
    assert b.statistics
    assert b.statistics.mean < a.statistics.mean
    found = rank([b, a], range(2))
    assert (found.fastest, found.next) == (1, 0)
    assert document(b, a, rankings=(found,)).fastest is a


def test_a_difference_of_less_than_a_thousandth_decides_nothing() -> None:
    results = [result("a", times=[1.0] * 9, rounds=range(9)), result("b", times=[1.0009] * 9, rounds=range(9))]
    found = rank(results, range(2))
    assert found.indistinguishable == (1,)


def test_each_group_of_several_results_with_figures_has_a_ranking() -> None:
    results = [
        failed("x", "why"),
        result("a", times=[2.0] * 5, group="f (n=1)", sizes={"n": 1}),
        result("a", times=[9.0] * 5, group="f (n=2)", sizes={"n": 2}),
        result("b", times=[1.0] * 5, group="f (n=1)", sizes={"n": 1}),
        result("b", times=[99.0] * 5, group="f (n=2)", sizes={"n": 2}),
        result("c", times=[0.5] * 5, group="g"),
        failed("d", "why"),
    ]
    found = rankings(results)
    assert [(each.group, each.members) for each in found] == [("f (n=1)", (3, 1)), ("f (n=2)", (2, 4))]


def test_results_of_earlier_versions_are_ranked_by_their_sizes() -> None:
    results = [result("a", sizes={"n": 1}), result("b", sizes={"n": 2}), result("b", sizes={"n": 1}), result("c")]
    assert [(each.group, set(each.members)) for each in rankings(results)] == [("n=1", {0, 2})]
    assert rankings([]) == ()
    assert rankings([failed("f", "why"), result("g")]) == ()


@given(st.lists(st.tuples(TIMES, st.integers(0, 5)), min_size=1, max_size=8))
def test_any_run_has_a_ranking_of_all_its_results(drawn: list[tuple[list[float], int]]) -> None:
    results = [
        result(f"f{number}", times=each, rounds=tuple(range(start, start + len(each))))
        for number, (each, start) in enumerate(drawn)
    ]
    found = rank(results, range(len(results)))
    named = [found.fastest, *found.indistinguishable, *(() if found.next is None else (found.next,))]
    assert len(set(named)) == len(named)
    assert sorted(found.members) == list(range(len(results)))
    assert (found.next is None) == (len(found.indistinguishable) == len(results) - 1)
    assert verdict(results, found).startswith(f"fastest: f{found.fastest} ")


# --------------------------------------------------------------------------------------------------- summary


def ranked(*results: FunctionResult) -> str:
    """The verdict over results of one group."""
    return verdict(results, rank(results, range(len(results))))


def test_a_verdict_names_the_fastest_its_equals_and_the_next() -> None:
    results = [result(f"gemm_v{number}_0123456789abcdef", times=(1.372e-4, 1.376e-4, 1.368e-4)) for number in range(4)]
    one = Ratio(ratio=1.0, low=0.99, high=1.01)
    ratios = (one, one, one, Ratio(ratio=1.04, low=1.03, high=1.05))
    ranking = Ranking(fastest=0, indistinguishable=(1, 2), next=3, members=(0, 1, 2, 3), ratios=ratios)
    assert verdict(results, ranking) == (
        "fastest: gemm_v0 136.9 µs ±2.0 %; not distinguishable: gemm_v1, gemm_v2; next: gemm_v3, "
        "1.04 ± 0.01 times slower"
    )
    assert summary(document(*results, rankings=(ranking,))) == verdict(results, ranking)


def test_a_verdict_about_single_batches_has_no_interval() -> None:
    one, other = result("f", times=[2e-6]), result("g", times=[9e-6])
    assert ranked(one, other) == "fastest: f 2 µs; not distinguishable: g"
    assert verdict([one, other], rank([one, other], [0, 1]), unit="ms").startswith("fastest: f 0.002 ms;")


def test_the_summary_of_several_rankings_names_each_winner_with_its_group() -> None:
    results = [
        result(name, times=[time] * 9, group=f"f_* (n={n})", sizes={"n": n})
        for n in (1, 2)
        for name, time in (("f_a", float(n)), ("f_b", 1.5))
    ]
    line = summary(document(*results, rankings=rankings(results)))
    assert line == "fastest: f_a of f_* (n=1), f_b of f_* (n=2)"


def test_unrelated_functions_have_no_fastest() -> None:
    assert "fastest" not in summary(document(result("f"), result("g")))
    assert "2" in summary(document(result("f"), result("g")))
    assert summary(document()) == summary(document(failed("f", "why"))) == summary(document(result("f"))) == ""


def test_a_long_list_of_names_is_cut() -> None:
    results = [result(f"f{number}", times=[1.0] * 9, rounds=range(9)) for number in range(20)]
    assert ranked(*results).endswith("not distinguishable: f1, f2, f3, f4, f5 and 14 more")


@pytest.mark.parametrize(
    ("results", "named"),
    [
        ([result("f_0123456789abcdef"), result("g")], ["f", "g"]),
        (
            [result("f_0123456789abcdef"), result("f_fedcba9876543210")],
            ["f_0123456789abcdef", "f_fedcba9876543210"],
        ),
        ([result("f", hat_file="a.hat"), result("f", hat_file="b.hat")], ["f (of a.hat)", "f (of b.hat)"]),
    ],
    ids=["base name", "same base name", "packages"],
)
def test_a_function_is_called_by_what_tells_it_from_the_others(results: list[FunctionResult], named: list[str]) -> None:
    first, other = named
    line = ranked(*results)
    assert line.startswith(f"fastest: {first} 1.283 µs")
    assert other in line
