"""Linkers that run their tools in a job."""

from __future__ import annotations

from pathlib import Path

import pytest
from hatframe_builtin.linkers.gcc import Gcc
from sample_packages import compiler

from hatframe.errors import LinkError
from hatframe.toolchain.linker import ToolLinker, in_job
from hatframe.toolchain.tool import Job


def test_a_linker_gets_a_job_and_the_original_keeps_its_own() -> None:
    linker, job = Gcc(), Job()
    assert isinstance(linker, ToolLinker)
    before = linker.job
    other = in_job(linker, job)
    assert isinstance(other, Gcc)
    assert other.job is job
    assert linker.job is before


def test_a_linker_that_runs_no_tools_stays_as_it_is() -> None:
    class Other:
        name = "other"

    linker = Other()
    assert in_job(linker, Job()) is linker  # type: ignore[arg-type, comparison-overlap]


def test_a_stopped_job_stops_its_linker_and_no_other(tmp_path: Path) -> None:
    compiler("gcc")
    (tmp_path / "x.c").write_text("int x;\n")
    linker, job = Gcc(), Job()
    stopped = in_job(linker, job)
    job.stop()
    with pytest.raises(LinkError, match="stopped"):
        stopped.compile(tmp_path / "x.c", tmp_path / "x.o")
    linker.compile(tmp_path / "x.c", tmp_path / "x.o")
    assert (tmp_path / "x.o").exists()
