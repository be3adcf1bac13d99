"""The samples: each compiler builds packages from them, and C programs include and link those."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sample_packages import compiler

from hatframe import Kernel
from hatframe.binary.symbols import read_symbols
from hatframe.calling.loaded import LoadedPackage
from hatframe.errors import PluginError

SAMPLES = Path(__file__).parent.parent / "samples"
SOURCES = [path for path in sorted(SAMPLES.glob("*.c")) if path.name != "program.c"]
LINKERS = ["gcc", "clang", pytest.param("zig", marks=pytest.mark.slow)]


def build(linker: str, output: Path, *sources: Path, static: bool = False) -> Path:
    """A package of samples; skips the test where the linker is unavailable."""
    kernel = Kernel()
    try:
        kernel.linker(linker)
    except PluginError as error:
        pytest.skip(str(error))
    return kernel.build(sources, output, linker=linker, static=static).written.hat


@pytest.fixture(scope="module", params=LINKERS)
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All samples in one dynamic package."""
    return build(request.param, tmp_path_factory.mktemp("samples") / "all.hat", *SOURCES)


@pytest.fixture
def loaded(package: Path) -> LoadedPackage:
    return Kernel().load(package)


def test_the_package_is_valid_and_exports_what_it_describes(package: Path) -> None:
    assert Kernel().validate(package, deep=True) == []
    described = set(Kernel().load(package))
    assert read_symbols(package.with_name("liball.so")).defined == described
    assert len(described) == 18


@pytest.mark.parametrize("name", ["gemm_naive", "gemm_reordered", "gemm_tiled", "gemm_registers"])
def test_the_schedules_of_a_product_agree(loaded: LoadedPackage, name: str) -> None:
    a, b = np.random.default_rng(1).random((2, 256, 256), np.float32)
    c = np.ones((256, 256), np.float32)
    loaded[name](a, b, c)
    assert np.allclose(c, 1 + a @ b, rtol=1e-4)


@pytest.mark.parametrize("name", ["stencil_rows", "stencil_blocks"])
def test_the_stencil_leaves_the_border_unchanged(loaded: LoadedPackage, name: str) -> None:
    before = np.random.default_rng(2).random((512, 1024), np.float32)
    after = np.full_like(before, -1)
    loaded[name](before, after)
    inner = before[1:-1, 1:-1] + before[:-2, 1:-1] + before[2:, 1:-1] + before[1:-1, :-2] + before[1:-1, 2:]
    assert np.allclose(after[1:-1, 1:-1], inner / 5, rtol=1e-5)
    assert (after[[0, -1]] == -1).all()
    assert (after[:, [0, -1]] == -1).all()


@pytest.mark.parametrize("name", ["sum_in_order", "sum_in_lanes", "sum_in_halves"])
@pytest.mark.parametrize("length", [0, 1, 31, 1000])
def test_the_sums_are_returned(loaded: LoadedPackage, name: str, length: int) -> None:
    numbers = np.random.default_rng(3).random(length)
    assert loaded[name](length, numbers) == pytest.approx(numbers.sum())


def test_functions_that_read_through_indices_get_valid_ones(package: Path, loaded: LoadedPackage) -> None:
    random = np.random.default_rng(5)
    x = random.random(9, np.float32)
    y, index = np.zeros(5, np.float32), random.integers(0, 9, 5, np.int32)
    loaded.gather(x, index, y)
    assert (y == x[index]).all()
    matrix = random.random((6, 9)) * (random.random((6, 9)) > 0.5)
    column = np.nonzero(matrix)[1].astype(np.int32)
    start = np.concatenate([[0], np.cumsum((matrix != 0).sum(axis=1))]).astype(np.int32)
    product = np.zeros(6)
    loaded.csr_product(6, 9, len(column), start, column, matrix[matrix != 0], x.astype(np.float64), product)
    assert product == pytest.approx(matrix @ x)
    table, letters = random.permutation(256).astype(np.uint8), random.integers(0, 256, 50, np.uint8)
    replaced = np.zeros(50, np.uint8)
    loaded.look_up(letters, table, replaced)
    assert (replaced == table[letters]).all()
    names = ["gather", "csr_product", "look_up"]
    results = Kernel().bench(package, functions=names, batches=2, max_time=0.0, cache="hot", size="n=1000")
    assert [result.status for result in results] == ["ok"] * 3


@pytest.mark.parametrize("name", ["gemv_rows", "gemv_four_rows"])
def test_sizes_follow_from_the_shapes(loaded: LoadedPackage, name: str) -> None:
    a, x = np.random.default_rng(4).random((7, 5), np.float32), np.arange(5, dtype=np.float32)
    y = np.zeros(7, np.float32)
    loaded[name](a, x, y)
    assert np.allclose(y, a @ x, rtol=1e-5)


@pytest.mark.parametrize("name", ["select_counting", "select_at_once"])
def test_an_array_that_a_function_allocates_is_returned(loaded: LoadedPackage, name: str) -> None:
    numbers = np.array([3, -1, 4, -1, 5], np.float32)
    found = loaded[name](numbers, 0)
    assert found.count == 3
    assert found.found.tolist() == [3, 4, 5]


# ------------------------------------------------------------------------------------------------- as a header

STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]


@pytest.mark.slow
@pytest.mark.parametrize(("program", "language"), [("gcc", "c"), ("clang", "c"), ("g++", "c++"), ("clang++", "c++")])
def test_compilers_accept_the_packages_as_headers(tmp_path: Path, program: str, language: str) -> None:
    for source in SOURCES:
        hat = build("gcc", tmp_path / f"{source.stem}.hat", source)
        done = subprocess.run(
            [compiler(program), *STRICT, "-fsyntax-only", "-x", language, hat], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
@pytest.mark.parametrize("linker", LINKERS)
def test_a_c_program_includes_the_hat_file_and_links_the_package(tmp_path: Path, linker: str, static: bool) -> None:
    hat = build(linker, tmp_path / "gemm.hat", SAMPLES / "gemm.c", static=static)
    library = Kernel().load(hat).package.library
    assert library is not None
    assert library.suffix == (".a" if static else ".so")
    command = [compiler(linker)] if linker != "zig" else [*zig(), "cc"]
    program = tmp_path / "program"
    subprocess.run(
        [*command, *STRICT, "-I", tmp_path, SAMPLES / "program.c", library, f"-Wl,-rpath,{tmp_path}", "-o", program],
        check=True,
    )
    done = subprocess.run([program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "the schedules agree; the last element is 1519\n")


def zig() -> list[str]:
    """The command line of zig from the package ziglang."""
    return [sys.executable, "-m", "ziglang"]
