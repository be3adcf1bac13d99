"""The host's memory, where the argument sets of host functions live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatframe.backends import Memory
from hatframe.machine import Machine

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


class HostMemory(Memory):
    """Arrays of numpy, where they are; nothing is copied."""

    name = "host"

    def __init__(self, machine: Machine) -> None:
        cache = machine.last_level_cache
        self.cache_size = cache.size if cache else None

    def available(self) -> int | None:
        """The bytes that can be allocated without swapping, or that a container's limit (cgroup v2) leaves."""
        import psutil

        available: int = psutil.virtual_memory().available
        group = Path("/sys/fs/cgroup")
        try:
            limit = int((group / "memory.max").read_text())
            return min(available, max(0, limit - int((group / "memory.current").read_text())))
        except (OSError, ValueError):  # without such a limit
            return available

    def place(self, array: Array) -> Array:
        return array

    def read(self, placed: Array) -> Array:
        return placed

    def write(self, placed: Array, array: Array) -> None:
        if array is not placed:
            placed[...] = array
