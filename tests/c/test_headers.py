"""Headers that certainly define only pointers to functions, and all others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.c.headers import only_aliases

DATA = Path(__file__).parent.parent / "data"


def header(code: str) -> str:
    return f'#ifndef G\n#define G\n#ifdef TOML\n[a]\nb = "it\'s"\n#endif\n{code}\n#ifdef TOML\n#endif\n#endif\n'


@pytest.mark.parametrize("name", ["gemm_static.hat", "scale_runtime.hat", "vadd_Globals.hat"])
def test_the_headers_of_real_packages_define_only_aliases(name: str) -> None:
    text = (DATA / name).read_text()
    found = only_aliases(text, DATA)
    assert found is not None
    assert bool(found) == ("DEFINED__" in text)


@pytest.mark.parametrize(
    ("code", "aliases"),
    [
        ("", set()),
        ("#include <stdint.h>\n#include <stdbool.h>\ntypedef uint16_t float16_t;", set()),
        ("void f(const float *, int a[4], float[2][3]);\nextern int g(void);", set()),
        ("int f(int);\n#ifndef D\n#define D\nint (*base)(int) = f;\n#endif", {"base"}),
        (
            '#ifdef __cplusplus\nextern "C" {\n#endif\nint f(void); // f\n/* a\n b */\n#ifdef __cplusplus\n}\n#endif',
            set(),
        ),
    ],
)
def test_declarations_and_aliases_pass(code: str, aliases: set[str]) -> None:
    assert only_aliases(header(code), Path("/nowhere")) == aliases


@pytest.mark.parametrize(
    "code",
    [
        "int x;",
        "int x = 1;",
        "int f(void) { return 1; }",
        "static int (*p)(void) = f, y;",
        '#include "own.h"',
        "#include <math.h>",
        "#include NAME",
        "#define f g",
        "#define CALL(x) x",
        "#pragma weak f",
        '_Pragma("weak f")',
        "void f(void) __attribute__((constructor));",
        '__asm__(".globl f");',
        'int f(void) __asm__("g");',
        "__declspec(dllexport) int f(void);",
        "int f(void);\\\nint x;",
        "char c = 'x';",
        "int (*p)(void) = 0;",
        "int f(" + "int, " * 2000 + "int);",
    ],
)
def test_any_other_header_is_compiled(code: str) -> None:
    assert only_aliases(header(code), Path("/nowhere")) is None


def test_a_file_of_the_package_may_replace_a_system_header(tmp_path: Path) -> None:
    text = header("#include <stdint.h>")
    assert only_aliases(text, tmp_path) == set()
    (tmp_path / "stdint.h").write_text("int x = 1;")
    assert only_aliases(text, tmp_path) is None


def test_code_beside_the_metadata_counts(tmp_path: Path) -> None:
    assert only_aliases(header("") + "int x;\n", tmp_path) is None
    assert only_aliases(header("").replace("b =", 'c = "/*"\nb ='), tmp_path) is None
    assert only_aliases("#ifdef TOML\n#else\nint x;\n#endif\n", tmp_path) is None


@given(st.text(alphabet="ab *(){};=\"'#/\\\n,[]0_", max_size=60))
def test_no_text_raises(code: str) -> None:
    only_aliases(header(code), Path("/nowhere"))
