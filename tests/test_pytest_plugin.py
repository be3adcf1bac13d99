"""The pytest plugin: the fixture, what its assertions fail for, and what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_documents import failed, result
from sample_packages import affine, function, make_package

import hatframe
from hatframe.errors import HatError, UnknownFunctionError, UsageError
from hatframe.pytest_plugin import HatPackage, _slower

pytest_plugins = "pytester"

SOURCE = """
static void work(float *x, int times) {
    for (int i = 0; i < times; ++i) for (int k = 0; k < 64; ++k) x[k] = x[k] * 0.5f + 1.0f;
}
void fast(float *x) { work(x, 100); }
void also_fast_0123456789abcdef(float *x) { work(x, 100); }
void slow(float *x) { work(x, 10000); }
void crashes(float *x) { *(volatile int *)0 = (int)x[0]; }
void beyond(const float *x, float *y) { for (int k = 0; k < 65; ++k) y[k] = x[k < 64 ? k : 0]; }
"""
CHANGES = function(affine("x", [64], usage="input_output"))
FUNCTIONS = {
    **dict.fromkeys(("fast", "also_fast_0123456789abcdef", "slow", "crashes"), CHANGES),
    "beyond": function(affine("x", [64]), affine("y", [64], usage="output")),
}
QUICK: dict[str, Any] = {
    "verify": False,
    "min_time": 0.0,
    "batches": 40,
    "max_time": 0.0,
    "processes": 1,
    "input_sets_size": 1000,
}


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("package"), SOURCE, FUNCTIONS)


@pytest.fixture
def package(hat: Path, tmp_path: Path) -> HatPackage:
    return HatPackage(hat, lock=tmp_path)


# ------------------------------------------------------------------------------------------ assert_not_slower


def test_a_function_that_is_not_slower_passes_and_its_results_are_returned(package: HatPackage) -> None:
    results = package.assert_not_slower("also_fast", than="slow", **QUICK)
    assert {each.function_name for each in results} == {"also_fast_0123456789abcdef", "slow"}


def test_a_slower_function_fails_with_both_times_and_the_interval(package: HatPackage) -> None:
    with pytest.raises(AssertionError) as caught:
        package.assert_not_slower("slow", than="fast", by=0.5, **QUICK)
    message = str(caught.value)
    assert re.search(r"slow .*fast .*50 %: [\d.]+ [µnm]s against [\d.]+ [µn]s", message)
    low, high = map(float, re.findall(r"([\d.]+) to ([\d.]+)\)$", message)[0])
    assert 1.5 < low < high


def test_the_other_function_may_be_of_another_package(package: HatPackage, tmp_path: Path) -> None:
    source = "void slow(float *x) { x[0] *= 0.5f; }"
    new = HatPackage(make_package(tmp_path, source, {"slow": CHANGES}, name="new"), lock=tmp_path)
    with pytest.raises(AssertionError, match="slow is slower than slow"):
        package.assert_not_slower("slow", than="slow", of=new, **QUICK)


def test_a_function_that_cannot_be_measured_fails(package: HatPackage) -> None:
    with pytest.raises(AssertionError, match="crashes: crashed: "):
        package.assert_not_slower("fast", than="crashes", **QUICK)


def test_the_whole_interval_must_be_beyond_the_margin() -> None:
    (ours, theirs) = result("a", times=[2.0, 2.1, 1.9, 2.05, 1.95]), result("b", times=[1.0, 1.1, 0.9, 1.05, 0.95])
    (problem,) = _slower([ours], [theirs], 0.5)
    low = float(re.findall(r"([\d.]+) to", problem)[0])
    assert not list(_slower([ours], [theirs], low - 1 + 0.01))
    assert not list(_slower([theirs], [ours], 0.0))


def test_results_are_compared_by_their_sizes() -> None:
    ours = [result("a", times=[t, 1.01 * t, 1.02 * t], sizes={"n": n}) for n, t in ((1, 1.0), (2, 9.0))]
    theirs = [result("b", times=[1.0, 1.01, 1.02], sizes={"n": n}) for n in (2, 1)]
    (problem,) = _slower(ours, theirs, 0.05)
    assert "a (n=2)" in problem


def test_a_single_result_each_is_compared_whatever_its_sizes() -> None:
    (problem,) = _slower([failed("a", "it crashed")], [result("b", sizes={"rows": 8})], 0.05)
    assert problem == "a: failed: it crashed"
    with pytest.raises(UsageError, match="sizes"):
        list(_slower([result("a", sizes={"n": 1}), result("a", sizes={"n": 2})], [result("b", sizes={"n": 2})], 0.05))


@pytest.mark.parametrize("by", [-0.1, 5, float("nan")])
def test_a_margin_that_is_no_fraction_is_an_error(package: HatPackage, by: float) -> None:
    with pytest.raises(UsageError, match="by=0\\.05"):
        package.assert_not_slower("fast", than="slow", by=by)


def test_names_and_options_are_checked_before_anything_is_measured(package: HatPackage) -> None:
    with pytest.raises(UnknownFunctionError, match="fast"):
        package.assert_not_slower("fats", than="slow")
    with pytest.raises(UsageError, match="itself"):
        package.assert_not_slower("also_fast", than="also_fast_0123456789abcdef")
    with pytest.raises(UsageError, match="no_such_option"):
        package.assert_not_slower("fast", than="slow", no_such_option=1)


# ---------------------------------------------------------------------------------------------- assert_verified


def test_right_functions_are_verified_and_what_was_checked_is_returned(package: HatPackage) -> None:
    found = package.assert_verified("fast", "also_fast", only="bounds")
    assert set(found.functions) == {"fast", "also_fast_0123456789abcdef"}
    assert found.checks == ("bounds",)


def test_wrong_functions_fail_with_each_finding_and_its_command(package: HatPackage) -> None:
    with pytest.raises(AssertionError) as caught:
        package.assert_verified("fast", "beyond", "crashes", only=["bounds", "crash"])
    message = str(caught.value)
    assert "2 of 3" in message
    assert "beyond: bounds" in message
    assert "crashes: crash" in message
    assert re.search(r"hatframe verify .*package\.hat .*--functions beyond", message)


def test_options_of_verify_are_checked(package: HatPackage) -> None:
    with pytest.raises(UsageError, match="no_such_check"):
        package.assert_verified("fast", only="no_such_check")


# -------------------------------------------------------------------------------------------------- the package


def test_it_is_a_mapping_of_functions_that_can_be_called(package: HatPackage) -> None:
    assert sorted(package) == sorted(FUNCTIONS)
    x = np.zeros(64, np.float32)
    package.fast(x)
    package["also_fast"](x)
    assert np.allclose(x, 2)
    with pytest.raises(AttributeError, match="fsat"):
        package.fsat  # noqa: B018
    package.close()
    with pytest.raises(HatError, match="closed"):
        package.fast(x)


def test_the_library_is_opened_when_a_function_is_first_used(tmp_path: Path) -> None:
    hat = make_package(tmp_path, SOURCE, FUNCTIONS)
    (tmp_path / "package.so").write_bytes(b"no library")
    package = HatPackage(hat, lock=tmp_path)
    assert len(package) == len(FUNCTIONS)
    package.close()
    assert package != HatPackage(hat, lock=tmp_path)
    with pytest.raises(HatError):
        package.fast  # noqa: B018


def test_its_options_apply_to_calls_and_to_assertions(hat: Path, tmp_path: Path) -> None:
    package = HatPackage(hat, lock=tmp_path, loader="no_such_loader")
    with pytest.raises(HatError, match="no_such_loader"):
        package.fast  # noqa: B018
    with pytest.raises(AssertionError, match="no_such_loader"):
        package.assert_not_slower("fast", than="slow", **QUICK)


# --------------------------------------------------------------------------------------------------- in pytest

TESTS = """
import pytest

