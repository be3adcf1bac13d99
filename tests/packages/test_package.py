"""Packages: one library and the .hat files that describe its functions."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import sample_packages

from hatframe.errors import FormatError, PackageError
from hatframe.packages.package import read_package, read_packages, same_library

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


def sized(*arguments: dict[str, Any], **by_size: float) -> dict[str, Any]:
    """A function with a stored mean for each n, as ``n1000=2.0``."""
    tables = {f"n={name[1:]}": {"mean_duration_in_sec": seconds} for name, seconds in by_size.items()}
    last = list(tables)[-1]
    stored = {"measured_sizes": last, "mean_duration_in_sec": tables[last]["mean_duration_in_sec"]}
    arguments = arguments or (sample_packages.element("n", "int64_t"), sample_packages.runtime("x", "n"))
    return sample_packages.function(*arguments, auxiliary={**stored, "results_by_sizes": tables})


def test_results_of_different_sizes_are_never_compared(tmp_path: Path) -> None:
    # The first is better for few elements, and its last result is of few.
    functions = {"dot_a": sized(n10000=9.0, n1000=1.0), "dot_b": sized(n1000=2.0, n10000=3.0)}
    package = read_package(write(tmp_path, "a", functions))
    assert package.fastest("dot_*", n=1000).name == "dot_a"
    assert package.fastest("dot_*", n=10000).name == "dot_b"
    with pytest.raises(PackageError, match=r"n=10000, n=1000") as caught:
        package.fastest("dot_*")
    assert "fastest('dot_*', n=" in str(caught.value)
    with pytest.raises(PackageError, match="n=5") as caught:
        package.fastest("dot_*", n=5)
    assert "n=10000, n=1000" in str(caught.value)
    assert package.fastest("dot_a").name == "dot_a"


def test_functions_without_a_result_of_the_size_do_not_count(tmp_path: Path) -> None:
    package = read_package(write(tmp_path, "a", {"f": sized(n8=1.0), "g": sized(n8=2.0, n9=5.0)}))
    assert package.fastest("*", n=9).name == "g"


def test_functions_with_different_parameters_are_never_compared(tmp_path: Path) -> None:
    other = sample_packages.function(sample_packages.affine("B", (3,)), auxiliary={"mean_duration_in_sec": 1.0})
    package = read_package(write(tmp_path, "a", {"f": plain(2.0), "g": other, "h": plain(3.0)}))
    with pytest.raises(PackageError, match="f, g, h"):
        package.fastest()
    assert package.fastest("[fh]").name == "f"


def test_the_estimate_of_the_time_decides_where_all_have_one(tmp_path: Path) -> None:
    functions = {
        name: sample_packages.function(
            sample_packages.affine("A", (2,)), auxiliary={"mean_duration_in_sec": mean, "time_in_sec": time}
        )
        for name, mean, time in (("f_1", 1.0, 0.9), ("f_2", 2.0, 0.8))
    }
    assert read_package(write(tmp_path, "a", functions)).fastest().name == "f_2"
    assert read_package(write(tmp_path, "a", {**functions, "g": plain(0.1)})).fastest().name == "g"
