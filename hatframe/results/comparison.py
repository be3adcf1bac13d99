"""Ratios of results with their confidence intervals, and the ranking of a run."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import NamedTuple

from hatframe.errors import listed
from hatframe.format.names import base_name
from hatframe.format.pairs import pairs_text
from hatframe.results.model import FunctionResult, Ranking, Ratio, ResultsDocument
from hatframe.results.statistics import CONFIDENCE, student_quantile
from hatframe.results.text import duration, percent, ratio_text

# Fewer pairs than this say so little about their spread that all batches, unpaired, say more.
_FEWEST_PAIRS = 4
# One part in this many is left out at either end, as in ``robust_mean``: a disturbed round does not count.
_TRIMMED = 5
# The placement of code and data in memory, which changes with each run, makes a larger difference than 0.1 %.
NEGLIGIBLE = 0.001
# A race asks after every round, and may be wrong each time.
_LOOKS = 10
# The weight of the other functions' spread against a function's own, in degrees of freedom: after 5 rounds, where its
# own has two, mostly that of the others; after 50, mostly its own.
_BORROWED = 5
# A picosecond, below any clock: a time from which the cost of the loop was subtracted may be even less.
_LEAST_TIME = 1e-12
# The largest natural logarithm of a ratio that JSON can hold.
_LARGEST_LOG = math.log(sys.float_info.max) - 1


class _Estimate(NamedTuple):
    """An estimated logarithm, its variance, and the degrees of freedom that the variance has.

    ``variance`` times ``rounds`` is the spread of a single round; ``rounds`` is 0 if rounds are not paired.
    """

    log: float
    variance: float
    freedom: float
    rounds: float = 0.0


_ITSELF = _Estimate(0.0, 0.0, 1)


def paired_ratio(
    a_means: Sequence[float],
    a_rounds: Sequence[int],
    b_means: Sequence[float],
    b_rounds: Sequence[int],
    confidence: float = CONFIDENCE,
) -> Ratio:
    """How many times slower a is than b: the trimmed geometric mean of the ratios of the rounds that both have.

    Neither the drift of the machine, which both share, nor a disturbed round moves it. Fewer than 4 common rounds are
    not paired: the trimmed means of all batches are compared. Pass no rounds for results of different runs. The
    interval is unbounded if one has a single batch.
    """
    return _ratio(_compared(a_means, a_rounds, b_means, b_rounds), confidence)


def ratio_of(a: FunctionResult, b: FunctionResult, *, same_run: bool) -> Ratio | None:
    """How many times slower ``a`` is than ``b``; None if one of them has no figures.

    Results of the same run are paired. If the batches of one are unknown, both count with mean and standard error.
    """
    difference = _difference(a, b, same_run)
    return _ratio(difference, CONFIDENCE) if difference else None


def clearly_slower(
    means: Sequence[float],
    rounds: Sequence[int],
    leader_means: Sequence[float],
    leader_rounds: Sequence[int],
    margin: float,
    among: int = 2,
) -> bool:
    """Whether a function is slower than the leader by more than ``margin``, asked again and again in a race."""
    # More confidence than rank() demands: by the same batches, no function that left is as fast as the leader.
    confidence = 1 - (1 - _simultaneous(among)) / _LOOKS
    return paired_ratio(means, rounds, leader_means, leader_rounds, confidence).low > 1 + margin


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
    fastest = min(measured, key=lambda entry: _location(entry[1]))[0]
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
    parts = [f"fastest: {names[ranking.fastest]} {duration(figures.mean, unit)}"]
    if fastest.batches > 1 and figures.mean > 0:
        parts[0] += f" ±{percent((figures.mean_high - figures.mean_low) / 2 / figures.mean)}"
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


def _location(result: FunctionResult) -> float:
    assert result.statistics is not None
    return result.statistics.robust_mean


def _difference(a: FunctionResult, b: FunctionResult, same_run: bool) -> _Estimate | None:
    if not (a.statistics and b.statistics):
        return None
    if a.batch_means and b.batch_means:
        a_rounds, b_rounds = (a.rounds, b.rounds) if same_run else ((), ())
        return _compared(a.batch_means, a_rounds, b.batch_means, b_rounds)
    return _unpaired(_of_mean(a), _of_mean(b))


def _compared(
    a_means: Sequence[float], a_rounds: Sequence[int], b_means: Sequence[float], b_rounds: Sequence[int]
) -> _Estimate:
    a_by_round, b_by_round = _logs_by_round(a_means, a_rounds), _logs_by_round(b_means, b_rounds)
    common = a_by_round.keys() & b_by_round.keys()
    if len(common) >= _FEWEST_PAIRS:
        return _trimmed([a_by_round[number] - b_by_round[number] for number in common])
    return _unpaired(_trimmed(list(map(_log, a_means))), _trimmed(list(map(_log, b_means))))


def _moderated(difference: _Estimate, spread: float) -> _Estimate:
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


def _log(time: float) -> float:
    return math.log(max(time, _LEAST_TIME))


def _logs_by_round(means: Sequence[float], rounds: Sequence[int]) -> dict[int, float]:
    """The logarithm of each round's time, which is the mean of those of its batches."""
    if len(means) != len(rounds):
        return {}
    by_round = {number: _log(time) for number, time in zip(rounds, means, strict=True)}
    if len(by_round) < len(rounds):
        several: dict[int, list[float]] = {}
        for number, time in zip(rounds, means, strict=True):
            several.setdefault(number, []).append(_log(time))
        by_round = {number: math.fsum(logs) / len(logs) for number, logs in several.items()}
    return by_round


def _trimmed(logs: list[float]) -> _Estimate:
    """The trimmed mean, with its variance from the winsorised values (Tukey and McLaughlin 1963; Yuen 1974)."""
    logs.sort()
    count = len(logs)
    cut = count // _TRIMMED
    kept = logs[cut : count - cut]
    center = math.fsum(kept) / len(kept)
    if count < 2:
        return _Estimate(center, math.inf, 1)
    pulled_in = [*kept, *[kept[0]] * cut, *[kept[-1]] * cut]
    middle = math.fsum(pulled_in) / count
    squares = math.fsum((log - middle) ** 2 for log in pulled_in)
    rounds = len(kept) * (len(kept) - 1) / (count - 1)
    return _Estimate(center, squares / (count - 1) / rounds, len(kept) - 1, rounds)


def _of_mean(result: FunctionResult) -> _Estimate:
    """The mean of a result without its batches; the error of a logarithm is the relative error."""
    figures = result.statistics
    assert figures is not None
    if result.batches < 2 or figures.mean <= 0:
        return _Estimate(_log(figures.mean), math.inf, 1)
    relative = figures.standard_deviation / figures.mean
    return _Estimate(_log(figures.mean), relative**2 / result.batches, result.batches - 1)


def _unpaired(a: _Estimate, b: _Estimate) -> _Estimate:
    """The difference of two that were estimated independently, with Welch's degrees of freedom."""
    variance = a.variance + b.variance
    freedom = 1.0
    if 0 < variance < math.inf:
        freedom = variance**2 / (a.variance**2 / a.freedom + b.variance**2 / b.freedom)
    return _Estimate(a.log - b.log, variance, freedom)


def _ratio(difference: _Estimate, confidence: float) -> Ratio:
    half = student_quantile(max(1, int(difference.freedom)), confidence) * math.sqrt(difference.variance)
    low, middle, high = (
        math.exp(min(max(log, -_LARGEST_LOG), _LARGEST_LOG))
        for log in (difference.log - half, difference.log, difference.log + half)
    )
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
