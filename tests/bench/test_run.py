"""Runs through the kernel: observers, sinks and faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sample_packages import RANGE_SOURCE, affine, function, make_package, range_function

from hatframe import Kernel, hookimpl
from hatframe.backends import Observer, Sink, SinkRun
from hatframe.errors import HatError, PackageError, PluginError, UnknownFunctionError, UsageError
from hatframe.results.model import FunctionResult, ResultsDocument, RunInfo

QUICK: dict[str, Any] = {
    "verify": False,
    "min_time": 0.0,
    "batches": 2,
    "max_time": 0.0,
    "race": False,
    "input_sets_size": 1000,
}
SOURCE = "void one(float *x) { x[0] += 1; }\nvoid two(float *x) { x[0] += 2; }\n"
FUNCTIONS = {name: function(affine("x", [4], usage="input_output")) for name in ("one", "two")}


@pytest.fixture
def hat(tmp_path: Path) -> Path:
    return make_package(tmp_path, SOURCE, FUNCTIONS)


class Recorder(Observer):
    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def run_started(self, run: RunInfo, functions: int) -> None:
        self.events.append(("run_started", functions))

    def function_started(self, name: str) -> None:
        self.events.append(("function_started", name))

    def function_finished(self, result: FunctionResult) -> None:
        self.events.append(("function_finished", result.function_name))

    def run_finished(self, document: ResultsDocument) -> None:
        self.events.append(("run_finished", document.complete))


class MemorySink(Sink):
    """Keeps what it gets, and fails on request."""

    name = "memory"
    summary = "for a test"

    def __init__(self, fails_at: str = "") -> None:
        self.fails_at = fails_at
        self.results: list[FunctionResult] = []
        self.documents: list[ResultsDocument] = []

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        self._fail("open")
        sink = self

        class Run(SinkRun):
            def add(self, result: FunctionResult) -> None:
                sink._fail("add")
                sink.results.append(result)

            def close(self, document: ResultsDocument) -> str:
                sink._fail("close")
                sink.documents.append(document)
                return "kept in memory"

        return Run()

    def _fail(self, where: str) -> None:
        if where == self.fails_at:
            raise RuntimeError(f"no {where}")


def kernel_with(*sinks: Sink) -> Kernel:
    class Plugin:
        @hookimpl
        def hatframe_sinks(self) -> list[Sink]:
            return list(sinks)

    return Kernel(plugins=[Plugin()])


def test_observers_are_notified_in_order_and_one_that_raises_is_dropped(hat: Path) -> None:
    class Clumsy(Observer):
        def function_started(self, name: str) -> None:
            raise RuntimeError("clumsy")

    recorder = Recorder()
    Kernel().bench(hat, observers=[Clumsy(), recorder], **QUICK)
    assert recorder.events[0] == ("run_started", 2)
    assert recorder.events[1:3] == [("function_started", "one"), ("function_started", "two")]
    assert sorted(recorder.events[3:5]) == [("function_finished", "one"), ("function_finished", "two")]
    assert recorder.events[5:] == [("run_finished", True)]


def test_a_sink_gets_each_result_as_soon_as_it_is_final_and_is_closed(hat: Path) -> None:
    sink = MemorySink()
    document = kernel_with(sink).bench(hat, sink="memory", **QUICK)
    assert sorted(result.function_name for result in sink.results) == ["one", "two"]
    assert all(result in document.results for result in sink.results)
    assert sink.documents == [document]
    assert document.fastest in document.results


@pytest.mark.parametrize("fails_at", ["add", "close"])
def test_a_sink_that_fails_leaves_the_others_working_and_is_an_error_at_the_end(hat: Path, fails_at: str) -> None:
    class Other(MemorySink):
        name = "other"

    failing, working = MemorySink(fails_at), Other()
    with pytest.raises(HatError, match=f"sink 'memory' failed: RuntimeError: no {fails_at}"):
        kernel_with(failing, working).bench(hat, sink=["memory", "other"], **QUICK)
    assert len(working.results) == 2
    assert working.documents[0].complete


def test_a_sink_that_cannot_be_opened_ends_the_run_before_anything_is_measured(hat: Path) -> None:
    recorder = Recorder()
    with pytest.raises(HatError, match="no open"):
        kernel_with(MemorySink("open")).bench(hat, sink="memory", observers=recorder, **QUICK)
    assert recorder.events == []


def test_an_unknown_meter_ends_the_run_before_anything_is_measured(hat: Path) -> None:
    recorder = Recorder()
    with pytest.raises(PluginError, match="sundial"):
        Kernel().bench(hat, meter="sundial", observers=recorder, **QUICK)
    assert recorder.events == []
    results = Kernel().bench(hat, meter="none", **QUICK)
    assert all(result.counters == {} for result in results)


def test_an_interrupted_run_closes_its_sinks_with_what_there_is(hat: Path) -> None:
    class Impatient(Observer):
        def function_finished(self, result: FunctionResult) -> None:
            raise KeyboardInterrupt

    sink = MemorySink()
    with pytest.raises(KeyboardInterrupt):
        kernel_with(sink).bench(hat, sink="memory", observers=Impatient(), **QUICK)
    assert len(sink.results) == 1
    assert not sink.documents[0].complete


def test_functions_are_chosen_by_name_base_name_and_glob_over_all_packages(hat: Path, tmp_path: Path) -> None:
    other = make_package(tmp_path / "other", SOURCE.replace("two", "three"), {"three": FUNCTIONS["one"]})
    chosen = Kernel().bench(hat, other, functions=("t*", "one"), **QUICK)
    assert sorted(result.function_name for result in chosen.results) == ["one", "three", "two"]
    with pytest.raises(UnknownFunctionError, match="no package has a function 'four'"):
        Kernel().bench(hat, other, functions="four", **QUICK)


def test_the_run_is_recorded(hat: Path) -> None:
    import hashlib

    document = Kernel().bench(hat, loader="ctypes", seed=5, **QUICK)
    (package,) = document.run.packages
    assert package.sha256 == hashlib.sha256(hat.with_suffix(".so").read_bytes()).hexdigest()
    assert document.run.options["seed"] == 5
    assert document.run.machine.platform
    for result in document.results:
        assert result.loader == "ctypes"
        assert result.timer == "native"
        assert result.overhead > 0
        assert len(result.batch_means) == result.batches >= 2
        assert result.input_set_bytes == 16


def test_a_run_without_a_function_to_measure_is_an_error(tmp_path: Path) -> None:
    hat = make_package(tmp_path, "void Initialize(void) {}", {"Initialize": function()})
    for functions in ((), ("Init*",)):
        with pytest.raises(PackageError, match="Initialize"):
            Kernel().bench(hat, functions=functions)


@pytest.mark.slow
def test_results_stored_in_the_hat_file_do_not_keep_a_run_from_being_resumed(hat: Path) -> None:
    class Interrupting(Observer):
        def function_finished(self, result: FunctionResult) -> None:
            raise KeyboardInterrupt

    class Noting(Observer):
        messages: list[str] = []  # noqa: RUF012

        def message(self, text: str) -> None:
            self.messages.append(text)

    kernel = Kernel()
    with pytest.raises(KeyboardInterrupt):
        kernel.bench(hat, sink="hat", observers=Interrupting(), **QUICK)
    assert "mean_duration_in_sec" in hat.read_text()
    document = kernel.bench(hat, sink="hat", resume=True, observers=Noting(), **QUICK)
    assert document.complete
    assert not any("resume" in text for text in Noting.messages)
    assert hat.read_text().count("mean_duration_in_sec") == 2


DRAINS = """#include <stdint.h>
void drains(int32_t *x) { for (volatile int spin = x[0] * 20000; spin > 0; spin--); x[0] = 0; }
"""


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_function_that_uses_up_its_input_is_measured_with_the_first_values(tmp_path: Path, processes: int) -> None:
    hat = make_package(tmp_path, DRAINS, {"drains": function(affine("x", [4], "int32_t", "input_output"))})
    options: dict[str, Any] = {**QUICK, "batches": 4, "input_data": "ones", "processes": processes}
    (auto,), (always,), (never,) = (
        Kernel().bench(hat, restore=restore, **options) for restore in ("auto", "always", "never")
    )
    assert [auto.restore, always.restore, never.restore] == ["pass", "pass", "never"]
    assert [auto.restored, always.restored, never.restored] == [auto.batches, always.batches, 0]
    assert auto.time > 10 * never.time
    assert always.time > 10 * never.time


KEEPS = "void keeps(int32_t *x) { x[0] |= 1; }\n"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_where_one_function_needs_its_inputs_restored_all_that_share_them_are_measured_alike(
    tmp_path: Path, seed: int
) -> None:
    shared = function(affine("x", [4], "int32_t", "input_output"))
    hat = make_package(tmp_path, DRAINS + KEEPS, {"drains": shared, "keeps": shared})
    for result in Kernel().bench(hat, seed=seed, **{**QUICK, "batches": 4, "input_data": "ones"}):
        assert (result.status, result.restore, result.restored) == ("ok", "pass", result.batches)


def test_an_invalid_choice_of_restoring_is_a_usage_error(hat: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Kernel().bench(hat, restore="sometimes")
    assert "sometimes" in str(caught.value)


@pytest.mark.slow
def test_the_range_of_the_format_is_measured_with_the_values_that_were_set(tmp_path: Path) -> None:
    examples = {"auxiliary": {"examples": {"limit": 1000}}}
    hat = make_package(tmp_path, RANGE_SOURCE, {"Range": range_function(**examples)})
    (usual,) = Kernel().bench(hat, **QUICK)
    assert (usual.status, usual.values) == ("ok", {"limit": 1000})
    (large,) = Kernel().bench(hat, value={"limit": 1_000_000, "start": 3}, **QUICK)
    assert large.values == {"start": 3, "limit": 1_000_000}
    assert large.time > 10 * usual.time
    sweep = Kernel().bench(hat, size={"limit": "10^2..10^4"}, **QUICK)
    assert [result.sizes for result in sweep] == [{"limit": 100}, {"limit": 1000}, {"limit": 10000}]
