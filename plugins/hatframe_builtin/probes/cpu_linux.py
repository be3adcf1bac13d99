"""The processor by Linux's own files: ``/proc/cpuinfo`` and ``/sys/devices/system/cpu``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hatframe.plugin import Cache, Facts, Platform
from hatframe_builtin.probes.common import file_text, known_extensions, largest, names

_Version = tuple[int, int]

# A flag that is missing in /proc/cpuinfo means that the processor lacks it, or that the kernel forbids it,
# only where the kernel is new enough to know the flag. The versions are the first in which all flags of the
# group are shown (arch/x86/include/asm/cpufeatures.h, arch/arm64/kernel/cpuinfo.c), rounded up to few steps;
# _NEVER is for flags whose absence proves nothing about a program of a user: the kernel hides them by its
# configuration or for an erratum (xsaves, rtm, sgx, enqcmd, user_shstk), only the kernel may use them
# (invpcid, wbnoinvd, pconfig), or without them they do nothing (cldemote, paca, bti). Flags that Linux never
# shows (ptwrite, uintr, kl) are not asked for.
_NEVER: _Version = (1_000_000, 0)

_FLAGS: dict[str, tuple[tuple[_Version, str], ...]] = {
    "x86": (
        (
            (0, 0),
            "x87=fpu cx8 cmov mmx fxsr sse sse2 sse3=pni ssse3 sse4.1=sse4_1 sse4.2=sse4_2 crc32=sse4_2"
            " sse4a popcnt cx16 movbe aes pclmul=pclmulqdq xsave avx avx2 f16c fma fma4 xop tbm lwp"
            " bmi=bmi1 bmi2 lzcnt=abm prfchw=3dnowprefetch sahf=lahf_lm 64bit=lm rdrnd=rdrand rdseed adx"
            " fsgsbase",
        ),
        (
            (4, 16),
            "avx512f avx512cd avx512er avx512pf avx512bw avx512dq avx512vl avx512ifma avx512vbmi"
            " avx512vbmi2=avx512_vbmi2 avx512vnni=avx512_vnni avx512bitalg=avx512_bitalg"
            " avx512vpopcntdq=avx512_vpopcntdq gfni vaes vpclmulqdq sha=sha_ni clflushopt clwb clzero"
            " mwaitx rdpid pku=ospke xsaveopt xsavec",
        ),
        (
            (5, 16),
            "avx512bf16=avx512_bf16 avx512fp16=avx512_fp16 avx512vp2intersect=avx512_vp2intersect"
            " avxvnni=avx_vnni amx-tile=amx_tile amx-int8=amx_int8 amx-bf16=amx_bf16 movdiri movdir64b"
            " waitpkg serialize",
        ),
        (_NEVER, "xsaves rtm tsxldtrk sgx enqcmd shstk=user_shstk invpcid wbnoinvd pconfig cldemote"),
    ),
    "aarch64": (
        ((0, 0), "fp-armv8=fp neon=asimd aes sha2 crc=crc32"),
        (
            (4, 16),
            "lse=atomics fullfp16=asimdhp rdm=asimdrdm jsconv=jscvt complxnum=fcma rcpc=lrcpc"
            " ccpp=dcpop sha3 sm4 dotprod=asimddp fp16fml=asimdfhm sve",
        ),
        (
            (5, 16),
            "dit lse2=uscat rcpc-immo=ilrcpc flagm altnzcv=flagm2 fptoint=frint ccdp=dcpodp i8mm bf16"
            " rand=rng sve2 sve2-aes=sveaes sve2-bitperm=svebitperm sve2-sha3=svesha3 sve2-sm4=svesm4"
            " f32mm=svef32mm f64mm=svef64mm",
        ),
        (_NEVER, "pauth=paca bti mte ssbs sb sme sme2 wfxt mops hbc cssc"),
    ),
    "arm": (((0, 0), "neon vfp3=vfpv3 vfp4=vfpv4 hwdiv=idivt hwdiv-arm=idiva aes sha2 crc=crc32"),),
}
_FLAGS["x86_64"] = _FLAGS["x86"]

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def facts(root: Path = Path("/"), architecture: str = "") -> Facts:
    """The facts in the files below ``root``, of a processor of ``architecture`` (this process's)."""
    processors = _processors(file_text(root / "proc/cpuinfo"))
    folder = root / "sys/devices/system/cpu"
    online = _cpu_list(file_text(folder / "online")) or {
        int(processor["processor"]) for processor in processors if processor.get("processor", "").isdigit()
    }
    details: dict[str, str | int] = {}
    for key, field in (
        ("model", "model name"),
        ("vendor", "vendor_id"),
        ("implementer", "CPU implementer"),
        ("part", "CPU part"),
    ):
        if value := next((processor[field] for processor in processors if processor.get(field)), ""):
            details[key] = value
    if online:
        details["logical_cores"] = len(online)
    siblings = [file_text(folder / f"cpu{cpu}/topology/thread_siblings_list") for cpu in online]
    if siblings and all(siblings):
        details["physical_cores"] = len(set(siblings))
    return Facts(
        caches=largest(_caches(folder, sorted(online))),
        extensions=_extensions(
            processors,
            architecture or Platform.host().architecture,
            _kernel_version(file_text(root / "proc/sys/kernel/osrelease")),
        ),
        details=details,
    )


def _processors(cpuinfo: str) -> list[dict[str, str]]:
    return [
        {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}
        for block in cpuinfo.split("\n\n")
    ]


def _extensions(processors: list[dict[str, str]], architecture: str, kernel: _Version) -> dict[str, bool]:
    sets = [
        set(flags.split()) for processor in processors if (flags := processor.get("flags") or processor.get("Features"))
    ]
    if not sets:
        return {}
    # A function may run on any of the cores.
    common = set.intersection(*sets)
    extensions: dict[str, bool] = {}
    for since, wanted in _FLAGS.get(architecture, ()):
        extensions |= known_extensions(names(wanted), common, absence_counts=kernel >= since)
    return extensions


def _kernel_version(release: str) -> _Version:
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _cpu_list(text: str) -> set[int]:
    """The numbers that a list such as ``0-3,8`` means."""
    cpus: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


def _caches(folder: Path, cpus: list[int]) -> Iterator[Cache]:
    seen: set[tuple[str, str]] = set()
    for cpu in cpus:
        for index in sorted((folder / f"cpu{cpu}/cache").glob("index*")):
            shared = file_text(index / "shared_cpu_list")
            # Reading each cache once and not for each core keeps this quick on machines of hundreds of cores.
            if shared and (index.name, shared) in seen:
                continue
            seen.add((index.name, shared))
            size = re.fullmatch(r"(\d+)([KMG]?)", file_text(index / "size"))
            level, kind = file_text(index / "level"), file_text(index / "type")
            if size and level and kind:
                yield Cache(
                    level=int(level),
                    kind=kind.lower(),
                    size=int(size[1]) * _UNITS[size[2]],
                    line_size=int(file_text(index / "coherency_line_size") or 0),
                    shared_by=len(_cpu_list(shared)) or 1,
                )
