"""The libraries that a dynamic library needs, as the dynamic loader of Linux finds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sample_packages
from hat_deviations import valid

from hatframe.binary.libraries import LibraryFile, LibraryKind
from hatframe.binary.symbols import Symbols
from hatframe.format.model import HatFile
from hatframe.format.rendering import render_hat
from hatframe.outcomes import Deviation
from hatframe.validating.needs import check_needs
from hatframe.validating.report import Report
from hatframe.validating.validation import validate

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the loader of Linux")

USING = "void helper(void); void f(float *A, float *B, int N) { helper(); }"
HELPER = "void helper(void) {}"


def linked(folder: Path, source: str, name: str, *flags: str) -> Path:
    """A dynamic library ``libNAME.so`` that is linked in its folder."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.c").write_text(source)
    command = [sample_packages.compiler(), "-shared", "-fPIC", "-o", f"lib{name}.so", f"{name}.c", *flags]
    subprocess.run(command, cwd=folder, check=True)
    return folder / f"lib{name}.so"


def hat_of(library: Path, *deployed: str) -> Path:
    document = valid()
    document["dependencies"].update(link_target=library.name, deploy_files=list(deployed))
    path = library.parent / "package.hat"
    path.write_text(render_hat(document, "package"))
    return path


def reported(library: Path, *deployed: str) -> list[Deviation]:
    return validate(hat_of(library, *deployed))


def refused(library: Path) -> str:
    """The error of loading a package, in a process of its own: this one may have libraries of the same names open."""
    code = "import sys, hatframe; hatframe.load(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, hat_of(library)], capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_a_library_beside_it_is_found_by_its_run_path(tmp_path: Path) -> None:
    linked(tmp_path, HELPER, "helper", "-Wl,-soname,libhelper.so")
    library = linked(tmp_path, USING, "f", "-L.", "-lhelper", "-Wl,-rpath,$ORIGIN")
    assert reported(library, "libhelper.so") == []


def test_a_library_that_cannot_be_found_is_an_error(tmp_path: Path) -> None:
    helper = linked(tmp_path, HELPER, "helper", "-Wl,-soname,libhelper.so")
    library = linked(tmp_path, USING, "f", "-L.", "-lhelper")
    (error,) = reported(library)
    assert (error.severity, error.key) == ("error", "link_target")
    assert "libhelper.so" in error.message
    assert "rpath" in error.hint
    assert "libhelper.so" in refused(library)
    helper.unlink()
    (error,) = reported(library)
    assert "rpath" not in error.hint


def test_a_library_of_the_environment_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linked(tmp_path, HELPER, "helper", "-Wl,-soname,libhelper.so")
    library = linked(tmp_path, USING, "f", "-L.", "-lhelper")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert reported(library) == []


def test_undefined_symbols_are_an_error(tmp_path: Path) -> None:
    library = linked(tmp_path, USING.replace("N) {", "N) { __builtin_printf(0);"), "f")
    (error,) = reported(library)
    assert (error.severity, error.key) == ("error", "link_target")
    assert "helper" in error.message
    assert "printf" not in error.message
    assert "helper" in refused(library)


def test_symbols_that_may_be_undefined_are_ok(tmp_path: Path) -> None:
    source = "__attribute__((weak)) void helper(void); void f(float *A, float *B, int N) { if (helper) helper(); }"
    assert reported(linked(tmp_path, source, "f")) == []


def test_its_own_name_as_a_need_is_a_warning(tmp_path: Path) -> None:
    linked(tmp_path / "other", HELPER, "helper", "-Wl,-soname,libf.so")
    flags = ("-Lother", "-lhelper", "-Wl,-soname,libf.so", "-Wl,-rpath,$ORIGIN/other", "-Wl,--no-as-needed")
    library = linked(tmp_path, USING, "f", *flags)
    messages = [each.message for each in reported(library)]
    assert any("own SONAME" in message for message in messages)
    assert any("helper" in message for message in messages)


