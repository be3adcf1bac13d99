"""The check of meters: one that keeps the contract passes, and each fault fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hatframe.backends import Meter, MeterSession
from hatframe.testing import check_meter


class Session(MeterSession):
    figures: Any = ({"joules": 1.5}, {"joules": 2})

    def __init__(self) -> None:
        self.stops = 0

    def start(self) -> None:
        pass

    def stop(self) -> Mapping[str, float]:
        self.stops += 1
        found: Mapping[str, float] = self.figures[self.stops - 1]
        return found


class Toy(Meter):
    name = "toy"
    summary = "for a test"
    session: type[Any] = Session

    def open(self) -> MeterSession:
        opened: MeterSession = self.session()
        return opened


def test_a_meter_that_keeps_the_contract_passes() -> None:
    check_meter(Toy())


@pytest.mark.parametrize(
    ("session", "named"),
    [
        (object, "MeterSession"),
        (type("NotFinite", (Session,), {"figures": ({"joules": float("nan")},) * 2}), "joules"),
        (type("NotNumbers", (Session,), {"figures": ({"joules": "1"},) * 2}), "joules"),
        (type("NotTheSame", (Session,), {"figures": ({"joules": 1}, {"watts": 1})}), "watts"),
        (type("CannotStop", (Session,), {"figures": ()}), "stop()"),
    ],
)
def test_a_fault_is_reported_with_what_was_found(session: type[Any], named: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_meter(type("Broken", (Toy,), {"session": session})())
    assert named in str(caught.value)
