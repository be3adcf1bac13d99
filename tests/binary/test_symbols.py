"""Symbols are read from objects, archives and dynamic libraries of every platform."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lief
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_packages import compiler, library

from hatframe.binary.symbols import read_symbols
from hatframe.errors import PackageError

SOURCE = """
extern int elsewhere(int);
extern int maybe(int) __attribute__((weak));
extern const char *const names[2];
int state, *where = &state;
static int inner(int x) { return x + state; }
__attribute__((weak)) int replaceable(int x) { return x; }
__attribute__((visibility("hidden"))) int hidden(int x) { return inner(x) + (maybe ? maybe(x) : 0); }
int outer(int x) { return hidden(x) + elsewhere(x) + replaceable(*where) + *names[0]; }
"""
OTHER = "int elsewhere(int x) { return x; } const char *const names[2];\n"
# Both word sizes and both byte orders.
ELF_TARGETS = ["x86_64", "i686", "aarch64", "armv7", "powerpc64", "s390x", "mips"]


def compiled(folder: Path, source: str, *flags: str, cc: str = "gcc", name: str = "made.o") -> Path:
    (folder / "source.c").write_text(source)
    command = [compiler(cc), *flags, *([] if "-shared" in flags else ["-c"]), "-o", name, "source.c"]
    subprocess.run(command, check=True, cwd=folder)
    return folder / name


def defined_by_lief(symbols: Iterable[Any], *, dynamic: bool) -> set[str]:
    kinds = lief.ELF.Symbol
    hidden = (kinds.VISIBILITY.HIDDEN, kinds.VISIBILITY.INTERNAL)
    return {
        str(symbol.name)
        for symbol in symbols
        if symbol.name and symbol.shndx and symbol.binding is not kinds.BINDING.LOCAL
        if not (dynamic and symbol.visibility in hidden)
    }


# ------------------------------------------------------------------------------------------------------- ELF


@pytest.mark.parametrize("target", ELF_TARGETS)
def test_elf_objects_of_every_processor_are_read(tmp_path: Path, target: str) -> None:
    made = compiled(tmp_path, SOURCE, f"--target={target}-linux-gnu", "-fPIC", "-fcommon", cc="clang")
    symbols = read_symbols(made)
    assert symbols.defined == {"state", "where", "replaceable", "hidden", "outer"}
    assert symbols.undefined >= {"elsewhere", "names"}
    assert symbols.weak == {"maybe"}
    assert symbols.complete


def test_the_exports_and_needs_of_loaded_libraries_are_those_that_lief_reads() -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("only Linux lists the libraries of a process")
    loaded = {Path(line.split()[-1]) for line in maps.read_text().splitlines() if ".so" in line}
    libraries = [path for path in sorted(loaded) if path.is_file()]
    assert libraries
    for path in libraries:
        binary = lief.ELF.parse(str(path))
        assert binary is not None
        symbols = read_symbols(path)
        assert symbols.needed == tuple(binary.libraries)
        assert symbols.defined == defined_by_lief(binary.dynamic_symbols, dynamic=True), path


def test_a_dynamic_library_exports_no_hidden_symbols(tmp_path: Path) -> None:
    source = SOURCE + "#include <math.h>\ndouble root(double x) { return cbrt(x); }\n"
    symbols = read_symbols(compiled(tmp_path, source, "-shared", "-fPIC", "-Wl,--no-as-needed", "-lm"))
    assert {"state", "where", "replaceable", "outer", "root"} <= symbols.defined
    assert "hidden" not in symbols.defined
    assert {"cbrt", "elsewhere"} <= symbols.undefined
    assert "libm.so.6" in symbols.needed


def test_a_library_without_sections_is_read(tmp_path: Path) -> None:
    made = compiled(tmp_path, SOURCE, "-shared", "-fPIC")
    expected = read_symbols(made)
    data = bytearray(made.read_bytes())
    data[0x28:0x30] = bytes(8)
    data[0x3C:0x40] = bytes(4)
    made.write_bytes(data)
    assert read_symbols(made) == expected


def test_more_sections_than_16_bits_count_are_all_read(tmp_path: Path) -> None:
    lines = [f'.section .text.f{index},"ax"\n.globl f{index}\nf{index}: ret\n' for index in range(0xFF00)]
    (tmp_path / "many.s").write_text("".join(lines))
    made = tmp_path / "many.o"
    subprocess.run([compiler("gcc"), "-c", "-o", made, tmp_path / "many.s"], check=True)
    assert read_symbols(made).defined == {f"f{index}" for index in range(0xFF00)}


def test_lief_is_not_imported_for_elf(tmp_path: Path) -> None:
    made = compiled(tmp_path, SOURCE, "-shared", "-fPIC")
    script = (
        "import sys, pathlib; from hatframe.binary.symbols import read_symbols\n"
        "assert read_symbols(pathlib.Path(sys.argv[1])).defined\n"
        "assert 'lief' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, made], check=True)


# ------------------------------------------------------------------------------------------- other platforms


@pytest.mark.parametrize("target", ["arm64-apple-macos12", "x86_64-apple-macos12"])
def test_objects_of_macos_are_read(tmp_path: Path, target: str) -> None:
    symbols = read_symbols(compiled(tmp_path, SOURCE, f"--target={target}", "-fPIC", "-fcommon", cc="clang"))
    assert symbols.defined == {"state", "where", "replaceable", "hidden", "outer"}
    assert "elsewhere" in symbols.undefined
    assert "inner" not in symbols.undefined


@pytest.mark.parametrize("target", ["x86_64-pc-windows-msvc", "i686-pc-windows-gnu"])
def test_objects_of_windows_are_read(tmp_path: Path, target: str) -> None:
    source = "int elsewhere(int); int outer(int x) { return elsewhere(x); }"
    symbols = read_symbols(compiled(tmp_path, source, f"--target={target}", cc="clang"))
    assert "outer" in symbols.defined
    assert "elsewhere" in symbols.undefined


def test_weak_functions_of_windows_objects_are_defined(tmp_path: Path) -> None:
    source = "__attribute__((weak)) int f(int x) { return x; } int g(int x) { return f(x); }"
    symbols = read_symbols(compiled(tmp_path, source, "--target=x86_64-pc-windows-msvc", cc="clang"))
    assert {"f", "g"} <= symbols.defined
    assert "f" not in symbols.undefined


# -------------------------------------------------------------------------------------------------- archives


def test_members_may_define_what_other_members_need(tmp_path: Path) -> None:
    objects = [compiled(tmp_path, text, "-fPIC", name=f"{index}.o") for index, text in enumerate((SOURCE, OTHER))]
    subprocess.run([compiler("ar"), "rcs", tmp_path / "lib.a", *objects], check=True)
    symbols = read_symbols(tmp_path / "lib.a")
    assert symbols.defined == {"state", "where", "replaceable", "hidden", "outer", "elsewhere", "names"}
    assert not symbols.undefined - {"_GLOBAL_OFFSET_TABLE_"}


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_code_for_link_time_optimisation_is_incomplete(tmp_path: Path, cc: str) -> None:
    assert not read_symbols(compiled(tmp_path, OTHER, "-fPIC", "-flto", cc=cc)).complete


# --------------------------------------------------------------------------------------------------- damages


def test_a_damaged_library_is_an_error_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = compiled(tmp_path, SOURCE)
    data = made.read_bytes()
    made.write_bytes(data[:10] + b"\xff" * 42 + data[52:])
    with pytest.raises(PackageError):
        read_symbols(made)
    assert capfd.readouterr() == ("", "")


@functools.cache
def image(name: str) -> bytes:
    cc, flags = {
        "x.o": ("gcc", []),
        "x.so": ("gcc", ["-shared"]),
        "x.obj": ("clang", ["--target=x86_64-pc-windows-msvc"]),
        "x.macho": ("clang", ["--target=arm64-apple-macos11"]),
    }[name]
    with tempfile.TemporaryDirectory() as folder:
        return compiled(Path(folder), SOURCE, *flags, *(["-fPIC"] if cc == "gcc" else []), cc=cc).read_bytes()


@given(st.sampled_from(["x.o", "x.so", "x.obj", "x.macho"]), st.data())
def test_a_damaged_file_raises_only_package_errors(name: str, data: st.DataObject) -> None:
    damaged = bytearray(image(name))
    # The header, the tables at the end, or anywhere: a reader often follows what is there.
    places = st.one_of(
        st.integers(4, 63), st.integers(len(damaged) // 2, len(damaged) - 1), st.integers(4, len(damaged) - 1)
    )
    for place in data.draw(st.lists(places, max_size=12)):
        damaged[place] = data.draw(st.one_of(st.sampled_from([0, 1, 2, 0x7F, 0xFF]), st.integers(0, 255)))
    del damaged[data.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged)))) :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(damaged)
        with contextlib.suppress(PackageError):
            read_symbols(path)


@pytest.mark.parametrize("name", ["x.o", "x.so"])
def test_a_truncated_file_is_a_package_error(tmp_path: Path, name: str) -> None:
    whole = image(name)
    path = tmp_path / name
    for length in (*range(1, 80), *range(80, len(whole), 97)):
        path.write_bytes(whole[:length])
        with pytest.raises(PackageError):
            read_symbols(path)


@pytest.mark.skipif(sys.platform != "linux", reason="ELF")
@pytest.mark.parametrize(("flag", "inherited"), [("--enable-new-dtags", False), ("--disable-new-dtags", True)])
def test_the_name_and_the_folders_of_a_library_are_read(flag: str, inherited: bool, tmp_path: Path) -> None:
    flags = ["-Wl,-soname,libx.so.1", "-Wl,-rpath,$ORIGIN/a:/b", f"-Wl,{flag}"]
    symbols = read_symbols(library(tmp_path, "void f(void) {}", flags=flags))
    assert (symbols.name, symbols.run_folders, symbols.inherited) == ("libx.so.1", ("$ORIGIN/a", "/b"), inherited)
    assert not symbols.is_program
