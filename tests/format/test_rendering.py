"""Rendering: what is written is the document to every TOML parser, and C without a warning to every compiler."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sample_packages
import tomli
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toml_styles import SCALARS, TABLES

from hatframe.errors import FormatError
from hatframe.format.model import Function, HatFile, LogicalType, Parameter
from hatframe.format.reading import parse_hat, read_hat
from hatframe.format.rendering import (
    bare_code,
    guard_macro,
    render_hat,
    render_toml,
    same,
    to_document,
    toml_value,
    wrapped_code,
)
from hatframe.format.schema import ViolationKind, check

DATA = Path(__file__).parent.parent / "data"
CODE = """\
#if defined(__cplusplus)
extern "C" {
#endif
/* it's */ void f(const float *a); // "
static const char text[] = "'\\\\ \\"";
#define LONG \\
    1
#if defined(__cplusplus)
}
#endif
"""
USES = "void use(void); void use(void) { (void)text; }\n"
COMPILERS = [
    (compiler, language, standard)
    for compilers, language, standards in (
        (("gcc", "clang"), "c", ("c99", "c11")),
        (("g++", "clang++"), "c++", ("c++17",)),
    )
    for compiler in compilers
    for standard in standards
]


def compile_strictly(source: str, compiler: str, language: str, standard: str, folder: Path) -> str:
    """The output of the compiler for the source; skips the test without the compiler."""
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} on this machine")
    command = [compiler, "-Wall", "-Wextra", "-pedantic", f"-std={standard}", "-x", language, "-fsyntax-only", "-I"]
    return subprocess.run([*command, folder, "-"], input=source, capture_output=True, text=True).stderr


@pytest.mark.parametrize(("compiler", "language", "standard"), COMPILERS)
@pytest.mark.parametrize("code", [CODE, "/* ''' it's */\nvoid f(const float *a); // '\n", ""])
def test_no_compiler_warns(code: str, compiler: str, language: str, standard: str, tmp_path: Path) -> None:
    function = sample_packages.function(
        sample_packages.affine("A", (2, 3)), description="it's ??/ \"quoted\" \\ /* // \u202e '''"
    )
    (tmp_path / "p.hat").write_text(render_hat(sample_packages.document({"f": function}, "f.so", code), "p.hat"))
    source = '#include "p.hat"\n#include "p.hat"\n' + (USES if "text[]" in code else "typedef int used;\n")
    assert compile_strictly(source, compiler, language, standard, tmp_path) == ""


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document with anything in it; the declaration holds some C code."""
    document = draw(TABLES)
    words = st.sampled_from(
        ["int x", ";", "\n", "// it's\n", "/* ''' */", '"a\\n"', " \\\n ", "é", "\t", "??/", '/* """ */', "\\"]
    )
    document["declaration"] = {"code": "".join(draw(st.lists(words, max_size=6)))}
    return document


@given(documents())
def test_every_parser_reads_the_same_document(document: dict[str, Any]) -> None:
    code = document["declaration"]["code"]
    if "'''" in code and ("\\" in code or '"""' in code):
        with pytest.raises(FormatError, match="three single quotes"):
            render_hat(document, "any")
        return
    text = render_hat(document, "any")
    expected = {**document, "declaration": {"code": wrapped_code(code)[0]}}
    assert same(tomli.loads(text), expected)
    assert same(tomlkit.parse(text).unwrap(), expected)
    if sys.version_info >= (3, 11):
        import tomllib

        assert same(tomllib.loads(text), expected)
    assert render_hat(tomli.loads(text), "any") == text


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TABLES, min_size=8, max_size=8))
def test_nothing_in_the_metadata_disturbs_a_compiler(tmp_path: Path, tables: list[dict[str, Any]]) -> None:
    for index, table in enumerate(tables):
        text = render_hat({**table, "declaration": {"code": f"typedef int int_{index};"}}, f"p{index}")
        (tmp_path / f"p{index}.hat").write_text(text, encoding="utf-8")
    source = "".join(f'#include "p{index}.hat"\nint_{index} x{index};\n' for index in range(len(tables)))
    for compiler, language, standard in COMPILERS:
        if shutil.which(compiler):
            assert compile_strictly(source, compiler, language, standard, tmp_path) == ""


def test_a_toml_text_starts_with_its_comment() -> None:
    text = render_toml({"tool": {"x": 1}, "y": [{"z": "a"}]}, "What it is for.\n\nAnd how.")
    assert text.startswith("# What it is for.\n#\n# And how.\n\n")
    assert tomli.loads(text) == {"tool": {"x": 1}, "y": [{"z": "a"}]}


@given(TABLES)
def test_any_document_is_written_as_itself(document: dict[str, Any]) -> None:
    assert same(tomli.loads(render_toml(document)), document)


@given(SCALARS)
def test_every_scalar_is_written_as_itself(value: Any) -> None:
    assert same(tomli.loads(f"key = {toml_value(value)}")["key"], value)


