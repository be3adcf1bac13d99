"""The probe ``cpu``: caches, cores and instruction sets, as the operating system tells them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from typing import Any

from hatframe.backends import Availability, Probe
from hatframe.hookspecs import hookimpl
from hatframe.machine import Facts

_MODULES = {"linux": "cpu_linux", "darwin": "cpu_macos", "win32": "cpu_windows"}


class CpuProbe(Probe):
    """The processor. Its details are ``model``, ``vendor``, ``logical_cores`` and ``physical_cores``.

    On 64-bit Arm under Linux, which names no model, there are ``implementer`` and ``part`` (hexadecimal)
    instead. A cache whose line size the system does not tell has a ``line_size`` of 0.
    """

    name = "cpu"
    summary = "cache sizes, cores and instruction sets, as the operating system tells them"

    def availability(self) -> Availability:
        """Linux, macOS and Windows are asked; others are not known here."""
        if sys.platform in _MODULES:
            return Availability()
        return Availability(False, f"it does not know how to ask {sys.platform}")

    def facts(self) -> Facts:
        """The facts of this machine's processor."""
        module: Any = importlib.import_module(f"{__package__}.{_MODULES[sys.platform]}")
        facts: Facts = module.facts()
        return facts


@hookimpl
def hatframe_probes() -> Iterable[Probe]:
    """The probe of the processor."""
    return (CpuProbe(),)
