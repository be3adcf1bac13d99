"""The C code against the metadata: functions missing on either side, types, pointers, const, names and counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hat_deviations import deviations, places, valid
from sample_packages import affine, document, element, function, runtime

ALLOCATED = function(element("n", "int", "output"), runtime("A", "n", usage="output", declared="float**"))
RETURNING = function(affine("A", (4,)), returns=element("", "float", usage="input"))
HALF = function(affine("A", (4,), "float16_t"), element("x", "float16_t"))


def found(folder: Path, code: str, table: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    hat = valid() if table is None else document({"f": table}, "f.so")
    hat["declaration"]["code"] = code
    return places(deviations(folder, hat))


@pytest.mark.parametrize(
    ("code", "table"),
    [
        ("void f(const float *A, float *B, int N);", None),
        ("void f(float A[2][3], float B[], int32_t N);", None),
        ("void f(float (*restrict A)[3], float B[restrict], signed N);", None),
        ("void f(const void *A, void *B, int N);", None),
        ("typedef float real; void f(const real *, real *, int);", None),
        ("void f();", None),
        ("#ifdef _WIN32\nvoid f(double *A);\n#else\nvoid f(float *A, float *B, int N);\n#endif", None),
        ("static void g(double *A); void f(float *A, float *B, int N);", None),
        ("static inline int g(void) { return 1; } void f(float *A, float *B, int N);", None),
        ("#define API __declspec(dllexport)\nAPI void f(float *A, float *B, int N);", None),
        ("void f(int *n, float **A);", ALLOCATED),
        ("void f(int *n, const float **A);", ALLOCATED),
        ("float f(float *A);", RETURNING),
        ("typedef float real; real f(float *A);", RETURNING),
        ("void f(float16_t *A, float16_t x);", HALF),
        ("void f(uint16_t *A, uint16_t x);", HALF),
        ("void f(_Float16 *A, float16_t x);", HALF),
        ("void f(unsigned char *A);", function(affine("A", (4,), "bool"))),
        ("void f(char *A);", function(affine("A", (4,), "uint8_t"))),
        ("enum mode { OFF, ON }; void f(enum mode m);", function(element("m"))),
    ],
)
def test_code_that_fits_has_no_deviation(code: str, table: dict[str, Any] | None, tmp_path: Path) -> None:
    assert found(tmp_path, code, table) == []


@pytest.mark.parametrize(
    ("code", "table", "place"),
    [
        ("void f(double *A, float *B, int N);", None, "arguments[0].element_type"),
        ("void f(float *A, int32_t *B, int N);", None, "arguments[1].element_type"),
        ("void f(float *A, float *B, long long N);", None, "arguments[2].element_type"),
        ("void f(float *A, float *B, unsigned N);", None, "arguments[2].element_type"),
        ("void f(struct s *A, float *B, int N);", None, "arguments[0].element_type"),
        ("void f(FILE *A, float *B, int N);", None, "arguments[0].element_type"),
        ("void f(void (*A)(float), float *B, int N);", None, "arguments[0].element_type"),
        ("void f(float **A, float *B, int N);", None, "arguments[0].declared_type"),
        ("void f(float *A[3], float *B, int N);", None, "arguments[0].declared_type"),
        ("void f(float A, float *B, int N);", None, "arguments[0].declared_type"),
        ("void f(float *A, float *B, int *N);", None, "arguments[2].declared_type"),
        ("void f(float *A, const float *B, int N);", None, "arguments[1].usage"),
        ("void f(float *A, const float B[4], int N);", None, "arguments[1].usage"),
        ("typedef const float c; void f(float *A, c *B, int N);", None, "arguments[1].usage"),
        ("void f(float *A, float *B);", None, "arguments"),
        ("void f(void);", None, "arguments"),
        ("float f(float *A, float *B, int N);", None, "return"),
        ("void f(float *A);", RETURNING, "return"),
        ("double f(float *A);", RETURNING, "return"),
        ("float *f(float *A);", RETURNING, "return"),
        ("void f(int *n, float *A);", ALLOCATED, "arguments[1].declared_type"),
        ("void f(int *n, float *const *A);", ALLOCATED, "arguments[1].usage"),
        ("void f(float16_t *A, _Float16 x);", HALF, "arguments[1].element_type"),
        ("void f(bfloat16_t *A, float16_t x);", HALF, "arguments[0].element_type"),
    ],
)
def test_code_that_contradicts_the_metadata_is_an_error(
    code: str, table: dict[str, Any] | None, place: str, tmp_path: Path
) -> None:
    assert found(tmp_path, code, table) == [("error", f"functions.f.{place}")]


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("void f(float *B, float *A, int N);", "functions.f.arguments[0].name"),
        ("void f(tensor_t *A, float *B, int N);", "functions.f.arguments[0]"),
        ("void f(float *A, float *B, int N); void g(int);", "declaration.code"),
        ("void g(int);", "functions.f"),
        ("int x;", "declaration.code"),
    ],
)
def test_what_only_strays_is_a_warning(code: str, place: str, tmp_path: Path) -> None:
    reported = found(tmp_path, code)
    assert ("warning", place) in reported
    assert {severity for severity, _ in reported} == {"warning"}


def test_headers_beside_the_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "types.h").write_text('#include "real.h"\n')
    (tmp_path / "include" / "real.h").write_text('#include "types.h"\ntypedef double real;\n')
    code = '#include "include/types.h"\nvoid f(real *A, float *B, int N);'
    assert found(tmp_path, code) == [("error", "functions.f.arguments[0].element_type")]


def test_files_outside_the_package_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "types.h").write_text("typedef double real;\n")
    code = '#include "../types.h"\nvoid f(real *A, float *B, int N);'
    assert found(tmp_path / "package", code) == [("warning", "functions.f.arguments[0]")]


def test_types_are_those_of_the_required_platform(tmp_path: Path) -> None:
    table = document({"f": function(element("n", "int64_t"))}, "f.so", "void f(long n);")
    for os, expected in (("linux", []), ("windows", ["functions.f.arguments[0].element_type"])):
        table["target"]["required"].update(os=os, CPU={"architecture": "x86_64", "extensions": []})
        errors = [place for severity, place in places(deviations(tmp_path, table)) if severity == "error"]
        assert [place for place in errors if place.startswith("functions")] == expected
