"""Code is found in objects, archives and dynamic libraries of every format, and cut into its functions."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import sample_packages
from hypothesis import given
from hypothesis import strategies as st

from hatframe.binary.code import Code, read_code
from hatframe.errors import HatError, PackageError
from hatframe.kernel import Kernel

SOURCE = """
/** @hat x input_output */
void first(float x[4]) { for (int i = 0; i < 4; i++) x[i] += 1; }
/** @hat x input_output */
void second(float x[4]) { for (int i = 0; i < 4; i++) x[i] *= 2; }
"""


def named(codes: list[Code]) -> dict[str, bytes]:
    return {function.name: function.code for code in codes for function in code.functions.values() if function.name}


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize(
    "target",
    ["x86_64-linux", *(pytest.param(name, marks=pytest.mark.slow) for name in ("x86_64-windows", "aarch64-macos"))],
)
def test_functions_are_found_on_every_platform(target: str, static: bool, tmp_path: Path) -> None:
    (tmp_path / "f.c").write_text(SOURCE)
    try:
        built = Kernel().build(tmp_path / "f.c", tmp_path / "f.hat", target=target, static=static)
    except HatError as error:
        pytest.skip(str(error))
    library = built.written.deploy_files[0] if built.written.deploy_files else built.written.library
    codes = list(read_code(library))
    assert {code.architecture for code in codes} == {target.partition("-")[0]}
    functions = named(codes)
    assert {"first", "second"} <= functions.keys()
    assert 4 < len(functions["first"]) < 1000


def test_code_between_functions_has_no_name(tmp_path: Path) -> None:
    source = "static __attribute__((noinline)) int g(int x) { return x * x; } int f(int x) { return g(x) + 1; }"
    library = sample_packages.library(tmp_path, source, flags=["-s"])
    (code,) = read_code(library)
    assert any(not function.name for function in code.functions.values())
    assert "f" in named([code])


def test_calls_of_other_files_have_the_name_of_their_target(tmp_path: Path) -> None:
    library = sample_packages.library(tmp_path, "int g(int); int f(int x) { return g(x) + 1; }", static=True)
    (code,) = read_code(library)
    assert "g" in code.targets.values()


@given(data=st.data())
def test_a_damaged_library_raises_only_package_errors(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    library = sample_packages.library(folder, "int f(int x) { return x + 1; }", static=data.draw(st.booleans()))
    content = bytearray(library.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    library.write_bytes(content)
    with contextlib.suppress(PackageError):
        list(read_code(library))
