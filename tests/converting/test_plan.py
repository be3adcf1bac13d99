"""The inputs of a conversion are read and checked before any tool runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sample_packages import element, function, make_package

from hatframe.binary.archives import members
from hatframe.binary.libraries import LibraryFile, LibraryKind
from hatframe.converting.plan import plan_link, platform_of, required_platform
from hatframe.errors import LinkError, PackageError
from hatframe.machine import Platform
from hatframe.packages.package import Package, read_package

SOURCE = "int next(int x) { return x + 1; }\n"
NEXT = function(element("x"), returns=element("", "int", "output", "int"))


def package(folder: Path, **changes: Any) -> Package:
    return read_package(make_package(folder, SOURCE, **{"functions": {"next": NEXT}, "static": True, **changes}))


def requiring(folder: Path, os: str, architecture: str) -> Package:
    target = {"required": {"os": os, "CPU": {"architecture": architecture, "extensions": []}}}
    return package(folder, change={"target": target})


def object_file(folder: Path) -> bytes:
    make_package(folder / "more", "int more;\n", {"next": NEXT}, static=True)
    archive = folder / "more" / "package.a"
    (member,) = members(archive.read_bytes(), archive)
    return member.data


def test_a_plan_has_every_file_and_function(tmp_path: Path) -> None:
    (tmp_path / "more.o").write_bytes(object_file(tmp_path))
    plan = plan_link(package(tmp_path / "in"), [str(tmp_path / "more.o")])
    assert plan.exports == ("next",)
    assert plan.files == [tmp_path / "in" / "package.hat", tmp_path / "in" / "package.a", tmp_path / "more.o"]


def test_a_package_without_host_functions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"package\.hat"):
        plan_link(package(tmp_path, functions={"next": {**NEXT, "runtime": "CUDA"}}))


def test_a_missing_folder_of_libraries_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="nowhere"):
        plan_link(package(tmp_path), library_folders=[tmp_path / "nowhere"])


def test_the_library_comes_before_the_metadata_and_this_machine(tmp_path: Path) -> None:
    library = LibraryFile(
        path=tmp_path / "x.a", kind=LibraryKind.ARCHIVE, format="ELF", architectures=frozenset({"riscv64"})
    )
    assert platform_of(requiring(tmp_path, "linux", "aarch64"), library).architecture == "riscv64"


def test_the_metadata_choose_the_slice_of_a_universal_library(tmp_path: Path) -> None:
    both = frozenset({"x86_64", "aarch64"})
    library = LibraryFile(path=tmp_path / "x.a", kind=LibraryKind.ARCHIVE, format="Mach-O", architectures=both)
    for architecture in sorted(both):
        platform = platform_of(requiring(tmp_path / architecture, "macos", architecture), library)
        assert (platform.os, platform.architecture) == ("macos", architecture)


def test_a_missing_requirement_is_empty(tmp_path: Path) -> None:
    (hat,) = requiring(tmp_path, "", "").hat_files
    assert required_platform(hat) == Platform(os="", architecture="")
