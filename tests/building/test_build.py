"""Packages from C: the metadata agree with the compiler, and a failed build writes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hatframe_builtin.linkers.clang import Clang
from sample_packages import ARCHITECTURE, OS, call, compiler

from hatframe.backends import Linker
from hatframe.binary.libraries import LibraryKind, identify
from hatframe.binary.symbols import read_symbols
from hatframe.building.build import build
from hatframe.errors import FormatError, LinkError, PackageError, UsageError
from hatframe.format.model import LogicalType, Usage
from hatframe.format.reading import read_hat
from hatframe.format.rendering import bare_code, render_hat, to_document
from hatframe.kernel import Kernel
from hatframe.machine import Platform
from hatframe.outcomes import Built

SCALE = """
/* Multiplies each number.
 * @param[out] y the products
 */
void scale(int n, float factor, const float x[n], float y[n]) { for (int i = 0; i < n; i++) y[i] = factor * x[i]; }
"""


def source(folder: Path, text: str, name: str = "source.c") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def made(linker: Linker, output: Path, *sources: Path, **options: object) -> Built:
    return build(sources, output, linker=linker, platform=Platform.host(), **options)  # type: ignore[arg-type]


def test_the_functions_of_a_dynamic_package_are_called_as_described(tmp_path: Path, linker: Linker) -> None:
    built = made(linker, tmp_path / "out.hat", source(tmp_path, SCALE))
    assert built.functions == ("scale",)
    assert built.written.library == tmp_path / "libout.so"
    n, factor, x, y = read_hat(built.written.hat).functions["scale"].arguments
    assert (n.logical_type, factor.element_type) == (LogicalType.ELEMENT, "float")
    assert (x.size, x.usage, y.usage, y.description) == ("n", Usage.INPUT, Usage.OUTPUT, "the products")
    result = np.zeros(3, np.float32)
    Kernel().load(built.written.hat).scale(2, np.arange(3, dtype=np.float32), result)
    assert result.tolist() == [0, 2, 4]


@pytest.mark.parametrize("static", [False, True])
def test_python_takes_no_library_for_a_module_and_linkers_find_it(tmp_path: Path, linker: Linker, static: bool) -> None:
    made(linker, tmp_path / "select.hat", source(tmp_path, SCALE), static=static)
    subprocess.run([sys.executable, "-c", "import select; select.select"], check=True, cwd=tmp_path)
    main = source(tmp_path, '#include "select.hat"\nint main(void) { scale(0, 1, 0, 0); return 0; }\n', "main.c")
    command = [compiler(), main, "-L", tmp_path, "-lselect", f"-Wl,-rpath,{tmp_path}", "-o", tmp_path / "program"]
    subprocess.run(command, check=True)
    subprocess.run([tmp_path / "program"], check=True)


def test_a_package_is_valid_and_records_its_origin(tmp_path: Path, linker: Linker) -> None:
    built = made(linker, tmp_path, source(tmp_path, SCALE), optimize=2, cflags=("-DUNUSED=a b",))
    assert built.written.hat == tmp_path / "source.hat"
    assert Kernel().validate(built.written.hat) == []
    hat = read_hat(built.written.hat)
    assert (hat.target.required.os, hat.target.required.cpu.architecture) == (OS, ARCHITECTURE)
    assert hat.compiled_with.compiler == linker.version()
    assert hat.compiled_with.flags == "-O2 '-DUNUSED=a b'"
    if OS == "linux":
        assert hat.compiled_with.crt.startswith("glibc 2.")


def test_a_static_package_contains_all_sources_and_can_be_converted(tmp_path: Path, linker: Linker) -> None:
    one = source(tmp_path / "a", "int helper(int x) { return x + 1; }", "same.c")
    two = source(tmp_path / "b", "int helper(int x);\nint twice(int x) { return helper(x) * 2; }", "same.c")
    built = made(linker, tmp_path / "all.hat", one, two, static=True)
    assert identify(built.written.library).kind is LibraryKind.ARCHIVE
    assert built.functions == ("helper", "twice")
    dynamic = Kernel().to_dynamic(built.written.hat, tmp_path / "dynamic.hat", linker=linker.name)
    assert read_symbols(dynamic.library).defined == {"helper", "twice"}
    assert Kernel().load(dynamic.hat).twice(4) == 10


def test_only_described_functions_are_exported(tmp_path: Path, linker: Linker) -> None:
    text = "struct pair { int a, b; };\nint first(struct pair p) { return p.a; }\nint next(int x) { return x + 1; }\n"
    built = made(linker, tmp_path / "out.hat", source(tmp_path, text))
    assert read_symbols(built.written.library).defined == {"next"}
    (unsupported,) = built.unsupported
    assert (unsupported.name, unsupported.line) == ("first", 2)
    assert "struct" in unsupported.reason


def test_functions_are_selected_by_name_and_glob(tmp_path: Path, linker: Linker) -> None:
    text = "".join(f"int {name}(int x) {{ return x; }}\n" for name in ("one", "two", "three"))
    text += "void bare(float *x) { *x = 0; }\n"
    path = source(tmp_path, text)
    built = made(linker, tmp_path / "out.hat", path, functions=("t*",))
    assert (built.functions, built.unsupported) == (("two", "three"), ())
    with pytest.raises(FormatError, match=r"bare: .*size") as caught:
        made(linker, tmp_path / "out.hat", path, functions=("bare",))
    assert caught.value.where.endswith("source.c:4")
    with pytest.raises(UsageError, match="'four'"):
        made(linker, tmp_path / "out.hat", path, functions=("four",))


def test_macros_headers_and_flags_reach_both_the_metadata_and_the_code(tmp_path: Path, linker: Linker) -> None:
    source(tmp_path / "some headers", "#include <stdint.h>\ntypedef int16_t number;\n#define SIZE (ROWS * 2)\n", "h.h")
    text = "#include <h.h>\n#include <math.h>\nvoid fill(number a[SIZE][4]) { a[0][0] = (number)sqrt(16.0 * ROWS); }\n"
    built = made(
        linker,
        tmp_path / "out.hat",
        source(tmp_path, text),
        cflags=("-DROWS=4",),
        include=(tmp_path / "some headers",),
    )
    (a,) = read_hat(built.written.hat).functions["fill"].arguments
    assert (a.shape, a.element_type) == ((8, 4), "int16_t")
    array = np.zeros((8, 4), np.int16)
    Kernel().load(built.written.hat).fill(array)
    assert array[0, 0] == 8


def test_shared_libraries_are_linked_and_become_dependencies(tmp_path: Path, linker: Linker) -> None:
    (tmp_path / "deps").mkdir()
    source(tmp_path, "int offset(void) { return 40; }", "offset.c")
    shared = tmp_path / "deps" / "liboffset.so"
    subprocess.run([compiler(), "-shared", "-fPIC", "-o", shared, tmp_path / "offset.c"], check=True)
    text = "int offset(void);\nint next(int x) { return x + offset(); }\n"
    built = made(
        linker,
        tmp_path / "out.hat",
        source(tmp_path, text),
        library=("offset", "m"),
        library_folder=(tmp_path / "deps",),
    )
    dependencies = read_hat(built.written.hat).dependencies
    assert [reference.target_file for reference in dependencies.dynamic] == ["offset"]
    assert call(built.written.hat, "next", 2) == 42


def test_objects_and_static_libraries_become_part_of_the_library(tmp_path: Path, linker: Linker) -> None:
    for name in ("one", "two"):
        source(tmp_path, f"int {name}(void) {{ return 1; }}", f"{name}.c")
        subprocess.run([compiler(), "-fPIC", "-c", "-o", tmp_path / f"{name}.o", tmp_path / f"{name}.c"], check=True)
    subprocess.run([compiler("ar"), "rcs", tmp_path / "two.a", tmp_path / "two.o"], check=True)
    path = source(tmp_path, "int one(void), two(void);\nint next(int x) { return x + one() + two(); }\n")
    (tmp_path / "out").mkdir()
    for static in (True, False):
        libraries = (str(tmp_path / "one.o"), str(tmp_path / "two.a"))
        built = made(linker, tmp_path / "out", path, library=libraries, static=static)
        hat = read_hat(built.written.hat)
        assert hat.dependencies.dynamic == ()
        assert [reference.target_file for reference in hat.compiled_with.libraries] == ["../one.o", "../two.a"]
        assert Kernel().load(built.written.hat).next(40) == 42


def test_threads_and_link_time_optimization_are_linked(tmp_path: Path, linker: Linker) -> None:
    text = """
    int count(int n) {
        int sum = 0;
        #pragma omp parallel for reduction(+:sum)
        for (int i = 0; i < n; i++) sum++;
        return sum;
    }
    """
    flags = ("-fopenmp", "-flto") if linker.name == "gcc" else ("-pthread",)  # OpenMP for the others is not here
    built = made(linker, tmp_path / "out.hat", source(tmp_path, text), cflags=(*flags, "-std=gnu11", "-Wall"))
    assert Kernel().load(built.written.hat).count(1000) == 1000


def test_rendering_the_document_again_gives_the_same_file(tmp_path: Path, linker: Linker) -> None:
    built = made(linker, tmp_path / "out.hat", source(tmp_path, SCALE))
    hat = read_hat(built.written.hat)
    assert render_hat(to_document(hat), "out") == built.written.hat.read_text(encoding="utf-8")


def test_required_instruction_sets_are_those_of_the_processor(tmp_path: Path, linker: Linker) -> None:
    if ARCHITECTURE != "x86_64":
        pytest.skip("this names processors of x86-64")
    path = source(tmp_path, SCALE)

    def extensions(processor: str) -> set[str]:
        built = made(linker, tmp_path / "out.hat", path, processor=processor)
        return set(read_hat(built.written.hat).target.required.cpu.extensions)

    assert extensions("") == set()
    assert {"sse4.2", "popcnt"} <= extensions("x86-64-v2")
    assert "avx" not in extensions("x86-64-v2")
    assert {"avx2", "fma", "bmi2"} <= extensions("x86-64-v3")
    native = extensions("native")
    assert native <= {name for name, has in Kernel().machine.extensions.items() if has} | {"sse4a", "prfchw"}


def test_a_compiler_error_names_the_source_and_line(tmp_path: Path, linker: Linker) -> None:
    path = source(tmp_path, "int next(int x) { return x + gone; }\n")
    with pytest.raises(LinkError, match=r"source\.c:1:\d+: error: .*gone"):
        made(linker, tmp_path / "out.hat", path)
    assert not list(tmp_path.glob("out*"))


def test_a_mistake_in_a_comment_names_the_source_and_line(tmp_path: Path, linker: Linker) -> None:
    path = source(tmp_path, "/* Fills it.\n * @hat x[n] outputt\n */\nvoid fill(int n, float *x) { *x = n; }\n")
    with pytest.raises(FormatError, match="outputt") as caught:
        made(linker, tmp_path / "out.hat", path)
    assert caught.value.where.endswith("source.c:2")


def test_a_function_defined_twice_names_both_places(tmp_path: Path, linker: Linker) -> None:
    one, two = (source(tmp_path, "int next(int x) { return x; }", name) for name in ("one.c", "two.c"))
    with pytest.raises(PackageError, match=r"next.*one\.c:1"):
        made(linker, tmp_path / "out.hat", one, two)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("static int x(void) { return 1; }", "static and inline"),
        ("void f(void *p) { }", "f: "),
    ],
)
def test_a_package_without_functions_is_an_error(tmp_path: Path, linker: Linker, text: str, match: str) -> None:
    with pytest.raises(PackageError, match=match):
        made(linker, tmp_path / "out.hat", source(tmp_path, text))


def test_sources_and_outputs_are_checked(tmp_path: Path, linker: Linker) -> None:
    path = source(tmp_path, SCALE)
    with pytest.raises(UsageError, match="gone"):
        made(linker, tmp_path / "out.hat", tmp_path / "gone.c")
    with pytest.raises(UsageError, match=r"text\.txt"):
        made(linker, tmp_path / "out.hat", source(tmp_path, "", "text.txt"))
    with pytest.raises(UsageError, match=r"source\.c"):
        made(linker, tmp_path / "out.hat", path, path)
    with pytest.raises(UsageError, match=r"out\.so"):
        made(linker, tmp_path / "libout.so", path)


def test_paths_may_contain_spaces_quotes_and_accents(tmp_path: Path, linker: Linker) -> None:
    # zig cannot record the includes of a source in such a folder.
    folder = tmp_path / ("é folder" if linker.name == "zig" else 'é "quoted" \\ folder')
    path = source(folder, '#include "beside.h"\nint next(int x) { return x + STEP; }\n', "my source.c")
    source(folder, "#define STEP 1\n", "beside.h")
    built = made(linker, folder / "my out.hat", path)
    assert Kernel().load(built.written.hat).next(41) == 42


def test_functions_of_included_files_are_described(tmp_path: Path, linker: Linker) -> None:
    source(tmp_path, "/* Adds ROWS. */\nint NAME(int x) { return x + ROWS; }\n", "template.inc")
    lines = [
        f'#define NAME add_{rows}\n#define ROWS {rows}\n#include "template.inc"\n#undef NAME\n#undef ROWS'
        for rows in (1, 2)
    ]
    built = made(linker, tmp_path / "out.hat", source(tmp_path, "\n".join(lines) + "\n"))
    assert built.functions == ("add_1", "add_2")
    assert read_hat(built.written.hat).functions["add_2"].description == "Adds ROWS."
    assert Kernel().load(built.written.hat).add_2(40) == 42


def test_the_header_declares_what_was_built(tmp_path: Path, linker: Linker) -> None:
    built = made(linker, tmp_path / "out.hat", source(tmp_path, SCALE))
    code = bare_code(read_hat(built.written.hat).declaration.code)
    assert "void scale(int n, float factor, const float *x, float *y);" in code


def test_a_misread_declaration_is_a_compiler_error(
    tmp_path: Path, linker: Linker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hatframe.building import compiling as module

    real = module.read_functions

    def misread(text: str, *more: object) -> object:
        return real(text.replace("double x", "float x"), *more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "read_functions", misread)
    path = source(tmp_path, "double half(double x) { return x / 2; }\n")
    with pytest.raises(
        LinkError, match=r"what hatframe understood of source\.c:\d+:\d+: error: conflicting types for .half"
    ):
        made(linker, tmp_path / "out.hat", path)


def test_a_rebuilt_package_is_loaded_again(tmp_path: Path, linker: Linker) -> None:
    results = []
    for step in (1, 2, 3):
        path = source(
            tmp_path, f"int next(int x) {{ return x + {step}; }}\nint step_{step}(void) {{ return {step}; }}\n"
        )
        built = made(linker, tmp_path / "out.hat", path)
        for loader in ("ctypes", "cffi"):
            package = Kernel().load(built.written.hat, loader=loader)
            results.append((package.next(10), package[f"step_{step}"]()))
    assert results == [(10 + step, step) for step in (1, 1, 2, 2, 3, 3)]


def test_flags_that_change_calling_conventions_are_errors(tmp_path: Path, linker: Linker) -> None:
    path = source(tmp_path, "char next(char x) { return x + 1; }\n")
    for flag in ("-funsigned-char", "-mabi=ms"):
        with pytest.raises(UsageError, match=flag):
            made(linker, tmp_path / "out.hat", path, cflags=(flag,))


def test_included_headers_are_found_in_include_folders(tmp_path: Path, linker: Linker) -> None:
    path = source(tmp_path, "int32_t next(int32_t x) { return x + STEP; }\n")
    (tmp_path / "headers").mkdir()
    (tmp_path / "headers" / "configured.h").write_text("#define STEP 2\n")
    flags = ("-include", "configured.h", "-include", "stdint.h")
    built = made(linker, tmp_path / "out.hat", path, cflags=flags, include=(tmp_path / "headers",))
    assert call(built.written.hat, "next", 2) == 4


def test_a_missing_header_is_an_error_that_names_the_option(tmp_path: Path, linker: Linker) -> None:
    path = source(tmp_path, '#include "elsewhere.h"\nint next(int x) { return x + 1; }\n')
    with pytest.raises(LinkError, match=r"elsewhere\.h.*-I"):
        made(linker, tmp_path / "out.hat", path)


def test_a_library_that_moves_with_the_package_is_found(tmp_path: Path, linker: Linker) -> None:
    source(tmp_path / "in" / "lib", "int offset(void) { return 40; }", "offset.c")
    shared = tmp_path / "in" / "lib" / "liboffset.so"
    command = [compiler(), "-shared", "-fPIC", "-Wl,-soname,liboffset.so", "-o", shared, shared.parent / "offset.c"]
    subprocess.run(command, check=True)
    path = source(tmp_path / "in", "int offset(void);\nint next(int x) { return x + offset(); }\n")
    built = made(linker, tmp_path / "in" / "out.hat", path, library=(str(shared),))
    assert [reference.target_file for reference in read_hat(built.written.hat).dependencies.dynamic] == [
        "lib/liboffset.so"
    ]
    assert "liboffset.so" in read_symbols(built.written.library).needed
    Kernel().pack(built.written.hat, tmp_path / "moved")
    (tmp_path / "in").rename(tmp_path / "gone")
    assert call(tmp_path / "moved" / "out.hat", "next", 2) == 42


def test_macros_of_the_source_do_not_change_the_checks(tmp_path: Path, linker: Linker) -> None:
    text = "void scale(float x[4], float k) { x[0] *= k; }\n#define scale(x) scale(x, 2.0f)\n#define k 3\n"
    assert made(linker, tmp_path / "out.hat", source(tmp_path, text)).functions == ("scale",)


def test_a_short_enum_is_a_compiler_error(tmp_path: Path, linker: Linker) -> None:
    path = source(tmp_path, "enum mode { A, B };\nvoid set(enum mode x[4]) { x[0] = B; }\n")
    assert made(linker, tmp_path / "out.hat", path).functions == ("set",)
    with pytest.raises(LinkError, match=r"what hatframe understood of source\.c"):
        made(linker, tmp_path / "out.hat", path, cflags=("-fshort-enums",))


def test_relative_paths_in_flags_start_at_the_current_folder(
    tmp_path: Path, linker: Linker, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(tmp_path / "inc", "#define STEP 1\n", "step.h")
    path = source(tmp_path / "src", '#include "step.h"\nint next(int x) { return x + STEP; }\n')
    monkeypatch.chdir(tmp_path)
    for flags in (("-Iinc",), ("-I", "inc"), ("-include", "inc/step.h", "-iquote", "inc")):
        assert made(linker, tmp_path / "out.hat", path, cflags=flags).functions == ("next",)


def test_a_glob_reports_the_unsupported_functions_that_it_matches(tmp_path: Path, linker: Linker) -> None:
    text = "int f_one(int x) { return x; }\nvoid f_two(float *x) { *x = 0; }\nvoid g(float *x) { *x = 0; }\n"
    built = made(linker, tmp_path / "out.hat", source(tmp_path, text), functions=("f_*",))
    assert (built.functions, [unsupported.name for unsupported in built.unsupported]) == (("f_one",), ["f_two"])


def test_an_object_for_another_platform_is_an_error(tmp_path: Path) -> None:
    compiler("clang")
    flags = ("--target=aarch64-linux-gnu", "-nostdinc")
    with pytest.raises(LinkError, match=r"ELF for aarch64"):
        made(Clang(), tmp_path / "out.hat", source(tmp_path, SCALE), cflags=flags, static=True)


SAME = "/* @hat same as scale */\nvoid fast({}) {{ for (int i = 0; i < n; i++) y[i] = x[i] * factor; }}"
PARAMETERS = "int n, float factor, const float x[n], float y[n]"


def test_a_function_that_computes_the_same_names_another_of_any_source(tmp_path: Path, linker: Linker) -> None:
    fast = SAME.format(PARAMETERS).replace(" */", "\n * @param[out] y it */")
    sources = [source(tmp_path, SCALE), source(tmp_path, fast, "fast.c")]
    built = made(linker, tmp_path / "out.hat", *sources)
    assert read_hat(built.written.hat).functions["fast"].auxiliary == {"same_as": "scale"}


@pytest.mark.parametrize(
    ("code", "functions", "named"),
    [
        (SAME.format(PARAMETERS).replace("as scale", "as scaled"), [], "'scaled'"),
        (SAME.format(PARAMETERS).replace("as scale", "as fast"), [], "'fast'"),
        (SAME.format(PARAMETERS), ["fast"], "'scale'"),
        (SAME.format(PARAMETERS.replace("float factor", "double factor")), [], "different parameters"),
    ],
)
def test_a_wrong_name_of_such_a_function_is_an_error_with_its_line(
    tmp_path: Path, linker: Linker, code: str, functions: list[str], named: str
) -> None:
    with pytest.raises(FormatError) as raised:
        made(linker, tmp_path / "out.hat", source(tmp_path, f"{SCALE}\n\n{code}\n"), functions=functions)
    assert named in raised.value.message
    assert raised.value.where.endswith("source.c:8")
    assert not (tmp_path / "out.hat").exists()
