"""A static package becomes a dynamic one, and nothing else changes."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hatframe_builtin.linkers.gcc import Gcc
from sample_packages import affine, call, compiler, document, element, function, hat_text, make_package

from hatframe.backends import Linker, SharedLibrary
from hatframe.binary.libraries import LibraryKind, identify
from hatframe.binary.symbols import read_symbols
from hatframe.converting.to_dynamic import to_dynamic
from hatframe.errors import HatError, LinkError, PackageError, SymbolError, UsageError
from hatframe.format.reading import parse_document, read_hat
from hatframe.machine import Platform
from hatframe.packages.dependencies import Trust
from hatframe.packages.package import read_package, same_library

SOURCE = """
int helper_impl_123(int x) { return x + 1; }
int next_0123456789abcdef(int x) { return helper_impl_123(x); }
"""
NEXT = function(element("x"), returns=element("", "int", "output", "int"))
FUNCTIONS = {"next_0123456789abcdef": NEXT}
POINTER = """
int next_0123456789abcdef(int);
#ifndef __next_DEFINED__
#define __next_DEFINED__
int (*next)(int) = next_0123456789abcdef;
#endif
"""


def static_package(folder: Path, **changes: Any) -> Path:
    arguments: dict[str, Any] = {"source": SOURCE, "functions": FUNCTIONS, "code": POINTER, "static": True}
    return make_package(folder, **{**arguments, **changes})


def with_dependencies(path: Path, *target_files: str) -> None:
    """Write the package's .hat file anew, with dependencies."""
    hat = read_hat(path)
    table = dict(hat.document)
    dynamic = [{"name": "", "version": "", "target_file": text} for text in target_files]
    table["dependencies"] = {**table["dependencies"], "dynamic": dynamic}
    path.write_text(hat_text(table))


def snapshot(folder: Path) -> Mapping[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---------------------------------------------------------------------------------------------- what is linked


def test_only_the_functions_are_exported_and_they_work(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path / "in")
    (tmp_path / "out").mkdir()
    made = to_dynamic(read_package(path), tmp_path / "out" / "new.hat", linker=linker)
    assert made.hat == tmp_path / "out" / "new.hat"
    assert made.library.stem == "libnew"
    assert made.linker == linker.name
    assert call(made.hat) == 42
    assert read_symbols(made.library).defined == {"next_0123456789abcdef"}
    assert identify(made.library).kind is LibraryKind.DYNAMIC


def test_members_without_references_are_linked(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path, code="")
    names = [f"f{number}_{'0' * 16}" for number in range(3)]
    for name in names:
        (tmp_path / f"{name}.c").write_text(f"int {name}(int x) {{ return x + 1; }}")
        made = tmp_path / f"{name}.o"
        subprocess.run([compiler(), "-fPIC", "-c", "-o", made, tmp_path / f"{name}.c"], check=True)
        subprocess.run([compiler("ar"), "q", tmp_path / "package.a", made], check=True)
    path.write_text(hat_text(document({**FUNCTIONS, **dict.fromkeys(names, NEXT)}, "package.a")))
    made_package = to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker)
    assert [call(made_package.hat, name) for name in names] == [42] * 3


def test_an_object_file_is_linked(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path)
    subprocess.run([compiler("ar"), "x", "package.a"], check=True, cwd=tmp_path)
    path.write_text(path.read_text().replace("package.a", "package.o"))
    assert call(to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker).hat) == 42


def test_functions_that_only_the_header_defines_are_compiled(tmp_path: Path, linker: Linker) -> None:
    source = """
    int report(const char* format, ...);
    int next_0123456789abcdef(int x) { return report("%d\\n", x) + x; }
    """
    code = """
    #include <stdarg.h>
    #include <stdio.h>
    #include "beside.h"
    __attribute__((visibility("default"))) int report(const char* format, ...) {
        char text[99]; va_list arguments; va_start(arguments, format);
        int length = vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        return length + BESIDE;
    }
    """
    path = static_package(tmp_path, source=source, functions=FUNCTIONS, code="")
    # As the tools write it, so that the escape of the text is for TOML too.
    text = hat_text(document(FUNCTIONS, "package.a", textwrap.dedent(code)))
    path.write_text(text)
    (tmp_path / "beside.h").write_text("#define BESIDE 100\n")
    made = to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker)
    assert call(made.hat) == 41 + 3 + 100
    assert read_symbols(made.library).defined == set(FUNCTIONS)


