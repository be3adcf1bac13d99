"""A run whose results a sink could not write is finished later, by ``store`` or ``--resume``."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_packages import element, function, make_package
from typer.testing import CliRunner

from hatframe import Kernel, hookimpl
from hatframe.backends import Sink, SinkRun
from hatframe.bench.checkpoint import RUNS
from hatframe.bench.reporting import RESULTS
from hatframe.cli.main import build_app
from hatframe.errors import SinkError, UsageError
from hatframe.results.model import FunctionResult, ResultsDocument, RunInfo
from hatframe.results.reading import read_results

NEXT = function(element("x"), returns=element("", "int", "output", "int"))


class Full(Sink):
    """A sink that works once there is space."""

    name = "full"
    summary = "for a test"
    space = False

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        return Closing()


class Closing(SinkRun):
    got: tuple[FunctionResult, ...] = ()

    def add(self, result: FunctionResult) -> None:
        pass

    def close(self, document: ResultsDocument) -> str:
        if not Full.space:
            raise OSError("the disk is full")
        Closing.got = document.results
        return ""


class Plugin:
    @hookimpl
    def hatframe_sinks(self) -> list[Sink]:
        return [Full()]


@pytest.fixture(autouse=True)
def _no_space() -> Iterator[None]:
    Full.space, Closing.got = False, ()
    yield
    Full.space = False


@pytest.fixture
def hat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_package(tmp_path, "int next(int x) { return x + 1; }", {"next": NEXT})


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(build_app(Kernel([Plugin()])), list(map(str, arguments)))


def bench(hat: Path, *arguments: str) -> Any:
    quick = ("--max-time", "0.01", "--batches", "1", "--timer", "python", "--cache", "hot")
    return run("bench", hat, "--sink", "full", "--sink", "csv=r.csv", *quick, *arguments)


def rows() -> list[dict[str, str]]:
    with Path("r.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_and_the_other_sinks_come_first(hat: Path) -> None:
    done = bench(hat)
    assert isinstance(done.exception, SinkError)
    assert "full" in done.exception.message
    assert "next" in done.stdout
    assert [row["function_name"] for row in rows()] == ["next"]
    (kept,) = RESULTS.folder.iterdir()
    assert str(kept) in done.exception.hint
    assert read_results(kept).complete


def test_store_finishes_the_run(hat: Path) -> None:
    bench(hat)
    (kept,) = RESULTS.folder.iterdir()
    assert isinstance(run("store", kept, "--sink", "full").exception, SinkError)
    Full.space = True
    assert run("store", kept, "--sink", "full", "--sink", "csv=r.csv", "--sink", "json").exit_code == 0
    assert [result.function_name for result in Closing.got] == ["next"]
    assert len(rows()) == 1
    assert read_results("results.json") == read_results(kept)


def test_resume_finishes_the_run_without_measuring(hat: Path) -> None:
    bench(hat)
    (kept,) = RESULTS.folder.iterdir()
    measured = read_results(kept).results
    Full.space = True
    assert bench(hat, "--resume").exit_code == 0
    assert [result.batch_means for result in Closing.got] == [result.batch_means for result in measured]
    assert len(rows()) == 1
    assert list(RESULTS.folder.iterdir()) == []
    assert list(RUNS.folder.glob("*.json")) == []


def test_a_sink_must_be_named(hat: Path) -> None:
    bench(hat)
    (kept,) = RESULTS.folder.iterdir()
    caught = run("store", kept).exception
    assert isinstance(caught, UsageError)
    assert "csv" in caught.hint
