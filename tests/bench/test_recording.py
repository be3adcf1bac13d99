"""The results document of a run, from what was measured."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from sample_packages import affine, function, make_package

from hatframe.bench.options import BenchOptions
from hatframe.bench.race import Samples
from hatframe.bench.recording import Recorder, run_info
from hatframe.bench.schedule import Record
from hatframe.machine import Machine, Platform
from hatframe.packages.package import Package, read_package
from hatframe.rows import Row


@pytest.fixture
def package(tmp_path: Path) -> Package:
    table = {**function(affine("x", [4])), "auxiliary": {"flops": 100}}
    return read_package(make_package(tmp_path, "void f(const float *x) {}", {"f": table}))


def record(means: list[float], **fields: Any) -> Record:
    samples = Samples()
    samples.means.extend(means)
    samples.rounds.extend(range(len(means)))
    return Record(row=Row(0, "f"), samples=samples, calls=10, **fields)


def test_a_measured_function_has_statistics_rates_and_counters_per_call(package: Package) -> None:
    made = Recorder([package], BenchOptions()).of(record([1e-6, 3e-6], status="ok", counters={"cycles": 400.0}))
    assert made.statistics is not None
    assert made.statistics.mean == pytest.approx(2e-6)
    assert made.rates["flops_per_second"] == pytest.approx(100 / made.statistics.time)
    assert made.counters == {"cycles": 20.0}
    assert (made.batches, made.calls_per_batch, made.rounds) == (2, 10, (0, 1))


def test_a_function_that_failed_has_its_reason_and_no_figures(package: Package) -> None:
    made = Recorder([package], BenchOptions()).of(record([1e-6], status="crashed", message="SIGSEGV"))
    assert (made.status, made.message, made.statistics) == ("crashed", "SIGSEGV", None)


def test_the_document_holds_only_what_is_final(package: Package) -> None:
    recorder = Recorder([package], BenchOptions())
    info = run_info([package], BenchOptions(), Machine(platform=Platform.host()), {}, isolated=True)
    records = [record([1e-6, 1e-6], status="ok"), record([1e-6])]
    document = recorder.document(info, records, {}, complete=False, seconds=1.0)
    assert [result.function_name for result in document] == ["f"]
    assert not document.complete


def test_a_run_names_the_contents_of_its_packages(package: Package) -> None:
    info = run_info([package], BenchOptions(seed=3), Machine(platform=Platform.host()), {}, isolated=False)
    (found,) = info.packages
    assert package.library is not None
    assert found.sha256 == hashlib.sha256(package.library.read_bytes()).hexdigest()
    assert info.options["seed"] == 3
    assert not info.isolated
    again = run_info([package], BenchOptions(seed=3), Machine(platform=Platform.host()), {}, isolated=False)
    assert again.id != info.id
    assert info.versions["numpy"]
