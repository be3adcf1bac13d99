"""A loader for a simulated device, as a plugin outside hatframe: it imports nothing but the public modules.

A device has memory of its own, which only copies reach, and a cache of its own size. A program is a text file with a
line for each function, ``scale: y = 2.5 * x``: it multiplies the elements of one array by a number, and writes them to
another. What needs numpy is in a module of its own, so that importing the plugin is cheap.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatframe import hookimpl
from hatframe.plugin import Library, LoadContext, Loader, Option, Package, Required, UsageError

if TYPE_CHECKING:
    from simulated_device.device import Device


class SimulatedLoader(Loader):
    """Functions of the runtime SIM."""

    name = "simulated"
    summary = "functions for a simulated device"
    runtimes = frozenset({"sim"})
    options = (Option(names=("--device",), metavar="N", help="The number of the simulated device [default: 0]."),)

    @property
    def device(self) -> Device:
        from simulated_device.device import DEVICES

        number = self.settings.get("device", "0")
        if not number.isdecimal() or int(number) >= len(DEVICES):
            raise UsageError(f"no device {number}", where="--device", hint=f"choose from 0 to {len(DEVICES) - 1}")
        return DEVICES[int(number)]

    def open(self, package: Package, context: LoadContext) -> Library:
        from simulated_device.device import DeviceLibrary

        return DeviceLibrary(package, self.device)

    def unmet_requirements(self, required: Required) -> list[str]:
        if required.gpu is None or required.gpu.min_global_memory_KB * 1024 <= self.device.size:
            return []
        return [f"it needs {required.gpu.min_global_memory_KB} KB of memory, and {self.device.name} has less"]


@hookimpl
def hatframe_loaders() -> list[Loader]:
    return [SimulatedLoader()]


def write_package(folder: Path, program: str, functions: dict[str, dict[str, Any]], memory_kb: int = 0) -> Path:
    """Write a .hat file of functions for the device, given by their tables, and the program beside it."""
    import tomlkit

    tables = {
        name: {"name": name, "runtime": "SIM", "provider": "program.sim", **table} for name, table in functions.items()
    }
    required = {"GPU": {"runtime": "SIM", "min_global_memory_KB": memory_kb}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "program.sim").write_text(program)
    path = folder / "device.hat"
    path.write_text(tomlkit.dumps({"functions": tables, "target": {"required": required}}))
    return path
