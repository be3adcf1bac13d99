"""``hatframe bench`` as users call it: a process of its own, on real packages."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import command_line
import pytest
from sample_packages import affine, element, function, make_package, runtime

FAST = ("--max-time", "0.02", "--batches", "3", "--input-sets-minimum-size-MB", "0.1", "--no-race")
SOURCE = """
#include <stdint.h>
void quick(const float *a, float *b) { b[0] = a[0]; }
void slow(const float *a, float *b) { for (int r = 0; r < 50; r++) for (int i = 0; i < 1024; i++) b[i] += a[i]; }
void scale(int64_t M, int64_t K, const float *a, float *b) { for (int64_t i = 0; i < M * K; i++) b[i] = 2 * a[i]; }
void Initialize(void) {}
void slow_debug_check_allclose(void) {}
"""
ARRAYS = [affine("a", [1024]), affine("b", [1024], usage="input_output")]
FUNCTIONS = {
    "slow": function(*ARRAYS),
    "quick": function(*ARRAYS),
    "scale": function(
        element("M", "int64_t"), element("K", "int64_t"), runtime("a", "M*K"), runtime("b", "M*K", usage="output")
    ),
    "Initialize": function(),
    "slow_debug_check_allclose": function(),
}


@pytest.fixture
def hat(tmp_path: Path) -> Path:
    return make_package(tmp_path / "my packages", SOURCE, FUNCTIONS)


def hatframe(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return command_line.hatframe(*arguments, folder=folder)


def bench(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return hatframe("bench", *arguments, *FAST, folder=folder)


def test_the_table_is_a_ranking_and_the_fastest_is_named(
    hat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HATFRAME_BENCH_VERIFY")
    done = bench(hat, "--loader", "cffi", "--sink", "csv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["function", "time", "±", "median", "min", "ratio", "batches"]
    assert [line.split()[0] for line in lines[3:5]] == ["quick", "slow"]
    assert lines[5].startswith("fastest: quick ")
    assert lines[-2].startswith("scale (M=256 K=256) ")
    assert lines[-1].startswith("verified ")
    assert "\x1b" not in done.stdout
    assert "Initialize" in done.stderr
    assert "slow_debug_check_allclose" in done.stderr
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    by_name = {row["function_name"]: row for row in rows}
    assert float(by_name["quick"]["mean"]) < float(by_name["slow"]["mean"])
    assert by_name["scale"]["sizes"] == "M=256 K=256"
    assert len(list(hat.parent.iterdir())) == 3, "nothing is left beside the package"


def test_several_sinks_at_once(hat: Path, tmp_path: Path) -> None:
    done = bench(hat, "--sink", "csv=a.csv", "--sink", "json=b.json", "--sink", "hat", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "b.json").read_text())
    assert document["format"] == "hatframe-results"
    assert document["complete"] is True
    assert {result["function_name"] for result in document["results"]} == {"slow", "quick", "scale"}
    assert document["results"][0]["timer"]
    assert document["run"]["packages"][0]["sha256"]
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 4
    from hatframe import read_package

    assert read_package(hat).fastest("[qs]*[kw]").name == "quick"
    assert read_package(hat).fastest("scale", M=256, K=256).name == "scale"


@pytest.mark.slow
def test_the_spellings_of_hatlib_work(hat: Path, tmp_path: Path) -> None:
    done = hatframe(
        *("bench", hat, "--store_in_hat", "--results_file", "r.csv", "--batch_size", "3", "--min_time_in_sec", "0"),
        *("--min_timing_iterations", "5", "--input_sets_minimum_size_MB", "1", "--verbose", "True", "--cpp"),
        *("--working_dir", "x", "--time_in_ms", "--functions", "quick", "slow"),
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert " ms" in done.stdout.splitlines()[1]
    assert "scale" not in done.stdout
    assert "--cpp" in done.stderr
    assert "--working-dir" in done.stderr
    assert "input sets" in done.stderr
    assert "mean_duration_in_sec" in hat.read_text()
    assert (tmp_path / "r.csv").exists()


@pytest.mark.parametrize("before", [True, False])
def test_several_functions_may_follow_one_option(hat: Path, tmp_path: Path, before: bool) -> None:
    chosen = ["--functions", "qu*", "slow"]
    done = bench(*([*chosen, hat] if before else [hat, *chosen]), "--json", folder=tmp_path)
    names = [result["function_name"] for result in json.loads(done.stdout)["results"]]
    assert names == ["slow", "quick"]


@pytest.mark.slow
def test_each_size_is_a_row(hat: Path, tmp_path: Path) -> None:
    arguments = (hat, "--functions", "scale", "quick", "--size", "M=3,K=5", "--size", "M=7", "--json", "--seed", "9")
    done = bench(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [(result["function_name"], result["sizes"]) for result in json.loads(done.stdout)["results"]]
    assert rows == [("quick", {}), ("scale", {"M": 3, "K": 5}), ("scale", {"M": 7, "K": 256})]
    assert {result["seed"] for result in json.loads(done.stdout)["results"]} == {9}
    done = bench(hat, "--size", "Q=3", folder=tmp_path)
    assert done.returncode == 2
    assert "dimension Q" in done.stderr
    assert "K, M" in done.stderr


def test_packages_and_folders_share_one_ranking(hat: Path, tmp_path: Path) -> None:
    other = make_package(tmp_path / "other", SOURCE, {"quick": FUNCTIONS["quick"]}, name="other")
    (tmp_path / "other" / "empty.hat").write_text(other.read_text().split("[functions.quick]")[0] + "[functions]\n")
    done = bench(hat, tmp_path / "other", "--functions", "quick", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["function", "package"]
    assert {line.split()[1] for line in lines[1:3]} == {"package.hat", "other.hat"}


@pytest.mark.slow
def test_threads_are_set_for_the_functions_and_recorded(tmp_path: Path) -> None:
    source = """
    #include <stdlib.h>
    #include <string.h>
    void asked(int *n) {
        const char *text = getenv("OMP_NUM_THREADS");
        *n = text ? atoi(text) : -1;
        if (*n != 3) abort();
    }
    """
    hat = make_package(tmp_path, source, {"asked": function(affine("n", [1], "int", "output"))})
    done = bench(hat, "--threads", "3", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["threads"] == 3


def test_a_function_that_cannot_be_called_fails_alone(hat: Path, tmp_path: Path) -> None:
    text = (
        hat.read_text()
        .replace('name = "slow"', 'name = "gone"')
        .replace("[functions.slow]", "[functions.gone]")
        .replace("[functions.slow.", "[functions.gone.")
        .replace("[[functions.slow.", "[[functions.gone.")
    )
    hat.write_text(text)
    done = bench(hat, "--sink", "csv", folder=tmp_path)
    assert done.returncode == 1
    assert "quick" in done.stdout
    (line,) = [line for line in done.stderr.splitlines() if "error" in line]
    assert "gone" in line
    with (tmp_path / "results.csv").open() as file:
        status = {row["function_name"]: row["status"] for row in csv.DictReader(file)}
    assert status["gone"] == "failed"
    assert status["quick"] == "ok"


def break_library(hat: Path) -> None:
    hat.with_suffix(".so").write_bytes(b"\x00junk, and no library at all" * 100)


def remove_library(hat: Path) -> None:
    hat.with_suffix(".so").unlink()


def break_toml(hat: Path) -> None:
    hat.write_text(hat.read_text().replace("[functions", "[functions[", 1))


def make_binary(hat: Path) -> None:
    hat.write_bytes(bytes(range(256)))


def remove_functions(hat: Path) -> None:
    hat.write_text("[functions]\n[dependencies]\nlink_target = 'x.so'\n")


def use_cuda(hat: Path) -> None:
    hat.write_text(
        hat.read_text().replace('calling_convention = "cdecl"', 'calling_convention = "cdecl"\nruntime = "CUDA"')
    )


def require_s390x(hat: Path) -> None:
    import re

    hat.write_text(re.sub(r'architecture = "[^"]*"', 'architecture = "s390x"', hat.read_text()))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_library, "package.so"),
        (remove_library, "package.so"),
        (break_toml, "TOML"),
        (make_binary, "byte 128 is not UTF-8"),
        (remove_functions, "no functions"),
        (use_cuda, "no installed loader serves runtime CUDA"),
        (require_s390x, "it is for s390x processors"),
    ],
)
def test_a_damaged_package_is_an_error_of_one_line(hat: Path, tmp_path: Path, damage: object, message: str) -> None:
    damage(hat)  # type: ignore[operator]
    done = (
        bench(hat, "--functions", "quick", folder=tmp_path)
        if damage is not remove_functions
        else bench(hat, folder=tmp_path)
    )
    assert done.returncode == 1, done.stdout
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("hatframe: the machine")]
    assert line.startswith("hatframe: error: ")
    assert message in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere.hat"], 1, "nowhere.hat"),
        (["."], 1, ".hat"),
        (["{hat}", "--loader", "cfi"], 1, "cffi"),
        (["{hat}", "--sink", "cvs"], 1, "csv"),
        (["{hat}", "--sink", "csv="], 2, "csv="),
        (["{hat}", "--sink", "csv", "--sink", "csv=b"], 2, "'csv'"),
        (["{hat}", "--sink", "csv=nowhere/r.csv"], 1, "nowhere"),
        (["{hat}", "--functions", "quik"], 1, "quick"),
        (["{hat}", "--size", "M"], 2, "'M'"),
        (["{hat}", "--batches", "none"], 2, "--batches"),
        (["{hat}", "--nonsense"], 2, "nonsense"),
        (["{hat}", "--max-time", "inf"], 2, "--max-time"),
        (["{hat}", "--min-iterations", "99999999999999"], 2, ""),
        (["{hat}", "--functions", "--verbose"], 2, "--functions"),
        ([], 2, "PKG"),
    ],
)
def test_a_wrong_request_is_an_error(
    hat: Path, tmp_path: Path, arguments: list[str], status: int, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    done = hatframe("bench", *(text.format(hat=hat) for text in arguments), folder=tmp_path / "empty")
    assert done.returncode == status, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = hatframe("bench", "nowhere.hat", "--debug", folder=tmp_path)
    assert "Traceback" in done.stderr
    assert "FormatError" in done.stderr


def test_force_runs_packages_for_another_machine(hat: Path, tmp_path: Path) -> None:
    require_s390x(hat)
    done = bench(hat, "--functions", "quick", "--force", folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_help_shows_the_options_of_the_sinks(tmp_path: Path) -> None:
    done = hatframe("bench", "--help", folder=tmp_path)
    assert done.returncode == 0
    for option in ("--store-in-hat", "--results-file", "--loader", "--sink", "--functions", "--size"):
        assert option in done.stdout
    assert "--store-in-hat" not in hatframe("--disable-plugin", "hat", "bench", "--help", folder=tmp_path).stdout


def test_a_terminal_shows_a_progress_bar(hat: Path, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    import os

    command = [sys.executable, "-m", "hatframe", "bench", str(hat), *FAST]
    controller, terminal = pty.openpty()
    with subprocess.Popen(command, stdout=terminal, stderr=terminal, cwd=tmp_path, close_fds=True) as process:
        os.close(terminal)
        shown = b""
        try:
            while chunk := os.read(controller, 4096):
                shown += chunk
        except OSError:
            pass  # the terminal is gone with the process
        process.wait(60)
    os.close(controller)
    assert process.returncode == 0
    assert b"\x1b[" in shown
    assert b"/3" in shown
    assert b"fastest: quick" in shown


@pytest.mark.slow
def test_the_table_shows_operations_per_second(hat: Path, tmp_path: Path) -> None:
    from hatframe.format.editing import store_in_auxiliary

    store_in_auxiliary(hat, {"slow": {"flops": 51200}})
    done = bench(hat, "--functions", "slow", "quick", "--json", folder=tmp_path)
    by_name = {result["function_name"]: result for result in json.loads(done.stdout)["results"]}
    slow = by_name["slow"]
    assert slow["rates"]["flops_per_second"] == pytest.approx(51200 / slow["statistics"]["time"])
    assert "flops_per_second" not in by_name["quick"]["rates"]
    assert "GFLOP/s" in bench(hat, "--functions", "slow", folder=tmp_path).stdout.splitlines()[0]


@pytest.mark.slow
def test_few_small_inputs_are_recorded_as_mixed(hat: Path, tmp_path: Path) -> None:
    for size, cache in (("0.1", "cold"), ("100000", "mixed")):
        arguments = (hat, "--functions", "quick", "--max-time", "0.01", "--json", "--input-sets-minimum-size-MB", size)
        done = hatframe("bench", *arguments, folder=tmp_path)
        assert json.loads(done.stdout)["results"][0]["cache"] == cache


@pytest.mark.slow
def test_an_ascii_terminal_is_supported(hat: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatframe", "bench", hat, "--functions", "quick", *FAST]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "quick" in done.stdout


@pytest.mark.slow
def test_storing_results_does_not_relink_a_static_package(tmp_path: Path) -> None:
    static = make_package(tmp_path / "static", SOURCE, {"quick": FUNCTIONS["quick"]}, static=True)
    said = [bench(static, "--sink", "hat", folder=tmp_path).stderr for _ in range(2)]
    assert ["into the cache" in text for text in said] == [True, False]


def test_packages_of_the_same_file_name_are_shown_by_path(hat: Path, tmp_path: Path) -> None:
    other = make_package(tmp_path / "other", SOURCE, FUNCTIONS)
    lines = bench(hat, other, "--functions", "quick", folder=tmp_path).stdout.splitlines()
    assert {str(hat) in line for line in lines[1:3]} == {True, False}
    assert any(str(other) in line for line in lines[1:3])
