"""The verification of packages: each wrong function is found by the right check, and no right one is."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from facts import assert_names
from verifying.wrong_functions import RIGHT, WRONG, make_wrong_package

import hatframe
from hatframe.outcomes import Verification


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_wrong_package(tmp_path_factory.mktemp("wrong"))


@pytest.fixture(scope="module")
def verification(hat: Path) -> Verification:
    return hatframe.verify(hat, timeout=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_function_is_found_by_the_right_check(verification: Verification, name: str) -> None:
    found = {(finding.check, finding.argument) for finding in verification.findings if finding.function == name}
    assert found == {(WRONG[name].check, WRONG[name].argument)}


@pytest.mark.slow
def test_no_right_function_is_a_finding(verification: Verification) -> None:
    assert [finding for finding in verification.findings if finding.function in RIGHT] == []


def test_a_function_that_crashes_leaves_the_others_their_findings(hat: Path) -> None:
    names = ("dereferences_null", "writes_past_64", "right_aligned")
    verification = hatframe.verify(hat, functions=names, skip="shapes")
    assert {finding.function: finding.check for finding in verification.findings} == {
        "dereferences_null": "crash",
        "writes_past_64": "bounds",
    }
    (note,) = verification.notes
    assert note.function == "right_aligned"
    assert_names(note.message, "32 bytes")
    assert not verification.ok


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only the instructions of x86-64 are decoded")
def test_an_access_is_reported_with_the_bytes_that_lie_outside(hat: Path) -> None:
    pytest.importorskip("iced_x86")
    names = ("reads_before", "reads_vector_past_end", "writes_past_64")
    found = hatframe.verify(hat, functions=names, only="bounds")
    words = {finding.function: finding.message.split()[:3] for finding in found.findings}
    assert words["reads_before"] == ["reads", "4", "bytes"]
    assert words["reads_vector_past_end"] == ["reads", "16", "bytes"]


def test_an_unknown_check_is_an_error(hat: Path) -> None:
    with pytest.raises(hatframe.HatError) as caught:
        hatframe.verify(hat, only="bound")
    assert_names(str(caught.value), "bound", "bounds")


def test_an_unknown_loader_is_an_error_rather_than_a_finding(hat: Path) -> None:
    with pytest.raises(hatframe.HatError) as caught:
        hatframe.verify(hat, loader="cfi")
    assert_names(str(caught.value), "cfi", "cffi")
