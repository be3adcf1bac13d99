"""The functions that C code declares, and the number of their parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli

from hatframe.c.declarations import parameter_counts

DATA = Path(__file__).parent.parent / "data"


@pytest.mark.parametrize(
    ("code", "name", "parameters"),
    [
        ("void f(void);", "f", 0),
        ("void f();", "f", None),
        ("int f(int, ...);", "f", None),
        ("void f(float* A, const float B[16], int64_t);", "f", 3),
        ("extern float *f(int n);", "f", 1),
        ("static inline unsigned long f(int n) { return n ? f(n - 1) : 0; }", "f", 1),
        ("void f(int (*callback)(int, int), void *data);", "f", 2),
        ('extern "C" void f(int);', "f", 1),
        ('extern "C" {\nvoid f(int);\n}', "f", 1),
        ('#ifdef __cplusplus\nextern "C"\n{\n#endif\nvoid f(int);\n#ifdef __cplusplus\n}\n#endif', "f", 1),
        ('__attribute__((visibility("default"))) void f(int);', "f", 1),
        ("void f(int) __attribute__((nonnull(1)));", "f", 1),
        ("__declspec(dllexport) void __stdcall f(int);", "f", 1),
        ("void /* a; b( */ f(int, // c)\n int);", "f", 2),
        ("struct s { int x; };\nvoid f(struct s *);", "f", 1),
        ("static const int t[] = { 1, 2 };\nvoid f(int);", "f", 1),
        ("#define g(x) \\\n void h(x)\nvoid f(int);", "f", 1),
        ("void f(\r\n  int,\r\n  int);\r\n", "f", 2),
        ('const char *s = "void g(int);";\nvoid f(int);', "f", 1),
        ("typedef int (*t)(int); void f(t);", "f", 1),
        ("int (*f(int n, int m))(int);", "f", 2),
        ("int (f)(int n), x;", "f", 1),
        ("EXPORT void f(int n);", "f", 1),
    ],
)
def test_a_function_is_found_with_its_parameters(code: str, name: str, parameters: int | None) -> None:
    assert parameter_counts(code) == {name: parameters}


@pytest.mark.parametrize(
    "code",
    [
        "",
        "int x;",
        "void (*pointer)(int) = f;",
        "typedef void f(int);",
        "int x = f(1);",
        "// void f(int);",
        "/* void f(int);",
        "#define f(x) void g(x);",
        "f(1);",
        "void f(int",
        "} } void",
        '"void f(int);',
    ],
)
def test_other_code_declares_no_functions(code: str) -> None:
    assert parameter_counts(code) == {}


def test_the_functions_of_a_real_file_are_found() -> None:
    for name in ("gemm_static", "scale_runtime", "gemm_cuda", "vadd_Globals"):
        document = tomli.loads((DATA / f"{name}.hat").read_text())
        counts = {name: len(table["arguments"]) for name, table in document["functions"].items()}
        assert parameter_counts(document["declaration"]["code"]) == counts
