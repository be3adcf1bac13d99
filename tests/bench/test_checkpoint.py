"""Saved runs: what they keep, and what they are kept for."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from result_documents import run_info
from sample_packages import document, function, hat_text

from hatframe.bench.checkpoint import Checkpoint
from hatframe.bench.options import BenchOptions
from hatframe.bench.race import Samples
from hatframe.bench.schedule import Record
from hatframe.bench.session import Batch, Warmed
from hatframe.format.editing import edit_hat, store_in_auxiliary
from hatframe.machine import Facts, Machine
from hatframe.packages.package import read_package
from hatframe.results.model import PackageInfo
from hatframe.rows import Row

MACHINE = Machine.of([("test", Facts())])
WARMED = Warmed(
    seconds=0.1,
    calls=7,
    first=Batch(0.25, {"cycles": 3.0}, True),
    overhead=1e-9,
    overhead_subtracted=False,
    timer="native",
    loader="cffi",
    input_sets=3,
    input_set_bytes=64,
)
RUN = run_info()
RECORDS = [
    Record(
        row=Row(0, "measured", {"M": 3}),
        samples=Samples(means=[1e-9, 0.1 + 0.2], rounds=[1, 4]),
        calls=7,
        warmed=WARMED,
        restored=2,
        counters={"cycles": 5.5},
        measured_seconds=0.5,
        warm_up_seconds=0.1,
    ),
    Record(row=Row(0, "crashed"), status="crashed", message="SIGSEGV", reported=True),
]


@pytest.fixture
def hat(tmp_path: Path) -> Path:
    path = tmp_path / "package.hat"
    path.write_text(hat_text(document({"f": function()}, "package.so")))
    return path


class Notes(list[str]):
    def __call__(self, text: str) -> None:
        self.append(text)


def checkpoint(
    hat: Path,
    notes: Notes | None = None,
    sha256: str = "a",
    machine: Machine = MACHINE,
    other_files: dict[str, str] | None = None,
    **options: Any,
) -> Checkpoint:
    others = {str(hat): hashlib.sha256(hat.read_bytes()).hexdigest(), **(other_files or {})}
    info = PackageInfo(hat_files=(str(hat),), library="package.so", sha256=sha256, other_files=others)
    run = msgspec.structs.replace(RUN, machine=machine, packages=(info,))
    return Checkpoint([read_package(hat)], BenchOptions(**options), run, Notes() if notes is None else notes)


def loaded(saved: Checkpoint) -> list[Record] | None:
    found = saved.load()
    return found and found.records


def test_what_was_saved_is_loaded_to_the_last_digit(hat: Path) -> None:
    checkpoint(hat).save(RUN, RECORDS)
    assert loaded(checkpoint(hat)) == RECORDS
    checkpoint(hat).save(RUN, RECORDS[:1])
    assert loaded(checkpoint(hat)) == RECORDS[:1]


def test_a_removed_checkpoint_loads_nothing_and_says_so(hat: Path) -> None:
    notes = Notes()
    saved = checkpoint(hat, notes)
    saved.remove()
    saved.save(RUN, RECORDS)
    saved.remove()
    assert notes == []
    assert saved.load() is None
    assert "nothing to resume" in notes[0]


def test_where_results_go_may_differ(hat: Path, tmp_path: Path) -> None:
    checkpoint(hat).save(RUN, RECORDS)
    sinks = (f"csv={tmp_path / 'r.csv'}",)
    assert loaded(checkpoint(hat, resume=True, sinks=sinks)) == RECORDS


@pytest.mark.parametrize(
    "difference",
    [
        {"seed": 3},
        {"min_time": 0.1},
        {"functions": ("a*",)},
        {"sizes": ({"M": 3},)},
        {"loader": "ctypes"},
        {"backend_options": {"timer": "python"}},
        {"cpu": 1},
        {"sha256": "b"},
        {"other_files": {"kernels.cu": "c"}},
        {"machine": Machine.of([("other", Facts(details={"model": "another"}))])},
    ],
)
def test_what_figures_depend_on_must_be_the_same(hat: Path, difference: dict[str, Any]) -> None:
    checkpoint(hat).save(RUN, RECORDS)
    assert loaded(checkpoint(hat, **difference)) is None


def test_the_contents_of_the_data_must_be_the_same(hat: Path, tmp_path: Path) -> None:
    data = tmp_path / "given.npz"
    data.write_bytes(b"first")
    checkpoint(hat, input_data=str(data)).save(RUN, RECORDS)
    data.write_bytes(b"second")
    assert loaded(checkpoint(hat, input_data=str(data))) is None
    data.write_bytes(b"first")
    assert loaded(checkpoint(hat, input_data=str(data))) == RECORDS


@pytest.mark.parametrize("damage", [b"", b"[{}]", b'[{"row": ', b"\xff\xfe", b'{"records": []}'])
def test_a_damaged_file_is_as_none(hat: Path, damage: bytes) -> None:
    checkpoint(hat).save(RUN, RECORDS)
    (path,) = (Path(os.environ["HATFRAME_STATE_DIR"]) / "runs").glob("*.json")
    path.write_bytes(damage)
    assert loaded(checkpoint(hat)) is None


def test_an_unwritable_folder_is_a_note_and_ends_nothing(
    hat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HATFRAME_STATE_DIR", str(tmp_path / "file"))
    notes = Notes()
    saved = checkpoint(hat, notes)
    saved.save(RUN, RECORDS)
    saved.remove()
    (note,) = notes
    assert str(tmp_path / "file") in note


def test_results_that_are_stored_in_the_hat_file_change_nothing(hat: Path) -> None:
    checkpoint(hat).save(RUN, RECORDS)
    store_in_auxiliary(hat, {"f": {"mean_duration_in_sec": 1.0, "measured_sizes": "n=1"}})
    assert loaded(checkpoint(hat)) == RECORDS
    store_in_auxiliary(hat, {"f": {"group": "others"}})
    assert loaded(checkpoint(hat)) is None


def test_what_else_the_hat_file_says_must_be_the_same(hat: Path) -> None:
    checkpoint(hat).save(RUN, RECORDS)
    with edit_hat(hat) as changed:
        changed["functions"]["f"]["calling_convention"] = "stdcall"
    assert loaded(checkpoint(hat)) is None


def test_the_run_keeps_its_identity(hat: Path) -> None:
    checkpoint(hat).save(RUN, RECORDS)
    saved = checkpoint(hat).load()
    assert saved
    assert (saved.id, saved.started) == (RUN.id, RUN.started)


def test_a_folder_that_others_can_write_to_is_a_note(hat: Path) -> None:
    notes = Notes()
    Path(os.environ["HATFRAME_STATE_DIR"]).mkdir(mode=0o700)
    Path(os.environ["HATFRAME_STATE_DIR"]).chmod(0o777)
    checkpoint(hat, notes).save(RUN, RECORDS)
    assert os.environ["HATFRAME_STATE_DIR"] in notes[0]
