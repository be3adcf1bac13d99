"""The error for undefined symbols, with the libraries that define well-known ones."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hatframe.errors import LinkError, listed

# Patterns of symbols, and what to link for them. The first match counts.
_KNOWN = (
    (r"__kmpc_|__tgt_|kmp_", "clang's OpenMP runtime: -l omp (or -l iomp5)"),
    (r"GOMP_", "gcc's OpenMP runtime: -l gomp"),
    (r"omp_", "an OpenMP runtime: -l gomp or -l omp"),
    (r"cblas_|openblas_", "a BLAS library: -l openblas or -l cblas"),
    (r"mkl_|MKL_|vml[A-Z]|vsl[A-Z]|Dfti[A-Z]", "Intel's MKL: -l mkl_rt"),
    (r"LAPACKE_", "LAPACK: -l lapacke or -l openblas"),
    (r"[sdcz](gemm|gemv|axpy|dot|scal|trsm|syrk|ger|nrm2|copy|asum)_\Z", "a BLAS library: -l blas"),
    (r"pthread_|sem_(init|wait|post|destroy)", "threads: -l pthread"),
    (r"dl(open|sym|close|error)\Z", "dynamic loading: -l dl"),
    (r"(shm_open|shm_unlink|clock_gettime|timer_create|mq_\w+|aio_\w+)\Z", "real-time functions: -l rt"),
    (r"_Z|__cxa_|__gxx_personality", "the C++ runtime: -l stdc++ (macOS: -l c++)"),
    (r"_gfortran_", "the Fortran runtime: -l gfortran"),
    (r"__svml_|__intel_|__libm_sse2|_intel_fast", "Intel's compiler runtime: -l svml -l irc"),
    (r"__(asan|ubsan|tsan|msan)_", "a sanitizer: compile the library without -fsanitize"),
    (r"_?mlir_", "MLIR's runner utilities: -l mlir_c_runner_utils"),
    (r"cuda[A-Z]|__cuda", "the CUDA runtime: -l cudart"),
    (r"cu[A-Z][a-z]\w+", "the CUDA driver: -l cuda"),
    (r"cublas", "cuBLAS: -l cublas"),
    (r"hip[A-Z]|__hip", "the HIP runtime: -l amdhip64"),
    (r"cl[A-Z][a-z]\w+", "OpenCL: -l OpenCL"),
    (r"vk[A-Z]", "Vulkan: -l vulkan"),
)


def known_library(symbol: str) -> str:
    """What defines a well-known symbol, with what to link for it; empty for others."""
    return next((meaning for pattern, meaning in _KNOWN if re.match(pattern, symbol)), "")


def undefined_symbols(symbols: Iterable[str], most: int = 5) -> LinkError:
    """The error for undefined ``symbols``, which are without the platform's prefix."""
    names = list(dict.fromkeys(symbols))
    known = list(dict.fromkeys(filter(None, map(known_library, names))))
    unknown = "add the library that defines them with -l and its folder with -L, or add their source or object"
    hint = f"link {'; '.join(known)}" if known else unknown
    plural = "s" if len(names) > 1 else ""
    return LinkError(f"undefined symbol{plural} {listed(names, most)}", hint=hint)
