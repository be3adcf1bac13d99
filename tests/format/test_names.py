"""Names of functions, and the patterns that select them."""

from __future__ import annotations

import pytest

from hatframe.format.names import base_name, matching

HASH = "0123456789abcdef"


@pytest.mark.parametrize(
    ("name", "base"),
    [
        (f"gemm_{HASH}", "gemm"),
        (f"gemm_{HASH * 2}", "gemm"),
        (f"gemm_16_{HASH}", "gemm_16"),
        ("gemm", "gemm"),
        ("mm_66985f63", "mm"),
        ("GEMM_B94D27B9934D3E08", "GEMM"),
        ("gemm_v2_aBcDeF12", "gemm_v2"),
        ("gemm_20240131", "gemm"),
        ("gemm__deadbeef", "gemm_"),
        ("gemm_deadbeef_deadbeef", "gemm_deadbeef"),
        ("gemm_1234567", "gemm_1234567"),
        ("gemm_1234567g", "gemm_1234567g"),
        ("_deadbeef", "_deadbeef"),
        ("___deadbeef", "___deadbeef"),
        ("deadbeef", "deadbeef"),
        (f"gemm{HASH}", f"gemm{HASH}"),
        (f"gemm_{HASH}__gpu__", f"gemm_{HASH}__gpu__"),
        (f"_{HASH}\n", f"_{HASH}\n"),
    ],
)
def test_base_name_strips_the_hash_of_a_compiler(name: str, base: str) -> None:
    assert base_name(name) == base


NAMES = [f"gemm_{HASH}", f"gemm_{HASH[::-1]}", "gemm", f"saxpy_{HASH}", "Saxpy"]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("gemm", ["gemm"]),
        (f"gemm_{HASH}", [f"gemm_{HASH}"]),
        ("saxpy", [f"saxpy_{HASH}"]),
        ("Saxpy", ["Saxpy"]),
        ("gemm*", NAMES[:3]),
        ("s?xpy", [f"saxpy_{HASH}"]),
        ("[Ss]axpy", [f"saxpy_{HASH}", "Saxpy"]),
        ("none", []),
        ("GEMM", []),
    ],
)
def test_a_pattern_is_a_name_else_a_base_name_else_a_glob(pattern: str, meant: list[str]) -> None:
    assert matching(pattern, NAMES) == meant


def test_a_shared_base_name_matches_all_its_functions() -> None:
    assert matching("gemm", NAMES[:2]) == NAMES[:2]
