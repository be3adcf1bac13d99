"""A linker that runs tools can be put into a job."""

from __future__ import annotations

from pathlib import Path

import pytest
from hatframe_builtin.linkers.gcc import Gcc
from sample_packages import compiler

from hatframe.errors import LinkError
from hatframe.toolchain.linker import in_job
from hatframe.toolchain.tool import Job


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


def test_a_linker_without_tools_stays_the_same() -> None:
    linker = object()
    assert in_job(linker, Job()) is linker  # type: ignore[arg-type]
