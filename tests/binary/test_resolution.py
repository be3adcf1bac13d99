"""What the dynamic loader opens, as it says itself: ``ldd`` and the maps of this process are the measure."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import sample_packages

from hatframe.binary.resolution import process_libraries, resolve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the loader of Linux")


def test_the_libraries_of_the_process_are_open_in_it() -> None:
    mapped = {Path(line.split()[-1]).name for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line}
    program, *libraries = process_libraries()
    assert program.path == Path(sys.executable).resolve()
    assert {library.path.name for library in libraries} <= mapped


def test_a_library_opens_what_ldd_lists(tmp_path: Path) -> None:
    source = "double sin(double); double f(double x) { return sin(x); }"
    library = sample_packages.library(tmp_path, source, flags=["-Wl,--no-as-needed"])
    listed = subprocess.run(["ldd", library], check=True, capture_output=True, text=True).stdout
    expected = {name: Path(path).resolve() for name, path in re.findall(r"(\S+) => (/\S+)", listed)}
    assert expected.keys() >= {"libm.so.6", "libc.so.6"}
    found = {need.name: need.found for need in resolve(library).needs}
    assert found == expected
    searched = {need.name: need.searched for need in resolve(library).needs}
    assert searched == expected


def test_a_need_that_no_folder_has_is_not_found(tmp_path: Path) -> None:
    sample_packages.library(tmp_path, "void g(void) {}", "libg", flags=["-Wl,-soname,libhatframe_none.so"])
    flags = ["-Wl,--no-as-needed", str(tmp_path / "libg.so")]
    library = sample_packages.library(tmp_path, "void f(void) {}", flags=flags)
    assert [need.name for need in resolve(library).needs if need.found is None] == ["libhatframe_none.so"]


def test_files_for_other_processors_are_skipped(tmp_path: Path) -> None:
    sample_packages.library(tmp_path, "void g(void) {}", "libg", flags=["-Wl,-soname,libg.so"])
    flags = ["-Wl,--no-as-needed", str(tmp_path / "libg.so"), "-Wl,-rpath,$ORIGIN/other:${ORIGIN}/."]
    library = sample_packages.library(tmp_path, "void f(void) {}", flags=flags)
    (tmp_path / "other").mkdir()
    data = bytearray((tmp_path / "libg.so").read_bytes())
    data[18:20] = b"\x16\0"  # of IBM Z
    (tmp_path / "other" / "libg.so").write_bytes(data)
    found = {need.name: need.found for need in resolve(library).needs}
    assert found["libg.so"] == (tmp_path / "libg.so").resolve()
