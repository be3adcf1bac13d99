"""``hatframe compare`` as users call it, on files that the sinks wrote and on real packages."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import hatframe
from hatframe_builtin.sinks.csv_sink import CsvSink
from hatframe_builtin.sinks.json_sink import JsonSink
from result_documents import document, failed, result
from rich.console import Console
from sample_packages import affine, element, function, make_package, runtime

from hatframe import Kernel
from hatframe.cli import compare as compare_command
from hatframe.results.model import FunctionResult


def compare(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return hatframe("compare", *arguments, folder=folder)


def measured(name: str, seconds: float, **more: Any) -> FunctionResult:
    source = random.Random(name)
    times = [seconds * source.gauss(1, 0.005) for _ in range(30)]
    return result(name, times=times, rounds=tuple(range(30)), **more)


def write(folder: Path, name: str, *results: FunctionResult, complete: bool = True) -> None:
    """Results as a run writes them, to NAME.json and NAME.csv."""
    whole = document(*results, complete=complete)
    for sink in (CsvSink(), JsonSink()):
        run = sink.open(whole.run, folder / f"{name}.{sink.name}")
        for each in results:
            run.add(each)
        run.close(whole)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write(tmp_path, "before", measured("gemm_0123456789abcdef", 1e-4), measured("same", 1e-6), measured("gone", 1e-6))
    write(tmp_path, "after", measured("gemm_fedcba9876543210", 1.2e-4), measured("same", 1e-6), measured("new", 1e-6))
    return tmp_path


def test_a_pipe_gets_ratios_with_intervals_and_verdicts(results: Path) -> None:
    done = compare("before.json", "after.json", folder=results)
    assert done.returncode == 0, done.stderr
    header, gemm, same, *rest = done.stdout.splitlines()
    assert header.split() == ["function", "before.json", "after.json", "after.json", "/", "before.json"]
    assert gemm.split()[0] == "gemm_0123456789abcdef"
    assert re.search(r" 1\.20\d* ± 0\.0\d+ ", gemm)
    assert gemm.split()[-1] == "slower"
    assert same.split()[0] == "same"
    assert same.split()[-2:] == ["not", "significant"]
    assert rest == [
        "after.json against before.json: 1 slower, 0 faster, 1 not significant",
        "only in before.json: gone",
        "only in after.json: new",
    ]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("sources", [("before.csv", "after.csv"), ("before.csv", "after.json")])
def test_tables_without_batches_give_the_same(results: Path, sources: tuple[str, str]) -> None:
    done = compare(*sources, folder=results)
    assert done.returncode == 0, done.stderr
    gemm = done.stdout.splitlines()[1]
    assert re.search(r" 1\.20\d* ± 0\.0\d+ ", gemm)
    assert gemm.split()[-1] == "slower"


def test_json_has_all_figures(results: Path) -> None:
    done = compare("before.json", "after.json", "before.csv", "--format", "json", folder=results)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["sources"] == ["before.json", "after.json", "before.csv"]
    gemm, same, gone = found["functions"]
    assert [each["function_name"] for each in gemm["results"]] == [
        "gemm_0123456789abcdef",
        "gemm_fedcba9876543210",
        "gemm_0123456789abcdef",
    ]
    slower, itself = gemm["ratios"]
    assert 1.1 < slower["low"] < slower["ratio"] < slower["high"] < 1.3
    assert slower["significant"]
    assert not itself["significant"]
    assert same["results"][0]["mean"] == pytest.approx(1e-6, rel=0.01)
    assert same["results"][0]["time"] == pytest.approx(1e-6, rel=0.01)
    assert gone["results"][1] is None
    assert gone["ratios"][0] is None
    assert found["unmatched"] == [[], ["new"], []]
    assert "failed" not in found


def test_markdown_is_a_table(tmp_path: Path) -> None:
    write(tmp_path, "a", measured("f", 1.5e-6, sizes={"M": 8}))
    write(tmp_path, "b", measured("f", 5e-7, sizes={"M": 8}))
    done = compare("a.json", "b.json", "--format", "markdown", folder=tmp_path)
    header, rule, row, empty, closing = done.stdout.splitlines()
    assert header == "| function | sizes | a.json | b.json | b.json / a.json |  |"
    assert rule == "| --- | --- | ---: | ---: | ---: | --- |"
    assert row.startswith("| `f` | M=8 | 1.")
    assert row.endswith(" | faster |")
    assert (empty, closing) == ("", "b.json against a.json: 0 slower, 1 faster, 0 not significant")


@pytest.mark.parametrize(("part", "code"), [("5%", 1), ("15 %", 1), ("25%", 0), (".5%", 1), ("5", 1), ("25", 0)])
def test_fail_slower_sets_the_exit_status(results: Path, part: str, code: int) -> None:
    done = compare("before.json", "after.json", "--fail-slower", part, folder=results)
    assert done.returncode == code
    assert ("gemm_0123456789abcdef" in done.stderr) == bool(code)
    assert "same" not in done.stderr
    back = compare("after.json", "before.json", "--fail-slower", part, "--format", "json", folder=results)
    assert back.returncode == 0
    assert json.loads(back.stdout)["failed"] == []


def test_fail_missing_counts_functions_that_a_source_lacks(results: Path) -> None:
    done = compare("before.json", "after.json", "--fail-missing", "--format", "json", folder=results)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["failed"] == ["gone"]
    assert "after.json" in found["functions"][-1]["problem"]
    assert [line for line in done.stderr.splitlines() if "error" in line and "gone" in line]
    assert compare("before.json", "after.json", "--functions", "same", "--fail-missing", folder=results).returncode == 0
    done = compare("after.json", "before.json", "after.json", "--fail-missing", folder=results)
    assert "new: missing in before.json" in done.stderr


def test_a_difference_between_two_runs_comes_with_a_warning(results: Path) -> None:
    done = compare("before.json", "after.json", folder=results)
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("hatframe: warning: before.json and after.json are of different runs")
    assert compare("before.json", "after.json", "--functions", "same", folder=results).stderr == ""


def test_json_has_the_reason_of_each_failure(tmp_path: Path) -> None:
    write(tmp_path, "a", failed("f", "it crashed"), measured("g", 1e-6))
    write(tmp_path, "b", measured("f", 1e-6), measured("g", 2e-6))
    done = compare("a.json", "b.json", "--fail-slower", "5%", "--format", "json", folder=tmp_path)
    assert done.returncode == 1
    f, g = json.loads(done.stdout)["functions"]
    assert f["results"][0]["message"] == "it crashed"
    assert "it crashed" in f["problem"]
    assert "b.json" in g["problem"]


def test_fail_slower_counts_functions_without_figures(tmp_path: Path) -> None:
    write(tmp_path, "a", measured("f", 1e-6), failed("g", "it crashed"))
    write(tmp_path, "b", failed("f", "it crashed"), failed("g", "it crashed"))
    assert compare("a.json", "b.json", folder=tmp_path).returncode == 0
    done = compare("a.json", "b.json", "--fail-slower", "900%", folder=tmp_path)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    assert [name in line for name, line in zip("fg", errors, strict=True)] == [True, True]
    assert all("it crashed" in line for line in errors)
    assert done.stdout.splitlines()[1].split()[2:] == ["ns", "failed"]


@pytest.mark.parametrize("text", ["0.05", "five%", "-5%", "-5", "%", ""])
def test_fail_slower_takes_a_percentage_only(results: Path, text: str) -> None:
    done = compare("before.json", "after.json", f"--fail-slower={text}", folder=results)
    assert done.returncode == 2
    assert "--fail-slower" in done.stderr
    assert "5%" in done.stderr


def test_functions_are_chosen_by_name_base_name_or_glob(results: Path) -> None:
    done = compare("before.json", "after.json", "--functions", "gemm", "--functions", "n*", folder=results)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "function",
        "gemm_0123456789abcdef",
        *("after.json", "only"),
    ]
    done = compare("before.json", "after.json", "--functions", "none", folder=results)
    assert done.returncode == 1
    assert "'none'" in done.stderr


def test_runs_that_were_measured_differently_are_a_warning(tmp_path: Path) -> None:
    write(tmp_path, "a", measured("f", 1e-6))
    write(tmp_path, "b", measured("f", 1e-6, cache="hot"), complete=False)
    for extension in ("json", "csv"):
        done = compare(f"a.{extension}", f"b.{extension}", folder=tmp_path)
        warning = f"hatframe: warning: a.{extension} and b.{extension} were not measured alike: cache (cold / hot)"
        assert warning in done.stderr.splitlines()
    done = compare("a.json", "b.json", "--format", "json", folder=tmp_path)
    assert any("b.json" in line and "interrupted" in line for line in done.stderr.splitlines())
    assert len(json.loads(done.stdout)["warnings"]) == 1


def test_files_of_the_same_name_are_shown_by_path(results: Path) -> None:
    (results / "old").mkdir()
    (results / "old" / "after.json").write_bytes((results / "before.json").read_bytes())
    done = compare("old/after.json", "after.json", folder=results)
    assert "after.json / old/after.json" in done.stdout.splitlines()[0]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"none.json": b""},
        {"none.json": b"a,b\n"},
        {"none.json": b'{"format": "else"}'},
        {"none.json": b"\x7fELF\xff"},
    ],
    ids=["missing", "empty", "other table", "other json", "binary"],
)
def test_files_without_results_are_refused(results: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (results / name).write_bytes(content)
    done = compare("before.json", "none.json", folder=results)
    assert done.returncode == 1
    assert done.stderr.startswith("hatframe: error: none.json: ")
    assert "Traceback" not in done.stderr


def test_one_source_is_too_few(results: Path) -> None:
    done = compare("before.json", folder=results)
    assert done.returncode == 2
    assert "hatframe compare A B" in done.stderr


# ----------------------------------------------------------------------------------------------- packages, measured


def package(folder: Path, repeats: int) -> Path:
    source = (
        "void work(const float *a, float *b) {\n"
        f"    for (int r = 0; r < {repeats}; r++)\n"
        "        for (int i = 0; i < 1024; i++) b[i] = 0.5f * b[i] + a[i];\n"
        "}\n"
        "void other(void) {}\n"
    )
    arrays = [affine("a", [1024]), affine("b", [1024], usage="input_output")]
    return make_package(folder, source, {"work": function(*arrays), "other": function()})


@pytest.mark.slow
def test_packages_are_measured_together_and_compared_with_files(tmp_path: Path) -> None:
    before, after = package(tmp_path / "before", 10), package(tmp_path / "after", 80)
    write(tmp_path, "former", measured("work", 1.0, timer="another"))
    options = ("--functions", "work", "--fail-slower", "50%", "--format", "json")
    done = compare(before, tmp_path / "after", "former.json", *options, folder=tmp_path)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    (work,) = found["functions"]
    slower, former = work["ratios"]
    assert 2 < slower["low"] < slower["ratio"] < slower["high"] < 32  # it does eight times as much
    assert former["low"] > 1000
    assert "former.json" in found["warnings"][0]
    assert any("timer" in warning for warning in found["warnings"])
    assert found["failed"] == ["work"]
    assert f"{before}, {tmp_path / 'after'}" in done.stderr
    assert after.is_file()


@pytest.mark.slow
def test_a_library_outside_its_package_is_measured_only_if_allowed(tmp_path: Path) -> None:
    before, after = package(tmp_path / "before", 1), package(tmp_path / "after", 1)
    (tmp_path / "after" / "package.so").rename(tmp_path / "elsewhere.so")
    after.write_text(after.read_text().replace('"package.so"', '"../elsewhere.so"'))
    done = compare(before, after, "--functions", "other", folder=tmp_path)
    assert done.returncode == 0
    assert "warning: other: " in done.stderr
    assert "--allow-outside" in done.stderr
    assert done.stdout.splitlines()[1].split()[-1] == "failed"
    done = compare(before, after, "--functions", "other", "--allow-outside", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stdout


def test_a_package_is_not_compared_with_itself(tmp_path: Path) -> None:
    hat = package(tmp_path / "package", 1)
    done = compare(hat, tmp_path / "package", folder=tmp_path)
    assert done.returncode == 2
    assert "same package" in done.stderr


def test_a_narrow_table_abbreviates_the_sources_and_splits_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("measurements_before_the_change", "measurements_after_the_change")
    for position, name in enumerate(names, 1):
        write(tmp_path, name, measured("gemm_with_many_tiles_0123456789abcdef", position * 1e-6, sizes={"M": 256}))
    sources = [tmp_path / f"{name}.json" for name in names]
    monkeypatch.setattr(compare_command, "console", lambda: Console(width=80))
    compare_command._print_rows(Kernel().compare(*sources), markdown=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"A: {names[0]}.json"
    assert lines[3].split() == ["function", "sizes", "A", "B", "B", "/", "A"]
    assert lines[4] == "gemm_with_many_tiles_0123456789abcdef"
    assert lines[5].startswith(" ")
    assert max(map(len, lines[:-1])) <= 80


@pytest.mark.slow
def test_packages_are_measured_with_the_sizes_of_the_documents(tmp_path: Path) -> None:
    source = "void f(long n, const float *x, float *y) { for (long i = 0; i < n; i++) y[i] = x[i]; }"
    table = function(element("n", "int64_t"), runtime("x", "n"), runtime("y", "n", usage="output"))
    hat = make_package(tmp_path, source.replace("long", "long long"), {"f": table})
    write(tmp_path, "before", measured("f", 1e-6, sizes={"n": 64}), measured("f", 2e-6, sizes={"n": 640}))
    done = compare("before.json", hat, "--max-time", "0.02", "--format", "json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [row["sizes"] for row in json.loads(done.stdout)["functions"]] == [{"n": 64}, {"n": 640}]
    done = compare("before.json", hat, "--size", "n=640", "--max-time", "0.02", "--format", "json", folder=tmp_path)
    found = json.loads(done.stdout)
    assert [row["sizes"] for row in found["functions"]] == [{"n": 640}]
    assert found["unmatched"] == [["f (n=64)"], []]
