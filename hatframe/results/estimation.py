"""Estimates of how long a call takes, for noise that only adds time, and of the ratio of two functions.

Other programs, interrupts and shared caches make batches slower, in bursts that can hold most of a run, and means and
medians follow them (Chen and Revels, "Robust benchmarking in noisy environments", 2016). The estimate is a low quantile
instead: that of Harrell and Davis (1982), a weighted mean of the sorted batches, on logarithms, with its variance by
the jackknife. It is computed in blocks of rounds of one process, and averaged: a ratio compares what both functions did
in the same rounds of the same processes.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import mul, sub
from typing import NamedTuple

CONFIDENCE = 0.95

QUANTILE = 0.15
"""The part of the batches that are faster than the estimate: enough of them to average, below most bursts."""

# Rounds of a block: enough to see past bursts, and few enough that the machine's slow drift does not spread them.
_BLOCK = 100
# Fewer pairs than this say so little about their spread that all batches, unpaired, say more.
_FEWEST_PAIRS = 4
# Where code and data lie in memory differs from process to process. The standard deviation that this gives a time, and
# a ratio in the same processes, as measured on several machines.
_PROCESS_TIME, _PROCESS_RATIO = 0.01, 0.003
# A picosecond, below any clock: a time from which the cost of the loop was subtracted may be even less.
_LEAST_TIME = 1e-12
# From here on Student's quantiles change by less than 1 % up to those of the normal distribution.
_MANY = 200
# The largest natural logarithm of a number that JSON can hold.
_LARGEST_LOG = math.log(sys.float_info.max) - 1
# Steps of the integral over the weight of one batch.
_STEPS = 64


class Batches(NamedTuple):
    """The batches of a function: the mean seconds of a call in each, its round, and its worker process.

    Without ``rounds`` they cannot be paired with those of another function; without ``processes`` all are of one.
    """

    times: Sequence[float]
    rounds: Sequence[int] = ()
    processes: Sequence[int] = ()


class Estimate(NamedTuple):
    """An estimated logarithm, its variance, and the degrees of freedom of that.

    ``variance`` times ``rounds`` is the spread of a single round; ``rounds`` is 0 if rounds are not paired.
    """

    log: float
    variance: float
    freedom: float
    rounds: float = 0.0


def estimate(batches: Batches) -> Estimate:
    """The logarithm of the seconds of a call. The variance includes that between processes."""
    by_process: dict[int, list[float]] = {}
    for process, time in zip(_each(batches.processes, batches), batches.times, strict=True):
        by_process.setdefault(process, []).append(log_time(time))
    return _averaged([[(log,) for log in logs] for logs in by_process.values()], _PROCESS_TIME)


def ratio_estimate(a: Batches, b: Batches) -> Estimate:
    """The logarithm of how many times slower a is than b.

    Rounds that both have are paired; if these are fewer than 4, all batches are compared.
    """
    by_process: dict[int, list[tuple[float, float]]] = {}
    a_rounds, b_rounds = _by_round(a), _by_round(b)
    common = sorted(a_rounds.keys() & b_rounds.keys())
    if len(common) < _FEWEST_PAIRS:
        return unpaired(estimate(a), estimate(b))
    for key in common:
        by_process.setdefault(key[0], []).append((a_rounds[key], b_rounds[key]))
    return _averaged(list(by_process.values()), _PROCESS_RATIO)._replace(rounds=len(common))


def unpaired(a: Estimate, b: Estimate) -> Estimate:
    """The difference of two that were estimated independently, with Welch's degrees of freedom."""
    variance = a.variance + b.variance
    freedom = 1.0
    if 0 < variance < math.inf:
        freedom = variance**2 / (a.variance**2 / a.freedom + b.variance**2 / b.freedom)
    return Estimate(a.log - b.log, variance, freedom)


