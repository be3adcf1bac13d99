"""A ``target_file`` is a path, a name or a known flag, and nothing else reaches the linker."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_packages import compiler

from hatframe.binary.libraries import LibraryKind
from hatframe.errors import LinkError, PackageError
from hatframe.packages.dependencies import UNTRUSTED, Dependency, Trust, read_dependency, statically_linked


def compiled(folder: Path, name: str) -> Path:
    (folder / "x.c").write_text("int x;\n")
    subprocess.run([compiler(), "-fPIC", "-c", "-o", folder / name, folder / "x.c"], check=True)
    return folder / name


def linked(folder: Path, name: str) -> Path:
    made = compiled(folder, "part.o")
    how = [compiler("ar"), "rcs"] if name.endswith(".a") else [compiler(), "-shared", "-o"]
    subprocess.run([*how, folder / name, made], check=True)
    return folder / name


def read(text: str, folder: Path = Path("/nowhere"), trust: Trust = UNTRUSTED) -> Dependency:
    return read_dependency(text, folder, "dependencies.dynamic[0].target_file", trust)


@pytest.mark.parametrize(
    ("text", "libraries"),
    [
        ("m", ("m",)),
        ("stdc++", ("stdc++",)),
        ("libgomp.so", ("gomp",)),
        ("libomp.dylib", ("omp",)),
        ("libfoo.a", ("foo",)),
        ("libgomp.so.1", (":libgomp.so.1",)),
        ("foo.so", (":foo.so",)),
        ("-lm", ("m",)),
        ("-l:libgomp.so.1", (":libgomp.so.1",)),
        (" -lm  -lgomp ", ("m", "gomp")),
    ],
)
def test_names_in_every_spelling_are_libraries(text: str, libraries: tuple[str, ...]) -> None:
    assert read(text).libraries == libraries


def test_known_flags_are_passed_on() -> None:
    assert read("-fopenmp").flags == ("-fopenmp",)
    assert read("-pthread").flags == ("-pthread",)
    assert read("-framework Accelerate").flags == ("-framework", "Accelerate")
    assert read("/openmp").flags == ("-fopenmp",)


def test_what_the_user_trusts_is_passed_on() -> None:
    assert read("-L/opt/lib -lfoo", trust=Trust(allow_outside=True)).folders == (Path("/opt/lib"),)
    assert read("-Wl,-z,now -lm", trust=Trust(link_flags=("-Wl,-z,now",))).flags == ("-Wl,-z,now",)
    assert read("@options", trust=Trust(link_flags=("@options",))).flags == ("@options",)
    with pytest.raises(LinkError, match="-Wl,-z,lazy"):
        read("-Wl,-z,lazy", trust=Trust(link_flags=("-Wl,-z,now",)))


@pytest.mark.parametrize(
    "text",
    [
        "-o/etc/passwd",
        "-Wl,-e,main",
        "-wrapper",
        "-fplugin=x.so",
        "-l",
        "-l/x",
        "-Lrelative",
        "-framework",
        "--help",
        "@response",
        "/OUT:x.dll",
        "/WX-",
    ],
)
def test_other_flags_are_refused_by_name(text: str) -> None:
    with pytest.raises(LinkError, match="flag") as caught:
        read(text)
    assert text.split()[0] in str(caught.value)
    assert "dependencies.dynamic[0].target_file" in str(caught.value)


@pytest.mark.parametrize("text", ["a b", "name;rm", "$(x)", "a,b", "=x", "é"])
def test_an_invalid_name_is_refused(text: str) -> None:
    with pytest.raises(LinkError, match=re.escape(repr(text))):
        read(text)


@given(st.text(max_size=30))
def test_no_text_smuggles_a_flag(text: str) -> None:
    try:
        dependency = read(text)
    except (LinkError, PackageError):
        return
    for library in dependency.libraries:
        assert library[0] not in "-@"
    allowed = ("-pthread", "-fopenmp", "-framework")
    others = [flag for flag in dependency.flags if not flag.startswith(allowed)]
    assert [flag for flag in others if not flag.isidentifier()] == []


def test_files_are_identified_by_their_content(tmp_path: Path) -> None:
    made, archive, dynamic = compiled(tmp_path, "x.o"), linked(tmp_path, "x.a"), linked(tmp_path, "x.so")
    for text in ("x.o", str(made)):
        file = read(text, tmp_path).file
        assert file is not None
        assert file.kind is LibraryKind.OBJECT
    assert read("./x.a", tmp_path).libraries == (str(archive),)
    found = read("x.so", tmp_path)
    # Nothing is looked for by name where it lies.
    assert (found.libraries, found.folders, found.run_folders) == ((str(dynamic),), (), (tmp_path,))


def test_files_that_are_not_there_or_no_libraries_are_errors(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"gone/x\.o"):
        read("gone/x.o", tmp_path)
    (tmp_path / "x.o").write_text("text")
    with pytest.raises(PackageError, match="not a library: it is text"):
        read("x.o", tmp_path)


def test_files_that_are_linked_in_are_inside_and_dynamic_ones_are_not(tmp_path: Path) -> None:
    compiled(tmp_path, "x.o")
    linked(tmp_path, "x.a")
    linked(tmp_path, "x.so")
    dependencies = [read(name, tmp_path) for name in ("x.o", "x.a", "x.so")]
    assert statically_linked(dependencies, ["x.so", "libc.so.6"]) == {"x.o", "x.a"}


@pytest.mark.parametrize(
    ("needed", "gone"),
    [
        (["libgomp.so.1", "libm.so.6", "libc.so.6"], {"foo"}),
        (["libgomp.so.1", "libc.so.6", "ld-linux-x86-64.so.2"], {"-lm", "foo"}),
        (["libc.so.6"], {"-lm", "foo", "-fopenmp"}),
        (["@rpath/libomp.dylib", "/usr/lib/libSystem.B.dylib"], {"-lm", "foo"}),
        # foo may well be what calls itself bar.
        (["libgomp.so.1", "libm.so.6", "libbar.so.3"], set()),
    ],
)
def test_names_are_inside_unless_the_library_needs_them(needed: list[str], gone: set[str]) -> None:
    assert statically_linked([read("-lm"), read("foo"), read("-fopenmp")], needed) == gone


@pytest.mark.parametrize(
    ("text", "needed", "stays"),
    [
        ("h", ["h.dll", "KERNEL32.dll", "api-ms-win-crt-math-l1-1-0.dll"], True),
        ("h", ["KERNEL32.dll", "ucrtbase.dll", "VCRUNTIME140.dll"], False),
        ("/openmp", ["VCOMP140.DLL"], True),
        ("openblas", ["libopenblas.dll"], True),
        ("foo", ["foo-1.0.so", "libc.so.6"], True),
        ("foo", ["libc.so.6", "ld-musl-x86_64.so.1"], False),
    ],
)
def test_needed_libraries_are_recognized_on_every_system(text: str, needed: list[str], stays: bool) -> None:
    assert statically_linked([read(text)], needed) == (set() if stays else {text})
