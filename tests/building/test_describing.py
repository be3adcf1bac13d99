"""Describing the functions of C sources: supported and unsupported declarations, checked by real compilers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hatframe.building.describing import FunctionDefinition, combine, package_description, read_functions
from hatframe.calling.plans import PassingMode, plan_call
from hatframe.errors import FormatError
from hatframe.format.model import LogicalType, Parameter, Usage
from hatframe.machine import Platform

from .preprocessing import COMPILERS, compile_text, preprocessed, read

HEADERS = """
#include <stdint.h>
#include <stddef.h>
#include <stdbool.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <complex.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if __has_include(<omp.h>)
#include <omp.h>
#endif
#include <tgmath.h>
#include <sys/types.h>
"""
SOURCE = (
    HEADERS
    + """
#define EXPORT
#define TILE 16
enum { ROWS = 4, COLUMNS = ROWS * 2, LAST };
enum color { RED = -1, GREEN = 1 << 2 };
typedef enum { LIGHT, DARK } shade;
enum wide { WIDE = 0x80000000u };
typedef double real;
typedef float matrix[ROWS][COLUMNS];
typedef const real vector[LAST];
typedef real *row;
typedef uint16_t float16_t;

/** Adds two matrices. */
void add(const float A[TILE][2 * TILE], const float B[TILE][32], float C[static TILE][32]) {}
/**
 * Multiplies.
 * @param[in]  A the left one
 * @param[out] C the product,
 *               dense
 * @return 0 for good
 * @hat flops: 2*m*n*k
 */
EXPORT
int gemm(size_t m, size_t n, size_t k, const real A[m][k], const real B[restrict k][n], real C[m][n]) { return 0; }
int8_t widths(int8_t a, uint8_t b, int16_t c, uint16_t d, int32_t e, uint32_t f, int64_t g, uint64_t h) { return a; }
bool others(_Bool a, ssize_t b, ptrdiff_t c, intptr_t d, uintptr_t e, intmax_t f, wchar_t g, int_fast16_t h) {
  return a;
}
unsigned long long plain(char a, signed char b, unsigned char c, short d, long int unsigned e,
                         long f, const unsigned g) { return c; }
shade enums(shade a, enum color b, enum wide c, const enum color colors[3], shade *restrict s) { return a; }
void typedefs(matrix a, const matrix b, vector c, real d, row e) {}
float16_t halves(float16_t a, const float16_t b[8], float16_t c[ROWS]) { return a; }
void layouts(float *a, const float b[80][80], double (*c)[3][4], volatile float *d) {}
void results(int *rows, int *columns, float **values, int64_t *restrict *constant) {}
void formulas(int n, int m, float a[(n + 1) * m], float b[n / 2][m % 3], float c[n - (m - 1)],
              float d[sizeof(float) * n], float e[(size_t)n], float f[m * (n / 4)], float g[-n + 2 * m]) {}
void sizes(float a[sizeof(real)], float b[(unsigned char)260], float c[~0u >> 28], float d[1 ? 'a' - '`' + 2 : 0],
           float e[010 + 0x10 + 0b1], float f[(-7 / 2 + 5) << 1], float g[sizeof(matrix)],
           float h[RED + 2 == 1 && GREEN]) {}
