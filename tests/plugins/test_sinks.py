"""The sinks that ship with hatframe, on real files; those for CI have files of their own."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pandas
import pytest
import sample_packages
from hatframe_builtin.sinks import csv_sink, documents, google_benchmark_sink, hat_sink, json_sink, junit_sink
from hatframe_builtin.sinks.csv_sink import CsvSink
from hatframe_builtin.sinks.hat_sink import HatSink
from hatframe_builtin.sinks.json_sink import JsonSink
from hypothesis import given, settings
from hypothesis import strategies as st
from result_documents import document, failed, result, run_info

from hatframe.backends import Sink
from hatframe.errors import SinkError, UsageError
from hatframe.format.pairs import pairs_text
from hatframe.format.reading import read_hat
from hatframe.packages.package import read_package
from hatframe.packages.stored import stored_results
from hatframe.results.model import FunctionResult, PackageInfo, ResultsDocument, RunInfo
from hatframe.results.reading import read_results
from hatframe.results.statistics import statistics
from hatframe.results.table import columns, row

PROC = pytest.mark.skipif(not Path("/proc/version").is_file(), reason="no /proc, where not even root can write")


OTHER = msgspec.structs.replace(run_info(), id="f" * 32)
"""Another run."""


def append(path: Path, *results: FunctionResult, run_: RunInfo = run_info()) -> str:  # noqa: B008 - it is frozen
    """One run of the CSV sink."""
    run = CsvSink().open(run_, path)
    for each in results:
        run.add(each)
    return run.close(document(*results))


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def in_another_process(code: str) -> subprocess.Popen[bytes]:
    folders = [str(Path(__file__).parents[1]), *filter(None, sys.path)]
    return subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)})


def test_each_module_gives_its_sink_to_the_kernel() -> None:
    modules = (csv_sink, json_sink, hat_sink, google_benchmark_sink, junit_sink)
    names = [sink.name for module in modules for sink in module.hatframe_sinks()]
    assert names == ["csv", "json", "hat", "google-benchmark", "junit"]


# -------------------------------------------------------------------------------------------------------- csv


def test_csv_rows_hold_seconds_under_hatlibs_names(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    line = append(path, result("gemm", times=(1e-6, 3e-6), sizes={"M": 8, "N": 16}), result("saxpy"))
    assert line == f"rows appended to {path}: 2"
    frame = pandas.read_csv(path)
    assert tuple(frame.columns) == columns()
    assert list(frame["function_name"]) == ["gemm", "saxpy"]
    assert frame["mean"][0] == 2e-6
    assert frame["sizes"][0] == "M=8 N=16"
    assert set(frame["run"]) == {run_info().id}
    assert set(frame["date"]) == {run_info().started}
    assert set(frame["machine"]) == {str(run_info().machine)}


def test_csv_of_a_failed_function_keeps_the_figures_floats(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    append(path, failed("broken", "it crashed, with signal 11"), result("gemm"))
    frame = pandas.read_csv(path)
    for name in ("mean", "median_of_means", "robust_mean", "standard_deviation"):
        assert frame[name].dtype == float
        assert pandas.isna(frame[name][0])
    assert list(frame["status"]) == ["failed", "ok"]
    assert frame["message"][0] == "it crashed, with signal 11"


def test_csv_appends_under_one_header(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    append(path, result("first"))
    append(path, result("second"))
    assert [cells["function_name"] for cells in read_rows(path)] == ["first", "second"]
    assert path.read_text().count("function_name") == 1


def test_csv_without_a_path_goes_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    CsvSink().open(run_info(), None).add(result())
    assert len(read_rows(tmp_path / "results.csv")) == 1


def test_csv_takes_its_path_from_its_option(tmp_path: Path) -> None:
    (option,) = CsvSink.options
    assert option.names == ("--results-file", "--results_file")
    path = tmp_path / "own.csv"
    sink = CsvSink().configured({option.key: str(path)})
    sink.open(run_info(), None).add(result())
    assert len(read_rows(path)) == 1
    sink.open(run_info(), path)
    with pytest.raises(UsageError, match="twice"):
        sink.open(run_info(), tmp_path / "other.csv")


def test_csv_row_is_on_disk_once_it_was_added(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    run = CsvSink().open(run_info(), path)
    assert read_rows(path) == []
    for count, name in enumerate(("a", "b", "c"), start=1):
        run.add(result(name))
        assert len(read_rows(path)) == count


def test_csv_of_a_process_that_dies_holds_all_rows_before(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    process = in_another_process(
        "import os\nfrom pathlib import Path\nfrom result_documents import result, run_info\n"
        "from hatframe_builtin.sinks.csv_sink import CsvSink\n"
        f"run = CsvSink().open(run_info(), Path({str(path)!r}))\n"
        "run.add(result('a'))\nrun.add(result('b'))\nos.abort()\n"
    )
    assert process.wait(60) != 0
    assert [cells["function_name"] for cells in read_rows(path)] == ["a", "b"]


def test_csv_of_runs_at_the_same_time_has_whole_rows_of_all(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    message = "x" * 20_000  # longer than any buffer in between
    processes = [
        in_another_process(
            "from pathlib import Path\nfrom result_documents import failed, run_info\n"
            "from hatframe_builtin.sinks.csv_sink import CsvSink\n"
            f"run = CsvSink().open(run_info(), Path({str(path)!r}))\n"
            f"for i in range(40): run.add(failed('{name}' + str(i), '{message}'))\n"
        )
        for name in "ab"
    ]
    assert [process.wait(60) for process in processes] == [0, 0]
    rows = read_rows(path)
    assert {cells["function_name"] for cells in rows} == {f"{name}{i}" for name in "ab" for i in range(40)}
    assert len(rows) == 80
    assert all(cells["message"] == message for cells in rows)


def test_csv_ends_a_last_line_that_has_no_end(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    append(path, result("first"))
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    append(path, result("second"), run_=OTHER)
    assert [cells["function_name"] for cells in read_rows(path)] == ["first", "second"]


@pytest.mark.parametrize("left", [1, 30, -1])
@pytest.mark.parametrize("message", ["", 'two\nlines, "quoted"'])
def test_csv_removes_a_last_row_that_was_cut(
    tmp_path: Path, left: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "results.csv"
    append(path, result("first"))
    whole = path.read_bytes()
    append(path, failed("second" + message, message))
    last = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + last[:left])
    append(path, failed("second" + message, message), result("third"))
    assert path.read_bytes().startswith(whole + last)
    assert [cells["function_name"] for cells in read_rows(path)] == ["first", "second" + message, "third"]
    assert len(caplog.messages) == 1


def test_csv_has_each_result_of_a_run_once(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    results = result("f", sizes={"n": 1}), result("f", sizes={"n": 2}), result("g", values={"a": 2.5})
    append(path, *results[:2])
    assert append(path, *results) == f"rows appended to {path}: 1"
    append(path, *results, run_=OTHER)
    rows = read_rows(path)
    assert [(cells["function_name"], cells["sizes"], cells["run"]) for cells in rows] == [
        (name, sizes, run.id) for run in (run_info(), OTHER) for name, sizes in (("f", "n=1"), ("f", "n=2"), ("g", ""))
    ]


def test_csv_writes_a_row_whole_or_not_at_all(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "results.csv"
    run = CsvSink().open(run_info(), path)
    run.add(result("first"))
    before = path.read_bytes()
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, former[1]))
    try:
        with pytest.raises(SinkError, match=str(path)):
            run.add(result("second"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert path.read_bytes() == before


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_csv_knows_its_header_as_spreadsheets_write_it(tmp_path: Path, end: str) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (",".join(columns()) + end).encode())
    append(path, result("gemm"))
    assert list(pandas.read_csv(path)["function_name"]) == ["gemm"]


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n",
        b"function_name,mean\n",
        ",".join(columns()[:-1]).encode(),
        ",".join([*columns(), "more"]).encode(),
        b"\n",
        b"\x7fELF\x00\xff\xfe" * 40_000,
        b'"' * 100_001,
    ],
    ids=["other", "start", "less", "more", "blank", "binary", "quotes"],
)
def test_csv_refuses_another_file_and_leaves_it_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    with pytest.raises(SinkError, match="header") as caught:
        CsvSink().open(run_info(), path)
    assert caught.value.where == str(path)
    assert "--results-file" in caught.value.hint
    assert path.read_bytes() == content


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@settings(max_examples=50)
@given(name=NAMES, message=NAMES, times=st.lists(st.floats(0, 1e9), min_size=1, max_size=3))
def test_csv_gives_back_any_text_and_number(
    tmp_path_factory: pytest.TempPathFactory, name: str, message: str, times: list[float]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "results.csv"
    results = (result(name, times=times), failed(f"{name}2", message))
    append(path, *results)
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == columns()
    assert rows == [["" if cell is None else str(cell) for cell in row(each, run_info())] for each in results]


@pytest.mark.parametrize("name", ['a,"b"', "two\nlines", "a\rb\r\nc", "ünï", " spaced "])
def test_csv_of_awkward_names_is_read_by_pandas(tmp_path: Path, name: str) -> None:
    path = tmp_path / "results.csv"
    append(path, result(name), result("next"))
    assert list(pandas.read_csv(path)["function_name"]) == [name, "next"]


def test_csv_of_a_path_that_is_not_utf_8_is_written_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    append(path, result("gemm", hat_file=os.fsdecode(b"caf\xe9.hat")))
    assert b"caf\xe9.hat" in path.read_bytes()


SINKS = [CsvSink(), JsonSink(), google_benchmark_sink.GoogleBenchmarkSink(), junit_sink.JUnitSink()]


@pytest.mark.parametrize("sink", SINKS, ids=lambda sink: sink.name)
def test_a_folder_or_a_missing_folder_is_refused_before_the_run(tmp_path: Path, sink: Sink) -> None:
    with pytest.raises(SinkError, match="file"):
        sink.open(run_info(), tmp_path)
    with pytest.raises(SinkError, match="none"):
        sink.open(run_info(), tmp_path / "none" / "results")


@PROC
@pytest.mark.parametrize("sink", SINKS, ids=lambda sink: sink.name)
def test_a_place_that_cannot_be_written_is_refused_before_the_run(sink: Sink) -> None:
    with pytest.raises(SinkError, match="/proc"):
        sink.open(run_info(), Path("/proc/results"))


# ------------------------------------------------------------------------------------------------------- json


def test_json_holds_the_whole_document(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    whole = document(result("gemm", sizes={"M": 4}), failed("f", "why"), skipped={"Initialize": "an initializer"})
    run = JsonSink().open(whole.run, path)
    for each in whole.results:
        run.add(each)
    assert str(path) in run.close(whole)
    assert read_results(path) == whole
    assert json.loads(path.read_text())["format"] == "hatframe-results"
    assert list(tmp_path.iterdir()) == [path]


def test_json_without_a_path_goes_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    JsonSink().open(run_info(), None).close(document(result()))
    assert len(read_results("results.json").results) == 1


class Clock:
    """A clock of the JSON sink that moves when it is told to, and by ``cost`` for each document that is written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cost: float) -> None:
        self.now = 0.0
        self.cost = cost
        self.written = 0
        monkeypatch.setattr(documents, "time", self)
        monkeypatch.setattr(documents, "write_atomically", self.write)

    def monotonic(self) -> float:
        return self.now

    def write(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        self.written += 1
        self.now += self.cost


def test_json_is_on_disk_while_results_come_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, cost=0.01)
    path = tmp_path / "results.json"
    run = JsonSink().open(run_info(), path)
    for name in ("a", "b", "c"):
        run.add(result(name))
        clock.now += 60  # a slow function
        document = read_results(path)
        assert document.results[-1].function_name == name
        assert not document.complete


