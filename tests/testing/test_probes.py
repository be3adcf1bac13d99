"""The check of probes: one that tells nonsense fails with the sentence for it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from hatframe.backends import Availability, Probe
from hatframe.errors import PluginError
from hatframe.machine import Cache, Facts
from hatframe.testing import check_probe

L1 = Cache(level=1, kind="data", size=32768, line_size=64)
L2 = Cache(level=2, kind="unified", size=1 << 20, line_size=0, shared_by=2)


class Toy(Probe):
    name = "toy"
    summary = "for a test"

    def __init__(self, facts: Any = None) -> None:
        self._facts = facts

    def facts(self) -> Facts:
        if isinstance(self._facts, Exception):
            raise self._facts
        facts: Facts = self._facts
        return facts


def test_a_probe_that_keeps_the_contract_passes() -> None:
    details = {"devices": [{"name": "one", "memory": 12.5, "shared": None}], "model": "µ"}
    check_probe(Toy(Facts(caches=(L1, L2), extensions={"sse4.2": True, "avx512f": False}, details=details)))
    check_probe(Toy(Facts()))


@pytest.mark.parametrize(
    ("facts", "clause"),
    [
        (OSError("no"), "leaves out what it does not know, and raises nothing; found: OSError: no"),
        ({"caches": ()}, "returns Facts"),
        (Facts(caches=(L2, L1)), r"from the smallest level up; found: \[2, 1\]"),
        (Facts(caches=(Cache(level=0, kind="data", size=1, line_size=1),)), "level of a cache is 1 or more"),
        (Facts(caches=(Cache(level=1, kind="Data", size=1, line_size=1),)), "kind of a cache is one of"),
        (Facts(caches=(Cache(level=1, kind="data", size=0, line_size=0),)), "positive number of bytes"),
        (Facts(caches=(Cache(level=1, kind="data", size=32, line_size=64),)), "line size of a cache"),
        (Facts(caches=(Cache(level=1, kind="data", size=32, line_size=8, shared_by=0),)), "at least one logical core"),
        (Facts(caches=("L1",)), "every cache is a Cache"),  # type: ignore[arg-type]
        (Facts(extensions={"AVX2": True}), "lower case and without a sign; found: 'AVX2'"),
        (Facts(extensions={"+avx2": True}), "lower case and without a sign"),
        (Facts(extensions={"avx2": "yes"}), "True or False, or left out; found: avx2: 'yes'"),  # type: ignore[dict-item]
        (Facts(details={"paths": {1, 2}}), "details are JSON"),
        (Facts(details={"cores": float("nan")}), "details are JSON"),
        (Facts(details={"by core": {1: "fast"}}), "details are JSON"),
        (Facts(details={"pair": (1, 2)}), "details are JSON"),
    ],
)
def test_a_fault_of_a_probe_breaks_the_clause_that_names_it(facts: Any, clause: str) -> None:
    with pytest.raises(AssertionError, match=f"probe 'toy' breaks its contract: .*{clause}"):
        check_probe(Toy(facts))


def test_facts_that_change_break_a_clause() -> None:
    class Unsteady(Toy):
        sizes = itertools.count(1)

        def facts(self) -> Facts:
            return Facts(caches=(Cache(level=1, kind="data", size=next(self.sizes), line_size=0),))

    with pytest.raises(AssertionError, match="the same caches and extensions again"):
        check_probe(Unsteady())


def _absent(self: Any) -> Availability:
    return Availability(False, "there is no device", "apt install device")


def _absent_without_a_reason(self: Any) -> Availability:
    return Availability(False)


def _raising(self: Any) -> Availability:
    raise OSError("no")


def _bare(self: Any) -> bool:
    return True


def _slow(self: Any) -> Availability:
    import time

    time.sleep(0.6)
    return Availability()


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"name": "My Probe"}, "its name is lower case, .*'My Probe'"),
        ({"name": ""}, "its name is lower case"),
        ({"name": "a=b"}, "its name is lower case"),
        ({"summary": ""}, "its summary is one line"),
        ({"summary": "two\nlines"}, "its summary is one line"),
        ({"priority": "high"}, "its priority is an integer"),
        ({"availability": _raising}, r"availability\(\) raises nothing; found: OSError: no"),
        ({"availability": _bare}, r"availability\(\) returns an Availability; found: True"),
        ({"availability": _slow}, r"availability\(\) is cheap, under 0.5 s; found: 0\.6"),
        ({"availability": _absent_without_a_reason}, "says why in one line"),
    ],
)
def test_what_all_backends_share_is_checked(changes: dict[str, Any], clause: str) -> None:
    with pytest.raises(AssertionError, match=clause):
        check_probe(type("Changed", (Toy,), changes)(Facts()))


def test_something_else_is_no_probe() -> None:
    with pytest.raises(AssertionError, match="instance of a subclass of Probe; found: <class"):
        check_probe(Toy)  # type: ignore[arg-type]


def test_a_backend_that_cannot_work_here_is_not_passed_over() -> None:
    with pytest.raises(PluginError, match="'toy' cannot be checked here: there is no device; apt install device"):
        check_probe(type("Absent", (Toy,), {"availability": _absent})(Facts()))
