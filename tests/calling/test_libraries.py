"""Opening libraries that were built again, and unloading them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sample_packages import function, make_package

import hatframe
from hatframe import Kernel
from hatframe.calling.loaded import LoadedPackage

SOURCE = "int number(void) { return 1234567; }"
INT = {
    "name": "",
    "description": "",
    "logical_type": "element",
    "usage": "output",
    "declared_type": "int",
    "element_type": "int",
}


@pytest.fixture
def hat(tmp_path: Path) -> Path:
    return make_package(tmp_path, SOURCE, {"number": function(returns=INT)})


@pytest.fixture(params=["cffi", "compiled", "ctypes"])
def package(request: pytest.FixtureRequest, hat: Path) -> LoadedPackage:
    return hatframe.load(hat, loader=request.param)


def is_mapped(library: Path) -> bool:
    return str(library.resolve()) in Path("/proc/self/maps").read_text()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists what is mapped")
def test_a_closed_package_is_unmapped_once_nothing_uses_it(package: LoadedPackage, hat: Path) -> None:
    library, kept = hat.with_suffix(".so"), package.number
    prepared = kept.prepare_call()
    assert is_mapped(library)
    package.close()
    assert prepared() == 1234567
    del prepared
    assert not is_mapped(library)


def test_a_runtime_with_threads_survives_its_packages(tmp_path: Path) -> None:
    loop = "#pragma omp parallel num_threads(4) reduction(+:n)\nn++;"
    source = f"int threads(void) {{ int n = 0;\n{loop}\nreturn n; }}"
    (tmp_path / "threads.c").write_text(source)
    hatframe.build(tmp_path / "threads.c", tmp_path / "threads.hat", cflags="-fopenmp", linker="gcc", library="gomp")
    code = """
import hatframe
for _ in range(3):
    with hatframe.load("threads.hat") as package:
        assert package.threads() == 4
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.parametrize("loader", ["cffi", "compiled", "ctypes"])
@pytest.mark.parametrize("cycles", [60, pytest.param(5000, marks=pytest.mark.slow)])
def test_a_package_can_be_rebuilt_and_loaded_again_and_again(hat: Path, loader: str, cycles: int) -> None:
    library, kernel = hat.with_suffix(".so"), Kernel()
    content = library.read_bytes()
    number = (1234567).to_bytes(4, sys.byteorder)
    assert content.count(number) == 1
    for cycle in range(cycles):
        fresh = library.with_name("fresh")
        fresh.write_bytes(content.replace(number, cycle.to_bytes(4, sys.byteorder)))
        fresh.replace(library)
        with kernel.load(hat, loader=loader) as package:
            assert package.number() == cycle


def test_a_rebuilt_package_is_loaded_beside_the_old_one(hat: Path, package: LoadedPackage) -> None:
    library = hat.with_suffix(".so")
    content = library.read_bytes().replace((1234567).to_bytes(4, sys.byteorder), (7).to_bytes(4, sys.byteorder))
    library.unlink()
    library.write_bytes(content)
    with hatframe.load(hat) as new:
        assert (package.number(), new.number()) == (1234567, 7)
