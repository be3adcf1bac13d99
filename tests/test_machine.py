"""The facts of the machine, and the names of platforms."""

from __future__ import annotations

import sys

import pytest

from hatframe.errors import UsageError
from hatframe.machine import Cache, Facts, Machine, Platform, normal_architecture, normal_os

L1 = Cache(level=1, kind="data", size=48 << 10, line_size=64)
CODE = Cache(level=1, kind="instruction", size=64 << 20, line_size=64)
L2 = Cache(level=2, kind="unified", size=1 << 20, line_size=64)


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("x86_64-windows", Platform("windows", "x86_64")),
        ("aarch64-linux-musl", Platform("linux", "aarch64", "musl")),
        ("x86_64-pc-windows-msvc", Platform("windows", "x86_64", "msvc")),
        ("arm64-apple-darwin", Platform("macos", "aarch64")),
        (" AMD64-Linux ", Platform("linux", "x86_64")),
    ],
)
def test_a_platform_is_read_as_compilers_write_it(text: str, platform: Platform) -> None:
    assert Platform.parse(text) == platform
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize("text", ["", "windows", "x86_64-", "a-b-c-d", "x86_64-win dows", "x86_64/linux"])
def test_any_other_text_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Platform.parse(text)
    assert repr(text) in str(caught.value)


def test_a_machine_in_one_line_has_its_platform_and_its_models() -> None:
    details = {"cpu": {"model": "A processor", "logical_cores": 2}, "gpu": {"model": "A card"}, "disk": {}}
    assert str(Machine(platform=Platform("linux", "x86_64"), details=details)) == "x86_64-linux, A processor, A card"
    assert str(Machine(platform=Platform("linux", "aarch64"))) == "aarch64-linux"


def test_platforms_fit_where_no_two_abis_contradict() -> None:
    gnu, musl, any_abi = (Platform("linux", "x86_64", abi) for abi in ("gnu", "musl", ""))
    assert gnu.fits(any_abi)
    assert any_abi.fits(musl)
    assert not gnu.fits(musl)
    assert not gnu.fits(Platform("linux", "aarch64", "gnu"))


def test_this_machine_has_a_platform() -> None:
    host = Platform.host()
    assert host.os == {"linux": "linux", "darwin": "macos", "win32": "windows"}[sys.platform]
    assert host.architecture == normal_architecture(host.architecture)


def test_names_have_one_spelling() -> None:
    assert {normal_os(name) for name in ("Darwin", "osx", "macOS")} == {"macos"}
    assert {normal_architecture(name) for name in ("AMD64", "x86-64", "X64")} == {"x86_64"}


def test_the_first_probe_to_know_a_fact_counts() -> None:
    first = Facts(extensions={"avx2": True}, details={"model": "A"})
    second = Facts(caches=(L1,), extensions={"avx2": False, "fma": True}, details={"model": "B"})
    machine = Machine.of([("one", first), ("two", second)])
    assert machine.caches == (L1,)
    assert machine.extensions == {"avx2": True, "fma": True}
    assert machine.details == {"one": {"model": "A"}, "two": {"model": "B"}}


def test_the_last_level_cache_holds_data() -> None:
    platform = Platform("linux", "x86_64")
    assert Machine(platform=platform, caches=(L1, CODE, L2)).last_level_cache == L2
    assert Machine(platform=platform, caches=(CODE,)).last_level_cache is None
