"""The contract of a probe."""

from __future__ import annotations

import json
from typing import Any

from hatframe.backends import Probe
from hatframe.machine import Cache, Facts
from hatframe.testing.contract import Contract, check_backend

_KINDS = ("data", "instruction", "unified")


def check_probe(probe: Probe) -> None:
    """Hold ``probe`` against :class:`hatframe.plugin.Probe`: sane facts, the same again, and readings, all as JSON.

    Raises :class:`AssertionError` with the clause that does not hold, and :class:`hatframe.plugin.PluginError`
    if the probe cannot work here.
    """
    contract = check_backend(probe, Probe)
    facts = contract.works("facts() leaves out what it does not know, and raises nothing", probe.facts)
    contract.require(isinstance(facts, Facts), "facts() returns Facts", repr(facts))
    for cache in facts.caches:
        _check_cache(contract, cache)
    levels = [cache.level for cache in facts.caches]
    contract.require(levels == sorted(levels), "caches go from the smallest level up", levels)
    for name, there in facts.extensions.items():
        named = isinstance(name, str) and name and name == name.strip().lower() and name[0] not in "+-"
        contract.require(named, "extensions have LLVM's names, in lower case and without a sign", repr(name))
        contract.require(isinstance(there, bool), "an extension is True or False, or left out", f"{name}: {there!r}")
    clause = "details are JSON: objects with text as keys, arrays as lists, text, finite numbers, booleans and null"
    contract.require(isinstance(facts.details, dict) and _is_json(facts.details), clause, facts.details)
    _check_readings(contract, probe)
    again = contract.works("facts() can be asked again", probe.facts)
    same = (again.caches, again.extensions) == (facts.caches, facts.extensions)
    contract.require(same, "facts() returns the same caches and extensions again", again)


def _check_readings(contract: Contract, probe: Probe) -> None:
    first = contract.works("readings() leaves out what it does not know, and raises nothing", probe.readings)
    contract.require(_is_json(first), "readings are JSON", first)
    second = contract.works("readings() can be asked for again", probe.readings)
    found = contract.works("disturbances(before, after) raises nothing", probe.disturbances, first, second)
    are_lines = isinstance(found, list) and all(isinstance(text, str) and text and "\n" not in text for text in found)
    contract.require(are_lines, "disturbances(before, after) returns a list of lines", repr(found))


def _check_cache(contract: Contract, cache: Cache) -> None:
    contract.require(isinstance(cache, Cache), "every cache is a Cache", repr(cache))
    contract.require(cache.level >= 1, "the level of a cache is 1 or more", cache)
    contract.require(cache.kind in _KINDS, f"the kind of a cache is one of {', '.join(_KINDS)}", cache)
    has_size = type(cache.size) is int and cache.size > 0
    contract.require(has_size, "the size of a cache is a positive number of bytes", cache)
    has_lines = type(cache.line_size) is int and 0 <= cache.line_size <= cache.size
    contract.require(has_lines, "the line size of a cache is a number of bytes, 0 where it is not known", cache)
    contract.require(cache.shared_by >= 1, "a cache is shared by at least one logical core", cache)


def _is_json(value: Any) -> bool:
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError):
        return False
