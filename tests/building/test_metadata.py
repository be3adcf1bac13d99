"""The document of a package that is built from C."""

from __future__ import annotations

from pathlib import Path

from hatframe.building.describing import read_functions
from hatframe.building.metadata import built_document, reference_table, target_table
from hatframe.machine import Platform
from hatframe.packages.dependencies import Dependency
from hatframe.toolchain.compiled_for import CompiledFor

LINUX = Platform("linux", "x86_64", "gnu")
CODE = """\
# 1 "a.c"
typedef unsigned char uint8_t;
/* Adds. */
void add(int n, const float a[n], float b[n]) { for (int i = 0; i < n; i++) b[i] += a[i]; }
uint8_t first(uint8_t x, uint8_t) { return x; }
"""


def document() -> dict[str, object]:
    parsed = read_functions(CODE, ["a.c"], {}, LINUX)
    assert [each.function.name for each in parsed.functions] == ["add", "first"]
    return built_document(
        parsed.functions,
        ["a.dll.lib", "a.dll"],
        description={"comment": "", "author": "me", "version": "1", "license_url": ""},
        target=target_table(LINUX, CompiledFor(extensions=("avx2",), crt="glibc 2.36")),
        dynamic=[],
        compiled_with={"compiler": "gcc", "flags": "", "crt": "", "libraries": []},
    )


def test_every_function_has_its_table_and_nameless_parameters_their_default_names() -> None:
    functions = document()["functions"]
    assert isinstance(functions, dict)
    assert functions["add"]["description"] == "Adds."
    assert [argument["name"] for argument in functions["add"]["arguments"]] == ["n", "a", "b"]
    assert functions["add"]["arguments"][1]["size"] == "n"
    assert [argument["name"] for argument in functions["first"]["arguments"]] == ["x", "arg1"]


def test_the_header_includes_what_its_prototypes_need_and_suits_c_and_cpp() -> None:
    declaration = document()["declaration"]
    assert isinstance(declaration, dict)
    code = declaration["code"]
    assert code.index("#include <stdint.h>") < code.index('extern "C"') < code.index("uint8_t first(")


def test_the_first_library_is_linked_and_the_others_are_deployed() -> None:
    assert document()["dependencies"] == {"link_target": "a.dll.lib", "deploy_files": ["a.dll"], "dynamic": []}


def test_the_target_names_the_abi_where_it_matters() -> None:
    assert target_table(LINUX, CompiledFor(extensions=("avx2",))) == {
        "required": {
            "os": "linux",
            "CPU": {"architecture": "x86_64", "extensions": ["avx2"]},
            "auxiliary": {"abi": "gnu"},
        }
    }
    assert "auxiliary" not in target_table(Platform("macos", "aarch64"), CompiledFor(extensions=()))["required"]


def test_a_library_by_name_keeps_its_name() -> None:
    dependency = Dependency(text="m", libraries=("m",))
    assert reference_table(dependency, Path("/home")) == {"name": "m", "version": "", "target_file": "m"}
