"""Scanning C code: which functions it declares, and with how many parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli

from hatframe.c.scanning import scan_functions

DATA = Path(__file__).parent.parent / "data"


@pytest.mark.parametrize(
    ("code", "name", "parameters"),
    [
        ("void f(void);", "f", ()),
        ("void f();", "f", None),
        ("int f(int, ...);", "f", None),
        ("void f(float* A, const float B[16], int64_t);", "f", ("float* A", "const float B[16]", "int64_t")),
        ("extern float *f(int n);", "f", ("int n",)),
        ("static inline unsigned long f(int n) { return n ? f(n - 1) : 0; }", "f", ("int n",)),
        ("void f(int (*callback)(int, int), void *data);", "f", ("int (*callback)(int, int)", "void *data")),
        ('extern "C" void f(int);', "f", ("int",)),
        ('extern "C" {\nvoid f(int);\n}', "f", ("int",)),
        ('#ifdef __cplusplus\nextern "C"\n{\n#endif\nvoid f(int);\n#ifdef __cplusplus\n}\n#endif', "f", ("int",)),
        ('__attribute__((visibility("default"))) void f(int);', "f", ("int",)),
        ("void f(int) __attribute__((nonnull(1)));", "f", ("int",)),
        ("__declspec(dllexport) void __stdcall f(int);", "f", ("int",)),
        ("void /* a; b( */ f(int, // c)\n int);", "f", ("int", "int")),
        ("struct s { int x; };\nvoid f(struct s *);", "f", ("struct s *",)),
        ("static const int t[] = { 1, 2 };\nvoid f(int);", "f", ("int",)),
        ("#define g(x) \\\n void h(x)\nvoid f(int);", "f", ("int",)),
        ("void f(\r\n  int,\r\n  int);\r\n", "f", ("int", "int")),
        ('const char *s = "void g(int);";\nvoid f(int);', "f", ("int",)),
        ("typedef int (*t)(int); void f(t);", "f", ("t",)),
    ],
)
def test_a_function_is_found_with_its_parameters(code: str, name: str, parameters: tuple[str, ...] | None) -> None:
    found = scan_functions(code)
    assert list(found) == [name]
    assert found[name].parameters == parameters


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
def test_what_declares_no_function_gives_none(code: str) -> None:
    assert scan_functions(code) == {}


def test_a_definition_is_told_from_a_declaration() -> None:
    found = scan_functions("void f(int);\nvoid f(int n) { if (n) { f(0); } }\nvoid g(void);\nvoid f(int);")
    assert {name: prototype.defined for name, prototype in found.items()} == {"f": True, "g": False}
    assert found["f"].returns == "void"


def test_the_functions_of_a_real_file_are_found() -> None:
    for name in ("gemm_static", "scale_runtime", "gemm_cuda", "vadd_Globals"):
        document = tomli.loads((DATA / f"{name}.hat").read_text())
        found = scan_functions(document["declaration"]["code"])
        counts = {name: len(prototype.parameters or ()) for name, prototype in found.items()}
        assert counts == {name: len(table["arguments"]) for name, table in document["functions"].items()}
