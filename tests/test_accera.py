"""The main job on packages that Accera made: numpy's results with every loader, and results in every sink.

They are made by ``tests/accera/make_packages.py`` with a Python 3.10 that has Accera 1.2.29; the environment
variable HATFRAME_ACCERA_PACKAGES names the folder that they are in.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import hatframe

from hatframe import Kernel, read_package
from hatframe.binary.symbols import read_symbols
from hatframe.calling.loaded import LoadedPackage
from hatframe.errors import CallError, PluginError
from hatframe.packages.stored import stored_mean

HOST_PACKAGES = ["gemm_static", "gemm_dynamic", "vadd", "saxpy", "scale_runtime", "ints", "sweep"]


@pytest.fixture(scope="module")
def made() -> Path:
    folder = os.environ.get("HATFRAME_ACCERA_PACKAGES")
    if not folder:
        pytest.skip("HATFRAME_ACCERA_PACKAGES names no folder of packages that Accera made")
    return Path(folder)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of all packages: benchmarks write into them."""
    return shutil.copytree(made, tmp_path / "packages", ignore=shutil.ignore_patterns("_tmp"))


def load(folder: Path, name: str, loader: str) -> LoadedPackage:
    return Kernel().load(folder / name / f"{name}.hat", loader=loader)


def random(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(1).random(shape) * (1 if np.dtype(dtype).kind == "f" else 50)
    return values.astype(dtype)


@pytest.mark.parametrize("loader", ["ctypes", "cffi", "compiled"])
@pytest.mark.parametrize(("name", "size"), [("gemm_static", 256), ("gemm_dynamic", 256), ("sweep", 128)])
def test_every_schedule_of_a_gemm_gives_numpys_result(made: Path, name: str, size: int, loader: str) -> None:
    package = load(made, name, loader)
    a, b, start = random((size, size)), random((size, size)).T.copy(), random((size, size))
    expected = start + a.astype(np.float64) @ b.astype(np.float64)
    assert len(package) == (24 if name == "sweep" else 3)
    for gemm in package.values():
        c = start.copy()
        gemm(a, b, c)
        np.testing.assert_allclose(c, expected, rtol=1e-4)


@pytest.mark.parametrize("loader", ["ctypes", "cffi", "compiled"])
def test_element_wise_additions(made: Path, loader: str) -> None:
    package = load(made, "vadd", loader)
    for size in (1, 7, 1024, 100003):
        a, b = random((size,)), np.ones(size, np.float32)
        package[f"vadd_{size}"](a, b)
        assert np.array_equal(b, a + np.float32(1))


@pytest.mark.parametrize("loader", ["ctypes", "cffi", "compiled"])
def test_a_scalar_before_arrays(made: Path, loader: str) -> None:
    a, b = random((64,)), random((64,))
    expected = b + np.float32(2.5) * a
    load(made, "saxpy", loader).saxpy(2.5, a, b)
    np.testing.assert_allclose(b, expected, rtol=1e-6)


@pytest.mark.parametrize("loader", ["ctypes", "cffi", "compiled"])
def test_arrays_whose_sizes_are_arguments(made: Path, loader: str) -> None:
    scale = load(made, "scale_runtime", loader).scale2
    for shape in ((1, 1), (3, 5), (64, 128)):
        a, b = random(shape), np.zeros(shape, np.float32)
        scale(a, b)
        assert np.array_equal(b, 2 * a)
        b[...] = 0
        scale(*shape, a.ravel(), b.ravel())
        assert np.array_equal(b, 2 * a)
    with pytest.raises(CallError):
        scale(3, 6, random((3, 5)), np.zeros((3, 5), np.float32))


@pytest.mark.parametrize("loader", ["ctypes", "cffi", "compiled"])
@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_integer_gemms(made: Path, loader: str, dtype: Any) -> None:
    gemm = load(made, "ints", loader)[f"gemm_{np.dtype(dtype).name}"]
    a, b, c = random((24, 16), dtype), random((16, 40), dtype), random((24, 40), dtype)
    expected = (c + a.astype(dtype) @ b).astype(dtype)
    gemm(a, b, c)
    assert np.array_equal(c, expected)


def test_a_device_function_needs_a_loader_for_its_runtime(made: Path) -> None:
    package = load(made, "gemm_cuda", "cffi")
    assert list(package) == ["gemm_gpu_dd300edb3009cc4b"]
    with pytest.raises(PluginError, match="CUDA"):
        package["gemm_gpu"]


def test_all_are_valid(made: Path) -> None:
    for path in made.glob("*/*.hat"):
        found = Kernel().validate(path, deep=True)
        assert [deviation for deviation in found if deviation.severity == "error"] == [], path


@pytest.mark.slow
@pytest.mark.parametrize("loader", ["ctypes", "cffi", "compiled"])
def test_all_are_benchmarked_with_all_three_sinks(folder: Path, tmp_path: Path, loader: str) -> None:
    packages = [folder / name for name in HOST_PACKAGES]
    options = ["--loader", loader, "--sink", "csv", "--sink", "json", "--sink", "hat"]
    # Little memory and few batches: the numbers shall be there, and need not be good ones.
    options += ["--min-time", "0", "--max-time", "0.02", "--batches", "3", "--cache", "hot"]
    hatframe("bench", *packages, *options, folder=tmp_path, status=0)
    expected = sum(len(read_package(folder / name / f"{name}.hat").functions) for name in HOST_PACKAGES)
    assert expected == 3 + 3 + 4 + 1 + 1 + 2 + 24
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == expected
    assert all(float(row["mean"]) > 0 and row["loader"] == loader for row in rows)
    document = json.loads((tmp_path / "results.json").read_text())
    assert len(document["results"]) == expected
    for name in HOST_PACKAGES:
        package = read_package(folder / name / f"{name}.hat")
        means = {row["function_name"]: float(row["mean"]) for row in rows if row["hat_file"] == str(package.path)}
        for function in package.functions.values():
            assert package.fastest(function.name) is function
            assert stored_mean(function) == means[function.name]


@pytest.mark.parametrize("linker", ["gcc", "clang", "zig"])
@pytest.mark.parametrize("name", ["gemm_static", "vadd", "ints"])
def test_static_packages_are_converted_and_give_the_same_results(folder: Path, name: str, linker: str) -> None:
    output = folder / f"{name}_{linker}.hat"
    Kernel().to_dynamic(folder / name / f"{name}.hat", output, linker=linker)
    converted, original = Kernel().load(output), load(folder, name, "cffi")
    assert list(converted) == list(original)
    assert read_symbols(output.with_name(f"lib{output.stem}.so")).defined == set(original)
    for function_name, function in converted.items():
        shapes = [parameter.shape or () for parameter in function.function.arguments]
        arguments = [random(shape, function.empty(f"arg{i}").dtype) for i, shape in enumerate(shapes)]  # type: ignore[attr-defined]
        copies = [argument.copy() for argument in arguments]
        function(*arguments)
        original[function_name](*copies)
        for one, other in zip(arguments, copies, strict=True):
            assert np.array_equal(one, other)
