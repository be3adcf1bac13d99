"""The linker zig: the same C code for Linux, Windows and macOS, run where possible."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from foreign import EXPORTS, PROGRAM, RESULTS, static_library
from hatframe_builtin.linkers import macho, msvc, zig
from sample_packages import ARCHITECTURE, compiler

from hatframe.backends import Linker, SharedLibrary
from hatframe.binary.libraries import LibraryKind, identify
from hatframe.binary.symbols import read_symbols
from hatframe.errors import LinkError, UsageError
from hatframe.machine import Platform
from hatframe.testing import check_linker

# zig's linker for macOS always exports these too.
ZIG_OWN = {"__dso_handle", "_mh_dylib_header"}

FOREIGN = [
    "x86_64-windows",
    "aarch64-windows",
    "aarch64-linux-gnu",
    "aarch64-linux-musl",
    "x86_64-macos",
    "aarch64-macos",
]


@pytest.fixture
def linker() -> Linker:
    (chosen,) = zig.hatframe_linkers()
    if not (availability := chosen.availability()):
        pytest.skip(availability.reason)
    return chosen


def command(*arguments: str | Path) -> None:
    """Run zig itself, for the programs that use a library."""
    program, *_ = zig.Zig().archiver()
    subprocess.run([program, *arguments], check=True)


def linked(linker: Linker, folder: Path, platform: str, output: str, **more: object) -> Path:
    target = Platform.parse(platform)
    archive = static_library(linker, folder, target, "library.a")
    library = SharedLibrary(
        output=folder / output, platform=target, archives=(archive,), exports=EXPORTS, libraries=("m",), **more
    )
    linker.link_shared(library)
    return folder / output


@pytest.mark.slow
@pytest.mark.parametrize("platform", FOREIGN)
def test_it_fulfils_the_contract_of_linkers_for_other_platforms(linker: Linker, platform: str) -> None:
    check_linker(linker, Platform.parse(platform))


@pytest.mark.slow
def test_a_library_for_windows_works_there(
    linker: Linker, tmp_path: Path, results_on_windows: Callable[[Path, Path], Sequence[str]]
) -> None:
    made = linked(linker, tmp_path, "x86_64-windows", "library.dll", import_library=tmp_path / "library.lib")
    assert read_symbols(made).defined == set(EXPORTS)
    assert list(results_on_windows(made, tmp_path / "library.lib")) == [RESULTS, RESULTS]


@pytest.mark.slow
def test_objects_of_the_other_compiler_for_windows_can_be_linked(
    linker: Linker, tmp_path: Path, results_on_windows: Callable[[Path, Path], Sequence[str]]
) -> None:
    (other,) = msvc.hatframe_linkers()
    if not (availability := other.availability()):
        pytest.skip(availability.reason)
    target = Platform("windows", "x86_64")
    archive = static_library(other, tmp_path, target, "library.lib")
    made, imports = tmp_path / "made.dll", tmp_path / "imports.lib"
    linker.link_shared(
        SharedLibrary(output=made, platform=target, archives=(archive,), exports=EXPORTS, import_library=imports)
    )
    assert read_symbols(made).defined == set(EXPORTS)
    assert list(results_on_windows(made, imports)) == [RESULTS, RESULTS]


def programs(folder: Path, target: str, made: Path) -> list[list[str | Path]]:
    """A program that loads the library, and one that is linked with it, with their arguments."""
    (folder / "program.c").write_text(PROGRAM)
    # By default zig links musl statically, and then nothing can be loaded.
    options = ("-target", target, "-dynamic", "-O2", folder / "program.c")
    command("cc", *options, "-o", folder / "loads")
    command("cc", *options, "-DLINKED", made, "-o", folder / "linked")
    return [[folder / "loads", made], [folder / "linked"]]


@pytest.mark.slow
def test_a_library_for_linux_on_arm_works_there(linker: Linker, tmp_path: Path) -> None:
    made = linked(linker, tmp_path, "aarch64-linux-gnu", "liblibrary.so")
    assert read_symbols(made).defined == set(EXPORTS)
    qemu, root = compiler("qemu-aarch64"), Path("/usr/aarch64-linux-gnu")
    if not root.is_dir():
        pytest.skip("no C library for aarch64 on this machine")
    environment = {**os.environ, "QEMU_SET_ENV": f"LD_LIBRARY_PATH={tmp_path}"}
    for words in programs(tmp_path, "aarch64-linux-gnu", made):
        done = subprocess.run([qemu, "-L", root, *words], env=environment, capture_output=True, text=True, timeout=60)
        assert done.stdout == RESULTS, done.stderr


@pytest.mark.slow
def test_a_library_for_musl_works_with_it(linker: Linker, tmp_path: Path) -> None:
    made = linked(linker, tmp_path, f"{ARCHITECTURE}-linux-musl", "liblibrary.so")
    assert read_symbols(made).defined == set(EXPORTS)
    assert read_symbols(made).needed == ("libc.so",)
    loader = Path(f"/lib/ld-musl-{ARCHITECTURE}.so.1")
    if not loader.exists():
        pytest.skip("no musl on this machine")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    for words in programs(tmp_path, f"{ARCHITECTURE}-linux-musl", made):
        done = subprocess.run([loader, *words], env=environment, capture_output=True, text=True, timeout=60)
        assert done.stdout == RESULTS, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_a_library_for_macos_is_valid_and_has_only_the_exports(
    linker: Linker, tmp_path: Path, architecture: str
) -> None:
    import lief

    made = linked(linker, tmp_path, f"{architecture}-macos", "library.dylib")
    found = identify(made)
    assert (found.kind, found.format, found.architectures) == (LibraryKind.DYNAMIC, "Mach-O", {architecture})
    symbols = read_symbols(made)
    assert symbols.defined == {*EXPORTS, *ZIG_OWN}
    assert symbols.needed == ("/usr/lib/libSystem.B.dylib",)
    binary = lief.MachO.parse(str(made)).at(0)
    assert lief.MachO.check_layout(binary) == (True, "")
    assert next(library.name for library in binary.libraries) == "@rpath/library.dylib"
    # Apple's ARM machines load only signed code.
    assert binary.has_code_signature == (architecture == "aarch64")


def test_hiding_changes_what_an_object_exports_and_nothing_else(linker: Linker, tmp_path: Path) -> None:
    target = Platform.parse("aarch64-macos")
    (tmp_path / "one.c").write_text(
        "int shared; int first(void) { return shared; } int gone(void); int second(void) { return gone() + first(); }"
    )
    linker.compile(tmp_path / "one.c", tmp_path / "one.o", platform=target, flags=("-fcommon",))
    before = (tmp_path / "one.o").read_bytes()
    after = macho.hide_symbols(before, ["first"])
    assert len(after) == len(before)
    changed = {old ^ new for old, new in zip(before, after, strict=True) if old != new}
    assert changed == {0x10}
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 2  # second and shared
    assert macho.hide_symbols(before, ["first", "second", "shared"]) == before
    assert macho.hide_symbols(b"BC\xc0\xde not an object", []) == b"BC\xc0\xde not an object"


@pytest.mark.slow
def test_the_slice_of_a_universal_archive_for_the_processor_is_linked(linker: Linker, tmp_path: Path) -> None:
    lipo = shutil.which("llvm-lipo") or shutil.which("llvm-lipo-14")
    if not lipo:
        pytest.skip("no llvm-lipo on this machine")
    parts = []
    for architecture in ("x86_64", "aarch64"):
        folder = tmp_path / architecture
        folder.mkdir()
        parts.append(static_library(linker, folder, Platform("macos", architecture), "library.a"))
    subprocess.run([lipo, "-create", *parts, "-output", tmp_path / "both.a"], check=True)
    library = SharedLibrary(
        output=tmp_path / "made.dylib",
        platform=Platform("macos", "aarch64"),
        archives=(tmp_path / "both.a",),
        exports=("copied",),
    )
    linker.link_shared(library)
    assert identify(tmp_path / "made.dylib").architectures == {"aarch64"}
    assert read_symbols(tmp_path / "made.dylib").defined == {"copied", *ZIG_OWN}


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["x86_64-windows", "aarch64-linux-gnu", "aarch64-macos"])
def test_errors_are_the_same_for_every_platform(linker: Linker, tmp_path: Path, platform: str) -> None:
    target = Platform.parse(platform)
    (tmp_path / "one.c").write_text("int gone(void); int _lost(void); int one(void) { return gone() + _lost(); }")
    made = tmp_path / "one.o"
    linker.compile(tmp_path / "one.c", made, platform=target)
    output = tmp_path / "made"
    with pytest.raises(LinkError, match=r"(?=.*\bgone\b)(?=.*\b_lost\b)"):
        linker.link_shared(SharedLibrary(output=output, platform=target, objects=(made,), exports=("one",)))
    (tmp_path / "two.c").write_text("int two(void) { return 2; }")
    linker.compile(tmp_path / "two.c", made, platform=target)
    with pytest.raises(LinkError, match=r"surely-not-there.*-L"):
        linker.link_shared(
            SharedLibrary(output=output, platform=target, objects=(made,), libraries=("surely-not-there",))
        )
    (tmp_path / "bad.c").write_text("no_such_type x;")
    with pytest.raises(LinkError, match=r"bad\.c:1:1: error: .*no_such_type"):
        linker.compile(tmp_path / "bad.c", made, platform=target)
    assert {path.name for path in tmp_path.iterdir()} == {"one.c", "two.c", "bad.c", "one.o"}


def test_it_names_its_platforms_and_refuses_others(linker: Linker, tmp_path: Path) -> None:
    platforms = linker.platforms()
    for target in ("x86_64-windows", "aarch64-windows-gnu", "aarch64-linux", "x86_64-linux-musl", "aarch64-macos"):
        assert any(each.fits(Platform.parse(target)) for each in platforms), target
    assert not any(each.fits(Platform.parse("x86_64-windows-msvc")) for each in platforms)
    (tmp_path / "one.c").write_text("int one(void) { return 1; }")
    with pytest.raises(LinkError, match="mips-plan9"):
        linker.compile(tmp_path / "one.c", tmp_path / "one.o", platform=Platform("plan9", "mips"))


def test_processors_have_the_names_that_zig_uses(linker: Linker) -> None:
    assert linker.optimization(3, "x86-64-v3", Platform("linux", "x86_64")) == ("-O3", "-mcpu=x86_64_v3")
    assert linker.optimization(0, "native") == ("-O0", "-mcpu=native")
    assert linker.optimization(2, platform=Platform("macos", "aarch64")) == ("-O2",)
    with pytest.raises(UsageError, match="riscv64-linux"):
        linker.optimization(2, "native", Platform("linux", "riscv64"))
    with pytest.raises(UsageError, match="level 4"):
        linker.optimization(4)


def test_its_cache_is_where_the_user_says_and_has_nothing_of_the_sources(
    linker: Linker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(tmp_path / "chosen"))
    (tmp_path / "one.c").write_text("int one(void) { return 1; }")
    linker.compile(tmp_path / "one.c", tmp_path / "one.o", platform=Platform("linux", "aarch64", "musl"))
    assert (tmp_path / "chosen").is_dir()
    assert not list((tmp_path / "chosen").rglob("*.o"))
    monkeypatch.delenv("ZIG_GLOBAL_CACHE_DIR")
    monkeypatch.setenv("HATFRAME_CACHE_DIR", str(tmp_path / "cache"))
    linker.compile(tmp_path / "one.c", tmp_path / "one.o", platform=Platform("linux", "aarch64", "musl"))
    assert (tmp_path / "cache" / "compilers" / "zig").is_dir()


def test_a_missing_zig_is_an_error_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ziglang", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (linker,) = zig.hatframe_linkers()
    assert not linker.availability()
    assert "pip install" in linker.availability().install
    with pytest.raises(LinkError, match="pip install"):
        linker.compile(tmp_path / "x.c", tmp_path / "x.o")


def test_availability_does_not_run_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "zig"
    fake.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (linker,) = zig.hatframe_linkers()
    assert linker.availability()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:32] + struct.pack("<II", 2, 0) + data[40:],
        lambda data: data[:16] + struct.pack("<I", 0xFFFFFFFF) + data[20:],
        lambda data: data[:40] + struct.pack("<IIII", 32, 0x0FFFFFFF, 0, 0) + data[56:],
        lambda data: data[:50],
    ],
)
def test_a_damaged_object_is_an_error(damage: Callable[[bytes], bytes]) -> None:
    header = b"\xcf\xfa\xed\xfe" + struct.pack("<IIIIIII", 0x0100000C, 0, 1, 1, 24, 0, 0)
    whole = header + struct.pack("<IIIIII", 2, 24, 56, 0, 56, 0)
    assert macho.hide_symbols(whole, ()) == whole
    with pytest.raises(LinkError, match="damaged"):
        macho.hide_symbols(damage(whole), ())
