"""The processor by macOS's ``sysctl``; the names are those of ``sysctlbyname(3)`` and ``sysctl -a``."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator

from hatframe.plugin import Cache, Facts
from hatframe_builtin.probes.common import known_extensions, largest, names

Sysctl = Callable[[str], "bytes | None"]
"""Gives the raw value of a name, or None where there is none of that name."""

_CACHES = (
    (1, "data", "l1dcachesize"),
    (1, "instruction", "l1icachesize"),
    (2, "unified", "l2cachesize"),
    (3, "unified", "l3cachesize"),
)

# Words of machdep.cpu.features, leaf7_features and extfeatures: those that every macOS that runs a Python of
# today names where they are, so that their absence counts; and newer ones, and those that only the kernel may
# use.
_WORDS = names(
    "x87=FPU cx8=CX8 cmov=CMOV mmx=MMX fxsr=FXSR sse=SSE sse2=SSE2 sse3=SSE3 ssse3=SSSE3 sse4.1=SSE4.1"
    " sse4.2=SSE4.2 crc32=SSE4.2 popcnt=POPCNT cx16=CX16 movbe=MOVBE aes=AES pclmul=PCLMULQDQ xsave=XSAVE"
    " avx=AVX1.0 f16c=F16C fma=FMA rdrnd=RDRAND avx2=AVX2 bmi=BMI1 bmi2=BMI2 fsgsbase=RDWRFSGS rdseed=RDSEED"
    " adx=ADX sahf=LAHF lzcnt=LZCNT prfchw=PREFETCHW 64bit=EM64T"
)
_NEWER_WORDS = names(
    "clflushopt=CLFSOPT clwb=CLWB sha=SHA avx512f=AVX512F avx512cd=AVX512CD avx512dq=AVX512DQ"
    " avx512bw=AVX512BW avx512vl=AVX512VL avx512ifma=AVX512IFMA avx512vbmi=AVX512VBMI gfni=GFNI vaes=VAES"
    " vpclmulqdq=VPCLMULQDQ avx512vnni=AVX512VNNI avx512bitalg=AVX512BITALG avx512vpopcntdq=AVX512VPCDQ"
    " rdpid=RDPID rtm=RTM sgx=SGX invpcid=INVPCID"
)

# Names below hw.optional, which are 1 or 0, and are missing where the system does not know them.
_OPTIONAL = names(
    "avx=avx1_0 avx2=avx2_0 avx512f avx512cd avx512dq avx512bw avx512vl avx512ifma avx512vbmi f16c fma"
    " rdrnd=rdrand bmi=bmi1 bmi2 adx rtm neon fp-armv8=neon crc=armv8_crc32 lse=arm.FEAT_LSE"
    " lse2=arm.FEAT_LSE2 fullfp16=arm.FEAT_FP16 fp16fml=arm.FEAT_FHM rdm=arm.FEAT_RDM jsconv=arm.FEAT_JSCVT"
    " complxnum=arm.FEAT_FCMA rcpc=arm.FEAT_LRCPC rcpc-immo=arm.FEAT_LRCPC2 ccpp=arm.FEAT_DPB"
    " ccdp=arm.FEAT_DPB2 aes=arm.FEAT_AES sha2=arm.FEAT_SHA256 sha3=arm.FEAT_SHA3 dotprod=arm.FEAT_DotProd"
    " flagm=arm.FEAT_FlagM altnzcv=arm.FEAT_FlagM2 fptoint=arm.FEAT_FRINTTS dit=arm.FEAT_DIT sb=arm.FEAT_SB"
    " ssbs=arm.FEAT_SSBS pauth=arm.FEAT_PAuth bti=arm.FEAT_BTI i8mm=arm.FEAT_I8MM bf16=arm.FEAT_BF16"
    " wfxt=arm.FEAT_WFxT sme=arm.FEAT_SME sme2=arm.FEAT_SME2 sme-f64f64=arm.FEAT_SME_F64F64"
    " sme-i16i64=arm.FEAT_SME_I16I64"
)


def facts(sysctl: Sysctl | None = None) -> Facts:
    sysctl = sysctl or system_sysctl()
    details: dict[str, str | int] = {}
    for key, name in (("model", "machdep.cpu.brand_string"), ("vendor", "machdep.cpu.vendor")):
        if text := _text(sysctl(name)):
            details[key] = text
    for key, name in (("logical_cores", "hw.logicalcpu"), ("physical_cores", "hw.physicalcpu")):
        if count := _number(sysctl(name)):
            details[key] = count
    return Facts(caches=largest(_caches(sysctl)), extensions=_extensions(sysctl), details=details)


def system_sysctl() -> Sysctl:
    by_name = ctypes.CDLL(None).sysctlbyname
    by_name.argtypes = (
        ctypes.c_char_p,
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_size_t),
        ctypes.c_void_p,
        ctypes.c_size_t,
    )

    def read(name: str) -> bytes | None:
        size = ctypes.c_size_t()
        if by_name(name.encode(), None, ctypes.byref(size), None, 0) != 0:
            return None
        buffer = ctypes.create_string_buffer(size.value)
        if by_name(name.encode(), buffer, ctypes.byref(size), None, 0) != 0:
            return None
        return buffer.raw[: size.value]

    return read


def _number(value: bytes | None) -> int:
    # Numbers are of 4 or of 8 bytes, by name and by version of the system.
    return int.from_bytes(value or b"", "little")


def _text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode("utf-8", "replace").strip()


def _caches(sysctl: Sysctl) -> Iterator[Cache]:
    line_size = _number(sysctl("hw.cachelinesize"))
    # The logical cores that share the memory, a level 1 cache, a level 2 cache and so on, in 8 bytes each.
    sharing = sysctl("hw.cacheconfig") or b""
    # The names without a performance level are those of the slowest cores.
    performance_levels = [f"hw.perflevel{level}." for level in range(_number(sysctl("hw.nperflevels")))]
    for prefix in (*performance_levels, "hw."):
        for level, kind, name in _CACHES:
            if size := _number(sysctl(prefix + name)):
                shared_by = _number(sysctl(f"{prefix}cpusperl{level}")) or _number(sharing[8 * level : 8 * level + 8])
                yield Cache(level=level, kind=kind, size=size, line_size=line_size, shared_by=shared_by or 1)


def _extensions(sysctl: Sysctl) -> dict[str, bool]:
    lists = [sysctl(f"machdep.cpu.{name}") for name in ("features", "leaf7_features", "extfeatures")]
    words = {word for value in lists for word in _text(value).split()}
    extensions = known_extensions(_WORDS, words, absence_counts=all(lists)) | known_extensions(
        _NEWER_WORDS, words, absence_counts=False
    )
    for llvm, name in _OPTIONAL.items():
        value = sysctl(f"hw.optional.{name}")
        if value is not None:
            extensions[llvm] = extensions.get(llvm, False) or _number(value) != 0
    return extensions
