"""Objects become one static library, with the files of the dependencies."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sample_packages import compiler, document, element, function, hat_text, make_package

from hatframe.backends import Linker
from hatframe.binary.libraries import LibraryKind, identify
from hatframe.binary.symbols import read_symbols
from hatframe.converting.to_static import to_static
from hatframe.errors import LinkError, PackageError, SymbolError, UsageError
from hatframe.format.reading import read_hat
from hatframe.kernel import Kernel
from hatframe.packages.package import read_package

NEXT = function(element("x"), returns=element("", "int", "output", "int"))
USING = "int offset(void);\nint next(int x) { return x + offset(); }\n"


def object_file(folder: Path, name: str, source: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.c").write_text(source)
    subprocess.run([compiler(), "-fPIC", "-c", f"{name}.c", "-o", f"{name}.o"], check=True, cwd=folder)
    return folder / f"{name}.o"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of one object, which needs another that its dependencies name."""
    folder = tmp_path / "a folder"
    object_file(folder, "next", USING)
    object_file(folder / "deps", "offset", "int offset(void) { return 1; }")
    table = document({"next": NEXT}, "next.o")
    names = ("deps/offset.o", "m")
    table["dependencies"]["dynamic"] = [{"name": "", "version": "", "target_file": name} for name in names]
    (folder / "package.hat").write_text(hat_text(table))
    return folder / "package.hat"


def test_the_archive_includes_objects_of_dependencies_and_names_stay(
    package: Path, tmp_path: Path, linker: Linker
) -> None:
    made = to_static(read_package(package), tmp_path / "new.hat", linker=linker)
    assert made.library == tmp_path / "libnew.a"
    assert identify(made.library).kind is LibraryKind.ARCHIVE
    assert read_symbols(made.library).defined == {"next", "offset"}
    hat = read_hat(made.hat)
    assert hat.dependencies.link_target == "libnew.a"
    assert [reference.target_file for reference in hat.dependencies.dynamic] == ["m"]
    assert Kernel().load(made.hat)["next"](41) == 42


def test_objects_of_several_archives_keep_their_names(tmp_path: Path, linker: Linker) -> None:
    folder = tmp_path / "in"
    path = make_package(folder, USING, {"next": NEXT}, static=True)
    # Two members of the same name, and one without references.
    object_file(folder, "package", "int offset(void) { return 1; }")
    extra = object_file(folder, "extra", "int extra(void) { return 3; }")
    subprocess.run([compiler("ar"), "rcs", "more.a", "package.o", "extra.o"], check=True, cwd=folder)
    made = to_static(read_package(path), tmp_path / "new.hat", linker=linker, objects=[str(folder / "more.a")])
    listed = subprocess.run([compiler("ar"), "t", made.library], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["package.o", "package.o", "extra.o"]
    assert read_symbols(made.library).defined == {"next", "offset", "extra"}
    assert Kernel().load(made.hat)["next"](1) == 2
    extra.unlink()


def test_a_dynamic_library_cannot_be_split_into_objects(tmp_path: Path, linker: Linker) -> None:
    path = make_package(tmp_path, "int next(int x) { return x + 1; }", {"next": NEXT})
    with pytest.raises(PackageError, match="dynamic"):
        to_static(read_package(path), tmp_path / "new.hat", linker=linker)


def test_only_objects_can_be_added(package: Path, tmp_path: Path, linker: Linker) -> None:
    with pytest.raises(LinkError, match="gomp"):
        to_static(read_package(package), tmp_path / "new.hat", linker=linker, objects=["gomp"])


def test_a_function_that_no_object_defines_is_an_error_and_nothing_is_written(
    package: Path, tmp_path: Path, linker: Linker
) -> None:
    package.write_text(hat_text(document({"gone": NEXT}, "next.o")))
    with pytest.raises(SymbolError, match=r"\bgone\b"):
        to_static(read_package(package), tmp_path / "new.hat", linker=linker)
    assert not list(tmp_path.glob("new.*"))


def test_inputs_are_not_overwritten(tmp_path: Path, linker: Linker) -> None:
    path = make_package(tmp_path, "int next(int x) { return x + 1; }", {"next": NEXT}, static=True)
    with pytest.raises(UsageError, match=r"package\.hat"):
        to_static(read_package(path), path, linker=linker)
