"""The check of sinks: one that breaks a clause fails with the sentence for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hatframe.backends import Option, Sink, SinkRun
from hatframe.errors import SinkError
from hatframe.results.model import FunctionResult, ResultsDocument, RunInfo
from hatframe.testing import check_sink


class ToyRun(SinkRun):
    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []

    def add(self, result: FunctionResult) -> None:
        self.names.append(result.function_name)

    def close(self, document: ResultsDocument) -> str:
        self.path.write_text("\n".join(self.names))
        return f"written to {self.path}"


class Toy(Sink):
    """Writes the names of the functions."""

    name = "toy"
    summary = "for a test"
    options = (Option(names=("--toy-title", "--toy_title"), help="A title."),)
    run_type: type[Any] = ToyRun

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        path = path or Path("toy.txt")
        if not path.parent.is_dir():
            raise SinkError("there is no such folder", where=str(path))
        opened: SinkRun = self.run_type(path)
        return opened


class Pathless(Toy):
    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        if path:
            raise SinkError("it takes no path")
        opened: SinkRun = self.run_type(Path(run.packages[0].hat_files[0]))
        return opened


def test_sinks_that_keep_the_contract_pass(tmp_path: Path) -> None:
    for name, sink, takes_path in (("one", Toy(), True), ("two", Pathless(), False)):
        (tmp_path / name).mkdir()
        check_sink(sink, tmp_path / name, takes_path=takes_path, options={"toy_title": "a title"})
    assert (tmp_path / "one" / "short" / "interrupted").read_text() == "add"


def test_a_sink_that_refuses_former_results_passes(tmp_path: Path) -> None:
    class Careful(Toy):
        def open(self, run: RunInfo, path: Path | None) -> SinkRun:
            if path and path.exists():
                raise SinkError("it is there already", where=str(path))
            return super().open(run, path)

    check_sink(Careful(), tmp_path)


class NeedsStatistics(ToyRun):
    def add(self, result: FunctionResult) -> None:
        assert result.statistics is not None, "no statistics"
        super().add(result)


class ReturnsNothing(ToyRun):
    def close(self, document: ResultsDocument) -> Any:
        super().close(document)


class TwoLines(ToyRun):
    def close(self, document: ResultsDocument) -> str:
        return super().close(document) + "\ndone"


class NeedsResults(ToyRun):
    def close(self, document: ResultsDocument) -> str:
        return f"{super().close(document)}, the first is {document.results[0].function_name}"


class Elsewhere(ToyRun):
    def close(self, document: ResultsDocument) -> str:
        self.path = self.path.with_suffix(".txt")
        return super().close(document)


class Once(ToyRun):
    def __init__(self, path: Path) -> None:
        if path.exists():
            raise FileExistsError(path)
        super().__init__(path)


class Changing(ToyRun):
    def close(self, document: ResultsDocument) -> str:
        for result in document.results:
            result.sizes["count"] = 1
        return super().close(document)


@pytest.mark.parametrize(
    ("run_type", "clause"),
    [
        (NeedsStatistics, r"add\(result\) takes a result whose status is failed; found: AssertionError: no statistics"),
        (ReturnsNothing, r"close\(document\) returns a line for the user; found: None"),
        (TwoLines, r"close\(document\) returns a line for the user"),
        (NeedsResults, r"close\(document\) ends a run without results too; found: IndexError"),
        (Elsewhere, "the path of --sink NAME=PATH is where the results go; found: no the results"),
        (Once, "a path that holds former results is written to, or refused with SinkError"),
        (Changing, r"close\(document\) leaves the document as it is"),
        (lambda path: "opened", r"open\(run, path\) returns a SinkRun; found: 'opened'"),
    ],
)
def test_a_fault_of_a_run_breaks_the_clause_that_names_it(run_type: Any, clause: str, tmp_path: Path) -> None:
    broken = type("Broken", (Toy,), {"run_type": staticmethod(run_type)})()
    with pytest.raises(AssertionError, match=f"sink 'toy' breaks its contract: .*{clause}"):
        check_sink(broken, tmp_path)


class TooLate(Toy):
    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        return ToyRun(path or Path("toy.txt"))


class OtherError(Toy):
    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        path = path or Path("toy.txt")
        path.touch()
        return ToyRun(path)


class Shared(Toy):
    opened: ToyRun | None = None

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        super().open(run, path)
        if self.opened is None:
            self.opened = ToyRun(path or Path("toy.txt"))
        self.opened.path = path or Path("toy.txt")
        return self.opened


@pytest.mark.parametrize(
    ("sink", "clause"),
    [
        (TooLate(), r"refused with SinkError when it is opened, not after the run; found: no error"),
        (OtherError(), r"refused with SinkError when it is opened, not after the run; found: NotADirectoryError"),
        (Shared(), r"open\(\) returns a run of its own each time"),
    ],
)
def test_a_fault_when_opening_breaks_the_clause_that_names_it(sink: Sink, clause: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=clause):
        check_sink(sink, tmp_path)


def test_a_sink_without_a_path_must_refuse_one(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="takes no path refuses one with a HatError when it is opened"):
        check_sink(Toy(), tmp_path, takes_path=False)


@pytest.mark.parametrize(
    ("options", "clause"),
    [
        ([Option(names=("--title",), help="x")], "its options are a tuple"),
        (("--title",), "every option is an Option"),
        ((Option(names=("title",), help="x"),), "spelled as --store-in-hat is"),
        ((Option(names=(), help="x"),), "spelled as --store-in-hat is"),
        ((Option(names=("-t", "--title"), help="x"),), "spelled as --store-in-hat is"),
        ((Option(names=("--Title",), help="x"),), "makes a key in snake case; found: 'Title'"),
        ((Option(names=("--title",), help=" "),), "option --title has a help text"),
        ((Option(names=("--title",), help="x", metavar=""),), "option --title has a metavar"),
        ((Option(names=("--title",), help="x"),) * 2, "spelled differently; found: --title"),
    ],
)
def test_a_malformed_option_breaks_a_clause(options: Any, clause: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=clause):
        check_sink(type("Broken", (Toy,), {"options": options})(), tmp_path)
