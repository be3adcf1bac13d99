"""Comparing the results of several runs: which functions are the same, and what else was not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hatframe.errors import HatError
from hatframe.format.names import base_name, matching
from hatframe.machine import Machine
from hatframe.results.comparison import ratio_of
from hatframe.results.model import FunctionResult, Ratio, RunInfo
from hatframe.results.text import listed, pairs_text, sized_name

# What makes two results differ beside the functions themselves.
_SETTINGS = ("timer", "cache", "threads", "input_data")


class ResultSet(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a comparison: results, and what the user calls them. ``run`` is None where it is not known."""

    name: str
    results: tuple[FunctionResult, ...]
    run: RunInfo | None = None


class ComparedFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the first side, with the result of each side and, for each other side, the ratio to the first.

    A result is None where that side has no such function, and a ratio where one of the two has no figures.
    """

    function_name: str
    sizes: dict[str, int]
    results: tuple[FunctionResult | None, ...]
    ratios: tuple[Ratio | None, ...]

    def slower_by(self, part: float) -> bool:
        """Whether on another side it is slower by more than ``part``, with the whole interval, or fails there."""
        first = self.results[0]
        fails = any(result is not None and result.statistics is None for result in self.results[1:])
        slower = any(ratio is not None and ratio.low > 1 + part for ratio in self.ratios)
        return slower or (fails and first is not None and first.statistics is not None)


class ComparedSets(msgspec.Struct, frozen=True, kw_only=True):
    """Several sides, all compared with the first one.

    ``unmatched`` has, for each side, the functions that have no partner: on the first side in none of the others.
    ``warnings`` tell, a line each, what else was different.
    """

    names: tuple[str, ...]
    functions: tuple[ComparedFunction, ...]
    unmatched: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...]


def compare_sets(sets: Sequence[ResultSet], functions: Sequence[str] = ()) -> ComparedSets:
    """Compare the functions of all sets with those of the first.

    The same function has the same name and the same sizes; where no other has the same name, the same base name, if
    that is of one function on either side. Results of one run, which is told by ``run`` being the same object, are
    compared round by round.

    Parameters
    ----------
    functions
        Names, base names or globs of those to compare; all where there are none.

    Raises :class:`HatError` where a pattern means no function, where no function is on the first side and on another,
    and where one side has results of one function from several packages.
    """
    sides = [_by_key(each, patterns) for each, patterns in zip(sets, _chosen(sets, functions), strict=True)]
    first, *others = sides
    partners = [_partners(first, other) for other in others]
    matched = [key for key in first if any(key in found for found in partners)]
    if not matched:
        raise HatError(
            "they have no function in common, by name or base name and sizes",
            where=" and ".join(each.name for each in sets),
            hint=f"the first has {_shown(first)}, and the second {_shown(others[0])}",
        )
    rows = []
    for key in matched:
        results = (
            first[key],
            *(other[found[key]] if key in found else None for other, found in zip(others, partners, strict=True)),
        )
        ratios = (
            ratio_of(result, first[key], same_run=each.run is not None and each.run is sets[0].run) if result else None
            for result, each in zip(results[1:], sets[1:], strict=True)
        )
        rows.append(
            ComparedFunction(
                function_name=first[key].function_name, sizes=first[key].sizes, results=results, ratios=tuple(ratios)
            )
        )
    unmatched = [tuple(_label(first[key]) for key in first if key not in matched)]
    for other, found in zip(others, partners, strict=True):
        taken = set(found.values())
        unmatched.append(tuple(_label(result) for key, result in other.items() if key not in taken))
    return ComparedSets(
        names=tuple(each.name for each in sets),
        functions=tuple(rows),
        unmatched=tuple(unmatched),
        warnings=tuple(_warnings(sets, sides, rows)),
    )


_Key = tuple[str, str]
"""A function's name, and its sizes as text."""


def _chosen(sets: Sequence[ResultSet], patterns: Sequence[str]) -> list[set[str]]:
    """The names of the functions that take part, for each set."""
    names = [list(dict.fromkeys(result.function_name for result in each.results)) for each in sets]
    if not patterns:
        return [set(each) for each in names]
    for pattern in patterns:
        if not any(matching(pattern, each) for each in names):
            raise HatError(f"no function is meant by {pattern!r}", where=" and ".join(each.name for each in sets))
    return [{name for pattern in patterns for name in matching(pattern, each)} for each in names]


