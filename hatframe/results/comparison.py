"""Ratios of results with their confidence intervals, and the ranking of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hatframe.errors import listed
from hatframe.format.names import base_name
from hatframe.format.pairs import pairs_text
from hatframe.results.estimation import (
    CONFIDENCE,
    Batches,
    Estimate,
    estimate,
    interval,
    log_time,
    ratio_estimate,
    student_quantile,
    unpaired,
)
from hatframe.results.model import FunctionResult, Ranking, Ratio, ResultsDocument, Statistics
from hatframe.results.text import duration, percent, ratio_text

# The placement of code and data in memory, which changes with each run, makes a larger difference than 0.1 %.
NEGLIGIBLE = 0.001
# A race asks after every round, and may be wrong each time.
_LOOKS = 10
# The weight of the other functions' spread against a function's own, in degrees of freedom: after 5 rounds, where its
# own has two, mostly that of the others; after 50, mostly its own.
_BORROWED = 5

_ITSELF = Estimate(0.0, 0.0, 1)


def ratio_of_batches(a: Batches, b: Batches, confidence: float = CONFIDENCE) -> Ratio:
    """How many times slower a is than b, by the rounds that both have.

    Fewer than 4 common rounds are not paired. Pass no rounds for results of different runs. The interval is unbounded
    if one has a single batch.
    """
    return _ratio(ratio_estimate(a, b), confidence)


def ratio_of(a: FunctionResult, b: FunctionResult, *, same_run: bool) -> Ratio | None:
    """How many times slower ``a`` is than ``b``; None if one of them has no figures.

    Results of the same run are paired. If the batches of one are unknown, both count with mean and standard error.
    """
    difference = _difference(a, b, same_run)
    return _ratio(difference, CONFIDENCE) if difference else None


def clearly_slower(function: Batches, leader: Batches, margin: float, among: int = 2) -> bool:
    """Whether a function is slower than the leader by more than ``margin``, asked again and again in a race."""
    # More confidence than rank() demands: by the same batches, no function that left is as fast as the leader.
    confidence = 1 - (1 - _simultaneous(among)) / _LOOKS
    return ratio_of_batches(function, leader, confidence).low > 1 + margin


def rankings(results: Sequence[FunctionResult]) -> tuple[Ranking, ...]:
    """The ranking of each group that has at least two results with figures, in the order of their first results."""
    groups: dict[tuple[str, str], list[int]] = {}
    for position, result in enumerate(results):
        if result.statistics:
            # Results without a group come from files of earlier versions.
            groups.setdefault((result.group, pairs_text(result.sizes)), []).append(position)
    return tuple(
        rank(results, members, group or sizes) for (group, sizes), members in groups.items() if len(members) > 1
    )


def rank(results: Sequence[FunctionResult], members: Sequence[int], group: str = "") -> Ranking:
    """Rank those of the results of one run that have the positions ``members``, and have figures.

    The fastest is not the one with the smallest mean, which may be luck, but one that no other is significantly faster
    than, pair by pair. The intervals hold all at once with 95 % confidence (Bonferroni), so that the truly fastest is
    the fastest or one of the indistinguishable: those whose interval includes differences of at most 0.1 %.

    The spread of a round's ratio is estimated from the function's own rounds and, if those are few, from all others'.
    """
    measured = [(position, results[position]) for position in members]
    confidence = _simultaneous(len(measured))
    fastest = min(measured, key=lambda entry: entry[1].time or 0.0)[0]
    former: set[int] = set()
    while True:
        former.add(fastest)
        ratios = _ratios_to(results[fastest], measured, confidence)
        # Functions that were not measured in the same rounds may each be faster than the next, in a circle.
        faster = [
            (ratio.ratio, position) for position, ratio in ratios.items() if ratio.high < 1 and position not in former
        ]
        if not faster:
            break
        fastest = min(faster)[1]
    others = sorted((ratio.ratio, position) for position, ratio in ratios.items() if position != fastest)
    order = [fastest, *(position for _, position in others)]
    slower = [position for position in order[1:] if ratios[position].low > 1 + NEGLIGIBLE]
    return Ranking(
        group=group,
        fastest=fastest,
        indistinguishable=tuple(position for position in order[1:] if position not in slower),
        next=slower[0] if slower else None,
        members=tuple(order),
        ratios=tuple(ratios[position] for position in order),
    )


def summary(document: ResultsDocument) -> str:
    """The outcome of a run in one line: of a single ranking in full, of several the names of the winners."""
    if len(document.rankings) == 1:
        return verdict(document.results, document.rankings[0])
    if document.rankings:
        winners = [
            f"{short_names(document.results)[ranking.fastest]} of {ranking.group}" for ranking in document.rankings
        ]
        return f"fastest: {listed(winners)}"
    measured = sum(bool(result.statistics) for result in document.results)
    return f"{measured} measured, none with the same parameters and sizes as another" if measured > 1 else ""


def verdict(results: Sequence[FunctionResult], ranking: Ranking, unit: str = "") -> str:
    """The outcome of one ranking in one line; ``unit`` is that of the duration."""
    names = dict(zip(ranking.members, short_names([results[position] for position in ranking.members]), strict=True))
    fastest = results[ranking.fastest]
    figures = fastest.statistics
    assert figures is not None
    parts = [f"fastest: {names[ranking.fastest]} {duration(figures.time, unit)}"]
    if fastest.batches > 1 and figures.time > 0:
        parts[0] += f" ±{percent((figures.time_high - figures.time_low) / 2 / figures.time)}"
    if ranking.indistinguishable:
        parts.append(f"not distinguishable: {listed([names[position] for position in ranking.indistinguishable])}")
    if ranking.next is not None:
        ratio = ranking.ratios[ranking.members.index(ranking.next)]
        parts.append(f"next: {names[ranking.next]}, {ratio_text(ratio)} times slower")
    return "; ".join(parts)


def _ratios_to(
    leader: FunctionResult, measured: Sequence[tuple[int, FunctionResult]], confidence: float
) -> dict[int, Ratio]:
    differences = {
        position: _ITSELF if result is leader else _difference(result, leader, same_run=True)
        for position, result in measured
    }
    spreads = sorted(found.variance * found.rounds for found in differences.values() if found and found.rounds)
    typical = spreads[len(spreads) // 2] if spreads else 0.0
    return {
        position: _ratio(_moderated(found, typical), confidence) for position, found in differences.items() if found
    }


def _difference(a: FunctionResult, b: FunctionResult, same_run: bool) -> Estimate | None:
    if not (a.statistics and b.statistics):
        return None
    if a.batch_means and b.batch_means:
        if same_run:
            return ratio_estimate(batches_of(a), batches_of(b))
        return unpaired(estimate(batches_of(a)), estimate(batches_of(b)))
    return unpaired(_of_interval(a.statistics, a.batches), _of_interval(b.statistics, b.batches))


def _moderated(difference: Estimate, spread: float) -> Estimate:
    """With the spread of others mixed in, weighted by degrees of freedom (Smyth's moderated t-statistics, 2004)."""
    if not difference.rounds:
        return difference
    freedom = difference.freedom + _BORROWED
    own = difference.variance * difference.rounds
    spread = (own * difference.freedom + spread * _BORROWED) / freedom
    return difference._replace(variance=spread / difference.rounds, freedom=freedom)


def _simultaneous(among: int) -> float:
    """The confidence of each comparison with the best of ``among``, so that all hold at once with 95 %."""
    return 1 - (1 - CONFIDENCE) / max(1, among - 1)


def batches_of(result: FunctionResult) -> Batches:
    return Batches(result.batch_means, result.rounds, result.processes)


def _of_interval(figures: Statistics, batches: int) -> Estimate:
    """The time of a result without its batches, with the spread that its interval implies."""
    log = log_time(figures.time)
    if batches < 2:
        return Estimate(log, math.inf, 1)
    half = (log_time(figures.time_high) - log_time(figures.time_low)) / 2
    return Estimate(log, (half / student_quantile(batches - 1)) ** 2, batches - 1)


def _ratio(difference: Estimate, confidence: float) -> Ratio:
    low, middle, high = interval(difference, confidence)
    return Ratio(ratio=middle, low=low, high=high)


def short_names(results: Sequence[FunctionResult]) -> list[str]:
    """The shortest name that identifies the function of each result, with its package if that is needed."""
    functions: dict[str, set[str]] = {}
    packages: dict[str, set[str]] = {}
    for result in results:
        functions.setdefault(base_name(result.function_name), set()).add(result.function_name)
        packages.setdefault(result.function_name, set()).add(result.hat_file)
    names = []
    for result in results:
        short = base_name(result.function_name)
        name = short if len(functions[short]) == 1 else result.function_name
        names.append(f"{name} (of {result.hat_file})" if len(packages[result.function_name]) > 1 else name)
    return names
