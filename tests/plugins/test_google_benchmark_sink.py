"""The sink ``google-benchmark``, against documents of Google Benchmark itself and a tool that reads them."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sample_packages
from hatframe_builtin.sinks.google_benchmark_sink import GoogleBenchmarkSink
from result_documents import TIMES, document, failed, result, run_info

from hatframe import Kernel
from hatframe.errors import SinkError
from hatframe.results.model import FunctionResult

COMPARE = Path("/usr/share/benchmark/compare.py")
"""Google's tool that compares two documents, where Debian's libbenchmark-tools puts it."""


def write(path: Path, *results: FunctionResult, entries: str = "", complete: bool = True) -> dict[str, Any]:
    sink = GoogleBenchmarkSink()
    (option,) = sink.options
    run = sink.configured({option.key: entries} if entries else {}).open(run_info(), path)
    for each in results:
        run.add(each)
    run.close(document(*results, complete=complete))
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_a_function_is_one_entry_with_its_time(tmp_path: Path) -> None:
    gemm = result("gemm", sizes={"M": 8, "N": 16}, values={"alpha": 0.5}, threads=2)
    (entry,) = write(tmp_path / "b.json", gemm)["benchmarks"]
    assert entry["name"] == entry["run_name"] == "gemm/M:8/N:16/alpha:0.5/threads:2"
    assert (entry["run_type"], entry["threads"], entry["time_unit"]) == ("iteration", 2, "ns")
    assert entry["iterations"] == 300
    assert gemm.time
    assert math.isclose(entry["real_time"], gemm.time * 1e9)
    assert entry["cpu_time"] == entry["real_time"]


def test_meters_and_rates_are_counters_and_processor_time_is_that_of_the_meter(tmp_path: Path) -> None:
    more: dict[str, Any] = {"counters": {"task_clock_ns": 1234.0, "name": 1.0}, "rates": {"bytes_per_second": 2e9}}
    (entry,) = write(tmp_path / "b.json", result("gemm", **more))["benchmarks"]
    assert (entry["cpu_time"], entry["bytes_per_second"], entry["name"]) == (1234.0, 2e9, "gemm")


def test_aggregates_are_over_the_batches(tmp_path: Path) -> None:
    times = (1e-6, 2e-6, 6e-6)
    _, *found = write(tmp_path / "b.json", result(times=times), entries="aggregates")["benchmarks"]
    assert [entry["name"] for entry in found] == ["gemm_mean", "gemm_median", "gemm_stddev", "gemm_cv"]
    assert {entry["run_name"] for entry in found} == {"gemm"}
    assert {entry["run_type"] for entry in found} == {"aggregate"}
    mean, median, stddev, cv = (entry["real_time"] for entry in found)
    assert math.isclose(mean, 3000)
    assert math.isclose(median, 2000)
    assert math.isclose(cv, stddev / mean)
    assert [entry["aggregate_unit"] for entry in found] == ["time", "time", "time", "percentage"]


def test_repetitions_are_the_batches(tmp_path: Path) -> None:
    found = write(tmp_path / "b.json", result("gemm"), entries="repetitions")["benchmarks"]
    batches = [entry for entry in found if entry["run_type"] == "iteration"]
    assert [round(entry["real_time"]) for entry in batches] == [round(time * 1e9) for time in TIMES]
    assert [entry["repetition_index"] for entry in batches] == [0, 1, 2]
    assert {entry["repetitions"] for entry in found} == {3}
    assert {entry["name"] for entry in batches} == {"gemm"}


@pytest.mark.parametrize("entries", ["time", "aggregates", "repetitions"])
def test_a_function_without_figures_is_one_entry_with_an_error(tmp_path: Path, entries: str) -> None:
    found = write(tmp_path / "b.json", result("good"), failed("bad", "it\x1b said \udce9"), entries=entries)[
        "benchmarks"
    ]
    (bad,) = (entry for entry in found if "error_occurred" in entry)
    assert (bad["name"], bad["error_occurred"]) == ("bad", True)
    assert bad["error_message"].startswith("failed: it\x1b said")


def test_names_stay_when_a_library_is_built_again_and_tell_packages_apart(tmp_path: Path) -> None:
    one = result("gemm_0123456789abcdef")
    (entry,) = write(tmp_path / "b.json", one)["benchmarks"]
    assert entry["name"] == "gemm"
    both = write(tmp_path / "b.json", one, result("gemm_0123456789abcdef", hat_file="new.hat"))["benchmarks"]
    assert len({entry["name"] for entry in both}) == 2


def test_the_sizes_of_a_function_are_a_family(tmp_path: Path) -> None:
    found = write(tmp_path / "b.json", result("f", sizes={"n": 1}), result("g"), result("f", sizes={"n": 2}))
    places = [(entry["family_index"], entry["per_family_instance_index"]) for entry in found["benchmarks"]]
    assert places == [(0, 0), (1, 0), (0, 1)]


def test_the_context_has_the_machine_and_whether_the_run_is_complete(tmp_path: Path) -> None:
    context = write(tmp_path / "b.json", result(), complete=False)["context"]
    assert (context["num_cpus"], context["caches"][0]["size"], context["executable"]) == (2, 48 << 10, "pkg.hat")
    assert context["complete"] == "false"


def test_a_document_of_this_format_is_replaced_and_another_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    write(path, result("old"))
    (entry,) = write(path, result("new"))["benchmarks"]
    assert entry["name"] == "new"
    path.write_text('{"format": "hatframe-results", "context": 1}')
    with pytest.raises(SinkError, match="not replaced"):
        GoogleBenchmarkSink().open(run_info(), path)


@pytest.mark.slow
def test_the_command_line_takes_its_option(tmp_path: Path) -> None:
    hat = sample_packages.make_package(
        tmp_path,
        "void f(float *A) { (void)A; }",
        {"f": sample_packages.function(sample_packages.affine("A", [4]))},
    )
    path = tmp_path / "b.json"
    Kernel().bench(
        hat, max_time=0.01, processes=1, sink=f"google-benchmark={path}", google_benchmark_entries="repetitions"
    )
    entries = json.loads(path.read_text())["benchmarks"]
    assert {entry["run_type"] for entry in entries} == {"iteration", "aggregate"}


@pytest.mark.slow
def test_it_has_the_keys_that_google_benchmark_writes(tmp_path: Path) -> None:
    compiler = shutil.which("g++")
    if not compiler or not Path("/usr/include/benchmark/benchmark.h").exists():
        pytest.skip("no Google Benchmark (libbenchmark-dev)")
    source = tmp_path / "b.cc"
    source.write_text(
        "#include <benchmark/benchmark.h>\n"
        "void f(benchmark::State &s) { for (auto _ : s) benchmark::DoNotOptimize(s.range(0)); }\n"
        'void bad(benchmark::State &s) { s.SkipWithError("why"); for (auto _ : s) {} }\n'
        'BENCHMARK(f)->ArgName("n")->Arg(8)->Threads(2);\nBENCHMARK(bad);\nBENCHMARK_MAIN();\n'
    )
    subprocess.run([compiler, source, "-lbenchmark", "-lpthread", "-o", tmp_path / "b"], check=True)
    options = ["--benchmark_format=json", "--benchmark_repetitions=3", "--benchmark_min_time=0.001"]
    done = subprocess.run([tmp_path / "b", *options], capture_output=True, check=True)
    theirs = json.loads(done.stdout)
    ours = write(
        tmp_path / "b.json", result("f", sizes={"n": 8}, threads=2), failed("bad", "why"), entries="repetitions"
    )
    assert theirs["context"].keys() <= ours["context"].keys()
    of_ours = {(entry["name"], entry.get("repetition_index")): entry for entry in ours["benchmarks"]}
    for entry in theirs["benchmarks"]:
        if entry["name"] == "bad" and entry["repetition_index"]:
            continue  # a function that fails is not repeated
        mine = of_ours[entry["name"], entry.get("repetition_index")]
        assert mine.keys() == entry.keys(), entry["name"]
        assert {key: type(value) for key, value in mine.items()} == {key: type(value) for key, value in entry.items()}
        same = ("run_name", "run_type", "threads", "time_unit", "aggregate_name", "aggregate_unit", "error_occurred")
        assert [mine.get(key) for key in same] == [entry.get(key) for key in same]


@pytest.mark.slow
@pytest.mark.parametrize("entries", ["time", "aggregates", "repetitions"])
def test_the_tool_of_google_benchmark_compares_two_documents(tmp_path: Path, entries: str) -> None:
    if not COMPARE.exists():
        pytest.skip("no compare.py (libbenchmark-tools)")
    pytest.importorskip("scipy", reason="compare.py needs it")
    for name, factor in (("old", 1), ("new", 2)):
        functions = (result("gemm", times=tuple(factor * t for t in TIMES * 4)), failed("bad", "why"))
        write(tmp_path / f"{name}.json", *functions, entries=entries)
    output = tmp_path / "difference.json"
    command = [sys.executable, COMPARE, "-d", output, "benchmarks", tmp_path / "old.json", tmp_path / "new.json"]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    differences = {each["name"]: each for each in json.loads(output.read_text())}
    measurements = differences["gemm"]["measurements"]
    assert len(measurements) == (12 if entries == "repetitions" else 1)
    for measured in measurements:
        assert math.isclose(measured["time"], 1.0)
    assert bool(differences["gemm"]["utest"]) == (entries == "repetitions")