def test_archive_members_that_are_not_objects_are_skipped(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path)
    (tmp_path / "__.LIBDEP").write_text("omp5\0")
    subprocess.run([compiler("ar"), "q", "package.a", "__.LIBDEP"], check=True, cwd=tmp_path)
    assert call(to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker).hat) == 42


def test_the_maths_library_is_always_available(tmp_path: Path, linker: Linker) -> None:
    source = "#include <math.h>\ndouble root_0123456789abcdef(double x) { return cbrt(x); }\n"
    functions = {"root_0123456789abcdef": function(element("x", "double"))}
    path = static_package(tmp_path, source=source, functions=functions, code="")
    made = to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker)
    root = ctypes.CDLL(str(made.library)).root_0123456789abcdef
    root.restype, root.argtypes = ctypes.c_double, (ctypes.c_double,)
    assert root(27.0) == pytest.approx(3.0)


def test_paths_may_have_special_characters(tmp_path: Path, linker: Linker) -> None:
    strange = tmp_path / "a 'strange' \"folder\", $HOME; \\back"
    path = static_package(strange, name="my -package")
    output = strange / "@out put,too.hat"
    assert call(to_dynamic(read_package(path), output, linker=linker).hat) == 42


def test_relative_paths_start_in_the_current_folder(
    tmp_path: Path, linker: Linker, monkeypatch: pytest.MonkeyPatch
) -> None:
    static_package(tmp_path)
    monkeypatch.chdir(tmp_path)
    made = to_dynamic(read_package("package.hat"), Path("new.hat"), linker=linker)
    assert made.hat == tmp_path / "new.hat"
    assert call(made.hat) == 42


def test_names_that_the_linker_language_uses_can_be_exported(tmp_path: Path, linker: Linker) -> None:
    functions = dict.fromkeys(("local", "global", "extern_"), NEXT)
    source = "".join(f"int {name}(int x) {{ return x + 1; }}\n" for name in functions)
    path = static_package(tmp_path, source=source, functions=functions, code="")
    made = to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker)
    assert read_symbols(made.library).defined == set(functions)


def test_code_for_link_time_optimisation_is_linked(tmp_path: Path) -> None:
    path = static_package(tmp_path)
    subprocess.run([compiler("gcc"), "-flto", "-fPIC", "-c", "package.c"], check=True, cwd=tmp_path)
    path.write_text(path.read_text().replace("package.a", "package.o"))
    assert call(to_dynamic(read_package(path), tmp_path / "new.hat", linker=Gcc()).hat) == 42


# ------------------------------------------------------------------------------------------------- dependencies