void nothing(void) {}
void old() {}
void (parenthesised)(int n, double x[n]) {}
void unnamed(int, const float[3][3]) {}
__extension__ __attribute__((noinline)) void attributes(__const int n, __attribute__((unused)) float *__restrict x) {}
void keywords(int new, float class[4], float *this) {}
#define SCALE(T) void scale_##T(int n, T x[n], T factor) { for (int i = 0; i < n; i++) x[i] *= factor; }
SCALE(float)
SCALE(double)
static void helper(void *p) {}
inline void also_inline(void *p) {}
"""
)
COMMENTS = {
    "void layouts(": "/* @hat a[64][TWO] column-major\n * @hat b[64][64] strides [80][1] offset 2+1 input\n"
    " * @hat c[2][3][4] output\n * @hat d[ROWS] */",
    "void results(": "// @hat rows output\n// @hat columns output\n// @hat values[rows][columns] output\n"
    "// @hat constant[8] output",
    "shade enums(": "/* @hat s output */",
    "void typedefs(": "/* @hat e[LAST] output */",
    "__extension__": "/* @hat x[n] */",
    "void keywords(": "/* @hat this[2] */",
}
for start, text in COMMENTS.items():
    SOURCE = SOURCE.replace(f"\n{start}", f"\n{text}\n{start}")
SOURCE = SOURCE.replace("[64][TWO]", "[64][COLUMNS]")


def parameter(code: str, name: str = "x") -> Parameter:
    """The parameter of that name of the only function in the code."""
    reading = read(code)
    assert not reading.unsupported, reading.unsupported
    (described,) = reading.functions
    plan_call(described.function)
    return next(argument for argument in described.function.arguments if argument.name == name)


def reason(code: str) -> str:
    """Why the only function in the code is unsupported."""
    reading = read(code)
    assert not reading.functions
    (refused,) = reading.unsupported
    return refused.reason


@pytest.fixture(scope="module", params=COMPILERS)
def described(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, list[FunctionDefinition]]:
    folder = tmp_path_factory.mktemp(request.param)
    text = preprocessed(folder, SOURCE, request.param, "-std=gnu11")
    reading = read_functions(text, ["source.c"], {"source.c": SOURCE})
    assert not reading.unsupported
    return request.param, folder, list(reading.functions)


def test_functions_below_system_headers_are_read(described: tuple[str, Path, list[FunctionDefinition]]) -> None:
    functions = {each.function.name: each for each in described[2]}
    assert {"add", "gemm", "scale_float", "scale_double", "parenthesised", "old", "nothing"} <= functions.keys()
    assert not {"helper", "also_inline", "sqrt"} & functions.keys()
    gemm = functions["gemm"]
    assert gemm.file == "source.c"
    assert "int gemm(" in SOURCE.splitlines()[gemm.line - 1]
    assert gemm.function.description == "Multiplies."
    assert gemm.function.auxiliary == {"flops": "2*m*n*k"}
    assert gemm.function.return_value.description == "0 for good"
    assert [argument.size for argument in gemm.function.arguments] == [None] * 3 + ["m*k", "k*n", "m*n"]
    assert gemm.function.arguments[5].description == "the product, dense"
    assert gemm.function.arguments[5].usage is Usage.OUTPUT
    assert functions["add"].function.description == "Adds two matrices."
    assert functions["add"].function.arguments[0].shape == (16, 32)
    assert functions["scale_float"].line == functions["scale_double"].line - 1
    assert functions["layouts"].function.arguments[0].affine_map == (1, 64)
    assert functions["layouts"].function.arguments[1].affine_offset == 3
    assert [argument.size for argument in functions["formulas"].function.arguments[2:]] == [
        "(n+1)*m",
        "n/2*(m%3)",
        "n-(m-1)",
        "4*n",
        "n",
        "m*(n/4)",
        "-n+2*m",
    ]
    shapes = [argument.shape for argument in functions["sizes"].function.arguments]
    assert shapes == [(8,), (4,), (15,), (3,), (25,), (4,), (128,), (1,)]


def test_every_described_function_can_be_called(described: tuple[str, Path, list[FunctionDefinition]]) -> None:
    for each in described[2]:
        plan_call(each.function)
    results = next(each for each in described[2] if each.function.name == "results")
    passing = [argument.passing for argument in plan_call(results.function).arguments]
    assert passing == [PassingMode.CELL, PassingMode.CELL, PassingMode.ALLOCATED, PassingMode.ALLOCATED]


def test_compilers_accept_the_redeclarations(described: tuple[str, Path, list[FunctionDefinition]]) -> None:
    compiler, folder, functions = described
    code = '#include "source.c"\n' + "\n".join(each.redeclaration for each in functions)
    compile_text(folder, compiler, code, "-std=gnu11", "-Werror", "-Wno-unknown-warning-option", "-Wno-c2x-extensions")


def test_compilers_accept_the_prototypes_as_c99_and_cpp(described: tuple[str, Path, list[FunctionDefinition]]) -> None:
    compiler, folder, functions = described
    needed = sorted(
        {text for each in functions for text in each.prerequisites}, key=lambda text: (text[:4] != "#inc", text)
    )
    code = "\n".join([*needed, *(each.prototype for each in functions)]) + "\n"
    strict = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
    compile_text(folder, compiler, code, "-std=c99", *strict)
    cpp = {"gcc": "g++", "clang": "clang++"}[compiler]
    if shutil.which(cpp):
        compile_text(folder, cpp, code, *strict)


def test_each_prototype_has_its_prerequisites(described: tuple[str, Path, list[FunctionDefinition]]) -> None:
    compiler, folder, functions = described
    for each in functions:
        if each.function.name in ("widths", "others", "halves", "gemm"):
            compile_text(
                folder, compiler, "\n".join([*each.prerequisites, each.prototype]) + "\n", "-std=c99", "-Werror"
            )


def test_half_precision_types_of_the_compiler_are_supported_by_pointer() -> None:
    found = parameter("void f(const _Float16 x[4]) {}")
    assert (found.declared_type, found.element_type) == ("const float16_t*", "float16_t")
    assert parameter("void f(__bf16 x[4]) {}").element_type == "bfloat16_t"
    described = read("void f(const _Float16 x[4]) {}").functions[0]
    assert described.prototype == "void f(const float16_t *x);"
    assert described.redeclaration == "void f(const _Float16 x[4]);"
    assert described.prerequisites[0] == "#include <stdint.h>"


def test_a_typedef_with_a_name_of_the_format_but_another_meaning_is_resolved() -> None:
    assert parameter("typedef int bool; void f(bool x) {}").element_type == "int"
    assert parameter("typedef float size_t; void f(size_t x) {}").element_type == "float"
    assert parameter("typedef unsigned long size_t; void f(size_t x) {}").element_type == "size_t"
    assert parameter("typedef short real; typedef real real_t; void f(real_t x) {}").element_type == "short"
    assert parameter("void f(unsigned __int64 x) {}").element_type == "unsigned long long"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("struct s { int x; }; void f(struct s x) {}", "structs or unions"),
        ("typedef struct { int x; } s; void f(s *x) {}", "`s`"),
        ("void f(union u x[3]) {}", "`union u`"),
        ("void f(int (*x)(int)) {}", "function pointers"),
        ("void f(int x(int)) {}", "function pointers"),
        ("typedef void (*call)(void); void f(call x) {}", "function pointers"),
        ("void f(int n, ...) {}", "variadic"),
        ("void f(void *x) {}", "`void` pointer"),
        ("void f(long double x) {}", "wider than double"),
        ("typedef _Float128 quad; void f(quad x) {}", "wider than double"),
        ("void f(double _Complex x) {}", "complex"),
        ("typedef float _Complex z; void f(z x[4]) {}", "complex"),
        ("typedef float v4 __attribute__((vector_size(16))); void f(v4 x) {}", "SIMD"),
        ("typedef float v4 __attribute__((ext_vector_type(4))); void f(v4 *x) {}", "SIMD"),
        ("void f(__m128 x) {}", "SIMD"),
        ("void f(unsigned __int128 x) {}", "wider than 64 bits"),
        ("typedef __builtin_va_list va_list; void f(va_list x) {}", "va_list"),
        ("float *f(void) { return 0; }", "returns a pointer"),
        ("struct s f(void) {}", "struct or union"),
        ("_Float16 f(void) { return 0; }", "register"),
        ("void f(_Float16 x) {}", "register"),
        ("typedef __fp16 float16_t; void f(float16_t x) {}", "register"),
        ("void f(float **x) {}", "pointer to a pointer"),
        ("void f(float ***x) {}", "pointer to a pointer"),
        ("void f(float *x[4]) {}", "pointer levels"),
        ("void f(n, x) int n; float *x; {}", "old-style"),
        ("__attribute__((ms_abi)) void f(int x) {}", "`ms_abi`"),
        ("void __stdcall f(int x) {}", "`stdcall`"),
        ("void f(int x) __attribute__((__vectorcall__)); void f(int x) {}", "`vectorcall`"),
        ('__attribute__((visibility("hidden"))) void f(int x) {}', "hidden"),
        ('void f(int x) __asm__("g"); void f(int x) {}', '__asm__("g")'),
        ("void f(_Atomic int *x) {}", "_Atomic"),
        ("void f(_Atomic(int) x) {}", "_Atomic"),
        (
            "void f(float *x) {}",
            "`@hat x output`",
        ),
        ("void f(const float *x) {}", "`@hat x[n]`"),
        ("void f(const float x[]) {}", "write `const float x[n]`"),
        ("void f(int m, float (*x)[m]) {}", "`@hat x[rows][m]`"),
        ("void f(float *) {}", "`float *`"),
        ("void f(float x[0]) {}", "extent 0"),
        ("void f(float x[2 - 3]) {}", "extent -1"),
        ("void f(float x[1 / 0]) {}", "division by zero"),
        ("void f(double n, float x[(int)n]) {}", "not an integer"),
        ("void f(int *n, float x[*n]) {}", "unsupported size expression"),
        ("void f(int n, float x[n << 2]) {}", "unsupported size expression"),
        ("void f(int n, float x[n > 0 ? n : 1]) {}", "unsupported size expression"),
        ("void f(int n, float x[sizeof(n)]) {}", "unknown type `n`"),
        ("int N; void f(float x[N]) {}", "`N`"),
        ("void f(int lambda, float x[lambda]) {}", "`lambda`"),
        ("int main(void) { return 0; }", "`main`"),
        ("void delete(int n) {}", "keyword of C++"),
        ("void f(int n, float x[n]]) {}", "could not parse"),
        ("void f(unknown x) {}", "`unknown`"),
        ("void f(enum missing x) {}", "`enum missing`"),
        ("void f(typeof(int) x) {}", "typeof(int)"),
        ("void f(int, int arg0) {}", "`arg0`"),
        ("enum e { A } __attribute__((packed)); void f(enum e x) {}", "smaller than an int"),
        ("void f(float x[1 << 30][1 << 30][2]) {}", "memory"),
    ],
)
def test_a_type_that_the_format_lacks_is_unsupported_with_a_reason(code: str, words: str) -> None:
    assert words in reason(code)


@pytest.mark.parametrize(
    "code",
    [
        "static void f(int x) {}",
        "static void f(int x); void f(int x) {}",
        "inline void f(int x) {}",
        "__inline__ void f(int x) {}",
        "extern inline __attribute__((gnu_inline)) void f(int x) {}",
        "void f(int x);",
        "/* @hat skip */ void f(void *x) {}",
    ],
)
def test_functions_that_no_other_file_can_call_are_skipped(code: str) -> None:
    reading = read(code)
    assert (reading.functions, reading.unsupported) == ((), ())


@pytest.mark.parametrize(
    "code",
    [
        "extern inline void f(int x) {}",
        "inline void f(int x) {} extern void f(int x);",
        "void f(int x); inline void f(int x) {}",
        "__forceinline extern void f(int x) {}",
    ],
)
def test_inline_functions_with_an_external_definition_are_described(code: str) -> None:
    assert read(code).functions


def test_syntax_errors_elsewhere_do_not_matter() -> None:
    reading = read("int x = = 3;\nvoid f(int n) { n ++ ++ ) ; }\nint y[;\nvoid g(int n, float x[n]) {}")
    assert {each.function.name for each in reading.functions} == {"f", "g"}


def test_a_function_that_the_parser_loses_is_unsupported() -> None:
    reading = read(
        "DECORATED(a, b) void f(int n) {}\nvoid g(void) {}\nSTRANGE void h(int n) {}\n_BitInt(4) i(int n) {}\n"
        "void *__attribute__((cold)) j(void) {}\nstatic void *__attribute__((cold)) k(void) {}"
    )
    described = {each.function.name for each in reading.functions}
    unsupported = {each.name for each in reading.unsupported}
    assert described | unsupported == {"f", "g", "h", "i", "j"}
    assert unsupported >= {"i", "j"}


@pytest.mark.parametrize(
    ("marker", "source"),
    [
        ('# 7 "a dir/\\"x\\".c" 2', 'a dir/"x".c'),
        ('#line 7 "C:\\\\dir\\\\file.c"', "C:\\dir\\file.c"),
        ('#line 7 "C:\\\\dir\\\\file.c"', "C:/dir/file.c"),
        ('# 7 "gr\\303\\266\\303\\237e.c"', "größe.c"),
        ('#line 7 "größe.c"', "größe.c"),
    ],
)
def test_line_markers_give_the_place_of_a_function(marker: str, source: str) -> None:
    text = (
        f'# 1 "other.h"\nvoid g(int n) {{}}\r\n{marker}\r\nvoid\r\nf(int n) {{}}\r\n# 1 "other.h" 2\nvoid h(int n) {{}}'
    )
    (described,) = read_functions(text, [source]).functions
    assert described.function.name == "f"
    assert described.line == 8


def test_directives_and_comments_may_stand_inside_a_signature(tmp_path: Path) -> None:
    code = "void f(int n, // how many\n#pragma GCC diagnostic push\n  /* ( */ const float x[n] // )\n  )\n{}\n"
    text = preprocessed(tmp_path, code)
    (described,) = read_functions(text, ["source.c"]).functions
    assert described.redeclaration == "void f(int n, const float x[n]);"


@pytest.mark.parametrize(
    ("between", "belongs"),
    [
        ("", True),
        ("EXPORT\n", True),
        ("#ifdef WIN\n#else\n#endif\nEXPORT\n", True),
        ("#pragma omp declare simd\n", True),
        ("API\n", True),
        ("\n", False),
        ("EXPORT\n\n", False),
        ("int other;\n", False),
    ],
)
def test_a_comment_belongs_to_the_function_directly_below(tmp_path: Path, between: str, belongs: bool) -> None:
    macros = '#define EXPORT\n#define API __attribute__((visibility("default")))\n'
    code = f"{macros}/* Adds. */\n{between}void f(int n) {{}}\n"
    text = preprocessed(tmp_path, code)
    (described,) = read_functions(text, ["source.c"], {"source.c": code}).functions
    assert described.function.description == ("Adds." if belongs else "")


def test_a_comment_after_code_on_its_line_is_not_a_description() -> None:
    assert read("int x; /* counts */\nvoid f(int n) {}").functions[0].function.description == ""
    code = "int x; // counts\n// Adds\n// numbers.\nvoid f(int n) {}"
    assert read(code).functions[0].function.description == "Adds numbers."


def test_comments_of_other_files_are_ignored() -> None:
    text = '# 1 "other.h"\n/* @hat nonsense */\nvoid g(int n) {}\n# 1 "source.c"\nvoid f(int n) {}'
    assert len(read_functions(text, ["source.c"]).functions) == 1


def test_annotations_of_the_package_are_collected() -> None:
    first = "/* @hat author: Ada\n * @hat version: 1.2\n */\n\n"
    first += "/* @hat author: Grace\n   @hat license: https://a.b */\nvoid f(int n) {}"
    second = "/* Adds.\n @hat author: Ada\n @hat comment: Fast: very. */\nstatic void g(int n) {}"
    whole = package_description(combine([read(first), read(second)]).package)
    assert whole == {
        "author": "Ada, Grace",
        "version": "1.2",
        "license_url": "https://a.b",
        "comment": "Fast: very.",
    }
    with pytest.raises(FormatError, match=r"version is '2' .* '1.2' at source.c:2") as raised:
        package_description(combine([read(first), read("// @hat version: 2\nvoid g(int n) {}")]).package)
    assert raised.value.where == "source.c:1"


def test_a_pointer_with_extents_in_a_comment_is_an_array() -> None:
    found = parameter("/* @hat x[n][4] output */\nvoid f(int n, float *x) {}")
    assert (found.logical_type, found.size, found.usage) == (LogicalType.RUNTIME_ARRAY, "n*4", Usage.OUTPUT)
    found = parameter("/* @hat x[n] */\nvoid f(float *x, int n) {}")
    assert (found.size, found.usage) == ("n", Usage.INPUT_OUTPUT)
    found = parameter("enum { K = 3 };\n/* @hat x[K+1][2] column-major */\nvoid f(const float *x) {}")
    assert (found.shape, found.affine_map, found.usage) == ((4, 2), (1, 4), Usage.INPUT)


def test_a_group_is_kept_in_the_metadata() -> None:
    assert read("// @hat group: copies\nvoid f(void) {}").functions[0].function.auxiliary == {"group": "copies"}


def test_flops_are_an_integer_or_a_formula() -> None:
    assert read("enum { K = 3 };\n/* @hat flops: 2*K */\nvoid f(void) {}").functions[0].function.auxiliary == {
        "flops": 6
    }
    code = "/* @hat flops: 2*n + 1 */\nvoid f(int n, float x[n]) {}"
    assert read(code).functions[0].function.auxiliary == {"flops": "2*n+1"}


@pytest.mark.parametrize(
    ("platform", "sizes"),
    [
        (Platform("linux", "x86_64"), [8, 8, 8]),
        (Platform("windows", "x86_64"), [4, 8, 8]),
        (Platform("windows", "aarch64"), [4, 8, 8]),
        (Platform("linux", "arm"), [4, 4, 8]),
    ],
)
def test_sizes_of_types_depend_on_the_platform(platform: Platform, sizes: list[int]) -> None:
    extents = ", ".join(f"char x{n}[sizeof({name})]" for n, name in enumerate(("long", "void *", "long long")))
    (function,) = read_functions(f'# 1 "x.c"\nvoid f({extents}) {{}}\n', ["x.c"], platform=platform).functions
    assert [argument.shape for argument in function.function.arguments] == [(size,) for size in sizes]


def test_a_long_word_before_a_body_costs_no_more_than_its_length() -> None:
    assert read_functions("x" * 200_000 + "{}", [""]).functions == ()
