"""Helpers of the tests that preprocess and compile C with real compilers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hatframe.building.describing import ParsedSource, read_functions

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]


def preprocessed(folder: Path, code: str, compiler: str = "", *flags: str) -> str:
    """The code of a file ``source.c`` in ``folder`` after the preprocessor, with comments and line markers."""
    if not COMPILERS:
        pytest.skip("neither gcc nor clang on this machine")
    (folder / "source.c").write_text(code, encoding="utf-8")
    return subprocess.run(
        [compiler or COMPILERS[0], "-E", "-C", *flags, "source.c"],
        cwd=folder,
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout


def read(code: str) -> ParsedSource:
    """Parse a file ``source.c`` that needs no preprocessor."""
    return read_functions(f'# 1 "source.c"\n{code}', ["source.c"], {"source.c": code})


def compile_text(folder: Path, compiler: str, code: str, *flags: str) -> None:
    """Compile code beside ``source.c``; fails the test with the messages of the compiler."""
    suffix = ".cpp" if compiler.endswith("++") else ".c"
    path = folder / f"check{suffix}"
    path.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [compiler, *flags, "-fsyntax-only", path.name], cwd=folder, capture_output=True, encoding="utf-8"
    )
    assert not done.returncode, f"{done.stderr}\n{code}"
