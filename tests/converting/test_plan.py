"""The inputs of a conversion are read and checked before any tool runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sample_packages import ARCHITECTURE, OS, document, element, function, hat_text, make_package

from hatframe.binary.libraries import LibraryFile, LibraryKind
from hatframe.converting.plan import plan_link, platform_of, required_platform, static_library
from hatframe.errors import HatError, LinkError, OutsideError, PackageError
from hatframe.format.reading import read_hat
from hatframe.packages.dependencies import Trust
from hatframe.packages.package import read_package

NEXT = function(element("x"), returns=element("", "int", "output", "int"))
SOURCE = "int next(int x) { return x + 1; }"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(tmp_path, SOURCE, {"next": NEXT}, static=True)


def rewritten(path: Path, functions: dict[str, Any], **dependencies: Any) -> Path:
    table = document(functions, "package.a")
    table["dependencies"].update(dependencies)
    path.write_text(hat_text(table))
    return path


def test_all_inputs_and_exports_are_known(package: Path) -> None:
    plan = plan_link(read_package(package), libraries=["m"], library_folders=[package.parent])
    assert plan.exports == ("next",)
    assert plan.files == [package, package.parent / "package.a"]
    assert [dependency.text for dependency in plan.dependencies] == ["m"]
    assert (plan.platform.os, plan.platform.architecture) == (OS, ARCHITECTURE)


def test_functions_of_a_runtime_are_not_in_the_library(package: Path) -> None:
    rewritten(package, {"next": NEXT, "on_device": {**NEXT, "runtime": "CUDA"}})
    assert plan_link(read_package(package)).exports == ("next",)
    rewritten(package, {"on_device": {**NEXT, "runtime": "CUDA"}})
    with pytest.raises(PackageError):
        plan_link(read_package(package))


def test_a_dynamic_library_is_no_input(tmp_path: Path) -> None:
    path = make_package(tmp_path, SOURCE, {"next": NEXT})
    with pytest.raises(PackageError) as caught:
        static_library(read_package(path))
    assert "package.so" in str(caught.value)


def test_the_library_must_be_for_the_platform_that_the_metadata_require(package: Path) -> None:
    other = "aarch64" if ARCHITECTURE == "x86_64" else "x86_64"
    package.write_text(package.read_text().replace(f'architecture = "{ARCHITECTURE}"', f'architecture = "{other}"'))
    assert required_platform(read_hat(package)).architecture == other
    with pytest.raises(PackageError) as caught:
        plan_link(read_package(package))
    assert other in str(caught.value)
    assert ARCHITECTURE in str(caught.value)


def test_a_platform_that_the_metadata_leave_open_is_that_of_the_library(package: Path) -> None:
    table = document({"next": NEXT}, "package.a")
    table["target"] = {"required": {}}
    package.write_text(hat_text(table))
    read = read_package(package)
    found = platform_of(read, static_library(read))
    assert found.architecture == ARCHITECTURE


def test_a_file_outside_of_the_folder_needs_trust(package: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    moved = inner / "package.hat"
    table = document({"next": NEXT}, "../package.a")
    moved.write_text(hat_text(table))
    with pytest.raises(OutsideError):
        plan_link(read_package(moved))
    plan = plan_link(read_package(moved), trust=Trust(allow_outside=True))
    assert plan.library.path.samefile(tmp_path / "package.a")


@pytest.mark.parametrize(
    "options", [{"libraries": ["./missing.a"]}, {"library_folders": [Path("/nowhere/at/all")]}], ids=["file", "folder"]
)
def test_what_the_user_names_must_be_there(package: Path, options: dict[str, Any]) -> None:
    with pytest.raises(HatError):
        plan_link(read_package(package), **options)


def test_a_dependency_for_another_platform_is_refused(package: Path, tmp_path: Path) -> None:
    machine = 183 if ARCHITECTURE == "x86_64" else 62  # ELF's numbers of AArch64 and x86-64
    header = bytearray((tmp_path / "package.a").read_bytes())
    start = header.index(b"\x7fELF")
    header[start + 18 : start + 20] = machine.to_bytes(2, "little")
    (tmp_path / "other.o").write_bytes(header[start:])
    with pytest.raises(LinkError) as caught:
        plan_link(read_package(package), libraries=[str(tmp_path / "other.o")])
    assert "other.o" in str(caught.value)


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_the_metadata_choose_the_slice_of_a_universal_library(package: Path, architecture: str) -> None:
    table = document({"next": NEXT}, "package.a")
    table["target"] = {"required": {"os": "macos", "CPU": {"architecture": architecture, "extensions": []}}}
    package.write_text(hat_text(table))
    both = frozenset({"x86_64", "aarch64"})
    library = LibraryFile(path=package, kind=LibraryKind.ARCHIVE, format="Mach-O", architectures=both)
    assert platform_of(read_package(package), library).architecture == architecture
