"""The functions that C code declares, and the number of their parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli

from hatframe.c.declarations import DeclaredFunction, declared_functions
from hatframe.c.elements import DataModel
from hatframe.c.types import Pointer, Scalar, scalar_of
from hatframe.machine import Platform

DATA = Path(__file__).parent.parent / "data"


def parameter_counts(code: str) -> dict[str, int | None]:
    """The parameters of each function, None where C leaves them open."""
    found = {name: each[0].parameters for name, each in declared_functions(code).items()}
    return {name: None if parameters is None else len(parameters) for name, parameters in found.items()}


def one(code: str, *headers: str, model: DataModel | None = None) -> DeclaredFunction:
    """The only declaration in some code."""
    ((function,),) = declared_functions(code, headers, model).values()
    return function


def element(code: str, *headers: str, model: DataModel | None = None) -> str:
    """The name of the element type of the first parameter in some code."""
    parameters = one(code, *headers, model=model).parameters
    assert parameters
    assert parameters[0].c_type, parameters[0].reason
    scalar = scalar_of(parameters[0].c_type)
    assert scalar
    return scalar.name


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


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("void f(size_t n);", "size_t"),
        ("void f(int64_t *A);", "int64_t"),
        ("#include <stdbool.h>\nvoid f(bool flag);", "bool"),
        ("void f(float16_t *A);", "float16_t"),
        ("#if !defined(X)\ntypedef uint16_t bfloat16_t;\n#endif\nvoid f(bfloat16_t *A);", "bfloat16_t"),
        ("typedef double real; void f(real A[4][4]);", "double"),
        ('extern "C" {\ntypedef double real;\nvoid f(const real *A);\n}', "double"),
        ("#define real double\nvoid f(real *A);", "double"),
        ("#define REAL real // comment\n#define real double\nvoid f(REAL *A);", "double"),
        ("#define N 16\nvoid f(double A[N][N]);", "double"),
        ('#define API __attribute__((visibility("default")))\nAPI void f(double *A);', "double"),
        ("#define float(x) x\nvoid f(float *A);", "float"),
    ],
)
def test_types_are_those_of_the_code_and_of_the_standard(code: str, name: str) -> None:
    assert element(code) == name


def test_types_may_come_from_headers() -> None:
    assert element("void f(real *A);", "typedef double real;") == "double"


def test_standard_types_are_those_of_the_platform() -> None:
    for os, size in (("windows", 4), ("linux", 8)):
        (parameter,) = one("void f(long n);", model=DataModel.of(Platform(os, "x86_64"))).parameters or ()
        assert isinstance(parameter.c_type, Scalar)
        assert parameter.c_type.element.size == size


def test_an_unknown_type_has_a_reason() -> None:
    first, second = one("void f(tensor_t *A, int n);").parameters or ()
    assert first.c_type is None
    assert "tensor_t" in first.reason
    assert second.name == "n"


def test_a_function_may_have_several_declarations() -> None:
    code = "#ifdef _WIN32\nvoid f(long n);\n#else\nvoid f(int n);\n#endif"
    assert [each.parameters[0].text for each in declared_functions(code)["f"] if each.parameters] == ["long n", "int n"]


def test_prototypes_differ_from_definitions() -> None:
    assert not one("float *f(int);").is_definition
    assert isinstance(one("float *f(int);").returns, Pointer)
    assert one("float f(int n) { return n; }").is_definition
    assert one("static float f(int);").is_static


def test_functions_of_headers_are_marked() -> None:
    found = declared_functions("void f(int);", ["void g(int);"])
    assert {name: each[0].in_header for name, each in found.items()} == {"f": False, "g": True}


@pytest.mark.parametrize(
    "code",
    [
        "#define a a a a a a\n" + "a " * 1000,
        "#define a " + "b " * 5_000 + "\n" + "a " * 5_000,
        "void f(" + "(" * 5000 + ");",
        "void f(int " + "*" * 5000 + "x);",
        'extern "C" {' * 3000,
    ],
)
def test_hostile_code_takes_little_time(code: str) -> None:
    declared_functions(code)
