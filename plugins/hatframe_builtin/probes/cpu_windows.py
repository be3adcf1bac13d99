"""The processor by Windows's ``GetLogicalProcessorInformationEx`` and ``IsProcessorFeaturePresent``."""

from __future__ import annotations

import contextlib
import struct
import sys
from collections.abc import Callable, Iterator

import msgspec

from hatframe.plugin import Cache, Facts, Platform
from hatframe_builtin.probes.common import known_extensions, largest, names

# LOGICAL_PROCESSOR_RELATIONSHIP and PROCESSOR_CACHE_TYPE of winnt.h; a trace cache holds instructions too,
# decoded.
_CORE, _CACHE, _ALL = 0, 2, 0xFFFF
_KINDS = {0: "unified", 1: "instruction", 2: "data"}

# Numbers of IsProcessorFeaturePresent (winnt.h) by LLVM's names, with the build of Windows that first knew
# them: an older one says no to all that it does not know. Where it is not documented, a later build is taken,
# so that a no counts for less rather than for more. 10240 is the first Windows 10, 22000 the first 11, 26100
# its 24H2.
_X86 = {
    0: names("cx8=2 mmx=3 sse=6 sse2=10 sse3=13 cx16=14 xsave=17"),
    10240: names("fsgsbase=22 rdrnd=28"),
    22000: names("rdpid=33 mwaitx=35 ssse3=36 sse4.1=37 sse4.2=38 crc32=38 avx=39 avx2=40 avx512f=41"),
    26100: names("bmi2=60"),
}
_ARM = {
    0: names("neon=19"),
    10240: names("aes=30 sha2=30 crc=31"),
    22000: names("lse=34"),
    26100: names("dotprod=43 jsconv=44 rcpc=45 sve=46 sve2=47"),
}
_FEATURES = {"x86_64": _X86, "x86": _X86, "aarch64": _ARM, "arm": _ARM}


class Topology(msgspec.Struct, frozen=True):
    """The contents of ``GetLogicalProcessorInformationEx``: counts of cores, and all caches."""

    logical_cores: int
    physical_cores: int
    caches: tuple[Cache, ...]


def topology(records: bytes, pointer_size: int = struct.calcsize("P")) -> Topology:
    logical = physical = 0
    caches = []
    for relationship, record in _records(records):
        if relationship == _CORE:
            # PROCESSOR_RELATIONSHIP: Flags, EfficiencyClass, Reserved[20], GroupCount, GroupMask[].
            (groups,) = struct.unpack_from("<H", record, 22)
            physical += 1
            logical += _processors(record[24:], groups, pointer_size)
        elif relationship == _CACHE:
            # CACHE_RELATIONSHIP: Level, Associativity, LineSize, CacheSize, Type, Reserved[18], GroupCount,
            # GroupMasks[].
            level, line_size, size, kind = struct.unpack_from("<BxHII", record, 0)
            (groups,) = struct.unpack_from("<H", record, 30)
            if kind in _KINDS and size:
                caches.append(
                    Cache(
                        level=level,
                        kind=_KINDS[kind],
                        size=size,
                        line_size=line_size,
                        # Before Windows Server 2022 there was no count, as there was but one mask.
                        shared_by=_processors(record[32:], groups or 1, pointer_size) or 1,
                    )
                )
    return Topology(logical, physical, tuple(caches))


def _records(buffer: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 8 <= len(buffer):
        relationship, size = struct.unpack_from("<II", buffer, offset)
        if size < 8:
            return
        yield relationship, buffer[offset + 8 : offset + size]
        offset += size


def _processors(masks: bytes, groups: int, pointer_size: int) -> int:
    """How many logical cores an array of GROUP_AFFINITY (Mask, Group, Reserved[3]) names."""
    stride = pointer_size + 8
    return sum(
        bin(int.from_bytes(masks[at : at + pointer_size], "little")).count("1")
        for at in range(0, groups * stride, stride)
    )


def extensions(present: Callable[[int], bool], build: int, architecture: str) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for since, wanted in _FEATURES.get(architecture, {}).items():
        numbers = {number for number in wanted.values() if present(int(number))}
        found |= known_extensions(wanted, numbers, absence_counts=build >= since)
    return found


def facts() -> Facts:
    if sys.platform != "win32":
        raise OSError("this is not Windows")
    import ctypes
    import winreg

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    size = ctypes.c_uint32()
    kernel.GetLogicalProcessorInformationEx(_ALL, None, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    if not kernel.GetLogicalProcessorInformationEx(_ALL, buffer, ctypes.byref(size)):
        raise ctypes.WinError(ctypes.get_last_error())
    found = topology(buffer.raw[: size.value])
    details: dict[str, str | int] = {"logical_cores": found.logical_cores, "physical_cores": found.physical_cores}
    path = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    # Where a Windows lacks one of these values, what was read so far counts.
    with contextlib.suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as processor:
        for key, name in (("model", "ProcessorNameString"), ("vendor", "VendorIdentifier")):
            details[key] = str(winreg.QueryValueEx(processor, name)[0]).strip()
    return Facts(
        caches=largest(found.caches),
        extensions=extensions(
            kernel.IsProcessorFeaturePresent, sys.getwindowsversion().build, Platform.host().architecture
        ),
        details=details,
    )
