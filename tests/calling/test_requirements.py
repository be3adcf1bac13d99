"""What a package requires, held against machines."""

from __future__ import annotations

import functools

import pytest

from hatframe.calling.requirements import check_target, unmet
from hatframe.errors import TargetError
from hatframe.format.model import HatFile, Required, RequiredCpu, Target
from hatframe.format.reading import parse_hat
from hatframe.machine import Machine, Platform

MACHINE = Machine(
    platform=Platform("linux", "x86_64"),
    extensions={
        "avx2": True,
        "sse4.2": True,
        "lzcnt": True,
        "pclmul": True,
        "avx512f": False,
        "amx-tile": False,
    },
)


def required(*extensions: str, os: str = "linux", architecture: str = "x86_64") -> Required:
    return Required(os=os, cpu=RequiredCpu(architecture=architecture, extensions=extensions))


@pytest.mark.parametrize(
    "extension",
    ["+avx2", "avx2", "AVX2", " +AVX2 ", "sse4_2", "+SSE4.2", "sse42", "SSE4", "abm", "pclmulqdq", "+lzcnt"],
)
def test_what_the_machine_has_is_met_by_any_of_its_names(extension: str) -> None:
    assert unmet(required(extension), MACHINE) == []


@pytest.mark.parametrize("extension", ["+avx512f", "AVX512", "avx512", "AVX512F", "amx_tile", "+amx-tile"])
def test_what_the_machine_lacks_is_named_as_the_package_names_it(extension: str) -> None:
    (sentence,) = unmet(required("+avx2", extension), MACHINE)
    assert extension.lstrip("+") in sentence
    assert "avx2" not in sentence


@pytest.mark.parametrize("extension", ["-avx512f", "- avx512f", "+shstk", "an unknown one", "", "+", "+avx10.1"])
def test_a_minus_and_what_nobody_knows_are_not_held_against_the_machine(extension: str) -> None:
    assert unmet(required(extension), MACHINE) == []


def test_of_one_that_is_listed_twice_the_last_counts() -> None:
    assert unmet(required("+avx512f", "-AVX512"), MACHINE) == []
    assert len(unmet(required("-avx512f", "+avx512f"), MACHINE)) == 1


@pytest.mark.parametrize("os", ["", "linux", "Linux", "plan9"])
@pytest.mark.parametrize("architecture", ["", "x86_64", "AMD64", "x86-64", "Skylake"])
def test_the_own_platform_and_what_states_none_are_met(os: str, architecture: str) -> None:
    assert unmet(required(os=os, architecture=architecture), MACHINE) == []


@pytest.mark.parametrize(
    ("os", "name"), [("windows", "windows"), ("Windows", "windows"), ("macos", "macos"), ("darwin", "macos")]
)
def test_another_operating_system_is_unmet(os: str, name: str) -> None:
    (sentence,) = unmet(required(os=os), MACHINE)
    assert "linux" in sentence
    assert name in sentence


@pytest.mark.parametrize("architecture", ["aarch64", "arm64", "ARM64", "x86", "i686"])
def test_another_architecture_is_unmet(architecture: str) -> None:
    (sentence,) = unmet(required(architecture=architecture), MACHINE)
    assert "x86_64" in sentence


def test_a_package_is_refused_with_all_that_is_missing_at_once() -> None:
    hat = HatFile(target=Target(required=required("+avx512f", "+amx-tile", os="windows", architecture="arm64")))
    with pytest.raises(TargetError) as caught:
        check_target([HatFile(), hat], functools.partial(unmet, machine=MACHINE))
    message = str(caught.value)
    for missing in ("windows", "aarch64", "avx512f", "amx-tile", "--force"):
        assert missing in message


def test_force_lets_it_pass() -> None:
    check_target(
        [HatFile(target=Target(required=required(os="windows")))], functools.partial(unmet, machine=MACHINE), force=True
    )


def test_a_hat_file_without_a_target_is_met_anywhere() -> None:
    hat = parse_hat("[functions]\n")
    check_target([hat], functools.partial(unmet, machine=MACHINE))


def test_nothing_is_known_without_probes() -> None:
    assert unmet(required("+avx512f", "+sve"), Machine(platform=MACHINE.platform)) == []
