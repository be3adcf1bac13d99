"""The linkers gcc, clang and zig for this machine."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from hatframe_builtin.linkers import clang, gcc, zig
from hatframe_builtin.linkers.unix import Driver, UnixDriver
from sample_packages import compiler

import hatframe
from hatframe.backends import SharedLibrary
from hatframe.binary.libraries import LibraryKind, identify
from hatframe.binary.symbols import read_symbols
from hatframe.errors import LinkError, UsageError
from hatframe.format.reading import read_hat
from hatframe.machine import Platform


def usable(module: ModuleType) -> Driver:
    (chosen,) = module.hatframe_linkers()
    if not (availability := chosen.availability()):
        pytest.skip(availability.reason)
    assert isinstance(chosen, Driver)
    return chosen


@pytest.fixture(params=[gcc, clang, zig], ids=["gcc", "clang", "zig"])
def linker(request: pytest.FixtureRequest) -> Driver:
    return usable(request.param)


@pytest.fixture(params=[gcc, clang], ids=["gcc", "clang"])
def unix_linker(request: pytest.FixtureRequest) -> UnixDriver:
    """One that is a program of the system."""
    chosen = usable(request.param)
    assert isinstance(chosen, UnixDriver)
    return chosen


def compiled(linker: Driver, folder: Path, name: str, source: str) -> Path:
    (folder / f"{name}.c").write_text(source)
    linker.compile(folder / f"{name}.c", folder / f"{name}.o")
    return folder / f"{name}.o"


def test_they_support_this_machine_and_have_a_version(linker: Driver) -> None:
    assert Platform.host() in linker.platforms()
    assert linker.name in linker.version()
    assert "\n" not in linker.version()


def test_other_platforms_are_refused(unix_linker: UnixDriver, tmp_path: Path) -> None:
    (tmp_path / "one.c").write_text("int one(void) { return 1; }")
    with pytest.raises(LinkError, match=f"{unix_linker.name}.*x86_64-windows"):
        unix_linker.compile(tmp_path / "one.c", tmp_path / "one.o", platform=Platform("windows", "x86_64"))


def test_a_missing_compiler_is_an_error_with_what_to_install(
    unix_linker: UnixDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    availability = unix_linker.availability()
    assert not availability
    assert unix_linker.name in availability.reason
    assert "install" in availability.install
    with pytest.raises(LinkError, match=unix_linker.name):
        unix_linker.compile(tmp_path / "x.c", tmp_path / "x.o")


def test_availability_does_not_run_the_tool(
    unix_linker: UnixDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / unix_linker.program
    fake.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert unix_linker.availability()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("level", range(4))
def test_code_for_this_processor_is_compiled(linker: Driver, tmp_path: Path, level: int) -> None:
    (tmp_path / "one.c").write_text("int one(void) { return 1; }")
    flags = linker.optimization(level, "native")
    assert flags[0] == f"-O{level}"
    linker.compile(tmp_path / "one.c", tmp_path / "one.o", flags=flags)
    linker.link_shared(SharedLibrary(output=tmp_path / "one.so", objects=(tmp_path / "one.o",), exports=("one",)))
    assert ctypes.CDLL(str(tmp_path / "one.so")).one() == 1


def test_invalid_levels_and_processors_are_refused(linker: Driver, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="level 4"):
        linker.optimization(4)
    with pytest.raises(UsageError, match="riscv64-windows"):
        linker.optimization(2, "native", Platform("windows", "riscv64"))
    (tmp_path / "one.c").write_text("int one(void) { return 1; }")
    with pytest.raises(LinkError, match="no_such_processor"):
        linker.compile(tmp_path / "one.c", tmp_path / "one.o", flags=linker.optimization(2, "no_such_processor"))


def test_errors_of_the_preprocessor_are_shown(linker: Driver, tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text("#include <no-such-header.h>\n")
    with pytest.raises(LinkError, match=r"no-such-header\.h"):
        linker.preprocess(tmp_path / "bad.c")


@pytest.mark.skipif(Platform.host().os != "linux", reason="other linkers write it elsewhere")
def test_a_needed_library_is_found_in_the_folder_that_it_was_linked_from(linker: Driver, tmp_path: Path) -> None:
    home = tmp_path / "home"
    other = home / "a folder"
    other.mkdir(parents=True)
    helper = compiled(linker, other, "helper", "int helper(void) { return 7; }")
    linker.link_shared(SharedLibrary(output=other / "libhelper.so", objects=(helper,), exports=("helper",)))
    one = compiled(linker, tmp_path, "one", "int helper(void); int one(void) { return helper(); }")
    linker.link_shared(
        SharedLibrary(
            output=home / "one.so",
            objects=(one,),
            exports=("one",),
            # Nothing of the second is needed.
            libraries=("helper", "pthread"),
            library_folders=(other,),
            run_folders=(Path("a folder"),),
        )
    )
    # A folder beside the library may move with it.
    home.rename(tmp_path / "moved")
    assert ctypes.CDLL(str(tmp_path / "moved" / "one.so")).one() == 7
    assert "libpthread.so.0" not in read_symbols(tmp_path / "moved" / "one.so").needed


def test_only_the_exports_are_exported(linker: Driver, tmp_path: Path) -> None:
    one = compiled(linker, tmp_path, "one", "int one(void) { return 1; } int other(void) { return 2; }")
    output = tmp_path / "made.so"
    linker.link_shared(SharedLibrary(output=output, objects=(one,), exports=("one",)))
    assert read_symbols(output).defined == {"one"}
    linker.link_shared(SharedLibrary(output=output, objects=(one,)))
    assert read_symbols(output).defined == set()


def test_flags_and_include_folders_reach_the_compiler(linker: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "some headers"
    folder.mkdir()
    (folder / "value.h").write_text("#define VALUE 40\n")
    (tmp_path / "source.c").write_text('#include "value.h"\nint value(void) { return VALUE + ADDED; }\n')
    made = tmp_path / "source.o"
    linker.compile(tmp_path / "source.c", made, include_folders=[folder], flags=["-DADDED=2"])
    linker.link_shared(SharedLibrary(output=tmp_path / "made.so", objects=(made,), exports=("value",)))
    assert ctypes.CDLL(str(tmp_path / "made.so")).value() == 42


def test_relative_paths_start_in_the_current_folder(
    linker: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.c").write_text("int one(void) { return 1; }")
    linker.compile(Path("one.c"), Path("one.o"))
    linker.archive([Path("one.o")], Path("one.a"))
    linker.link_shared(SharedLibrary(output=Path("one.so"), archives=(Path("one.a"),), exports=("one",)))
    assert ctypes.CDLL(str(tmp_path / "one.so")).one() == 1


def test_an_archive_is_new_and_keeps_members_of_the_same_name(linker: Driver, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    first = compiled(linker, tmp_path, "same", "int first(void) { return 1; }")
    second = compiled(linker, tmp_path / "sub", "same", "int second(void) { return 2; }")
    archive = tmp_path / "made.a"
    linker.archive([first], archive)
    linker.archive([first, second], archive)
    assert identify(archive).kind is LibraryKind.ARCHIVE
    members = subprocess.run([compiler("ar"), "t", archive], capture_output=True, text=True, check=True)
    assert members.stdout.split() == ["same.o", "same.o"]
    output = tmp_path / "made.so"
    linker.link_shared(SharedLibrary(output=output, archives=(archive,), exports=("first", "second")))
    assert read_symbols(output).defined == {"first", "second"}


def test_errors_of_the_compiler_are_shown(linker: Driver, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"bad\.c:1:\d+: error: .*no_such_type"):
        compiled(linker, tmp_path, "bad", "no_such_type x;")
    with pytest.raises(LinkError, match=r"none\.c"):
        linker.compile(tmp_path / "none.c", tmp_path / "none.o")


def test_undefined_symbols_are_named_once(linker: Driver, tmp_path: Path) -> None:
    source = "int gone(void); int lost(void); int one(void) { return gone() + gone() + lost(); }"
    made = compiled(linker, tmp_path, "one", source)
    output = tmp_path / "made.so"
    with pytest.raises(LinkError, match=r"(?=.*\bgone\b)(?=.*\blost\b)") as caught:
        linker.link_shared(SharedLibrary(output=output, objects=(made,), exports=("one",)))
    assert "-l" in caught.value.hint
    assert not output.exists()


def test_a_missing_library_gets_a_hint(linker: Driver, tmp_path: Path) -> None:
    made = compiled(linker, tmp_path, "one", "int one(void) { return 1; }")
    library = SharedLibrary(output=tmp_path / "made.so", objects=(made,), libraries=("surely-not-there",))
    with pytest.raises(LinkError, match="surely-not-there") as caught:
        linker.link_shared(library)
    assert "-L" in caught.value.hint


def test_they_leave_no_files_behind(linker: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    made = compiled(linker, tmp_path, "one", "int one(void) { return 1; }")
    linker.link_shared(SharedLibrary(output=tmp_path / "made.so", objects=(made,), exports=("one",)))
    with pytest.raises(LinkError):
        compiled(linker, tmp_path, "bad", "int")
    assert not list(temporary.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"tmp", "one.c", "one.o", "made.so", "bad.c"}


def test_a_source_in_latin_1_keeps_its_author(tmp_path: Path) -> None:
    source = "/** Größe\n@hat author: José */\nint f(int a) { return a; }\n"
    (tmp_path / "f.c").write_bytes(source.encode("latin-1") + "/* µ */\n".encode())
    compiler("gcc")
    hat = read_hat(hatframe.build(tmp_path / "f.c", tmp_path, linker="gcc").written.hat)
    assert hat.description.author == "José"
    assert hat.functions["f"].description == "Größe"
