"""Observers and sinks that fail leave the others working."""

from __future__ import annotations

from pathlib import Path

import pytest
from result_documents import document, result, run_info

from hatframe.backends import Observer, Sink, SinkRun
from hatframe.bench.reporting import RESULTS, Observers, Sinks, forget, store
from hatframe.errors import SinkError
from hatframe.results.model import FunctionResult, ResultsDocument, RunInfo
from hatframe.results.reading import read_results


class Watcher(Observer):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def function_started(self, name: str) -> None:
        self.seen.append(name)

    def message(self, text: str) -> None:
        self.seen.append(f"message: {text}")


class Broken(Observer):
    def function_started(self, name: str) -> None:
        raise ValueError("broken")


class Kept(Sink):
    summary = "for a test"

    def __init__(self, name: str, fails_at: str = "") -> None:
        self.name = name  # type: ignore[misc]
        self.fails_at = fails_at
        self.results: list[FunctionResult] = []

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        if self.fails_at == "open":
            raise RuntimeError("no disk")
        sink = self

        class Run(SinkRun):
            def add(self, result: FunctionResult) -> None:
                if sink.fails_at == "add":
                    raise RuntimeError("no disk")
                sink.results.append(result)

            def close(self, document: ResultsDocument) -> str:
                return f"closed {sink.name}"

        return Run()


def test_an_observer_that_raises_is_dropped_with_a_message() -> None:
    watcher = Watcher()
    observers = Observers([Broken(), watcher])
    observers.function_started("one")
    observers.function_started("two")
    assert [each for each in watcher.seen if not each.startswith("message")] == ["one", "two"]
    (message,) = (each for each in watcher.seen if each.startswith("message"))
    assert "Broken" in message
    assert "broken" in message


def test_a_sink_that_fails_is_left_out_and_the_error_comes_at_the_end() -> None:
    good, bad, watcher = Kept("good"), Kept("bad", "add"), Watcher()
    with Sinks([(bad, None), (good, None)], run_info(), watcher.message) as sinks:
        for name in ("a", "b"):
            sinks.add(result(name))
        sinks.close(document())
        assert [each.function_name for each in good.results] == ["a", "b"]
        assert watcher.seen == ["message: closed good"]
        whole = document(result("a"), result("b"))
        with pytest.raises(SinkError, match="bad") as caught:
            sinks.raise_errors(whole)
    assert caught.value.results is whole
    (kept,) = RESULTS.folder.iterdir()
    assert f"hatframe store {kept} --sink bad" in caught.value.hint
    assert read_results(kept).results == whole.results
    forget(whole)
    assert not kept.exists()


def test_results_are_kept_elsewhere_where_the_state_folder_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HATFRAME_STATE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Sinks([(Kept("bad", "add"), Path("a b"))], run_info(), Watcher().message) as sinks:
        sinks.add(result())
        with pytest.raises(SinkError) as caught:
            sinks.raise_errors(document(result()))
    (kept,) = tmp_path.glob("*/*.json")
    assert f"hatframe store {kept} --sink 'bad=a b'" in caught.value.hint
    assert len(read_results(kept)) == 1


def test_storing_gives_all_results_to_all_sinks_and_raises_their_errors() -> None:
    good, bad, watcher = Kept("good"), Kept("bad", "add"), Watcher()
    with pytest.raises(SinkError, match="bad"):
        store(document(result("a"), result("b")), [(bad, None), (good, None)], watcher.message)
    assert [each.function_name for each in good.results] == ["a", "b"]
    assert watcher.seen == ["message: closed good"]


def test_a_sink_that_cannot_be_opened_ends_the_run_at_once() -> None:
    with pytest.raises(SinkError, match="bad"), Sinks([(Kept("bad", "open"), None)], run_info(), Watcher().message):
        pass
