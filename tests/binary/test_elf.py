"""The symbols of ELF files are those that lief reads, and a damaged file is an error and nothing worse."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
import tempfile
from pathlib import Path

import lief
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_packages import compiler

from hatframe.binary.elf import ElfSymbol, ElfTables, read_elf
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
# Of 32 and of 64 bits, and of both orders of bytes.
TARGETS = ["x86_64", "i686", "aarch64", "armv7", "powerpc64", "s390x", "mips"]


def compiled(folder: Path, source: str = SOURCE, *flags: str, cc: str = "gcc") -> Path:
    (folder / "source.c").write_text(source)
    made = folder / ("made.so" if "-shared" in flags else "made.o")
    command = [compiler(cc), "-fPIC", *flags, *([] if "-shared" in flags else ["-c"])]
    subprocess.run([*command, "-o", made, folder / "source.c"], check=True)
    return made


def by_lief(path: Path, dynamic: bool) -> ElfTables:
    binary = lief.ELF.parse(str(path))
    assert binary is not None
    kinds = lief.ELF.Symbol
    return ElfTables(
        tuple(
            ElfSymbol(
                str(symbol.name),
                defined=symbol.shndx != 0,
                weak=symbol.binding is kinds.BINDING.WEAK,
                hidden=symbol.visibility in (kinds.VISIBILITY.HIDDEN, kinds.VISIBILITY.INTERNAL),
            )
            for symbol in (binary.dynamic_symbols if dynamic else binary.symbols)
            if symbol.name and symbol.binding is not kinds.BINDING.LOCAL
        ),
        tuple(binary.libraries),
    )


@pytest.mark.parametrize("target", TARGETS)
def test_an_object_of_any_processor_has_the_symbols_that_lief_reads(tmp_path: Path, target: str) -> None:
    made = compiled(tmp_path, SOURCE, f"--target={target}-linux-gnu", "-fcommon", cc="clang")
    tables = read_elf(made.read_bytes(), dynamic=False)
    assert tables == by_lief(made, dynamic=False)
    assert {symbol.name for symbol in tables.symbols if symbol.weak} == {"maybe", "replaceable"}


def test_a_dynamic_library_has_the_symbols_and_the_needs_that_lief_reads(tmp_path: Path) -> None:
    source = SOURCE + "#include <math.h>\ndouble root(double x) { return cbrt(x); }\n"
    made = compiled(tmp_path, source, "-shared", "-Wl,--no-as-needed", "-lm")
    tables = read_elf(made.read_bytes(), dynamic=True)
    assert tables == by_lief(made, dynamic=True)
    assert "libm.so.6" in tables.needed


def test_the_libraries_of_this_python_have_the_symbols_that_lief_reads() -> None:
    loaded = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line}
    assert loaded
    for name in sorted(loaded):
        if Path(name).is_file():
            assert read_elf(Path(name).read_bytes(), dynamic=True) == by_lief(Path(name), dynamic=True)


def test_more_sections_than_16_bits_count_are_all_read(tmp_path: Path) -> None:
    lines = [f'.section .text.f{index},"ax"\n.globl f{index}\nf{index}: ret\n' for index in range(0xFF00)]
    (tmp_path / "many.s").write_text("".join(lines))
    made = tmp_path / "many.o"
    subprocess.run([compiler("gcc"), "-c", "-o", made, tmp_path / "many.s"], check=True)
    assert read_symbols(made).defined == {f"f{index}" for index in range(0xFF00)}


def test_a_library_without_sections_is_read_as_the_loader_does(tmp_path: Path) -> None:
    made = compiled(tmp_path, SOURCE, "-shared")
    expected = read_symbols(made)
    data = bytearray(made.read_bytes())
    data[0x28:0x30] = bytes(8)
    data[0x3C:0x40] = bytes(4)
    made.write_bytes(data)
    assert read_elf(bytes(data), dynamic=True) is None
    assert read_symbols(made).defined == expected.defined
    assert read_symbols(made).needed == expected.needed


def test_lief_is_not_imported_for_elf(tmp_path: Path) -> None:
    made = compiled(tmp_path, SOURCE, "-shared")
    script = (
        "import sys, pathlib; from hatframe.binary.symbols import read_symbols\n"
        "assert read_symbols(pathlib.Path(sys.argv[1])).defined\n"
        "assert 'lief' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, made], check=True)


@functools.cache
def image(dynamic: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return compiled(Path(folder), SOURCE, *(["-shared"] if dynamic else [])).read_bytes()


@given(st.booleans(), st.data())
def test_a_damaged_file_is_a_package_error_or_a_smaller_table(dynamic: bool, data: st.DataObject) -> None:
    damaged = bytearray(image(dynamic))
    # The header, the table of sections at the end, or anywhere: what the reader follows is hit often.
    places = st.one_of(
        st.integers(4, 63), st.integers(len(damaged) - 2500, len(damaged) - 1), st.integers(4, len(damaged) - 1)
    )
    for place in data.draw(st.lists(places, max_size=12)):
        damaged[place] = data.draw(st.sampled_from([0, 1, 2, 0x7F, 0xFF]))
    del damaged[data.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged)))) :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.o"
        path.write_bytes(damaged)
        with contextlib.suppress(PackageError):
            read_symbols(path)


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_file_that_ends_anywhere_is_a_package_error(tmp_path: Path, dynamic: bool) -> None:
    whole = image(dynamic)
    path = tmp_path / "cut.o"
    for length in (*range(1, 80), *range(80, len(whole), 97)):
        path.write_bytes(whole[:length])
        with pytest.raises(PackageError):
            read_symbols(path)
