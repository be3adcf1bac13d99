"""Which processors run code that needs some instruction sets."""

from __future__ import annotations

import pytest

from hatframe.calling.processors import needed_extensions, other_builds, required_of, runs_on
from hatframe.format.model import Required

V3 = "sse3 ssse3 sse4.1 sse4.2 popcnt avx avx2 fma bmi bmi2 f16c lzcnt movbe"


@pytest.mark.parametrize(
    ("extensions", "processors"),
    [
        ("sse4.2 popcnt", "Intel Nehalem, AMD Zen, and newer"),
        (V3, "Intel Haswell, AMD Zen, and newer"),
        ("AVX2 +fma -avx512f", "Intel Haswell, AMD Zen, and newer"),
        (f"{V3} avx512f avx512vl", "Intel Xeon Skylake-SP, AMD Zen 4, and newer"),
        ("avx2 amx-tile", "Intel Xeon Sapphire Rapids and newer"),
        ("sse4a", "AMD Zen and newer"),
        ("sse4a amx-tile", "no processor that is known"),
        ("+64bit +sahf", "any x86_64 processor"),
        ("", ""),
    ],
)
def test_the_oldest_processors_with_all_of_it_are_named(extensions: str, processors: str) -> None:
    assert runs_on(required_of("x86_64", extensions.split())) == processors


def test_arm_has_processors_of_its_own() -> None:
    assert runs_on(required_of("arm64", ["neon", "bf16"])) == "Arm Neoverse V1, Apple M2, and newer"
    assert runs_on(required_of("riscv64", ["v"])) == ""
    assert runs_on(Required()) == ""


def test_a_build_for_others_is_one_that_more_machines_run() -> None:
    assert [name for name, _ in other_builds(required_of("x86_64", ["avx512f"]))] == ["x86-64-v3", "none"]
    assert [name for name, _ in other_builds(required_of("x86_64", V3.split()))] == ["none"]
    assert list(other_builds(required_of("x86_64", []))) == []
    assert dict(other_builds(required_of("x86_64", ["avx512f"])))["x86-64-v3"] == "Intel Haswell, AMD Zen, and newer"


def test_extensions_that_are_not_required_are_not_needed() -> None:
    assert needed_extensions(required_of("x86_64", ["+avx2", "-sgx", "fma", " "])) == ["avx2", "fma"]
