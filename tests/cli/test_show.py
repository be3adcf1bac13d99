"""``hatframe show``, on what the sinks wrote."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from command_line import hatframe
from hatframe_builtin.sinks.csv_sink import CsvSink
from hatframe_builtin.sinks.hat_sink import HatSink
from hatframe_builtin.sinks.json_sink import JsonSink
from result_documents import document, failed, result, run_info
from sample_packages import affine, function, hat_text
from sample_packages import document as hat_document

from hatframe.results.comparison import rankings
from hatframe.results.model import FunctionResult


def show(*arguments: object, folder: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    return hatframe("show", *arguments, folder=folder, status=status)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """One run, as all three sinks store it: to run.json, run.csv and pkg.hat."""
    names = ("fast", "slow")
    tables = {name: function(affine("A", [4])) for name in names}
    (tmp_path / "pkg.hat").write_text(hat_text(hat_document(tables, "pkg.so")))
    times = zip(names, (1e-6, 2e-6), strict=True)
    write(tmp_path, "run", *(result(name, times=[time, 1.01 * time], group="g") for name, time in times))
    return tmp_path


def write(folder: Path, name: str, *results: FunctionResult) -> None:
    located = [FunctionResult(**{**fields(each), "hat_file": str(folder / "pkg.hat")}) for each in results]
    whole = document(*located, rankings=rankings(located))
    paths = ((JsonSink(), folder / f"{name}.json"), (CsvSink(), folder / f"{name}.csv"), (HatSink(), None))
    for sink, path in paths:
        run = sink.open(run_info(str(folder / "pkg.hat")), path)
        for each in located:
            run.add(each)
        run.close(whole)


def fields(of: FunctionResult) -> dict[str, object]:
    return {name: getattr(of, name) for name in of.__struct_fields__}


@pytest.mark.parametrize("file", ["run.json", "run.csv", "pkg.hat", "."])
def test_what_each_sink_wrote_is_shown_with_its_date_machine_and_verdict(stored: Path, file: str) -> None:
    heading, header, first, second, verdict = show(file, folder=stored).stdout.splitlines()
    assert "2024-05-06 07:08 UTC" in heading
    assert "x86_64-linux, A processor" in heading
    assert "±" in header.split()
    assert [first.split()[0], second.split()[0]] == ["fast", "slow"]
    assert "%" in first.split()
    assert verdict.startswith("fastest: fast ")


def test_runs_of_one_file_are_shown_in_turn_and_the_last_on_request(stored: Path) -> None:
    table = (stored / "run.csv").read_text()
    head, *rows = table.splitlines()
    again = [row.replace(run_info().id, "another").replace("2024-05-06", "2025-01-01") for row in rows]
    (stored / "run.csv").write_text("\n".join([head, *rows, *again, ""]))
    assert show("run.csv", folder=stored).stdout.count("fastest: fast") == 2
    last = show("run.csv", "--last", folder=stored).stdout
    assert last.count("fastest: fast") == 1
    assert "2025-01-01 07:08 UTC" in last


def test_files_of_former_versions_and_of_hatlib_are_read(stored: Path) -> None:
    head, *rows = (line.split(",") for line in (stored / "run.csv").read_text().splitlines())
    assert head[:6] == ["function_name", "mean", *head[2:6]]
    (stored / "old.csv").write_text("\n".join(",".join(cells[:6]) for cells in (head, *rows)))
    assert [line.split()[0] for line in show("old.csv", folder=stored).stdout.splitlines()[-3:-1]] == ["fast", "slow"]


def test_functions_are_chosen(stored: Path) -> None:
    assert "fast" not in show("run.json", "--functions", "sl*", folder=stored).stdout
    done = show("run.json", "--functions", "none", folder=stored, status=1)
    assert "'none'" in done.stderr


def test_json_has_the_documents(stored: Path) -> None:
    (one, other) = json.loads(show("run.json", "run.csv", "--json", folder=stored).stdout)
    assert one["run"]["id"] == other["run"]["id"] == run_info().id
    assert [each["function_name"] for each in other["results"]] == ["fast", "slow"]


def test_failures_are_shown(tmp_path: Path) -> None:
    whole = document(failed("broken", "it crashed"))
    JsonSink().open(whole.run, tmp_path / "run.json").close(whole)
    done = show("run.json", folder=tmp_path)
    assert "broken: it crashed" in done.stderr


def test_a_picture_is_drawn(stored: Path) -> None:
    show("run.json", "--plot", "run.svg", folder=stored)
    picture = (stored / "run.svg").read_text()
    assert picture.lstrip().startswith("<?xml")
    assert ">fast<" in picture


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b'{"format": "else"}', b"\x7fELF\xff"])
def test_a_file_of_something_else_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    done = show("file", folder=tmp_path, status=1)
    assert done.stderr.startswith("hatframe: error: file")
