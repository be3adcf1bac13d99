"""The verification that precedes measuring: a function that is wrong is not measured, and cannot be the fastest."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import hatframe
from facts import assert_names
from verifying.wrong_functions import RIGHT, WRONG, make_wrong_package

import hatframe as product
from hatframe.verifying.options import QUICK_CHECKS

QUICK = {"max_time": 0.0, "batches": 2, "input_sets_size": 1000, "meter": "none", "processes": 1}


@pytest.fixture(autouse=True)
def _commands_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("BENCH", "COMPARE"):
        monkeypatch.delenv(f"HATFRAME_{command}_VERIFY")


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_wrong_package(tmp_path_factory.mktemp("quick"))


def test_a_wrong_function_is_not_measured_and_the_others_are(hat: Path) -> None:
    names = ("writes_past_64", "adds_to_output", "right_copy", "right_sum", "drops_tail")
    results = {result.function_name: result for result in product.bench(hat, functions=names, **QUICK)}
    assert {name: result.status for name, result in results.items()} == {
        "writes_past_64": "wrong",
        "adds_to_output": "wrong",
        "right_copy": "ok",
        "right_sum": "ok",
        "drops_tail": "wrong",
    }
    assert_names(results["writes_past_64"].message, "writes_past_64", "'y'", "bounds", "hatframe verify")
    assert results["writes_past_64"].statistics is None
    assert results["right_copy"].verified
    assert results["right_copy"].checks == ("bounds", "usage")


def test_results_without_verification_say_so(hat: Path) -> None:
    (result,) = product.bench(hat, functions="adds_to_output", verify=False, **QUICK)
    assert (result.status, result.verified, result.checks) == ("ok", False, ())


def test_the_table_says_what_was_checked_and_the_status_is_1(hat: Path) -> None:
    few = ("--max-time", "0", "--batches", "2", "--input-sets-size", "0.001", "--meter", "none", "--processes", "1")
    done = hatframe("bench", hat, "--functions", "*product*", *few, status=1)
    assert_names(done.stdout, "verified", *QUICK_CHECKS, "4 functions")
    assert_names(done.stderr, "product_transposed", "wrong", "differs from the 3 others")
    assert "fastest: product_transposed" not in done.stdout
    hatframe("bench", hat, "--functions", "adds_to_output", "--no-verify", *few, status=0)


@pytest.mark.slow
def test_a_comparison_with_a_wrong_function_fails(hat: Path, tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    few = ("--max-time", "0", "--functions", "adds_to_output")
    hatframe("bench", hat, *few, "--no-verify", "--sink", f"json={before}", status=0)
    done = hatframe("compare", before, hat, *few, status=1)
    assert_names(done.stderr, "adds_to_output", "wrong", "usage")
    hatframe("compare", before, hat, *few, "--no-verify", status=0)


@pytest.mark.slow
@pytest.mark.parametrize("loader", ["cffi", "ctypes"])
def test_no_wrong_function_is_ever_the_fastest(hat: Path, loader: str) -> None:
    document = product.bench(hat, functions=(*WRONG, *RIGHT), timeout=2, loader=loader, **QUICK)
    assert not {result.function_name for result in document.winners.values()} & WRONG.keys()
