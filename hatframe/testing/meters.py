"""The contract of a meter."""

from __future__ import annotations

from hatframe.backends import Meter, MeterSession
from hatframe.testing.contract import check_backend, require_finite


def check_meter(meter: Meter) -> None:
    """Hold ``meter`` against :class:`hatframe.plugin.Meter`: two batches, one after another, have finite figures.

    Raises :class:`AssertionError` with the clause that does not hold, and :class:`hatframe.plugin.PluginError` if the
    meter cannot work here.
    """
    contract = check_backend(meter, Meter)
    session = contract.works("open() gets ready in this process", meter.open)
    contract.require(isinstance(session, MeterSession), "open() returns a MeterSession", repr(session))
    names = []
    for _ in range(2):
        contract.works("start() raises nothing", session.start)
        figures = contract.works("stop() raises nothing", session.stop)
        require_finite(contract, "figures are finite numbers by name", figures)
        names.append(sorted(figures))
    contract.require(names[0] == names[1], "every batch has the same figures", names)
    contract.works("close() raises nothing", session.close)
