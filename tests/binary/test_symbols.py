"""Symbols are read from objects, archives and dynamic libraries of every platform."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_packages import compiler

from hatframe.binary.symbols import read_symbols
from hatframe.errors import PackageError

SOURCE = """
extern int elsewhere(int);
extern int maybe(int) __attribute__((weak));
int state;
static int inner(int x) { return x + state; }
__attribute__((visibility("hidden"))) int hidden(int x) { return inner(x) + (maybe ? maybe(x) : 0); }
int outer(int x) { return hidden(x) + elsewhere(x); }
"""
OTHER = "int elsewhere(int x) { return x; }\n"


def objects(folder: Path, *flags: str, cc: str = "clang") -> tuple[Path, Path]:
    made = []
    for name, source in (("source", SOURCE), ("other", OTHER)):
        (folder / f"{name}.c").write_text(source)
        command = [compiler(cc), *flags, "-c", "-o", folder / f"{name}.o", folder / f"{name}.c"]
        subprocess.run(command, check=True)
        made.append(folder / f"{name}.o")
    return made[0], made[1]


@pytest.mark.parametrize("target", ["x86_64-linux-gnu", "arm64-apple-macos12", "x86_64-apple-macos12"])
def test_objects_tell_what_they_define_and_what_they_take(tmp_path: Path, target: str) -> None:
    source, _ = objects(tmp_path, f"--target={target}", "-fPIC", "-fcommon")
    symbols = read_symbols(source)
    assert symbols.defined == {"state", "hidden", "outer"}
    assert "elsewhere" in symbols.undefined
    assert "inner" not in symbols.defined | symbols.undefined
    assert symbols.complete


@pytest.mark.parametrize("target", ["x86_64-pc-windows-msvc", "i686-pc-windows-gnu"])
def test_objects_of_windows_are_read(tmp_path: Path, target: str) -> None:
    (tmp_path / "source.c").write_text("int elsewhere(int); int outer(int x) { return elsewhere(x); }")
    made = tmp_path / "source.obj"
    command = [compiler("clang"), f"--target={target}", "-c", "-o", made, tmp_path / "source.c"]
    subprocess.run(command, check=True)
    symbols = read_symbols(made)
    assert "outer" in symbols.defined
    assert "elsewhere" in symbols.undefined


def test_an_archive_does_not_take_from_outside_what_a_member_defines(tmp_path: Path) -> None:
    made = objects(tmp_path, "-fPIC", cc="gcc")
    subprocess.run([compiler("ar"), "rcs", tmp_path / "lib.a", *made], check=True)
    symbols = read_symbols(tmp_path / "lib.a")
    assert symbols.defined == {"state", "hidden", "outer", "elsewhere"}
    assert not symbols.undefined - {"_GLOBAL_OFFSET_TABLE_"}


def test_a_dynamic_library_tells_its_exports_and_the_libraries_it_needs(tmp_path: Path) -> None:
    made = objects(tmp_path, "-fPIC", cc="gcc")
    (tmp_path / "maths.c").write_text("#include <math.h>\ndouble root(double x) { return cbrt(x); }\n")
    library = tmp_path / "lib.so"
    command = [compiler("gcc"), "-shared", "-fPIC", "-o", library, *made, tmp_path / "maths.c", "-lm"]
    subprocess.run(command, check=True)
    symbols = read_symbols(library)
    assert {"state", "outer", "elsewhere", "root"} <= symbols.defined
    assert "hidden" not in symbols.defined
    assert "cbrt" in symbols.undefined
    assert "libm.so.6" in symbols.needed


def test_code_for_link_time_optimisation_is_known_to_be_opaque(tmp_path: Path) -> None:
    source, _ = objects(tmp_path, "-fPIC", "-flto", cc="gcc")
    assert not read_symbols(source).complete
    source, _ = objects(tmp_path, "-fPIC", "-flto", cc="clang")
    assert not read_symbols(source).complete


def test_a_damaged_library_is_an_error_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, _ = objects(tmp_path, cc="gcc")
    data = source.read_bytes()
    source.write_bytes(data[:10] + b"\xff" * 42 + data[52:])
    with pytest.raises(PackageError):
        read_symbols(source)
    assert capfd.readouterr() == ("", "")


def test_weak_functions_of_windows_objects_are_defined(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("__attribute__((weak)) int f(int x) { return x; } int g(int x) { return f(x); }")
    command = [compiler("clang"), "--target=x86_64-pc-windows-msvc", "-c", "x.c", "-o", "x.obj"]
    subprocess.run(command, check=True, cwd=tmp_path)
    symbols = read_symbols(tmp_path / "x.obj")
    assert {"f", "g"} <= symbols.defined
    assert "f" not in symbols.undefined


def test_weak_symbols_that_nothing_defines_are_told_apart(tmp_path: Path) -> None:
    source = "int a(void) __attribute__((weak)); int b(void); int f(void) { return (a ? a() : 0) + b(); }"
    (tmp_path / "x.c").write_text(source)
    subprocess.run([compiler(), "-fPIC", "-c", "x.c"], check=True, cwd=tmp_path)
    symbols = read_symbols(tmp_path / "x.o")
    assert {"b"} <= symbols.undefined
    assert "a" not in symbols.undefined
    assert symbols.weak == {"a"}


@given(st.data())
def test_no_damage_is_another_error(data: st.DataObject) -> None:
    for name in ("x.obj", "x.macho"):
        image = bytearray(_image(name))
        for _ in range(data.draw(st.integers(1, 8))):
            image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(image)
            with contextlib.suppress(PackageError):
                read_symbols(path)


@functools.cache
def _image(name: str) -> bytes:
    target = {"x.obj": "x86_64-pc-windows-msvc", "x.macho": "arm64-apple-macos11"}[name]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "x.c").write_text("int b(void); __attribute__((weak)) int f(int x) { return x + b(); } int c;")
        command = [compiler("clang"), f"--target={target}", "-c", "x.c", "-o", name]
        subprocess.run(command, check=True, cwd=folder)
        return (Path(folder) / name).read_bytes()
