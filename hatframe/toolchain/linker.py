"""The base of linkers that run tools."""

from __future__ import annotations

import copy

from hatframe.backends import Linker
from hatframe.toolchain.tool import Job


class ToolLinker(Linker):
    """A linker that runs its tools by ``self.job.run``, so that they can be stopped together."""

    job = Job()


def in_job(linker: Linker, job: Job) -> Linker:
    """A linker like this one, with its tools in ``job``; the linker itself if it runs no tools."""
    if isinstance(linker, ToolLinker):
        linker = copy.copy(linker)
        linker.job = job
    return linker
