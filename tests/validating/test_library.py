"""The library against the metadata: what it is, for which platform, and which functions it has."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sample_packages
from hat_deviations import places, valid

from hatframe.format.rendering import render_hat
from hatframe.outcomes import Deviation
from hatframe.validating.validation import validate

LINK_TARGET = "dependencies.link_target"
SOURCE = "void f(float *A, float *B, int N) { for (int i = 0; i < N; i++) B[i] = A[i]; }"


def found(library: Path, **dependencies: Any) -> list[Deviation]:
    """What validation reports of the file of a function ``f`` with a library."""
    document = valid()
    document["dependencies"].update(link_target=library.name, **dependencies)
    path = library.parent / "package.hat"
    path.write_text(render_hat(document, "package"))
    return validate(path)


@pytest.mark.parametrize("static", [False, True])
def test_a_library_with_the_functions_is_ok(static: bool, tmp_path: Path) -> None:
    assert found(sample_packages.library(tmp_path, SOURCE, static=static)) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"this is text", b"\x7fELF", b"MZ" + bytes(100), b"!<arch>\nxx", b"\x7fELF\x02\x01\x01" + bytes(200)],
)
def test_a_file_that_is_not_a_library_is_an_error(content: bytes, tmp_path: Path) -> None:
    library = tmp_path / "f.so"
    library.write_bytes(content)
    assert places(found(library)) == [("error", LINK_TARGET)]


@pytest.mark.parametrize("flags", [["-pie"], ["-no-pie"]])
def test_a_program_is_an_error(flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "f.c").write_text(f"{SOURCE} int main(void) {{ return 0; }}")
    command = [sample_packages.compiler(), "-fPIC", *flags, "-rdynamic", "-o", "f.so", "f.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    (error,) = found(tmp_path / "f.so")
    assert (error.severity, error.key) == ("error", "link_target")
    assert "program" in error.message


@pytest.mark.parametrize("static", [False, True])
def test_a_function_that_the_library_lacks_is_an_error(static: bool, tmp_path: Path) -> None:
    source = f"{SOURCE.replace('f(', 'f_old(')} static void f(void) {{}} void *used(void) {{ return f; }}"
    (error,) = found(sample_packages.library(tmp_path, source, static=static))
    assert (error.severity, error.table, error.key) == ("error", "functions", "f")


def test_a_hidden_function_of_a_dynamic_library_is_an_error(tmp_path: Path) -> None:
    library = sample_packages.library(tmp_path, SOURCE, flags=["-fvisibility=hidden"])
    assert places(found(library)) == [("error", "functions.f")]


def test_a_static_package_may_define_its_functions_in_the_c_code(tmp_path: Path) -> None:
    library = sample_packages.library(tmp_path, "void other(void) {}", static=True)
    document = valid()
    document["dependencies"]["link_target"] = library.name
    path = tmp_path / "package.hat"
    for code, expected in ((SOURCE, []), (f"static {SOURCE}", [("error", "functions.f")])):
        document["declaration"]["code"] = code
        path.write_text(render_hat(document, "package"))
        assert places(validate(path)) == expected


@pytest.mark.parametrize("line", ['#include "../x.h"', '__asm__(".incbin \\"/etc/passwd\\"");', "#include MACRO"])
def test_c_code_that_conversions_refuse_is_a_warning(line: str, tmp_path: Path) -> None:
    library = sample_packages.library(tmp_path, SOURCE, static=True)
    document = valid()
    document["dependencies"]["link_target"] = library.name
    document["declaration"]["code"] += f"{line}\n"
    path = tmp_path / "package.hat"
    path.write_text(render_hat(document, "package"))
    assert places(validate(path)) == [("warning", "declaration.code")]


def test_dependencies_of_a_static_package_may_define_its_functions(tmp_path: Path) -> None:
    sample_packages.library(tmp_path, SOURCE, "more", static=True)
    library = sample_packages.library(tmp_path, "void other(void) {}", static=True)
    assert found(library, dynamic=[{"name": "more", "version": "", "target_file": "more.a"}]) == []


@pytest.mark.parametrize(
    ("target_file", "severity"),
    [
        ("missing/x.o", "error"),
        ("not a name", "error"),
        ("text.o", "error"),
        ("damaged.o", "error"),
        ("../x.o", "warning"),
        ("-Wl,-z,now", "warning"),
    ],
)
def test_a_dependency_that_no_linker_can_use_is_a_deviation(target_file: str, severity: str, tmp_path: Path) -> None:
    (tmp_path / "text.o").write_text("text")
    ends_early = struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, 1 << 40, 0, 64, 0, 0, 64, 9, 0)
    (tmp_path / "damaged.o").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + ends_early)
    library = sample_packages.library(tmp_path, SOURCE, static=True)
    reported = found(library, dynamic=[{"name": "", "version": "", "target_file": target_file}])
    assert places(reported) == [(severity, "dependencies.dynamic[0].target_file")]


@pytest.mark.parametrize(("static", "suffix"), [(True, ".so"), (False, ".a"), (False, ".o"), (True, ".DLL")])
def test_a_suffix_of_another_kind_is_a_warning(static: bool, suffix: str, tmp_path: Path) -> None:
    library = sample_packages.library(tmp_path, SOURCE, static=static)
    assert places(found(library.rename(library.with_suffix(suffix)))) == [("warning", LINK_TARGET)]


@pytest.mark.parametrize("required", [{"os": "windows"}, {"os": "macos"}, {"CPU": {"architecture": "s390x"}}])
def test_a_library_for_another_platform_is_an_error(required: dict[str, Any], tmp_path: Path) -> None:
    library = sample_packages.library(tmp_path, SOURCE)
    document = valid()
    document["dependencies"]["link_target"] = library.name
    document["target"]["required"].update(required)
    document["target"]["required"]["CPU"].setdefault("extensions", [])
    path = tmp_path / "package.hat"
    path.write_text(render_hat(document, "package"))
    assert ("error", "target.required") in places(validate(path))


def test_undefined_symbols_of_a_static_package_are_a_warning(tmp_path: Path) -> None:
    used = "void __kmpc_fork_call(void); void helper(void); double sin(double); void *malloc(unsigned long);"
    source = f"{used} void f(float *A, float *B, int N) {{ B[0] = sin(N); __kmpc_fork_call(); helper(); malloc(1); }}"
    (warning,) = found(sample_packages.library(tmp_path, source, static=True))
    assert (warning.severity, warning.key) == ("warning", "link_target")
    assert "__kmpc_fork_call" in warning.message
    assert "helper" in warning.message
    assert "sin" not in warning.message
    assert "omp" in warning.hint


def test_what_libraries_given_by_name_define_is_unknown(tmp_path: Path) -> None:
    source = "void helper(void); void f(float *A, float *B, int N) { helper(); }"
    library = sample_packages.library(tmp_path, source, static=True)
    assert found(library, dynamic=[{"name": "helpers", "version": "", "target_file": "helpers"}]) == []


def test_an_import_library_needs_its_dll(tmp_path: Path) -> None:
    library = tmp_path / "f.lib"
    entry = struct.pack("<HHHHIIHH", 0, 0xFFFF, 0, 0x8664, 0, 8, 0, 0) + b"f\0f.dll\0"
    header = b"f.obj/".ljust(48) + str(len(entry)).encode().ljust(10) + b"`\n"
    library.write_bytes(b"!<arch>\n" + header + entry)
    reported = found(library)
    assert places(reported) == [("error", LINK_TARGET)]
    assert "f.dll" in reported[0].message


def test_a_library_outside_the_folder_is_only_that(tmp_path: Path) -> None:
    sample_packages.library(tmp_path, SOURCE, "f")
    (tmp_path / "package").mkdir()
    document = valid()
    document["dependencies"]["link_target"] = "../f.so"
    path = tmp_path / "package" / "package.hat"
    path.write_text(render_hat(document, "package"))
    assert places(validate(path)) == [("warning", LINK_TARGET)]


def test_a_package_without_host_functions_needs_no_library(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parent.parent / "data" / "vadd_Globals.hat", tmp_path)
    (tmp_path / "vadd_Globals.o").touch()
    assert {each.severity for each in validate(tmp_path / "vadd_Globals.hat")} == {"warning"}