@pytest.mark.parametrize("name", ["gemm_static", "scale_runtime", "gemm_cuda", "vadd_Globals"])
def test_a_real_file_is_rendered_without_loss(name: str, tmp_path: Path) -> None:
    hat = read_hat(DATA / f"{name}.hat")
    document = to_document(hat)
    assert document == hat.document
    rendered = parse_hat(render_hat(document, name))
    assert bare_code(rendered.declaration.code).strip() == bare_code(hat.declaration.code).strip()
    assert {**rendered.document, "declaration": {}} == {**hat.document, "declaration": {}}
    for compiler, language, standard in COMPILERS:
        if shutil.which(compiler):
            # Accera's code defines pointers, and includes headers of the standard: it must compile, that is all.
            (tmp_path / "p.hat").write_text(render_hat(document, name))
            assert compile_strictly('#include "p.hat"\n', compiler, language, standard, tmp_path) == ""


def test_the_model_is_merged_over_what_it_does_not_know() -> None:
    hat = parse_hat(
        "[functions.f]\narguments = [{ logical_type = 'element', odd = 1 }]\nodd = 2\n[target.required.GPU]\nodd = 3\n"
        "[odd]\nx = 4\n[dependencies]\nlink_target = 'a'\n"
    )
    dependencies = msgspec.structs.replace(hat.dependencies, link_target="b", deploy_files=("c",))
    document = to_document(msgspec.structs.replace(hat, dependencies=dependencies))
    assert document == {
        "functions": {"f": {"arguments": [{"logical_type": "element", "odd": 1}], "odd": 2, "name": "f"}},
        "target": {"required": {"GPU": {"odd": 3}}},
        "odd": {"x": 4},
        "dependencies": {"link_target": "b", "deploy_files": ["c"]},
    }


def test_a_model_alone_is_a_document() -> None:
    hat = HatFile(functions={"f": Function(name="f", arguments=())})
    document = to_document(hat)
    assert document["functions"]["f"].items() >= {"name": "f", "arguments": []}.items()
    assert parse_hat(render_hat(document, "f")).functions == hat.functions


def test_a_model_alone_has_all_keys_that_the_schema_requires() -> None:
    parameter = Parameter(name="x", logical_type=LogicalType.ELEMENT)
    hat = HatFile(functions={"f": Function(name="f", arguments=(parameter,))})
    assert [each for each in check(to_document(hat)) if each.kind is ViolationKind.MISSING] == []
    assert "GPU" not in to_document(hat)["target"]["required"]


@pytest.mark.parametrize(
    ("code", "bare"),
    [
        ("#endif // TOML\nvoid f(void);\n#ifdef TOML\n", "void f(void);\n"),
        ("\n#endif\nvoid f(void);\n  #ifdef TOML", "void f(void);\n"),
        ("//'\n#endif // TOML\nvoid f(void);\n#ifdef TOML\n//", "void f(void);\n"),
        ("#endif // TOML\n#ifdef TOML\n", ""),
        ("a;\n#ifdef TOML\n", "a;\n#ifdef TOML\n"),
        ("#endif\na;\n", "#endif\na;\n"),
        ("#endif\na;\n#ifdef TOML\n#endif\nb;\n#ifdef TOML\n", "a;\n#ifdef TOML\n#endif\nb;\n"),
    ],
)
def test_the_bare_code_is_what_a_compiler_sees(code: str, bare: str) -> None:
    assert bare_code(code) == bare


@pytest.mark.parametrize("character", ["\0", "\x01", "\x0b", "\f", "\x7f"])
def test_control_characters_in_code_are_refused_with_their_line(character: str) -> None:
    with pytest.raises(FormatError, match="line 2 of the C code"):
        wrapped_code(f"int a;\nint{character}b;\n")


@pytest.mark.parametrize(
    ("name", "macro"),
    [
        ("gemm_static.hat", "HAT_GEMM_STATIC_HAT"),
        ("__x__y.hat", "HAT_X_Y_HAT"),
        ("3 d-lib", "HAT_3_D_LIB"),
        ("ключ", "HAT_FILE"),
    ],
)
def test_the_guard_is_an_identifier_that_c_does_not_reserve(name: str, macro: str) -> None:
    assert guard_macro(name) == macro


def test_a_document_that_toml_cannot_hold_is_refused() -> None:
    with pytest.raises(FormatError, match="NoneType"):
        render_hat({"a": None}, "x")


def test_code_that_leaves_the_comment_without_a_quote_is_bare_too() -> None:
    assert bare_code("//\n#endif\nint f(void);\n#ifdef TOML\n//") == "int f(void);\n"


@pytest.mark.parametrize("blank", [" ", "\t", "\n", " \n"])
def test_blanks_cost_no_more_than_their_number(blank: str) -> None:
    code = blank * 200_000 + "void f(void);"
    assert bare_code(code) == code
