"""What a library is linked from and checked for; tests/converting/test_to_dynamic.py links real packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hatframe_builtin.linkers.gcc import Gcc
from sample_packages import compiler, element, function, make_package

from hatframe.backends import SharedLibrary
from hatframe.binary.symbols import Symbols
from hatframe.converting.linking import check_defined, link_checked, run_folders
from hatframe.converting.plan import LinkPlan, plan_link
from hatframe.errors import LinkError, SymbolError
from hatframe.packages.dependencies import Dependency
from hatframe.packages.package import read_package

NEXT = function(element("x"), returns=element("", "int", "output", "int"))


@pytest.fixture
def plan(tmp_path: Path) -> LinkPlan:
    return plan_link(read_package(make_package(tmp_path, "int next(int x) { return x; }", {"next": NEXT}, static=True)))


def test_a_function_that_no_input_defines_is_an_error_with_a_similar_name(plan: LinkPlan) -> None:
    with pytest.raises(SymbolError, match="next") as caught:
        check_defined(plan, [Symbols(defined=frozenset({"nexxt", "other"}))])
    assert "nexxt" in caught.value.hint


def test_symbols_of_incomplete_files_are_left_to_the_linker(plan: LinkPlan) -> None:
    check_defined(plan, [Symbols(complete=False)])


def test_folders_below_the_library_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "home" / "below").mkdir(parents=True)
    dependency = Dependency(text="x", run_folders=(tmp_path / "home" / "below",))
    assert run_folders([tmp_path], [dependency], tmp_path / "home") == (tmp_path, Path("below"))
    assert run_folders([], [dependency], None) == (tmp_path / "home" / "below",)


def test_exports_are_checked_and_additional_ones_returned(tmp_path: Path) -> None:
    class Careless(Gcc):
        def link_shared(self, library: SharedLibrary) -> None:
            super().link_shared(SharedLibrary(output=library.output, objects=library.objects, exports=("f", "g")))

    compiler("gcc")
    (tmp_path / "x.c").write_text("int f(void) { return 1; } int g(void) { return 2; }\n")
    Gcc().compile(tmp_path / "x.c", tmp_path / "x.o")
    library = SharedLibrary(output=tmp_path / "x.so", objects=(tmp_path / "x.o",), exports=("f",))
    linked, extra = link_checked(library, Careless())
    assert {"f", "g"} <= linked.defined
    assert "g" in extra
    library = SharedLibrary(output=tmp_path / "x.so", objects=(tmp_path / "x.o",), exports=("missing",))
    with pytest.raises(LinkError, match=r"package\.hat.*missing"):
        link_checked(library, Careless(), where="package.hat")
