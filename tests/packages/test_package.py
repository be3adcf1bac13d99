"""Packages: one library and the .hat files that describe its functions."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import sample_packages

from hatframe.errors import FormatError, PackageError
from hatframe.format.model import Function
from hatframe.packages.package import read_package, read_packages, same_library, stored_mean

HASH = "0123456789abcdef"


def write(folder: Path, name: str, functions: dict[str, dict[str, Any]], library: str = "p.so") -> Path:
    path = folder / f"{name}.hat"
    path.write_text(sample_packages.hat_text(sample_packages.document(functions, library)))
    return path


def plain(seconds: float | None = None) -> dict[str, Any]:
    more = {"auxiliary": {"mean_duration_in_sec": seconds}} if seconds is not None else {}
    return sample_packages.function(sample_packages.affine("A", (2,)), **more)


def test_several_hat_files_of_one_library_are_one_package(tmp_path: Path) -> None:
    first = write(tmp_path, "a", {"f": plain()})
    second = write(tmp_path, "b", {"g": plain()})
    package = read_package(first, second)
    assert list(package.functions) == ["f", "g"]
    assert package.path == first
    assert package.library == tmp_path / "p.so"
    assert package.hat_file("g").path == second


def test_hat_files_of_different_libraries_are_no_package(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="different libraries"):
        read_package(write(tmp_path, "a", {"f": plain()}), write(tmp_path, "b", {"g": plain()}, "q.so"))


def test_a_function_described_twice_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="function f "):
        read_package(write(tmp_path, "a", {"f": plain()}), write(tmp_path, "b", {"f": plain()}))


def test_a_package_without_files_is_an_error() -> None:
    with pytest.raises(PackageError):
        read_package()


def test_the_hat_files_of_one_library_in_a_folder_are_found(tmp_path: Path) -> None:
    for name, library in (("a", "p.so"), ("b", "./p.so"), ("c", "q.so")):
        write(tmp_path, name, {f"f_{name}": plain()}, library)
    assert list(same_library(tmp_path / "b.hat").functions) == ["f_b", "f_a"]
    assert list(same_library(tmp_path / "c.hat").functions) == ["f_c"]


def test_a_zip_file_gives_the_packages_that_were_packed(tmp_path: Path) -> None:
    write(tmp_path, "a", {"f": plain()})
    write(tmp_path, "b", {"g": plain()}, "q.so")
    for name, inside in (("one.zip", ""), ("two.ZIP", "folder/")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for hat in ("a.hat", "b.hat"):
                archive.write(tmp_path / hat, f"{inside}{hat}")
    found = read_packages([tmp_path / "one.zip", tmp_path / "two.ZIP", tmp_path / "one.zip"])
    assert [list(package.functions) for package in found] == [["f"], ["g"], ["f"], ["g"]]
    assert [package.shown(package.path) for package in found[1:3]] == [
        str(tmp_path / "one.zip" / "b.hat"),
        str(tmp_path / "two.ZIP" / "a.hat"),
    ]
    assert found[0].shown(found[0].library) == str(tmp_path / "one.zip" / "p.so")
    assert found[0].shown(tmp_path / "else.so") == str(tmp_path / "else.so")
    with pytest.raises(PackageError, match="different libraries"):
        read_package(tmp_path / "one.zip")


def test_a_folder_gives_its_packages_and_passes_over_files_without_functions(tmp_path: Path) -> None:
    write(tmp_path, "a", {"f": plain()})
    write(tmp_path, "b", {"g": plain()})
    write(tmp_path, "c", {"h": plain()}, "q.so")
    write(tmp_path, "globals", {}, "globals.o")
    found = read_packages([tmp_path, tmp_path / "a.hat"])
    assert [list(package.functions) for package in found] == [["f", "g"], ["h"]]


def test_folders_without_packages_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"no \.hat file"):
        read_packages([tmp_path])
    write(tmp_path, "globals", {})
    with pytest.raises(PackageError, match="functions"):
        read_packages([tmp_path])


def test_functions_are_found_by_name_and_by_base_name(tmp_path: Path) -> None:
    package = read_package(write(tmp_path, "a", {f"gemm_{HASH}": plain(), f"gemm_{HASH[::-1]}": plain(), "f": plain()}))
    assert package.find("f").name == "f"
    assert package.find(f"gemm_{HASH}").name == f"gemm_{HASH}"
    with pytest.raises(PackageError, match=f"gemm_{HASH}, gemm_{HASH[::-1]}"):
        package.find("gemm")
    with pytest.raises(PackageError, match="did you mean"):
        package.find(f"gem_{HASH}")
    with pytest.raises(PackageError, match=r"'g\*'"):
        package.find("g*")


def test_selected_functions_come_once_and_in_the_order_of_the_package(tmp_path: Path) -> None:
    package = read_package(write(tmp_path, "a", {"a": plain(), "b": plain(), "c": plain()}))
    assert [function.name for function in package.select(["c", "[ac]", "a"])] == ["a", "c"]
    with pytest.raises(PackageError, match="'d'"):
        package.select(["a", "d"])


def test_the_fastest_is_that_with_the_best_stored_mean(tmp_path: Path) -> None:
    functions = {"f_1": plain(2.0), "f_2": plain(1.0), "f_3": plain(), "g": plain(0.5)}
    package = read_package(write(tmp_path, "a", functions))
    assert package.fastest("f*").name == "f_2"
    assert package.fastest().name == "g"
    with pytest.raises(PackageError, match="'f_3'"):
        package.fastest("f_3")


@pytest.mark.parametrize(
    ("auxiliary", "seconds"),
    [
        ({}, None),
        ({"mean_duration_in_sec": 1.5}, 1.5),
        ({"duration_in_sec": 2}, 2.0),
        ({"mean_duration_in_sec": 1.0, "duration_in_sec": 2.0}, 1.0),
        ({"mean_duration_in_sec": "fast", "duration_in_sec": 2.0}, 2.0),
        ({"mean_duration_in_sec": True}, None),
        ({"mean_duration_in_sec": -1.0}, None),
        ({"mean_duration_in_sec": float("nan")}, None),
    ],
)
def test_stored_means_are_read_under_both_names(auxiliary: dict[str, Any], seconds: float | None) -> None:
    assert stored_mean(Function(name="f", arguments=(), auxiliary=auxiliary)) == seconds