def test_json_of_many_quick_functions_costs_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, cost=0.01)
    run = JsonSink().open(run_info(), tmp_path / "results.json")
    for number in range(1000):
        run.add(result(f"f{number}"))
        clock.now += 0.001
    assert clock.written > 1
    assert clock.written * clock.cost < 0.1 * clock.now


def test_json_does_not_replace_the_document_of_another_run(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    old = document(result("old"))
    JsonSink().open(old.run, path).close(old)
    for options in ({}, {"resume": True}):
        with pytest.raises(SinkError, match="--overwrite") as caught:
            JsonSink().open(msgspec.structs.replace(OTHER, options=options), path)
        assert old.run.started in str(caught.value)
    assert read_results(path) == old


def test_json_continues_the_document_of_an_interrupted_run(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    JsonSink().open(run_info(), path).close(document(result("old"), complete=False))
    with pytest.raises(SinkError, match="--overwrite"):
        JsonSink().open(OTHER, path)
    whole = document(result("old"), result("new"))
    JsonSink().open(run_info(resume=True), path).close(whole)
    assert read_results(path).results == whole.results
    JsonSink().open(run_info(), path).close(whole)  # the same run, for another sink that failed


def test_json_replaces_an_older_document_if_asked_and_with_the_first_result(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    old = document(result("old"))
    JsonSink().open(old.run, path).close(old)
    run = JsonSink().configured({"overwrite": "true"}).open(run_info(), path)
    assert "not written" in run.close(ResultsDocument(run=run_info(), complete=False))
    assert read_results(path) == old
    run.add(result("new"))
    assert [each.function_name for each in read_results(path).results] == ["new"]


@pytest.mark.parametrize(
    "content", [b"{}", b"text\n", b"\x7fELF\xff", b'{"format": "hatframe-results", "format_version": 99}']
)
def test_json_replaces_no_other_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(content)
    with pytest.raises(SinkError, match="not replaced"):
        JsonSink().open(run_info(), path)
    assert path.read_bytes() == content


def test_json_takes_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.touch()
    JsonSink().open(run_info(), path).close(document(result()))
    assert len(read_results(path).results) == 1


# -------------------------------------------------------------------------------------------------------- hat


def hat_file(folder: Path, *names: str, stem: str = "pkg", tables: Mapping[str, object] | None = None) -> Path:
    path = folder / f"{stem}.hat"
    functions = {name: sample_packages.function(sample_packages.affine("A", [4]), **(tables or {})) for name in names}
    path.write_text(
        sample_packages.hat_text(sample_packages.document(functions, "pkg.so", "\nvoid f(float*);\n"), stem)
    )
    return path


def store(*results: FunctionResult, complete: bool = True) -> str:
    """One run of the hat sink over the .hat files of the results."""
    files = dict.fromkeys(each.hat_file for each in results)
    run = HatSink().open(run_info(*files), None)
    for each in results:
        run.add(each)
    return run.close(document(*results, complete=complete))


def test_hat_stores_the_two_known_names_and_every_statistic(tmp_path: Path) -> None:
    path = hat_file(tmp_path, "gemm", "saxpy")
    line = store(result("gemm", times=(1e-6, 2e-6, 6e-6), hat_file=str(path)))
    assert str(path) in line
    figures = statistics((1e-6, 2e-6, 6e-6))
    functions = read_hat(path).functions
    assert functions["gemm"].auxiliary == {
        "duration_in_sec": 3e-6,
        "mean_duration_in_sec": 3e-6,
        "median_of_means_in_sec": 2e-6,
        "mean_of_small_means_in_sec": 1e-6,
        "robust_mean_in_sec": 3e-6,
        "min_of_means_in_sec": 1e-6,
        "max_of_means_in_sec": 6e-6,
        "standard_deviation_in_sec": pytest.approx(2.6457513e-6),
        "time_in_sec": figures.time,
        "time_low_in_sec": figures.time_low,
        "time_high_in_sec": figures.time_high,
        "mean_low_in_sec": figures.mean_low,
        "mean_high_in_sec": figures.mean_high,
        "measured_batches": 3,
        "measured_date": "2024-05-06T07:08:09Z",
        "measured_machine": "x86_64-linux, A processor",
        "measured_run": run_info().id,
    }
    assert functions["saxpy"].auxiliary == {}


def test_hat_keeps_what_else_is_there_and_renews_its_own(tmp_path: Path) -> None:
    path = hat_file(tmp_path, "gemm", tables={"auxiliary": {"tool": {"split": [4, 8]}, "duration_in_sec": 9.0}})
    store(result("gemm", times=(1e-6,), hat_file=str(path)))
    store(result("gemm", times=(2e-6,), hat_file=str(path)))
    auxiliary = read_hat(path).functions["gemm"].auxiliary
    assert auxiliary["tool"] == {"split": [4, 8]}
    assert auxiliary["duration_in_sec"] == auxiliary["mean_duration_in_sec"] == 2e-6


def test_hat_makes_the_package_know_its_fastest(tmp_path: Path) -> None:
    path = hat_file(tmp_path, "gemm_0123456789abcdef", "gemm_fedcba9876543210")
    store(
        result("gemm_0123456789abcdef", times=(2e-6,), hat_file=str(path)),
        result("gemm_fedcba9876543210", times=(1e-6,), hat_file=str(path)),
    )
    assert read_package(path).fastest("gemm").name == "gemm_fedcba9876543210"


def test_hat_of_several_sizes_stores_the_first_and_all(tmp_path: Path) -> None:
    path = hat_file(tmp_path, "gemm")
    store(
        result("gemm", times=(5e-6,), hat_file=str(path), sizes={"M": 64, "N": 32}),
        result("gemm", times=(1e-6,), hat_file=str(path), sizes={"M": 8, "N": 4}),
    )
    auxiliary = read_hat(path).functions["gemm"].auxiliary
    assert auxiliary["duration_in_sec"] == 5e-6
    assert auxiliary["measured_sizes"] == "M=64 N=32"
    assert stored_means(path) == {"M=64 N=32": 5e-6, "M=8 N=4": 1e-6}


def stored_means(path: Path) -> dict[str, float]:
    """The mean of each size of the function gemm."""
    return {pairs_text(each.sizes): each.mean for each in stored_results(read_hat(path).functions["gemm"])}


def test_hat_stores_nothing_in_a_package_that_was_built_again_meanwhile(tmp_path: Path) -> None:
    old, same = hat_file(tmp_path, "gemm", stem="old"), hat_file(tmp_path, "gemm", stem="same")
    (tmp_path / "lib.so").write_bytes(b"measured")
    digest = hashlib.sha256(b"measured").hexdigest()
    (tmp_path / "other.so").write_bytes(b"built again")
    packages = tuple(
        PackageInfo(hat_files=(str(hat),), library=str(tmp_path / library), sha256=digest)
        for hat, library in ((old, "other.so"), (same, "lib.so"))
    )
    run = msgspec.structs.replace(run_info(), packages=packages)
    results = tuple(result("gemm", hat_file=str(hat)) for hat in (old, same))
    sink = HatSink().open(run, None)
    with pytest.raises(SinkError) as caught:
        sink.close(ResultsDocument(run=run, results=results))
    assert "other.so" in str(caught.value)
    assert stored_means(old) == {}
    assert len(stored_means(same)) == 1


def test_hat_keeps_the_results_of_other_sizes(tmp_path: Path) -> None:
    path = hat_file(tmp_path, "gemm")
    store(*(result("gemm", times=(n * 1e-6,), hat_file=str(path), sizes={"M": n}) for n in (8, 9)))
    store(result("gemm", times=(7e-6,), hat_file=str(path), sizes={"M": 9}, values={"alpha": 0.5}))
    store(result("gemm", times=(5e-6,), hat_file=str(path), sizes={"M": 9}))
    assert stored_means(path) == {"M=8": 8e-6, "M=9 alpha=0.5": 7e-6, "M=9": 5e-6}
    auxiliary = read_hat(path).functions["gemm"].auxiliary
    assert (auxiliary["measured_sizes"], auxiliary["duration_in_sec"]) == ("M=9", 5e-6)
    assert read_package(path).fastest("gemm", M=8).name == "gemm"


def test_hat_stores_what_an_interrupted_run_has_and_no_failures(tmp_path: Path) -> None:
    path = hat_file(tmp_path, "a", "b")
    line = store(result("a", hat_file=str(path)), failed("b", "it crashed", str(path)), complete=False)
    assert line == f"functions with durations stored in {path}: 1"
    functions = read_hat(path).functions
    assert "duration_in_sec" in functions["a"].auxiliary
    assert functions["b"].auxiliary == {}


def test_hat_stores_in_each_file_of_the_run(tmp_path: Path) -> None:
    first, second = hat_file(tmp_path, "a", stem="first"), hat_file(tmp_path, "b", stem="second")
    store(result("a", hat_file=str(first)), result("b", hat_file=str(second)))
    assert read_hat(first).functions["a"].auxiliary
    assert read_hat(second).functions["b"].auxiliary


def test_hat_of_a_file_that_is_lost_stores_in_the_others_and_tells(tmp_path: Path) -> None:
    lost, kept = hat_file(tmp_path, "a", stem="lost"), hat_file(tmp_path, "b", stem="kept")
    run = HatSink().open(run_info(str(lost), str(kept)), None)
    lost.unlink()
    with pytest.raises(SinkError, match=r"lost\.hat"):
        run.close(document(result("a", hat_file=str(lost)), result("b", hat_file=str(kept))))
    assert read_hat(kept).functions["b"].auxiliary


@pytest.mark.slow
def test_hat_of_a_thousand_functions_is_stored_in_one_pass(tmp_path: Path) -> None:
    names = [f"gemm_{number:016x}" for number in range(1000)]
    path = hat_file(tmp_path, *names)
    results = [result(name, hat_file=str(path)) for name in names]
    store(*results)
    assert all("mean_duration_in_sec" in function.auxiliary for function in read_hat(path).functions.values())


@PROC
def test_hat_files_that_cannot_be_written_are_refused_before_the_run(tmp_path: Path) -> None:
    path = hat_file(tmp_path, "a")
    with pytest.raises(SinkError) as caught:
        HatSink().open(run_info(str(path), "/proc/version"), None)
    assert caught.value.where == "/proc/version"


def test_hat_takes_no_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no path"):
        HatSink().open(run_info(), tmp_path / "pkg.hat")
