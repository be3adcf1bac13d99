"""Linkers that run their tools in a job."""

from __future__ import annotations

from hatframe_builtin.linkers.gcc import Gcc

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
