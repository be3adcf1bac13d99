"""Linking the library of a static package, and checking what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hatframe_builtin.linkers.gcc import Gcc
from sample_packages import compiler, element, function, make_package

from hatframe.backends import SharedLibrary
from hatframe.binary.symbols import Symbols, read_symbols
from hatframe.converting.linking import check_defined, link, link_checked, run_folders
from hatframe.converting.plan import LinkPlan, plan_link
from hatframe.errors import LinkError, SymbolError
from hatframe.machine import Platform
from hatframe.packages.dependencies import Dependency
from hatframe.packages.package import read_package

NEXT = function(element("x"), returns=element("", "int", "output", "int"))
SOURCE = "int inner(int x) { return x + 1; }\nint next(int x) { return inner(x); }\n"


def plan(folder: Path, **changes: Any) -> LinkPlan:
    fields: dict[str, Any] = {"source": SOURCE, "functions": {"next": NEXT}, "static": True}
    return plan_link(read_package(make_package(folder, **{**fields, **changes})))


def linked(planned: LinkPlan, folder: Path) -> tuple[Symbols, tuple[str, ...]]:
    compiler("gcc")
    (folder / "work").mkdir()
    return link(planned, Gcc(), folder / "made.so", folder / "work")


def test_only_the_functions_of_the_metadata_are_exported(tmp_path: Path) -> None:
    symbols, extra = linked(plan(tmp_path), tmp_path)
    assert symbols.defined == {"next"}
    assert extra == ()


def test_what_the_header_defines_and_the_library_uses_is_compiled(tmp_path: Path) -> None:
    source = "int inner(int);\nint next(int x) { return inner(x); }\n"
    symbols, _ = linked(plan(tmp_path, source=source, code="int inner(int x) { return x + 1; }"), tmp_path)
    assert "next" in symbols.defined
    assert (tmp_path / "work" / "definitions.o").exists()


def test_pointers_to_functions_in_the_header_are_not_compiled_in_vain(tmp_path: Path) -> None:
    linked(plan(tmp_path, code="int next(int);\nint (*base)(int) = next;"), tmp_path)
    assert not (tmp_path / "work" / "definitions.o").exists()


def test_a_function_that_nothing_defines_is_named_with_the_closest(tmp_path: Path) -> None:
    planned = plan(tmp_path, functions={"nexxt": NEXT})
    with pytest.raises(SymbolError) as caught:
        check_defined(planned, [read_symbols(planned.library.path)])
    assert "nexxt" in str(caught.value)
    assert "did you mean next" in str(caught.value)


def test_a_name_that_is_no_symbol_does_not_reach_the_linker(tmp_path: Path) -> None:
    with pytest.raises(SymbolError):
        check_defined(plan(tmp_path, functions={"next; x": NEXT}), [])


def test_an_export_that_is_missing_is_an_error_although_the_linker_is_content(tmp_path: Path) -> None:
    source = '__attribute__((visibility("hidden"))) int next(int x) { return x; }\n'
    with pytest.raises(LinkError) as caught:
        linked(plan(tmp_path, source=source), tmp_path)
    assert "next" in str(caught.value)
    assert caught.value.where == str(tmp_path / "package.hat")


def test_symbols_beside_the_exports_are_reported(tmp_path: Path) -> None:
    class Careless(Gcc):
        def link_shared(self, library: SharedLibrary) -> None:
            super().link_shared(
                SharedLibrary(output=library.output, archives=library.archives, exports=("inner", "next"))
            )

    compiler("gcc")
    planned = plan(tmp_path)
    shared = SharedLibrary(output=tmp_path / "made.so", archives=(planned.library.path,), exports=("next",))
    assert link_checked(shared, Careless())[1] == ("inner",)


def test_a_linker_for_other_platforms_is_refused(tmp_path: Path) -> None:
    class Elsewhere(Gcc):
        def platforms(self) -> frozenset[Platform]:
            return frozenset({Platform("windows", "x86_64")})

    with pytest.raises(LinkError) as caught:
        link(plan(tmp_path), Elsewhere(), tmp_path / "made.so", tmp_path)
    assert "x86_64-windows" in str(caught.value)


def test_folders_that_move_with_the_library_are_relative_to_it(tmp_path: Path) -> None:
    for name in ("home/inner", "other"):
        (tmp_path / name).mkdir(parents=True)
    dependency = Dependency(text="x", folders=(tmp_path / "home" / "inner",), run_folders=(tmp_path / "other",))
    assert run_folders([], [dependency], tmp_path / "home") == (Path("inner"), tmp_path / "other")
    assert run_folders([], [dependency], None) == (tmp_path / "home" / "inner", tmp_path / "other")
