"""Fixtures for the linkers: what programs say that use a library for Windows."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from foreign import PROGRAM
from sample_packages import compiler


@pytest.fixture
def results_on_windows(wine: Callable[..., str]) -> Callable[[Path, Path], Sequence[str]]:
    """What a program prints that loads a library, and one that was linked with its import library."""
    gcc = compiler("x86_64-w64-mingw32-gcc")

    def results(library: Path, import_library: Path) -> Sequence[str]:
        folder = library.parent
        (folder / "program.c").write_text(PROGRAM)
        subprocess.run([gcc, "program.c", "-o", "loads.exe"], cwd=folder, check=True)
        subprocess.run([gcc, "-DLINKED", "program.c", import_library, "-o", "linked.exe"], cwd=folder, check=True)
        return wine("loads.exe", library.name, folder=folder), wine("linked.exe", folder=folder)

    return results