def test_beside_the_test(hat_package):
    assert "fast" in hat_package("beside.hat")

def test_from_the_rootdir(hat_package):
    assert hat_package("package.hat")["fast"] is not None
    assert hat_package("sub/beside.hat").fast is not hat_package("package.hat").fast

def test_missing(hat_package):
    hat_package("missing.hat")

def test_slower(hat_package):
    options = dict(min_time=0.0, batches=40, max_time=0.0, processes=1, input_sets_size=1000)
    hat_package("package.hat").assert_not_slower("slow", than="fast", by=0.5, **options)

def test_closed(hat_package, kept=[]):
    kept.append(hat_package("package.hat").fast)
    test_closed.kept = kept

def test_after_it():
    with pytest.raises(Exception, match="closed"):
        test_closed.kept[0].function
        test_closed.kept[0]([0.0] * 64)
"""


@pytest.mark.slow
def test_the_fixture_finds_packages_reports_briefly_and_closes_them(pytester: pytest.Pytester) -> None:
    make_package(pytester.path, SOURCE, FUNCTIONS)
    make_package(pytester.path / "sub", SOURCE, FUNCTIONS, name="beside")
    (pytester.path / "sub" / "test_it.py").write_text(TESTS)
    pytester.makeini("[pytest]")
    done = pytester.runpytest_subprocess("-n", "2", "--dist", "loadfile", "-rA")
    assert done.parseoutcomes() == {"passed": 4, "failed": 2}
    text = done.stdout.str()
    assert f"relative paths are from {pytester.path / 'sub'} or {pytester.path}" in text
    assert "slow is slower than fast by more than 50 %" in text
    # The tracebacks end at the lines of the tests.
    assert "pytest_plugin.py" not in text


def test_a_run_without_the_fixture_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_nothing(): pass\n")
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    heavy = {'numpy', 'msgspec', 'cffi', 'rich'}\n"
        "    print('loaded:', *sorted(n for n in sys.modules if n.startswith('hatframe') or n in heavy))\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTEST_ADDOPTS": ""})
    assert "loaded: hatframe hatframe.pytest_plugin\n" in done.stdout


def test_pytest_leaves_the_modules_of_hatframe_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import pytest\npytest.register_assert_rewrite('hatframe', 'other')\n")
    (tmp_path / "other.py").write_text("")
    (tmp_path / "test_it.py").write_text(
        "import hatframe.errors, other\n"
        "def test_it():\n"
        "    assert type(other.__loader__).__name__ == 'AssertionRewritingHook'\n"
        "    assert type(hatframe.errors.__loader__).__name__ == 'SourceFileLoader'\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTEST_ADDOPTS": ""})
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_page_of_the_manual_is_true(pytester: pytest.Pytester) -> None:
    root = Path(__file__).parent.parent
    for name, static in (("gemm.hat", False), ("gemm_static.hat", True)):
        hatframe.build(root / "samples" / "gemm.c", pytester.path / name, static=static)
    page = (root / "docs" / "testing.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    pytester.makepyfile(code)
    done = pytester.runpytest_subprocess()
    assert done.parseoutcomes() == {"passed": code.count("def test_")}
