"""Names: users call ``gemm`` what a compiler named ``gemm_0123456789abcdef``."""

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
        (f"gemm_{HASH[:-1]}", f"gemm_{HASH[:-1]}"),
        (f"gemm_{HASH.upper()}", f"gemm_{HASH.upper()}"),
        (f"gemm{HASH}", f"gemm{HASH}"),
        (f"gemm_{HASH}__gpu__", f"gemm_{HASH}__gpu__"),
        (f"_{HASH}\n", f"_{HASH}\n"),
    ],
)
def test_the_hash_of_a_compiler_is_taken_off(name: str, base: str) -> None:
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
def test_a_pattern_means_the_name_itself_else_the_base_name_else_the_glob(pattern: str, meant: list[str]) -> None:
    assert matching(pattern, NAMES) == meant


def test_a_base_name_of_several_means_all_of_them() -> None:
    assert matching("gemm", NAMES[:2]) == NAMES[:2]
