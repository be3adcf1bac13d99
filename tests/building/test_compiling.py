"""The sources of a package: which are accepted, how they are parsed, and the check of what was understood."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hatframe.backends import Linker
from hatframe.building.compiling import Compiler, check_flags, check_sources, with_absolute_paths
from hatframe.errors import CompileError, LinkError, UsageError
from hatframe.machine import Platform


def test_sources_are_c_files_that_are_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.c").touch()
    (tmp_path / "a.cpp").touch()
    assert check_sources([Path("a.c")]) == [tmp_path / "a.c"]
    for wrong in (["b.c"], ["a.cpp"], ["a.c", tmp_path / "a.c"]):
        with pytest.raises(UsageError):
            check_sources([Path(each) for each in wrong])


@pytest.mark.parametrize("flag", ["-funsigned-char", "-mabi=ms", "-mregparm=3", "/J", "/Gv"])
def test_flags_that_change_types_or_calls_are_refused(flag: str) -> None:
    check_flags(["-O2", "-mavx2", "-DX=1"])
    with pytest.raises(UsageError) as caught:
        check_flags(["-O2", flag])
    assert flag in str(caught.value)


def test_paths_in_flags_do_not_depend_on_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.h").touch()
    flags = ["-Iinclude", "-isystem", "system", "-include", "own.h", "-include", "stdio.h", "-DI=x", "-O2"]
    assert with_absolute_paths(flags) == [
        *(f"-I{tmp_path / 'include'}", "-isystem", str(tmp_path / "system")),
        *("-include", str(tmp_path / "own.h"), "-include", "stdio.h", "-DI=x", "-O2"),
    ]


@pytest.fixture
def compiler(linker: Linker) -> Compiler:
    return Compiler(linker, Platform.host(), (), ())


def test_functions_of_included_files_beside_the_source_count_and_those_of_headers_do_not(
    compiler: Compiler, tmp_path: Path
) -> None:
    (tmp_path / "part.h").write_text("float part(float x) { return x; }\n")
    source = tmp_path / "a.c"
    source.write_text('#include <stdlib.h>\n#include "part.h"\nint whole(int x) { return x; }\n')
    assert [each.function.name for each in compiler.parse(source).functions] == ["part", "whole"]


def test_code_that_would_take_minutes_to_parse_is_refused(compiler: Compiler, tmp_path: Path) -> None:
    source = tmp_path / "large.c"
    source.write_text("extern int x;\n" * 1_200_000)
    with pytest.raises(CompileError) as caught:
        compiler.parse(source)
    assert str(source) in str(caught.value)


def test_what_was_understood_is_held_against_the_compiler(compiler: Compiler, tmp_path: Path) -> None:
    source = tmp_path / "a.c"
    source.write_text("int next(int x) { return x + 1; }\n")
    parsed = compiler.parse(source)
    assert compiler.compile(source, parsed, tmp_path / "good").is_file()
    wrong = msgspec.structs.replace(parsed.functions[0], redeclaration="float next(int x);")
    with pytest.raises(LinkError) as caught:
        compiler.compile(source, msgspec.structs.replace(parsed, functions=(wrong,)), tmp_path / "bad")
    assert "next" in str(caught.value)
