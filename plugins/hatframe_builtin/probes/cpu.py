"""The probe ``cpu``: caches, cores and instruction sets, and what may disturb a measurement."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

from hatframe import hookimpl
from hatframe.plugin import Availability, Facts, Probe
from hatframe_builtin.probes import cpu_readings

_MODULES = {"linux": "cpu_linux", "darwin": "cpu_macos", "win32": "cpu_windows"}


class CpuProbe(Probe):
    """The processor. Its details are ``model``, ``vendor``, ``logical_cores`` and ``physical_cores``.

    On 64-bit Arm under Linux, which names no model, there are ``implementer`` and ``part`` (hexadecimal)
    instead. A cache of unknown line size has a ``line_size`` of 0.
    """

    name = "cpu"
    summary = "caches, cores, instruction sets, frequencies, temperatures and load"

    def availability(self) -> Availability:
        if sys.platform in _MODULES:
            return Availability()
        return Availability(False, f"it does not support {sys.platform}")

    def facts(self) -> Facts:
        module: Any = importlib.import_module(f"{__package__}.{_MODULES[sys.platform]}")
        facts: Facts = module.facts()
        return facts

    def readings(self) -> Mapping[str, Any]:
        return cpu_readings.readings()

    def disturbances(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
        return cpu_readings.disturbances(before, after)


@hookimpl
def hatframe_probes() -> list[CpuProbe]:
    return [CpuProbe()]
