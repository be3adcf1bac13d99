"""Fixtures for the linkers: Wine, and what programs say that use a library for Windows."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from foreign import PROGRAM
from packages import compiler


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Runs a program for Windows, with arguments, in a folder, and gives what it prints."""
    program = shutil.which("wine64") or shutil.which("wine64", path="/usr/lib/wine") or shutil.which("wine")
    if not program:
        pytest.skip("no wine on this machine")
    prefix = tmp_path_factory.mktemp("wine") / "prefix"
    # The overrides stop it from offering to install what it would need for .NET and for HTML.
    own = {"WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    environment = {**os.environ, **own}
    environment.pop("DISPLAY", None)

    def run(*command: str | Path, folder: Path, time_limit: float = 60) -> str:
        done = subprocess.run(
            [program, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=time_limit
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout} {done.stderr}"
        return done.stdout

    # The first start makes the prefix.
    run("cmd.exe", "/c", "exit", "0", folder=prefix.parent, time_limit=300)
    yield run
    server = shutil.which("wineserver") or shutil.which("wineserver64", path="/usr/lib/wine")
    if server:
        subprocess.run([server, "-k"], env=environment, capture_output=True, timeout=60)
    # It is too large to be kept, as pytest does with temporary folders.
    shutil.rmtree(prefix, ignore_errors=True)


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
