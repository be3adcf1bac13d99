"""A broken clause is an AssertionError that says which, and what was found instead."""

from __future__ import annotations

import pytest

from hatframe.backends import Availability, Backend, Option
from hatframe.errors import FormatError, HatError, PluginError
from hatframe.testing.contract import Contract, check_backend

CONTRACT = Contract("sink 'x'")


class Good(Backend):
    name = "good"
    summary = "for a test"
    options = (Option(names=("--good-one",), help="x"),)


def refuse() -> None:
    raise FormatError("no")


def break_down() -> None:
    raise ValueError("broken")


def test_a_clause_that_does_not_hold_is_named_with_the_subject_and_the_finding() -> None:
    CONTRACT.require(True, "it works")
    with pytest.raises(AssertionError) as caught:
        CONTRACT.require(False, "it works", 7)
    assert "sink 'x'" in str(caught.value)
    assert "it works" in str(caught.value)
    assert str(caught.value).endswith("7")


def test_what_must_work_may_not_raise() -> None:
    assert CONTRACT.works("it works", int, "7") == 7
    with pytest.raises(AssertionError, match="ValueError: broken"):
        CONTRACT.works("it works", break_down)


def test_what_must_be_refused_is_refused_with_the_right_kind() -> None:
    assert CONTRACT.refuses("it refuses", HatError, refuse).message == "no"
    for call in (break_down, int):
        with pytest.raises(AssertionError, match="it refuses"):
            CONTRACT.refuses("it refuses", HatError, call)


def test_a_backend_that_keeps_what_all_share_passes() -> None:
    assert check_backend(Good(), Backend).subject == "backend 'good'"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Not Good"},
        {"summary": "two\nlines"},
        {"priority": 1.5},
        {"options": [Option(names=("--good-one",), help="x")]},
        {"options": (Option(names=("good",), help="x"),)},
        {"options": (Option(names=("--good", "--good"), help="x"),)},
        {"options": (Option(names=("--good",), help=" "),)},
        {"availability": lambda self: None},
        {"availability": lambda self: Availability(False, "")},
    ],
)
def test_a_backend_that_breaks_what_all_share_fails(changes: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        check_backend(type("Bad", (Good,), changes)(), Backend)


def test_a_backend_that_is_not_available_cannot_be_checked() -> None:
    absent = type("Absent", (Good,), {"availability": lambda self: Availability(False, "no device")})()
    with pytest.raises(PluginError, match="no device"):
        check_backend(absent, Backend)