def test_a_library_that_python_has_open_wins(tmp_path: Path) -> None:
    linked(tmp_path, HELPER, "m", "-Wl,-soname,libm.so.6").rename(tmp_path / "libm.so.6")
    library = linked(tmp_path, USING, "f", "-Wl,--no-as-needed", "-l:libm.so.6", "-L.", "-Wl,-rpath,$ORIGIN")
    severities = {each.severity: each.message for each in reported(library, "libm.so.6")}
    assert "open already" in severities["warning"]
    assert "helper" in severities["error"]
    assert "helper" in refused(library)


def test_a_library_of_the_system_instead_of_that_of_the_package_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system"
    linked(system, HELPER, "helper", "-Wl,-soname,libhelper.so")
    linked(tmp_path, HELPER, "helper", "-Wl,-soname,libhelper.so")
    library = linked(tmp_path, USING, "f", "-L.", "-lhelper")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(system))
    (warning,) = reported(library, "libhelper.so")
    assert (warning.severity, warning.key) == ("warning", "link_target")
    assert str(system / "libhelper.so") in warning.message


def test_the_first_of_two_libraries_of_one_name_serves_both_needs(tmp_path: Path) -> None:
    linked(tmp_path, "void one(void) {}", "same", "-Wl,-soname,libsame.so")
    linked(tmp_path / "inner", "void two(void) {}", "same", "-Wl,-soname,libsame.so")
    middle = "void two(void); void middle(void) { two(); }"
    linked(tmp_path, middle, "middle", "-Linner", "-lsame", "-Wl,-rpath,$ORIGIN/inner", "-Wl,-soname,libmiddle.so")
    source = "void one(void); void middle(void); void f(float *A, float *B, int N) { one(); middle(); }"
    flags = ("-L.", "-lsame", "-lmiddle", "-Wl,-rpath,$ORIGIN", "-Wl,--allow-shlib-undefined")
    library = linked(tmp_path, source, "f", *flags)
    severities = {each.severity: each.message for each in reported(library)}
    assert "libsame.so" in severities["warning"]
    assert "two" in severities["error"]
    assert "two" in refused(library)


def test_two_files_of_one_name_are_a_warning(tmp_path: Path) -> None:
    for name in ("one", "two"):
        linked(tmp_path, f"void {name}(void) {{}}", name)
    source = "void one(void); void two(void); void f(float *A, float *B, int N) { one(); two(); }"
    library = linked(tmp_path, source, "f", "-L.", "-lone", "-ltwo", "-Wl,-rpath,$ORIGIN")
    assert reported(library) == []
    for name in ("one", "two"):
        linked(tmp_path, f"void {name}(void) {{}}", name, "-Wl,-soname,libsame.so")
    (warning,) = reported(library)
    assert warning.severity == "warning"
    assert "libsame.so" in warning.message


def test_a_version_that_a_needed_library_lacks_is_an_error(tmp_path: Path) -> None:
    flags = ("-Wl,-soname,libhelper.so", "-Wl,--version-script=versions")
    (tmp_path / "versions").write_text("OLD { global: older; }; NEW { global: helper; } OLD;")
    source = f"{HELPER} void older(void) {{}}"
    linked(tmp_path, source, "helper", *flags)
    library = linked(tmp_path, USING, "f", "-L.", "-lhelper", "-Wl,-rpath,$ORIGIN")
    assert reported(library) == []
    (tmp_path / "versions").write_text("OLD { global: older; helper; };")
    linked(tmp_path, source, "helper", *flags)
    (error,) = reported(library)
    assert error.severity == "error"
    assert "NEW" in error.message
    assert "NEW" in refused(library)


@pytest.mark.parametrize(
    ("name", "is_there"),
    [("@loader_path/libx.dylib", False), ("@rpath/libx.dylib", False), ("/usr/lib/libSystem.B.dylib", True)],
)
def test_the_needs_of_a_library_of_macos_are_checked_in_its_folder(name: str, is_there: bool, tmp_path: Path) -> None:
    library = LibraryFile(path=tmp_path / "libf.dylib", kind=LibraryKind.DYNAMIC, format="Mach-O")
    for present in (is_there, True):
        report = Report("", {})
        check_needs(report, HatFile(), library, Symbols(needed=(name,), run_folders=("@loader_path",)))
        assert report.has_errors is not present
        (tmp_path / Path(name).name).touch()
