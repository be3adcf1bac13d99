"""``hatframe pack`` as a user sees it, and what was packed at work in another place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import command_line
import pytest
from sample_packages import affine, function, make_package

import hatframe
from hatframe import files
from hatframe.backends import Observer
from hatframe.results.model import FunctionResult

FAST = ("--max-time", "0.02", "--batches", "3", "--input-sets-minimum-size-MB", "0.1")
SOURCE = """
void quick(const float *a, float *b) { b[0] = a[0] + 1; }
void again(const float *a, float *b) { b[0] = a[0]; }
"""
ARRAYS = [affine("a", [16]), affine("b", [16], usage="input_output")]
FUNCTIONS = {"quick": function(*ARRAYS), "again": function(*ARRAYS)}


def run(*arguments: object, folder: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    return command_line.hatframe(*arguments, folder=folder, status=status)


@pytest.fixture
def hat(tmp_path: Path) -> Path:
    return make_package(tmp_path / "in", SOURCE, FUNCTIONS, static=True)


@pytest.fixture
def archive(hat: Path, tmp_path: Path) -> Path:
    """A package in a .zip file; where it was made is no more."""
    hatframe.Kernel(entry_points=False).pack(hat, tmp_path / "p.zip")
    shutil.rmtree(hat.parent)
    return tmp_path / "p.zip"


def test_it_reports_what_it_wrote_in_one_line(hat: Path, tmp_path: Path) -> None:
    done = run("pack", hat, "-o", "p.zip", folder=tmp_path)
    assert (done.stdout, done.stderr) == ("wrote p.zip with 2 files: package.a, package.hat\n", "")
    printed = json.loads(run("pack", hat, "-o", "out", "--json", folder=tmp_path).stdout)
    assert printed == {"path": "out", "files": ["package.a", "package.hat"], "edited": []}
    done = run("pack", hat, "-o", "out", folder=tmp_path, status=2)
    assert done.stderr.startswith("hatframe: error: out: ")


@pytest.mark.slow
def test_files_outside_the_folder_are_refused_unless_allowed(hat: Path, tmp_path: Path) -> None:
    shutil.move(hat.parent / "package.a", tmp_path / "package.a")
    hat.write_text(hat.read_text().replace('"package.a"', '"../package.a"'))
    done = run("pack", hat, "-o", "out", folder=tmp_path, status=1)
    assert "--allow-outside" in done.stderr
    done = run("pack", hat, "-o", "out", "--allow-outside", folder=tmp_path)
    assert "package.hat" in done.stderr
    run("bench", tmp_path / "out", *FAST, folder=tmp_path)


@pytest.mark.slow
def test_a_zip_file_is_measured_and_named_in_the_results(archive: Path, tmp_path: Path) -> None:
    done = run("bench", "--functions", "quick", "p.zip", *FAST, "--json", folder=tmp_path)
    document = json.loads(done.stdout)
    assert [result["function_name"] for result in document["results"]] == ["quick"]
    assert document["results"][0]["hat_file"] == os.path.join("p.zip", "package.hat")  # noqa: PTH118
    (package,) = document["run"]["packages"]
    assert package["hat_files"] == [os.path.join("p.zip", "package.hat")]  # noqa: PTH118
    assert package["library"] == os.path.join("p.zip", "package.a")  # noqa: PTH118
    assert len(package["sha256"]) == 64
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["p.zip"]
    assert len(list((files.cache_folder() / "packages").glob("[!.]*"))) == 1


@pytest.mark.slow
def test_an_unpacked_package_is_measured(archive: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(archive).extractall(tmp_path / "moved")
    assert "fastest: " in run("bench", "moved", *FAST, folder=tmp_path).stdout


@pytest.mark.slow
def test_a_run_of_a_zip_file_can_be_resumed(archive: Path, tmp_path: Path) -> None:
    messages: list[str] = []

    class Noting(Observer):
        def message(self, text: str) -> None:
            messages.append(text)

    class Ending(Noting):
        def function_finished(self, result: FunctionResult) -> None:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"max_time": 0.02, "batches": 3, "input_sets_size": 1000, "race": False}
    with pytest.raises(KeyboardInterrupt):
        hatframe.Kernel().bench(archive, observers=Ending(), **options)
    assert any("--resume" in text for text in messages)
    messages.clear()
    document = hatframe.Kernel().bench(archive, observers=Noting(), resume=True, **options)
    assert document.complete
    assert not any("resume" in text for text in messages)


@pytest.mark.slow
def test_results_are_not_stored_where_they_would_be_lost(archive: Path, tmp_path: Path) -> None:
    for option in (("--sink", "hat"), ("--store-in-hat",)):
        done = run("bench", "p.zip", *option, *FAST, folder=tmp_path, status=1)
        assert "error: p.zip: sink hat" in done.stderr
    run("bench", "p.zip", "--sink", "csv", *FAST, folder=tmp_path)


@pytest.mark.slow
def test_every_command_reads_a_zip_file(archive: Path, tmp_path: Path) -> None:
    shown = os.path.join("p.zip", "package.hat")  # noqa: PTH118
    assert f"file\t{shown}\n" in run("inspect", "p.zip", folder=tmp_path).stdout
    assert json.loads(run("inspect", "p.zip", "--json", folder=tmp_path).stdout)[0]["hat_files"] == [shown]
    assert shown in run("validate", "p.zip", folder=tmp_path).stdout
    assert sorted(hatframe.load(archive)) == ["again", "quick"]
    with pytest.raises(hatframe.HatError, match=r"p\.zip.*unpack"):
        hatframe.Kernel().pack(archive, tmp_path / "other.zip")


@pytest.mark.slow
def test_zip_files_are_compared(archive: Path, tmp_path: Path) -> None:
    shutil.copy(archive, tmp_path / "q.zip")
    done = run("compare", "p.zip", "q.zip", "--functions", "quick", "--format", "json", folder=tmp_path)
    assert [len(row["results"]) for row in json.loads(done.stdout)["functions"]] == [2]


@pytest.mark.slow
def test_a_folder_in_a_zip_file_is_found(archive: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(archive).extractall(tmp_path / "folder")
    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as whole:
        for path in (tmp_path / "folder").iterdir():
            whole.write(path, f"folder/{path.name}")
    done = run("bench", "whole.zip", *FAST, "--json", folder=tmp_path)
    assert {result["status"] for result in json.loads(done.stdout)["results"]} == {"ok"}


@pytest.mark.slow
def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_bytes(b"nothing")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("notes.txt", "")
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../p.hat", "")
    for name in ("p.zip", "empty.zip", "out.zip", "none.zip"):
        assert run("bench", name, folder=tmp_path, status=1).stderr.startswith(f"hatframe: error: {name}: ")
    assert not (tmp_path / "p.hat").exists()
