"""Which processors run code that needs some instruction sets, and for which processor to build it for others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hatframe.calling.requirements import extension_key
from hatframe.format.model import Required, RequiredCpu
from hatframe.machine import normal_architecture

# The processors of each maker, from the oldest on, and what each adds, by LLVM's names (llvm/lib/TargetParser,
# X86TargetParser.cpp and AArch64Processors.td). Only server processors of Intel have AVX-512 ever since.
_X86 = {
    "Intel": (
        ("Nehalem", "sse3 ssse3 sse4.1 sse4.2 popcnt"),
        ("Westmere", "pclmul"),
        ("Sandy Bridge", "avx"),
        ("Ivy Bridge", "f16c rdrnd"),
        ("Haswell", "avx2 fma bmi bmi2 lzcnt movbe"),
        ("Broadwell", "rdseed adx prfchw"),
        ("Skylake", "aes"),
        ("Xeon Skylake-SP", "avx512f avx512cd avx512dq avx512bw avx512vl"),
        ("Xeon Cascade Lake", "avx512vnni"),
        (
            "Xeon Ice Lake",
            "vaes vpclmulqdq gfni sha avx512ifma avx512vbmi avx512vbmi2 avx512bitalg avx512vpopcntdq",
        ),
        ("Xeon Sapphire Rapids", "avx512bf16 avx512fp16 avxvnni amx-tile amx-int8 amx-bf16"),
        ("Xeon Granite Rapids", "amx-fp16"),
    ),
    "AMD": (
        (
            "Zen",
            "sse3 ssse3 sse4.1 sse4.2 sse4a popcnt pclmul avx f16c rdrnd avx2 fma bmi bmi2 lzcnt movbe rdseed adx"
            " prfchw aes sha",
        ),
        ("Zen 3", "vaes vpclmulqdq"),
        (
            "Zen 4",
            "gfni avx512f avx512cd avx512dq avx512bw avx512vl avx512vnni avx512ifma avx512vbmi avx512vbmi2 avx512bitalg"
            " avx512vpopcntdq avx512bf16",
        ),
        ("Zen 5", "avxvnni avx512vp2intersect"),
    ),
}
_ARM = {
    "Arm": (
        ("Cortex-A53", "neon"),
        ("Cortex-A72", "crc aes sha2"),
        ("Neoverse N1", "lse dotprod fullfp16"),
        ("Neoverse V1", "bf16 i8mm sve sha3"),
        ("Neoverse V2", "sve2"),
    ),
    "Apple": (("M1", "neon crc aes sha2 sha3 lse dotprod fullfp16"), ("M2", "bf16 i8mm"), ("M4", "sme")),
}
_MAKERS = {"x86_64": _X86, "aarch64": _ARM}

# A processor that most machines have at least, to build for.
_COMMON = {"x86_64": "x86-64-v3", "aarch64": "cortex-a72"}
_OF_COMMON = {
    "x86_64": "sse3 ssse3 sse4.1 sse4.2 popcnt avx avx2 fma bmi bmi2 f16c lzcnt movbe",
    "aarch64": "neon crc aes sha2",
}


def needed_extensions(required: Required) -> list[str]:
    """The instruction sets that code requires, by the names that the metadata have."""
    names = (name.strip() for name in required.cpu.extensions)
    return sorted({name.lstrip("+") for name in names if name and not name.startswith("-")})


def runs_on(required: Required) -> str:
    """The oldest processor of each maker that has all that is required: ``Intel Haswell, AMD Zen, and newer``.

    Empty if the architecture has no requirement, or is not known. Instruction sets that no processor here is known for
    do not count.
    """
    architecture = normal_architecture(required.cpu.architecture)
    makers = _MAKERS.get(architecture)
    if makers is None or not (needed := needed_extensions(required)):
        return ""
    known = _keys(name for line in makers.values() for _, added in line for name in added.split())
    wanted = _keys(needed) & known
    if not wanted:
        return f"any {architecture} processor"
    found = [f"{maker} {name}" for maker, line in makers.items() if (name := _oldest(line, wanted))]
    return f"{', '.join(found)}{',' if len(found) > 1 else ''} and newer" if found else "no processor that is known"


def other_builds(required: Required) -> Iterator[tuple[str, str]]:
    """The values of ``build --processor`` for more machines than this, and where the code then runs."""
    architecture = normal_architecture(required.cpu.architecture)
    needed = needed_extensions(required)
    if architecture in _COMMON:
        common = required_of(architecture, _OF_COMMON[architecture].split())
        if not _keys(needed) <= _keys(common.cpu.extensions):
            yield _COMMON[architecture], runs_on(common)
    if needed:
        yield "none", f"any {architecture} processor"


def required_of(architecture: str, extensions: Iterable[str]) -> Required:
    """The requirements of code for an architecture with some instruction sets."""
    return Required(cpu=RequiredCpu(architecture=architecture, extensions=tuple(extensions)))


def _oldest(line: Iterable[tuple[str, str]], wanted: set[str]) -> str:
    has: set[str] = set()
    for name, added in line:
        has |= _keys(added.split())
        if wanted <= has:
            return name
    return ""


def _keys(names: Iterable[str]) -> set[str]:
    return {extension_key(name) for name in names}
