"""The error for undefined symbols has the libraries that define well-known ones."""

from __future__ import annotations

import pytest

from hatframe.toolchain.undefined import undefined_symbols


@pytest.mark.parametrize(
    ("symbol", "library"),
    [
        ("__kmpc_fork_call", "-l omp"),
        ("omp_get_max_threads", "-l gomp"),
        ("GOMP_parallel", "-l gomp"),
        ("cblas_sgemm", "-l openblas"),
        ("sgemm_", "-l blas"),
        ("mkl_malloc", "-l mkl_rt"),
        ("pthread_create", "-l pthread"),
        ("dlopen", "-l dl"),
        ("_ZNSt8ios_base4InitC1Ev", "-l stdc++"),
        ("__asan_init", "-fsanitize"),
        ("cudaMalloc", "-l cudart"),
        ("cuLaunchKernel", "-l cuda"),
        ("hipMalloc", "-l amdhip64"),
        ("my_own_function", "-L"),
    ],
)
def test_well_known_symbols_have_a_hint(symbol: str, library: str) -> None:
    error = undefined_symbols([symbol])
    assert symbol in error.message
    assert library in error.hint


def test_each_library_appears_once_and_long_lists_are_shortened() -> None:
    error = undefined_symbols([*(f"__kmpc_{index}" for index in range(9)), "__kmpc_0", "omp_get_wtime"])
    assert error.message.endswith("__kmpc_4 and 5 more")
    assert error.hint.count("clang's") == 1


def test_similar_names_have_no_wrong_hint() -> None:
    for symbol in ("cube", "clamp", "dlog", "compute", "gemm_0123456789abcdef", "mklist"):
        assert "link " not in undefined_symbols([symbol]).hint, symbol
