"""Comparing the results of several runs: which functions are the same, and what else differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hatframe.errors import HatError, listed
from hatframe.format.names import base_name, matching
from hatframe.format.pairs import pairs_text
from hatframe.machine import Machine
from hatframe.results.compared import ComparedFunction, Comparison, ResultSet, problem_of
from hatframe.results.comparison import ratio_of
from hatframe.results.model import FunctionResult, RunInfo
from hatframe.results.text import sized_name

# What else makes two results differ.
_SETTINGS = ("timer", "cache", "threads", "input_data")


def compare_sets(
    sets: Sequence[ResultSet],
    functions: Sequence[str] = (),
    fail_slower: float | None = None,
    fail_missing: bool = False,
) -> Comparison:
    """Compare the functions of all sets, or those that ``functions`` selects, with those of the first.

    Functions match by name and sizes, or else by base name and sizes if only one function on either side has that base
    name. Results whose ``run`` is the same object are compared round by round. With ``fail_slower``, functions that
    are slower by more than this fraction, or that cannot be compared, get a ``problem``; with ``fail_missing``, also
    those of the first set that another lacks, or has no figures of.
    """
    sides = [_by_key(each, patterns) for each, patterns in zip(sets, _chosen(sets, functions), strict=True)]
    first, *others = sides
    partners = [_partners(first, other) for other in others]
    shared = [key for key in first if any(key in found for found in partners)]
    if not shared:
        raise HatError(
            "no function in common, by name or base name and sizes",
            where=" and ".join(each.name for each in sets),
            hint=f"the first has {_shown(first)}, and the second {_shown(others[0])}",
        )
    matched = list(first) if fail_missing else shared
    rows = []
    names = tuple(each.name for each in sets)
    for key in matched:
        results = (
            first[key],
            *(other[found[key]] if key in found else None for other, found in zip(others, partners, strict=True)),
        )
        ratios = (
            ratio_of(result, first[key], same_run=_same_run(each, sets[0])) if result else None
            for result, each in zip(results[1:], sets[1:], strict=True)
        )
        row = ComparedFunction(
            function_name=first[key].function_name,
            sizes=first[key].sizes,
            values=first[key].values,
            results=results,
            ratios=tuple(ratios),
        )
        if fail_slower is not None or fail_missing or any(result and result.status == "wrong" for result in results):
            row = msgspec.structs.replace(row, problem=problem_of(row, names, fail_slower, fail_missing))
        rows.append(row)
    taken = (set(matched), *(set(found.values()) for found in partners))
    unmatched = tuple(
        tuple(_label(side[key]) for key in side if key not in keys) for side, keys in zip(sides, taken, strict=True)
    )
    warnings = tuple(_warnings(sets, sides, rows))
    return Comparison(names=names, functions=tuple(rows), unmatched=unmatched, warnings=warnings)


_Key = tuple[str, str]
"""A function's name, and as text the sizes and values that it was measured with."""


def _chosen(sets: Sequence[ResultSet], patterns: Sequence[str]) -> list[set[str]]:
    """The names of the selected functions, for each set."""
    names = [list(dict.fromkeys(result.function_name for result in each.results)) for each in sets]
    if not patterns:
        return [set(each) for each in names]
    for pattern in patterns:
        if not any(matching(pattern, each) for each in names):
            raise HatError(f"no function matches {pattern!r}", where=" and ".join(each.name for each in sets))
    return [{name for pattern in patterns for name in matching(pattern, each)} for each in names]


def _by_key(side: ResultSet, names: set[str]) -> dict[_Key, FunctionResult]:
    """The results of one side; if a file has several rows of one function, the last counts."""
    found: dict[_Key, FunctionResult] = {}
    for result in side.results:
        if result.function_name not in names:
            continue
        key = (result.function_name, pairs_text(result.measured_with))
        if key in found and found[key].hat_file != result.hat_file:
            problem = f"{_label(result)} is in two packages, {found[key].hat_file} and {result.hat_file}"
            raise HatError(problem, where=side.name, hint="use results of one package each")
        found[key] = result
    return found


def _partners(first: Mapping[_Key, Any], other: Mapping[_Key, Any]) -> dict[_Key, _Key]:
    """The key of the same function on the other side, by key of the first side."""
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
    return sized_name(result.function_name, result.measured_with)


def _shown(side: Mapping[_Key, FunctionResult]) -> str:
    return listed(list(map(_label, side.values()))) or "none"


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
        significant = any(ratio.distinguishable for row in rows if (ratio := row.ratios[position - 1]))
        if significant and not _same_run(sets[0], sets[position]):
            yield (
                f"{sets[0].name} and {sets[position].name} are of different runs: the intervals leave out how the"
                " machine changed between them. To be sure, measure both packages in one run:"
                " hatframe compare A.hat B.hat"
            )
        if differences:
            yield f"{sets[0].name} and {sets[position].name} were not measured alike: {', '.join(differences)}"


def _same_run(a: ResultSet, b: ResultSet) -> bool:
    return a.run is not None and a.run is b.run


def _machine_differences(a: RunInfo | None, b: RunInfo | None) -> Iterator[str]:
    if a and b and a is not b:
        others = _facts(b.machine)
        for name, fact in _facts(a.machine).items():
            if others.get(name, fact) != fact:
                yield f"{name} ({fact} / {others[name]})"


def _facts(machine: Machine) -> dict[str, str]:
    """What distinguishes one machine from another, by name."""
    facts = {
        "platform": str(machine.platform),
        "caches": " ".join(f"L{cache.level}:{cache.size}" for cache in machine.caches if cache.kind != "instruction"),
    }
    for probe, details in machine.details.items():
        facts |= {f"{probe} {key}".replace("_", " "): str(value) for key, value in details.items()}
    # What is unknown, as in a CSV file, makes no difference.
    return {name: fact for name, fact in facts.items() if fact}


def _setting_differences(pairs: Sequence[tuple[FunctionResult, FunctionResult]]) -> Iterator[str]:
    for name in _SETTINGS:
        values = [(getattr(a, name), getattr(b, name)) for a, b in pairs]
        different = next(((a, b) for a, b in values if a != b), None)
        if different:
            values_text = " / ".join("not set" if value in (None, "") else str(value) for value in different)
            yield f"{name.replace('_', ' ')} ({values_text})"


def _size_differences(a: Mapping[_Key, FunctionResult], b: Mapping[_Key, FunctionResult]) -> Iterator[str]:
    """Functions that both sides have, but with different sizes."""
    sizes_a, sizes_b = _sizes(a), _sizes(b)
    different = [name for name in sizes_a if name in sizes_b and not sizes_a[name] & sizes_b[name]]
    if different:
        sizes_text = " / ".join(" and ".join(sorted(sizes[different[0]])) for sizes in (sizes_a, sizes_b))
        yield f"sizes ({different[0]}: {sizes_text})"


def _sizes(side: Mapping[_Key, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, sizes in side:
        found.setdefault(base_name(name), set()).add(sizes)
    return found