def dependency_library(folder: Path, name: str) -> Path:
    """An object, archive or dynamic library that defines ``offset``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dependency.c").write_text("int offset(void) { return 1000; }\n")
    made = folder / "dependency.o"
    subprocess.run([compiler(), "-fPIC", "-c", "-o", made, folder / "dependency.c"], check=True)
    if name.endswith(".a"):
        subprocess.run([compiler("ar"), "rcs", folder / name, made], check=True)
    elif not name.endswith(".o"):
        subprocess.run([compiler(), "-shared", "-o", folder / name, made], check=True)
    return folder / name


USING = "int offset(void);\nint next_0123456789abcdef(int x) { return x + offset(); }\n"


@pytest.mark.parametrize(
    ("file", "target_file", "stays"),
    [
        ("dependency.o", "{folder}/dependency.o", False),
        ("libdependency.a", "deps/libdependency.a", False),
        ("libdependency.so", "deps/libdependency.so", True),
        ("libdependency.so", "{folder}/libdependency.so", True),
        ("libdependency.a", "-L{folder} -ldependency", False),
        ("libdependency.so", "-L{folder} -ldependency", True),
    ],
)
def test_included_dependencies_are_removed_and_others_stay(
    tmp_path: Path, linker: Linker, file: str, target_file: str, stays: bool
) -> None:
    folder = tmp_path / "in"
    path = static_package(folder, source=USING)
    dependency_library(folder / "deps", file)
    with_dependencies(path, target_file.format(folder=folder / "deps"), "-lm")
    (tmp_path / "out").mkdir()
    # An option with a folder is passed on only if it is trusted.
    trust = Trust(allow_outside=target_file.startswith("-L"))
    made = to_dynamic(read_package(path), tmp_path / "out" / "new.hat", linker=linker, trust=trust)
    assert call(made.hat) == 1041
    remaining = [reference.target_file for reference in read_hat(made.hat).dependencies.dynamic]
    expected = target_file.format(folder=folder / "deps")
    if not expected.startswith(("/", "-")):
        expected = f"../in/{expected}"
    assert remaining == ([expected] if stays else [])


def test_libraries_of_the_user_are_found_by_name_and_folder_and_by_path(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path / "in", source=USING)
    library = dependency_library(tmp_path / "some deps", "libdependency.so")
    package = read_package(path)
    for number, (libraries, folders) in enumerate(
        [(["dependency"], [library.parent]), ([str(library)], []), ([str(library.parent / "dependency.o")], [])]
    ):
        made = to_dynamic(
            package,
            tmp_path / f"new{number}.hat",
            linker=linker,
            libraries=libraries,
            library_folders=folders,
        )
        assert call(made.hat) == 1041


def test_an_unknown_flag_is_refused_before_any_tool_runs(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path)
    with_dependencies(path, f"-o{tmp_path / 'stolen'}")
    with pytest.raises(LinkError, match=r"dependencies\.dynamic\[0\]\.target_file: .*-o"):
        to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker)
    assert not (tmp_path / "stolen").exists()


def test_openmp_code_names_its_missing_runtime_and_links_with_it(tmp_path: Path) -> None:
    source = """
    int next_0123456789abcdef(int x) {
        int sum = 0;
        #pragma omp parallel for reduction(+:sum)
        for (int i = 0; i <= x; ++i) sum += 1;
        return sum;
    }
    """
    compiler("gcc")
    path = static_package(tmp_path, source=source, flags=["-fopenmp"])
    with pytest.raises(LinkError) as caught:
        to_dynamic(read_package(path), tmp_path / "new.hat", linker=Gcc())
    assert "GOMP_parallel" in caught.value.message
    assert "-l gomp" in caught.value.hint
    assert str(path) in caught.value.where
    for how in ({"libraries": ["gomp"]}, {"libraries": ["-fopenmp"]}):
        made = to_dynamic(read_package(path), tmp_path / "new.hat", linker=Gcc(), **how)
        assert call(made.hat) == 42


# ------------------------------------------------------------------------------------------------------- errors


def fails(path: Path, linker: Linker, kind: type[HatError], match: str, output: str = "new.hat") -> HatError:
    """Assert that converting fails, with an error of that kind, and changes nothing."""
    before = snapshot(path.parent)
    with pytest.raises(kind, match=match) as caught:
        to_dynamic(read_package(path), path.parent / output, linker=linker)
    assert snapshot(path.parent) == before
    assert "\n" not in str(caught.value)
    return caught.value


def test_an_undefined_symbol_fails_and_is_named(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path, source=USING)
    fails(path, linker, LinkError, r"\boffset\b")


def test_a_function_that_the_library_does_not_define_is_named(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path, functions={"nxt_0123456789abcdef": NEXT}, code="")
    error = fails(path, linker, SymbolError, "nxt_0123456789abcdef")
    assert "next_0123456789abcdef" in error.hint


def test_a_hidden_function_is_not_silently_left_out(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path, flags=["-fvisibility=hidden"], code="")
    error = fails(path, linker, LinkError, "next_0123456789abcdef")
    assert "-fvisibility=hidden" in error.hint


def test_missing_exports_of_a_linker_are_an_error(tmp_path: Path) -> None:
    class Forgetful(Gcc):
        def link_shared(self, library: SharedLibrary) -> None:
            super().link_shared(SharedLibrary(output=library.output, archives=library.archives))

    compiler("gcc")
    fails(static_package(tmp_path, code=""), Forgetful(), LinkError, "next_0123456789abcdef")


def test_an_unneeded_header_is_not_compiled(tmp_path: Path, linker: Linker, monkeypatch: pytest.MonkeyPatch) -> None:
    path = static_package(tmp_path)

    def compiled(*arguments: object, **more: object) -> None:
        raise AssertionError("it was compiled")

    monkeypatch.setattr(type(linker), "compile", compiled)
    assert call(to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker).hat) == 42


HOOK = "int hook(void) { return 1; }"
HELPED = "int helper(void); int F(int x) { return x + helper(); }"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("extern int hook(void) __attribute__((weak)); int F(int x) { return hook ? x + hook() : -1; }", HOOK),
        ("__attribute__((common)) int cfg; int F(int x) { return x + cfg; }", "int cfg = 1;"),
        ("__attribute__((weak)) int hook(void) { return 0; } int F(int x) { return x + hook(); }", HOOK),
        (
            "int ready; int F(int x) { return x + ready; }",
            "extern int ready;\n__attribute__((__constructor__)) static void begin(void) { ready = 1; }",
        ),
        (HELPED, "#include <helpers.h>"),
        (HELPED, "#define helper_is int helper(void)\nhelper_is { return 1; }"),
        (
            "extern int (*base)(void) __attribute__((weak)); int F(int x) { return &base ? x + base() : -1; }",
            "int one(void);\nint (*base)(void) = one;\nint one(void) { return 1; }",
        ),
    ],
)
def test_other_definitions_of_a_header_are_compiled(tmp_path: Path, linker: Linker, source: str, code: str) -> None:
    path = static_package(tmp_path, source=source.replace("F(", "next_0123456789abcdef("), code=code)
    (tmp_path / "helpers.h").write_text("int helper(void) { return 1; }\n")
    assert call(to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker).hat) == 42


def test_a_library_that_a_dependency_names_may_need_the_header(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path, source=USING, code="int called_back(void) { return 1; }")
    (tmp_path / "dependency.c").write_text("int called_back(void); int offset(void) { return called_back(); }")
    subprocess.run([compiler(), "-fPIC", "-c", "dependency.c"], check=True, cwd=tmp_path)
    subprocess.run([compiler("ar"), "rcs", "dep.a", "dependency.o"], check=True, cwd=tmp_path)
    with_dependencies(path, "./dep.a")
    assert call(to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker).hat) == 42


@pytest.mark.parametrize(
    "code",
    [
        '#include "beside.h"',
        "#define BESIDE_H <beside.h>\n#include BESIDE_H",
        "#define PASTE(a, b) int a##b(void) { return 1000; }\nPASTE(off, set)",
    ],
)
def test_a_header_is_compiled_if_its_names_do_not_show_what_it_defines(
    tmp_path: Path, linker: Linker, code: str
) -> None:
    path = static_package(tmp_path, source=USING, code=code)
    (tmp_path / "beside.h").write_text("int offset(void) { return 1000; }\n")
    # Which file a macro includes, only a compiler knows.
    trust = Trust(allow_outside="BESIDE_H" in code)
    assert call(to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker, trust=trust).hat) == 1041


def test_an_error_in_a_header_has_its_line(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path, source=USING, code="not an offset;")
    fails(path, linker, LinkError, r"package\.hat:\d+:\d+: error: ")


def test_code_that_is_not_position_independent_gets_a_hint(tmp_path: Path, linker: Linker) -> None:
    if not Platform.host().fits(Platform(os="linux", architecture="x86_64")):
        pytest.skip("on this platform all code is position-independent enough")
    source = "int table[4];\nint next_0123456789abcdef(int x) { return table[x]; }\n"
    path = static_package(tmp_path, source=source, flags=["-fno-pic", "-mcmodel=medium"], code="")
    error = fails(path, linker, LinkError, "relocation")
    assert "-fPIC" in error.hint


def test_a_symbol_that_is_defined_twice_gets_a_hint(tmp_path: Path, linker: Linker) -> None:
    code = "int offset(void) { return 1; }\nint next_0123456789abcdef(int x) { return x; }\n"
    path = static_package(tmp_path, source=USING, code=code)
    assert fails(path, linker, LinkError, "next_0123456789abcdef").hint


def test_a_dynamic_package_is_refused(tmp_path: Path, linker: Linker) -> None:
    path = make_package(tmp_path, SOURCE, FUNCTIONS)
    fails(path, linker, PackageError, r"package\.so")


@pytest.mark.parametrize("data", [None, b"text\n", bytes(range(256)), b""])
def test_a_file_that_is_not_a_library_is_an_error(tmp_path: Path, linker: Linker, data: bytes | None) -> None:
    path = static_package(tmp_path)
    (tmp_path / "package.a").unlink()
    if data is not None:
        (tmp_path / "package.a").write_bytes(data)
    fails(path, linker, PackageError, r"package\.a")


def test_an_empty_link_target_and_no_functions_are_errors(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path / "one")
    path.write_text(hat_text(document(FUNCTIONS, "")))
    fails(path, linker, PackageError, r"package\.hat")
    path.write_text(hat_text(document({}, "package.a")))
    fails(path, linker, PackageError, r"package\.hat")


def test_an_object_of_another_platform_is_refused(tmp_path: Path, linker: Linker) -> None:
    other = "s390x"  # which none of the linkers makes
    path = static_package(tmp_path)
    (tmp_path / "foreign.c").write_text("int next_0123456789abcdef(int x) { return x + 1; }\n")
    command = [compiler("clang"), f"--target={other}-linux-gnu", "-c", "foreign.c", "-o", "foreign.o"]
    subprocess.run(command, check=True, cwd=tmp_path)
    path.write_text(path.read_text().replace("package.a", "foreign.o"))
    fails(path, linker, PackageError, f"ELF for {other}.*target.required")
    path.write_text(path.read_text().replace(f'"{Platform.host().architecture}"', f'"{other}"'))
    fails(path, linker, LinkError, f"ELF for {other}.*{linker.name}")


def test_metadata_for_another_os_are_refused(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path)
    path.write_text(path.read_text().replace(f'os = "{Platform.host().os}"', 'os = "windows"'))
    fails(path, linker, PackageError, "target.required.*windows")


def test_an_invalid_name_never_reaches_the_linker(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path, functions={'f"; *; "': NEXT}, code="")
    fails(path, linker, SymbolError, "; \\*; ")


# ------------------------------------------------------------------------------------------------- the new files


def test_only_the_documented_values_change_in_the_hat_file(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path)
    text = path.read_text()
    dependencies = "dynamic = []\n"
    assert dependencies in text
    auxiliary = '\n[dependencies.auxiliary]\nstatic = "package.a" # the old one\n'
    durations = (
        "[functions.next_0123456789abcdef.auxiliary]\n"
        "mean_duration_in_sec = 1.5\nmeasured_sizes = 'M=1'\nkept = 'as it is'   # comment\n"
    )
    kept = "[functions.next_0123456789abcdef.auxiliary]\nkept = 'as it is'   # comment\n"
    marker = "[target.required]\n"
    assert text.count(marker) == 1

    def with_functions(added: str) -> str:
        return text.replace(marker, f"{added}\n{marker}")

    for line_end in ("\n", "\r\n"):
        before = with_functions(durations).replace(dependencies, dependencies + auxiliary)
        path.write_bytes(before.replace("\n", line_end).encode())
        made = to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker)
        expected = with_functions(kept).replace('"package.a"', f'"{made.library.name}"')
        lines = made.hat.read_bytes().decode().split(line_end)
        digest = re.compile(r"\[dependencies\.auxiliary.*|\"?[\w.]+\"? = \"[0-9a-f]{64}\"|sha256 = .*")
        left = [line for line in lines if line and not digest.fullmatch(line)]
        assert left == [line for line in expected.split("\n") if line]
        assert "\n" not in "".join(lines)


def test_parameters_of_the_functions_in_auxiliary_stay(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path)
    text = path.read_text()
    table = "\n[functions.next_0123456789abcdef.auxiliary.accera.parameters]\ntile = 16\n\n[target.required]\n"
    path.write_text(text.replace("[target.required]\n", table))
    made = to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker)
    new, old = (parse_document(file.read_text()) for file in (made.hat, path))
    assert new["functions"] == old["functions"]
    old["dependencies"]["link_target"] = made.library.name
    digest = hashlib.sha256(made.library.read_bytes()).hexdigest()
    old["dependencies"]["auxiliary"] = {"sha256": {made.library.name: digest}}
    assert new == old


def test_nothing_is_left_beside_the_input(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path / "in")
    (tmp_path / "out").mkdir()
    before = snapshot(tmp_path / "in")
    made = to_dynamic(read_package(path), tmp_path / "out" / "new.hat", linker=linker)
    assert snapshot(tmp_path / "in") == before
    assert {entry.name for entry in (tmp_path / "out").iterdir()} == {"new.hat", made.library.name}


def test_a_folder_as_output_takes_the_name_of_the_input(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path / "in")
    (tmp_path / "out").mkdir()
    made = to_dynamic(read_package(path), tmp_path / "out", linker=linker)
    assert made.hat == tmp_path / "out" / "package.hat"


@pytest.mark.parametrize(
    ("output", "overwritten"),
    [
        ("package.hat", "package.hat"),
        ("./package.hat", "package.hat"),
        ("link.hat", "link.hat"),
        ("in.hat", "libin.so"),
    ],
)
def test_no_input_is_overwritten(tmp_path: Path, linker: Linker, output: str, overwritten: str) -> None:
    path = static_package(tmp_path)
    (tmp_path / "link.hat").symlink_to("package.hat")
    # The new library would be libin.so, which is linked.
    dependency_library(tmp_path, "libin.so")
    with_dependencies(path, "libin.so")
    fails(path, linker, UsageError, re.escape(str(tmp_path / overwritten)), output)


def test_invalid_outputs_are_usage_errors(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path)
    fails(path, linker, UsageError, r"libnew\.so", "libnew.so")
    fails(path, linker, UsageError, "none", "none/new.hat")
    (tmp_path / "libnew.so").mkdir()
    (tmp_path / "libnew.dylib").mkdir()
    fails(path, linker, UsageError, r"new\.so")


def test_an_existing_output_stays_if_linking_fails(tmp_path: Path, linker: Linker) -> None:
    good = static_package(tmp_path / "good")
    made = to_dynamic(read_package(good), tmp_path / "new.hat", linker=linker)
    before = snapshot(tmp_path)
    bad = static_package(tmp_path / "bad", source=USING)
    before = snapshot(tmp_path)
    with pytest.raises(LinkError):
        to_dynamic(read_package(bad), tmp_path / "new.hat", linker=linker)
    assert snapshot(tmp_path) == before
    assert call(made.hat) == 42


def test_a_loaded_library_is_replaced_and_not_overwritten(tmp_path: Path, linker: Linker) -> None:
    path = static_package(tmp_path / "one")
    made = to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker)
    loaded = ctypes.CDLL(str(made.library))
    other = static_package(tmp_path / "two", source=SOURCE.replace("x + 1", "x + 2"))
    again = to_dynamic(read_package(other), tmp_path / "new.hat", linker=linker)
    assert loaded.next_0123456789abcdef(40) == 41
    copy = shutil.copy(again.library, tmp_path / "copy.so")
    assert ctypes.CDLL(copy).next_0123456789abcdef(40) == 42


def test_all_hat_files_of_one_library_are_converted_together(tmp_path: Path, linker: Linker) -> None:
    source = SOURCE + "int other_0123456789abcdef(int x) { return x + 7; }\n"
    path = static_package(tmp_path / "in", source=source)
    other = path.with_name("other.hat")
    functions = {"other_0123456789abcdef": NEXT}
    other.write_text(hat_text(document(functions, "package.a", POINTER), "other"))
    static_package(tmp_path / "in", name="unrelated")
    (tmp_path / "out").mkdir()
    made = to_dynamic(same_library(path), tmp_path / "out" / "new.hat", linker=linker)
    assert made.other_hats == (tmp_path / "out" / "other.hat",)
    assert call(made.hat) == 42
    assert call(made.other_hats[0], "other_0123456789abcdef") == 48
    assert read_symbols(made.library).defined == {*FUNCTIONS, *functions}
    with pytest.raises(UsageError, match=r"other\.hat"):
        to_dynamic(same_library(path), tmp_path / "in" / "new.hat", linker=linker)
    with pytest.raises(UsageError, match=r"other\.hat"):
        to_dynamic(same_library(path), tmp_path / "out" / "other.hat", linker=linker)


# -------------------------------------------------------------------------------------- other users, other processes

RUN = """
import os, sys
from pathlib import Path
from hatframe.packages.package import read_package, same_library
from hatframe.converting.to_dynamic import to_dynamic
from hatframe_builtin.linkers.gcc import Gcc
source, warm, output, user, state = sys.argv[1:]
# Another user may not be able to import modules.
to_dynamic(read_package(source), Path(warm), linker=Gcc())
if int(user):
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
os.environ["HATFRAME_STATE_DIR"] = state
to_dynamic(read_package(source), Path(output), linker=Gcc())
"""


def test_read_only_input_is_converted() -> None:
    compiler("gcc")
    # Another user cannot enter the temporary folders of pytest.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = static_package(folder / "in")
        for each in ("warm", "out", "state"):
            (folder / each).mkdir()
            (folder / each).chmod(0o777)
        for each in path.parent.iterdir():
            each.chmod(0o444)
        path.parent.chmod(0o555)
        folder.chmod(0o755)
        user = "65534" if os.getuid() == 0 else "0"
        arguments = [path, folder / "warm", folder / "out", user, folder / "state"]
        before = snapshot(path.parent)
        command = [sys.executable, "-c", RUN, *arguments]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        assert snapshot(path.parent) == before
        assert call(folder / "out" / "package.hat") == 42
        path.parent.chmod(0o755)


def test_concurrent_conversions_leave_matching_files(tmp_path: Path) -> None:
    compiler("gcc")
    first = static_package(tmp_path / "one")
    second = static_package(tmp_path / "two", source=SOURCE.replace("x + 1", "x + 2"))
    for folder in ("warm1", "warm2", "out"):
        (tmp_path / folder).mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = []
    for number, path in enumerate([first, second, first, second]):
        warm = tmp_path / f"warm{number % 2 + 1}" / f"{number}.hat"
        arguments = [path, warm, tmp_path / "out" / "new.hat", "0", tmp_path / "state"]
        running.append(subprocess.Popen([sys.executable, "-c", RUN, *arguments], env=environment))
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    assert call(tmp_path / "out" / "new.hat", argument=40) in (41, 42)
    assert len(list((tmp_path / "out").iterdir())) == 2


# ------------------------------------------------------------------------------------------------ Accera's packages

ACCERA = os.environ.get("HATFRAME_ACCERA_PACKAGES", "")
accera = pytest.mark.skipif(not ACCERA, reason="HATFRAME_ACCERA_PACKAGES names no folder of Accera's packages")


@accera
@pytest.mark.parametrize("name", ["gemm_static", "ints", "vadd"])
def test_packages_of_accera_are_converted(tmp_path: Path, linker: Linker, name: str) -> None:
    path = Path(ACCERA) / name / f"{name}.hat"
    before = snapshot(path.parent)
    package = read_package(path)
    made = to_dynamic(package, tmp_path / "new.hat", linker=linker)
    assert read_symbols(made.library).defined == set(package.functions)
    assert snapshot(path.parent) == before
    loaded = ctypes.CDLL(str(made.library))
    if name == "vadd":
        first, second = (ctypes.c_float * 7)(*range(7)), (ctypes.c_float * 7)(*[10] * 7)
        loaded[next(name for name in package.functions if name.startswith("vadd_7_"))](first, second)
        assert list(second) == [10 + value for value in range(7)]


@accera
@pytest.mark.parametrize("name", ["gemm_dynamic", "gemm_cuda"])
def test_packages_of_accera_that_are_not_static_are_refused(tmp_path: Path, linker: Linker, name: str) -> None:
    with pytest.raises(PackageError, match=name):
        to_dynamic(read_package(Path(ACCERA) / name / f"{name}.hat"), tmp_path / "new.hat", linker=linker)


def test_arrays_reach_the_functions(tmp_path: Path, linker: Linker) -> None:
    source = "void fill_0123456789abcdef(float* A) { for (int i = 0; i < 8; ++i) A[i] = i; }\n"
    functions = {"fill_0123456789abcdef": function(affine("A", (8,), usage="output"))}
    path = static_package(tmp_path, source=source, functions=functions, code="")
    made = to_dynamic(read_package(path), tmp_path / "new.hat", linker=linker)
    array = (ctypes.c_float * 8)()
    ctypes.CDLL(str(made.library)).fill_0123456789abcdef(array)
    assert list(array) == list(range(8))