def _by_key(side: ResultSet, names: set[str]) -> dict[_Key, FunctionResult]:
    """The results of one side; of a function that a file has several rows of, the last counts."""
    found: dict[_Key, FunctionResult] = {}
    for result in side.results:
        if result.function_name not in names:
            continue
        key = (result.function_name, pairs_text(result.sizes))
        if key in found and found[key].hat_file != result.hat_file:
            raise HatError(
                f"{_label(result)} is there from two packages, {found[key].hat_file} and {result.hat_file}",
                where=side.name,
                hint="give results of one package each",
            )
        found[key] = result
    return found


def _partners(first: Mapping[_Key, Any], other: Mapping[_Key, Any]) -> dict[_Key, _Key]:
    """For keys of the first side the key of the same function on the other."""
    found = {key: key for key in first if key in other}
    of_other = _by_base(key for key in other if key not in found)
    for base, keys in _by_base(key for key in first if key not in found).items():
        candidates = of_other.get(base, [])
        if len(keys) == len(candidates) == 1:
            found[keys[0]] = candidates[0]
    return found


def _by_base(keys: Iterable[_Key]) -> dict[_Key, list[_Key]]:
    grouped: dict[_Key, list[_Key]] = {}
    for name, sizes in keys:
        grouped.setdefault((base_name(name), sizes), []).append((name, sizes))
    return grouped


def _label(result: FunctionResult) -> str:
    return sized_name(result.function_name, result.sizes)


def _shown(side: Mapping[_Key, FunctionResult]) -> str:
    return listed(list(map(_label, side.values()))) or "none"


# ----------------------------------------------------------------------------------------------------- warnings


def _warnings(
    sets: Sequence[ResultSet], sides: Sequence[Mapping[_Key, FunctionResult]], rows: Sequence[ComparedFunction]
) -> Iterator[str]:
    for position in range(1, len(sets)):
        pairs = [(row.results[0], row.results[position]) for row in rows]
        differences = [
            *_machine_differences(sets[0].run, sets[position].run),
            *_setting_differences([(a, b) for a, b in pairs if a and b and a.statistics and b.statistics]),
            *_size_differences(sides[0], sides[position]),
        ]
        if differences:
            yield f"{sets[0].name} and {sets[position].name} were not measured alike: {', '.join(differences)}"


def _machine_differences(a: RunInfo | None, b: RunInfo | None) -> Iterator[str]:
    if not a or not b or a is b:
        return
    facts_a, facts_b = _facts(a.machine), _facts(b.machine)
    for name, fact in facts_a.items():
        if facts_b.get(name, fact) != fact:
            yield f"{name} ({fact} / {facts_b[name]})"


def _facts(machine: Machine) -> dict[str, str]:
    """What tells one machine from another, by name."""
    facts = {
        "platform": str(machine.platform),
        "caches": " ".join(f"L{cache.level}:{cache.size}" for cache in machine.caches if cache.kind != "instruction"),
    }
    for probe, details in machine.details.items():
        facts |= {f"{probe} {key}".replace("_", " "): str(value) for key, value in details.items()}
    return facts


def _setting_differences(pairs: Sequence[tuple[FunctionResult, FunctionResult]]) -> Iterator[str]:
    for name in _SETTINGS:
        values = [(getattr(a, name), getattr(b, name)) for a, b in pairs]
        different = next(((a, b) for a, b in values if a != b), None)
        if different:
            told = ("not set" if value in (None, "") else str(value) for value in different)
            yield f"{name.replace('_', ' ')} ({' / '.join(told)})"


def _size_differences(a: Mapping[_Key, FunctionResult], b: Mapping[_Key, FunctionResult]) -> Iterator[str]:
    """Functions that both sides have, but not with the same sizes."""
    sizes_a, sizes_b = _sizes(a), _sizes(b)
    different = [name for name in sizes_a if name in sizes_b and not sizes_a[name] & sizes_b[name]]
    if different:
        told = (" and ".join(sorted(sizes[different[0]])) for sizes in (sizes_a, sizes_b))
        yield f"sizes ({different[0]}: {' / '.join(told)})"


def _sizes(side: Mapping[_Key, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, sizes in side:
        found.setdefault(base_name(name), set()).add(sizes)
    return found
