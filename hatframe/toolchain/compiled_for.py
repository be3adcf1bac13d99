"""What code is compiled for: the instruction sets and the C library, by the compiler's macros."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hatframe.backends import Linker
from hatframe.machine import Platform
from hatframe.toolchain.tool import private_folder

# Macros of GCC, clang and Microsoft's compiler, and LLVM's names of their instruction sets.
_X86 = {
    **{
        f"__{name.upper()}__": name
        for name in (
            *("sse3", "ssse3", "sse4a", "popcnt", "avx", "avx2", "fma", "fma4", "xop", "f16c", "bmi", "bmi2", "lzcnt"),
            *("movbe", "aes", "pclmul", "vaes", "vpclmulqdq", "gfni", "sha", "rdrnd", "rdseed", "adx", "prfchw"),
            *("avx512f", "avx512cd", "avx512dq", "avx512bw", "avx512vl", "avx512ifma", "avx512vbmi", "avx512vbmi2"),
            *("avx512vnni", "avx512bitalg", "avx512vpopcntdq", "avx512bf16", "avx512fp16", "avx512vp2intersect"),
            *("avxvnni", "avxifma", "avxneconvert", "avxvnniint8", "avxvnniint16"),
        )
    },
    "__SSE4_1__": "sse4.1",
    "__SSE4_2__": "sse4.2",
    "__AMX_TILE__": "amx-tile",
    "__AMX_INT8__": "amx-int8",
    "__AMX_BF16__": "amx-bf16",
    "__AMX_FP16__": "amx-fp16",
}
_ARM = {
    "__ARM_NEON": "neon",
    "__ARM_FEATURE_CRC32": "crc",
    "__ARM_FEATURE_ATOMICS": "lse",
    "__ARM_FEATURE_AES": "aes",
    "__ARM_FEATURE_SHA2": "sha2",
    "__ARM_FEATURE_SHA3": "sha3",
    "__ARM_FEATURE_DOTPROD": "dotprod",
    "__ARM_FEATURE_FP16_VECTOR_ARITHMETIC": "fullfp16",
    "__ARM_FEATURE_BF16_VECTOR_ARITHMETIC": "bf16",
    "__ARM_FEATURE_MATMUL_INT8": "i8mm",
    "__ARM_FEATURE_SVE": "sve",
    "__ARM_FEATURE_SVE2": "sve2",
    "__ARM_FEATURE_SME": "sme",
}
_RISCV = {f"__riscv_{name}": name for name in ("zba", "zbb", "zbs", "zfh", "zvfh")} | {"__riscv_vector": "v"}
_MACROS = {"x86_64": _X86, "x86": _X86, "aarch64": _ARM, "arm": _ARM, "riscv64": _RISCV}

_MARKER = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_EXTENSION = re.compile(r"\bhatframe_has\s+(\S+)")
_VERSION = re.compile(r"\bhatframe_glibc\s+(\d+)\s+(\d+)")

# A header of GNU's C library defines its version; other C libraries may lack that header.
_C_LIBRARY = """\
#ifdef __has_include
#if __has_include(<features.h>)
#include <features.h>
#endif
#endif
#ifdef __GLIBC__
hatframe_glibc __GLIBC__ __GLIBC_MINOR__
#endif
"""


class CompiledFor(msgspec.Struct, frozen=True):
    """The instruction sets that code may use, by LLVM's names, and its C library."""

    extensions: tuple[str, ...]
    crt: str = ""


def compiled_for(
    linker: Linker, platform: Platform, flags: Sequence[str], include_folders: Sequence[Path] = ()
) -> CompiledFor:
    """What ``linker`` compiles for with ``flags``, which may include headers of ``include_folders``, by its macros."""
    macros = _MACROS.get(platform.architecture, {})
    questions = "".join(f"#ifdef {macro}\nhatframe_has {name}\n#endif\n" for macro, name in macros.items())
    with private_folder() as folder:
        source = folder / "questions.c"
        source.write_text(questions + _C_LIBRARY)
        answers = linker.preprocess(source, platform=platform, include_folders=include_folders, flags=flags)
    # Line markers may stand between any two words.
    answers = _MARKER.sub("", answers)
    version = _VERSION.search(answers)
    return CompiledFor(
        extensions=tuple(_EXTENSION.findall(answers)), crt=f"glibc {version[1]}.{version[2]}" if version else ""
    )
