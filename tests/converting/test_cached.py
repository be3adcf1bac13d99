"""A static package is linked into the cache once, and a dynamic package is used as it is."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from sample_packages import compiler, element, function, make_package

from hatframe.backends import Linker
from hatframe.binary.libraries import LibraryKind, identify
from hatframe.converting.cached import cached_dynamic_library
from hatframe.errors import LinkError, PackageError, PluginError, TargetError
from hatframe.machine import Platform
from hatframe.packages.package import read_package

SOURCE = "int next_0123456789abcdef(int x) { return x + 1; }\n"
FUNCTIONS = {"next_0123456789abcdef": function(element("x"), returns=element("", "int", "output", "int"))}


def package(folder: Path, static: bool = True, source: str = SOURCE) -> Path:
    return make_package(folder, source, FUNCTIONS, static=static)


def no_linker() -> NoReturn:
    raise PluginError("no linker")


def test_a_dynamic_package_is_used_as_it_is_without_a_linker(tmp_path: Path) -> None:
    path = package(tmp_path / "in", static=False)
    found = cached_dynamic_library(read_package(path), no_linker, tmp_path / "cache")
    assert found == read_package(path).library
    assert not (tmp_path / "cache").exists()


def test_a_static_package_is_linked_once_which_is_logged(
    tmp_path: Path, linker: Linker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hatframe")
    path = package(tmp_path / "in")
    before = sorted(path.parent.iterdir())
    first = cached_dynamic_library(read_package(path), lambda: linker, tmp_path / "cache")
    again = cached_dynamic_library(read_package(path), lambda: linker, tmp_path / "cache")
    assert first == again
    (message,) = caplog.messages
    assert str(path) in message
    assert linker.name in message
    assert ctypes.CDLL(str(first)).next_0123456789abcdef(41) == 42
    assert identify(first).kind is LibraryKind.DYNAMIC
    assert sorted(path.parent.iterdir()) == before


def test_changed_content_is_linked_again(tmp_path: Path, linker: Linker) -> None:
    path = package(tmp_path / "in")

    def use() -> Path:
        return cached_dynamic_library(read_package(path), lambda: linker, tmp_path / "cache")

    found = [use()]
    path.write_text(path.read_text().replace("#endif // TOML", "#endif // TOML\n/* changed */", 1))
    found.append(use())
    package(tmp_path / "in", source=SOURCE.replace("+ 1", "+ 2"))
    found.append(use())
    assert len(set(found)) == 3
    assert [ctypes.CDLL(str(each)).next_0123456789abcdef(40) for each in found] == [41, 41, 42]


def test_another_version_of_the_linker_links_again(tmp_path: Path, linker: Linker) -> None:
    package_ = read_package(package(tmp_path / "in"))
    first = cached_dynamic_library(package_, lambda: linker, tmp_path / "cache")

    class Newer(type(linker)):  # type: ignore[misc]
        def version(self) -> str:
            return "a later one"

    assert cached_dynamic_library(package_, Newer, tmp_path / "cache") != first


def test_a_damaged_file_in_the_cache_is_replaced(tmp_path: Path, linker: Linker) -> None:
    package_ = read_package(package(tmp_path / "in"))
    found = cached_dynamic_library(package_, lambda: linker, tmp_path / "cache")
    found.write_bytes(b"")
    assert cached_dynamic_library(package_, lambda: linker, tmp_path / "cache") == found
    assert ctypes.CDLL(str(found)).next_0123456789abcdef(41) == 42


def test_a_failure_leaves_nothing_in_the_cache(tmp_path: Path, linker: Linker) -> None:
    source = "int gone(int); int next_0123456789abcdef(int x) { return gone(x); }\n"
    path = package(tmp_path / "in", source=source)
    with pytest.raises(LinkError, match=r"\bgone\b"):
        cached_dynamic_library(read_package(path), lambda: linker, tmp_path / "cache")
    assert not [entry for entry in (tmp_path / "cache").rglob("[!.]*") if entry.is_file()]


@pytest.mark.parametrize("data", [None, b"text\n", b"\x7fELF junk", b""])
def test_a_file_that_is_not_a_library_is_an_error(tmp_path: Path, data: bytes | None) -> None:
    path = package(tmp_path, static=False)
    (tmp_path / "package.so").unlink()
    if data is not None:
        (tmp_path / "package.so").write_bytes(data)
    with pytest.raises(PackageError, match=r"package\.so"):
        cached_dynamic_library(read_package(path), no_linker, tmp_path / "cache")


def test_a_program_or_a_library_of_another_platform_is_an_error(tmp_path: Path) -> None:
    path = package(tmp_path, static=False)
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    command = [compiler("gcc"), "-no-pie", "-o", tmp_path / "package.so", tmp_path / "main.c"]
    subprocess.run(command, check=True)
    with pytest.raises(PackageError, match="program"):
        cached_dynamic_library(read_package(path), no_linker, tmp_path / "cache")
    target = "aarch64" if Platform.host().architecture == "x86_64" else "x86_64"
    command = [compiler("clang"), f"--target={target}-linux-gnu", "-c", "-o", tmp_path / "package.so"]
    subprocess.run([*command, tmp_path / "package.c"], check=True)
    with pytest.raises(TargetError, match=f"ELF for {target}.*{Platform.host()}"):
        cached_dynamic_library(read_package(path), no_linker, tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path: Path, linker: Linker) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(LinkError, match=re.escape(str(tmp_path / "cache"))) as caught:
        cached_dynamic_library(read_package(package(tmp_path / "in")), lambda: linker, tmp_path / "cache")
    assert "HATFRAME_CACHE_DIR" in caught.value.hint


RUN = """
import logging
import sys
from pathlib import Path
from hatframe.packages.package import read_package
from hatframe.converting.cached import cached_dynamic_library
from hatframe_builtin.linkers.gcc import Gcc
logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stdout)
print(cached_dynamic_library(read_package(sys.argv[1]), Gcc, Path(sys.argv[2])))
"""


def test_concurrent_processes_link_once(tmp_path: Path) -> None:
    compiler("gcc")
    path = package(tmp_path / "in")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", RUN, str(path), str(tmp_path / "cache")]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8") for _ in range(4)]
    lines = [line for process in running for line in process.communicate()[0].splitlines()]
    assert [process.returncode for process in running] == [0] * 4
    assert sum(line.startswith("linked") for line in lines) == 1
    assert len({line for line in lines if not line.startswith("linked")}) == 1