def interval(found: Estimate, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """The number whose logarithm was estimated, between the ends of the interval that holds it."""
    half = student_quantile(max(1, int(found.freedom)), confidence) * math.sqrt(found.variance)
    low, middle, high = (
        math.exp(min(max(log, -_LARGEST_LOG), _LARGEST_LOG)) for log in (found.log - half, found.log, found.log + half)
    )
    return low, middle, high


def relative_half_width(times: Sequence[float]) -> float:
    """Half the width of the interval of the estimate, as a part of it, without what other processes add.

    Infinite for fewer than two batches, and where a time is not positive.
    """
    if len(times) < 2 or min(times) <= 0:
        return math.inf
    found = _averaged([[(log_time(time),) for time in times]], 0.0)
    return student_quantile(max(1, int(found.freedom))) * math.sqrt(found.variance)


def low_time(times: Sequence[float]) -> float:
    """A low quantile as a quick estimate: one of the batches."""
    return sorted(times)[int(len(times) * QUANTILE)]


def log_time(time: float) -> float:
    """The logarithm of a time in seconds, of at least a picosecond."""
    return math.log(max(time, _LEAST_TIME))


def low_quantile(logs: Sequence[float]) -> float:
    """The Harrell-Davis estimator of the :data:`QUANTILE` quantile."""
    return math.fsum(map(mul, _weights(len(logs)), sorted(logs)))


@lru_cache(maxsize=4096)
def student_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The number of standard errors that hold a mean with ``confidence``, for ``freedom`` degrees of freedom."""
    freedom = min(freedom, _MANY)
    low, high = 0.0, math.pi / 2
    # Each step halves the interval: 52 of them are all the digits of a float.
    for _ in range(52):
        angle = (low + high) / 2
        if _student_probability(angle, freedom) < confidence:
            low = angle
        else:
            high = angle
    return math.tan(high) * math.sqrt(freedom)


def _student_probability(angle: float, freedom: int) -> float:
    """The probability within ± ``tan(angle) * sqrt(freedom)`` (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for number in range(2 + odd, freedom - 1, 2):
        term *= cosine * cosine * (number - 1) / number
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _each(numbers: Sequence[int], batches: Batches) -> Sequence[int]:
    return numbers if len(numbers) == len(batches.times) else [0] * len(batches.times)


def _by_round(batches: Batches) -> dict[tuple[int, int], float]:
    """The logarithm of each round's time by process and round: the mean of those of its batches."""
    if len(batches.rounds) != len(batches.times):
        return {}
    keys = zip(_each(batches.processes, batches), batches.rounds, strict=True)
    several: dict[tuple[int, int], list[float]] = {}
    for key, time in zip(keys, batches.times, strict=True):
        several.setdefault(key, []).append(log_time(time))
    return {key: math.fsum(logs) / len(logs) for key, logs in several.items()}


def _averaged(processes: Sequence[Sequence[tuple[float, ...]]], process_deviation: float) -> Estimate:
    """The low quantile of logarithms, or the difference of those of pairs, averaged over blocks of each process.

    The variance of the average is that within the blocks together with what the blocks differ by, each with the weight
    of its degrees of freedom, and what processes that were not used may differ by.
    """
    blocks = [block for pairs in processes for block in _blocks(pairs)]
    total = sum(map(len, blocks))
    shares = [len(block) / total for block in blocks]
    logs, variances, freedoms = zip(*map(_of_block, blocks), strict=True)
    log = math.fsum(map(mul, shares, logs))
    variance = math.fsum(share**2 * each for share, each in zip(shares, variances, strict=True))
    freedom = math.fsum(freedoms)
    if others := len(blocks) - 1:
        squares = math.fsum((share * (each - log)) ** 2 for share, each in zip(shares, logs, strict=True))
        between = squares * len(blocks) / others
        if math.isinf(variance):
            variance, freedom = between, 0.0
        variance = (variance * freedom + between * others) / (freedom + others)
        freedom += others
    together = variance + process_deviation**2 / len(processes)
    # What processes add is known beforehand: the degrees of freedom are those of the rest (Satterthwaite, 1946).
    freedom = max(1.0, freedom)
    if variance < math.inf:
        freedom = min(_MANY, freedom * (together / variance) ** 2) if variance else _MANY
    return Estimate(log, together, freedom)


def _blocks(pairs: Sequence[tuple[float, ...]]) -> Iterator[Sequence[tuple[float, ...]]]:
    """Parts of equal length, in order, of about :data:`_BLOCK` each."""
    count = max(1, round(len(pairs) / _BLOCK))
    ends = [len(pairs) * number // count for number in range(count + 1)]
    return (pairs[first:end] for first, end in itertools.pairwise(ends))


def _of_block(pairs: Sequence[tuple[float, ...]]) -> tuple[float, float, float]:
    """The low quantile of a block, or a difference of two, its variance by the jackknife, and the degrees of freedom.

    To leave a round out leaves it out of both, so that what disturbs both does not count.
    """
    count = len(pairs)
    first, *second = zip(*pairs, strict=True)
    log = low_quantile(first) - sum(map(low_quantile, second))
    if count < 2:
        return log, math.inf, 0.0
    without = _leaving_out(first)
    for logs in second:
        without = list(map(sub, without, _leaving_out(logs)))
    mean = math.fsum(without) / count
    variance = (count - 1) / count * math.fsum((each - mean) ** 2 for each in without)
    return log, variance, math.sqrt(count) - 1


def _leaving_out(logs: Sequence[float]) -> list[float]:
    """The low quantile of all logarithms but one, for each of them."""
    order = sorted(range(len(logs)), key=logs.__getitem__)
    ordered = [logs[position] for position in order]
    weights = _weights(len(logs) - 1)
    before = itertools.accumulate(map(mul, weights, ordered), initial=0.0)
    after = [*itertools.accumulate(map(mul, reversed(weights), reversed(ordered)), initial=0.0)][::-1]
    found = [0.0] * len(logs)
    for position, lower, upper in zip(order, before, after, strict=True):
        found[position] = lower + upper
    return found


@lru_cache(maxsize=256)
def _weights(count: int) -> list[float]:
    """The weight of each of ``count`` sorted values: the share of the Beta distribution that falls to its place.

    With y = x^a, the density x^(a-1) (1-x)^(b-1) is finite for a below 1, too: (1 - y^(1/a))^(b-1).
    """
    a, b = (count + 1) * QUANTILE, (count + 1) * (1 - QUANTILE)
    ends = [(number / count) ** a for number in range(count + 1)]
    weights = []
    for low, high in itertools.pairwise(ends):
        middles = (low + (high - low) * (step + 0.5) / _STEPS for step in range(_STEPS))
        weights.append((high - low) * math.fsum((1 - y ** (1 / a)) ** (b - 1) for y in middles))
    total = math.fsum(weights)
    return [weight / total for weight in weights]
