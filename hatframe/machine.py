"""The machine as probes report it: the facts on which loaders and the bench engine base their decisions."""

from __future__ import annotations

import functools
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from hatframe.errors import UsageError

_OS_NAMES = {"darwin": "macos", "osx": "macos", "win32": "windows"}
_ARCHITECTURES = {
    **dict.fromkeys(("amd64", "x64", "x86-64"), "x86_64"),
    **dict.fromkeys(("i386", "i486", "i586", "i686", "pentium"), "x86"),
    "arm64": "aarch64",
}

# The second word of a compiler's target, which says nothing about the platform.
_VENDORS = frozenset(("pc", "unknown", "none", "apple", "w64"))


def normal_os(name: str) -> str:
    """The name that .hat files use for an operating system (``linux``, ``macos``, ``windows``)."""
    name = name.strip().lower()
    return _OS_NAMES.get(name, name)


def normal_architecture(name: str) -> str:
    """One name for each processor architecture: ``AMD64`` and ``x86-64`` are ``x86_64``."""
    name = name.strip().lower()
    return _ARCHITECTURES.get(name, name)


@functools.cache
def _host_abi(system: str) -> str:
    """The C library of this machine, where its operating system has several."""
    if system != "linux":
        return ""
    try:
        # Only the C library of GNU knows this name.
        if (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return "gnu"
    except (ValueError, OSError):
        pass
    return "musl" if any(Path("/lib").glob("ld-musl-*")) else ""


class Platform(msgspec.Struct, frozen=True, order=True):
    """An operating system and a processor architecture, such as ``linux`` on ``x86_64``.

    ``abi`` is the C library or the calling convention if a system has several (``musl``, ``gnu``, ``msvc``); empty if
    it does not matter or is unknown.
    """

    os: str
    architecture: str
    abi: str = ""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.architecture, self.os, self.abi)))

    def fits(self, other: Platform) -> bool:
        """Whether it is the same platform as ``other``; an unknown ABI fits every other."""
        same = (self.os, self.architecture) == (other.os, other.architecture)
        return same and (not self.abi or not other.abi or self.abi == other.abi)

    @classmethod
    def host(cls) -> Platform:
        """The platform that this process runs on."""
        system = "windows" if sys.platform == "cygwin" else normal_os(sys.platform)
        return cls(os=system, architecture=normal_architecture(platform.machine()), abi=_host_abi(system))

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read ``x86_64-windows`` or ``aarch64-linux-musl``, also as compilers write it (``x86_64-pc-windows-msvc``).

        Raises :class:`UsageError` for anything else.
        """
        parts = [part for part in text.strip().lower().split("-") if part not in _VENDORS]
        if len(parts) not in (2, 3) or not all(parts) or not "".join(parts).replace("_", "").isalnum():
            raise UsageError(
                f"invalid platform {text!r}", hint="write ARCHITECTURE-OS, such as x86_64-windows or aarch64-linux-musl"
            )
        return cls(normal_os(parts[1]), normal_architecture(parts[0]), *parts[2:])


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """One cache, as one logical core sees it. Sizes are in bytes.

    ``kind`` is ``data``, ``instruction`` or ``unified``; ``shared_by`` counts the logical cores that share it.
    """

    level: int
    kind: str
    size: int
    line_size: int
    shared_by: int = 1


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe found out.

    Parameters
    ----------
    caches
        The caches of one core, from the smallest level up.
    extensions
        Instruction sets by their LLVM name (lower case, ``sse4.2``, ``avx512f``): True where the machine has it,
        False where it is known to be absent. What the probe does not know is left out.
    details
        Everything else, under names of the probe's own; must be JSON.
    """

    caches: tuple[Cache, ...] = ()
    extensions: dict[str, bool] = {}
    details: dict[str, Any] = {}


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of all probes together."""

    platform: Platform
    caches: tuple[Cache, ...] = ()
    extensions: dict[str, bool] = {}
    details: dict[str, dict[str, Any]] = {}

    @classmethod
    def of(cls, found: Iterable[tuple[str, Facts]]) -> Machine:
        """Put the facts of several probes together, given with the probes' names; the first to know counts."""
        found = list(found)
        return cls(
            platform=Platform.host(),
            caches=next((facts.caches for _, facts in found if facts.caches), ()),
            extensions={name: has for _, facts in reversed(found) for name, has in facts.extensions.items()},
            details={name: facts.details for name, facts in found},
        )

    @classmethod
    def parse(cls, text: str) -> Machine:
        """Read what :meth:`__str__` gives: the platform, and the models as one."""
        platform, _, model = text.partition(", ")
        try:
            found = Platform.parse(platform)
        except UsageError:
            found, model = Platform(os="", architecture=""), text
        return cls(platform=found, details={"cpu": {"model": model}} if model else {})

    def __str__(self) -> str:
        """The machine in one line: its platform, and the models of its processor and devices."""
        models = (str(details["model"]) for details in self.details.values() if details.get("model"))
        return ", ".join(filter(None, (str(self.platform), *models)))

    @property
    def last_level_cache(self) -> Cache | None:
        """The largest cache that holds data, or None where no probe knows one."""
        holding = [cache for cache in self.caches if cache.kind != "instruction"]
        return max(holding, key=lambda cache: (cache.level, cache.size), default=None)
