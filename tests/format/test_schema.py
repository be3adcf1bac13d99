"""The schema: TOML Schema 1.0.0, in step with the typed model, and a JSON Schema that agrees with it."""

from __future__ import annotations

import copy
import re
import types
import typing
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import sample_packages
import tomli

from hatframe.format import model
from hatframe.format.schema import ViolationKind, check, json_schema, schema_path, schema_text

DATA = Path(__file__).parent.parent / "data"
PROPERTIES = {
    "type",
    "typeof",
    "arraytype",
    "itemtype",
    "anyof",
    "allowedvalues",
    "optional",
    "min",
    "max",
    "maxlength",
}
SCHEMA = tomli.loads(schema_text())


def sound() -> dict[str, Any]:
    """A document that strays nowhere."""
    function = sample_packages.function(sample_packages.affine("A", (2,)))
    return sample_packages.document({"f": function}, "f.so", "void f(float*);")


def strays(document: dict[str, Any]) -> list[tuple[str, ViolationKind]]:
    return [(".".join(map(str, stray.path)), stray.kind) for stray in check(document)]


def change(path: str, value: Any) -> dict[str, Any]:
    """The sound document with another value at a path of keys and indices; None removes it."""
    document = copy.deepcopy(sound())
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    table: Any = document
    for key in parents:
        table = table[key]
    if value is None:
        del table[last]
    else:
        table[last] = value
    return document


# ----------------------------------------------------------------------------------------------------- the file


def test_the_file_is_found_in_this_checkout() -> None:
    assert schema_path().name == "hat.tosd"


def test_the_file_uses_only_what_toml_schema_defines() -> None:
    assert SCHEMA.keys() == {"toml-schema", "types", "elements"}
    assert SCHEMA["toml-schema"] == {"version": "1.0.0"}

    def visit(definition: dict[str, Any], is_definition: bool) -> None:
        for key, value in definition.items():
            if isinstance(value, dict):
                visit(value, True)
            elif is_definition:
                assert key in PROPERTIES
        if is_definition:
            assert ("type" in definition) + ("anyof" in definition) + ("typeof" in definition) >= 1
            for key in {"typeof", "itemtype"} & definition.keys():
                assert definition[key].removeprefix("types.") in SCHEMA["types"]

    visit(SCHEMA["types"], False)
    visit(SCHEMA["elements"], False)


def test_every_key_has_a_comment() -> None:
    lines = schema_text().splitlines()
    headers = [index for index, line in enumerate(lines) if re.match(r"\s*\[(types|elements)\.", line)]
    assert len(headers) > 80
    for index in headers:
        assert lines[index - 1].lstrip().startswith("# "), lines[index]


# ----------------------------------------------------------------------------------------------------- the model


def _definition(definition: dict[str, Any]) -> dict[str, Any]:
    if "typeof" in definition and definition.get("type") != "collection":
        return {**SCHEMA["types"][definition["typeof"].removeprefix("types.")], **definition}
    return definition


def _structs_in(annotation: Any) -> list[type]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return [annotation]
    return [found for argument in typing.get_args(annotation) for found in _structs_in(argument)]


def _compare(struct: type, definition: dict[str, Any], where: str) -> None:
    children = {key: value for key, value in definition.items() if isinstance(value, dict)}
    hints = typing.get_type_hints(struct)
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    if struct is model.HatFile:
        del fields["path"], fields["document"]
    assert fields.keys() == children.keys(), where
    for key, field in fields.items():
        child = _definition(children[key])
        if field.required:
            assert not child.get("optional", False), f"{where}.{key}: required by the model, optional in the schema"
        annotation = hints[field.name]
        if typing.get_origin(annotation) in (types.UnionType, typing.Union):
            annotation = next(kind for kind in typing.get_args(annotation) if kind is not type(None))
        origin = typing.get_origin(annotation) or annotation
        kind = child.get("type", "integer or float")
        expected = {
            str: "string",
            int: "integer",
            float: "integer or float",
            tuple: "array",
            dict: ("table", "collection"),
        }.get(origin)
        if isinstance(origin, type) and issubclass(origin, model.Table):
            expected = "table"
        if isinstance(origin, type) and issubclass(origin, (model.LogicalType, model.Usage)):
            assert child["allowedvalues"] == [str(member) for member in origin]
            expected = "string"
        assert kind in (expected if isinstance(expected, tuple) else (expected,)), f"{where}.{key}"
        for inner in _structs_in(annotation):
            reference = child["typeof"] if kind == "collection" else child.get("itemtype")
            _compare(inner, _definition({"typeof": reference} if reference else child), f"{where}.{key}")


def test_the_schema_and_the_typed_model_have_the_same_keys_and_types() -> None:
    _compare(model.HatFile, SCHEMA["elements"], "hat")


# ---------------------------------------------------------------------------------------------------- deviations


def test_a_sound_document_strays_nowhere() -> None:
    assert check(sound()) == []


@pytest.mark.parametrize("name", ["gemm_static", "scale_runtime", "vadd_Globals"])
def test_real_host_packages_stray_nowhere(name: str) -> None:
    assert check(tomli.loads((DATA / f"{name}.hat").read_text())) == []


def test_a_real_device_package_strays_in_its_calling_convention() -> None:
    assert strays(tomli.loads((DATA / "gemm_cuda.hat").read_text())) == [
        ("device_functions.gemm_gpu_dd300edb3009cc4b__gpu__.calling_convention", ViolationKind.VALUE)
    ]


@pytest.mark.parametrize(
    ("path", "value", "kind"),
    [
        ("functions.f.arguments", None, ViolationKind.MISSING),
        ("functions.f.return.usage", None, ViolationKind.MISSING),
        ("dependencies.deploy_files", None, ViolationKind.MISSING),
        ("target.required.CPU", None, ViolationKind.MISSING),
        ("declaration", None, ViolationKind.MISSING),
        ("functions.f.odd", 1, ViolationKind.UNKNOWN),
        ("odd", {}, ViolationKind.UNKNOWN),
        ("functions.f.arguments.0.odd", 1, ViolationKind.UNKNOWN),
        ("functions.f", 1, ViolationKind.TYPE),
        ("functions", [], ViolationKind.TYPE),
        ("functions.f.name", 1, ViolationKind.TYPE),
        ("functions.f.arguments", {}, ViolationKind.TYPE),
        ("functions.f.arguments.0", "A", ViolationKind.TYPE),
        ("functions.f.arguments.0.shape.0", 2.0, ViolationKind.TYPE),
        ("functions.f.arguments.0.affine_offset", True, ViolationKind.TYPE),
        ("functions.f.dynamic_shared_mem_bytes", "1", ViolationKind.TYPE),
        ("target.required.CPU.extensions", [1], ViolationKind.TYPE),
        ("target.optimized_for", {"CPU": {"clock_frequency": "3 GHz"}}, ViolationKind.TYPE),
        ("functions.f.arguments.0.logical_type", "array", ViolationKind.VALUE),
        ("functions.f.arguments.0.usage", "in", ViolationKind.VALUE),
        ("functions.f.arguments.0.shape.0", -1, ViolationKind.VALUE),
        ("functions.f.calling_convention", "pascal", ViolationKind.VALUE),
        ("functions.f.launch_parameters", [1] * 7, ViolationKind.VALUE),
        ("target.required.os", "plan9", ViolationKind.VALUE),
        ("target.optimized_for", {"CPU": {"clock_frequency": -1.5}}, ViolationKind.VALUE),
    ],
)
def test_each_violation_has_its_path_and_kind(path: str, value: Any, kind: ViolationKind) -> None:
    found = strays(change(path, value))
    assert [k for _, k in found] == [kind]
    assert found[0][0].startswith(path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("toml-schema", {"version": "1.0.0", "location": "hat.tosd"}),
        ("functions.f.auxiliary", {"any": [{"thing": 1.5}]}),
        ("functions.f.runtime", "my own"),
        ("target.optimized_for", {"CPU": {"clock_frequency": 3}}),
        ("target.optimized_for", {"CPU": {"clock_frequency": 2.5, "cache": {"l1_KB": 48}}}),
        ("dependencies.dynamic", [{"name": "omp", "version": "5", "target_file": "-lomp"}]),
        ("functions", {}),
    ],
)
def test_what_the_format_allows_does_not_stray(path: str, value: Any) -> None:
    assert check(change(path, value)) == []


# --------------------------------------------------------------------------------------------------- JSON Schema


def test_the_json_schema_is_one() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    shape = schema["$defs"]["parameter"]["properties"]["shape"]
    assert shape["description"].startswith("For an affine_array")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("functions.f.arguments", None),
        ("functions.f.odd", 1),
        ("functions.f.arguments.0.usage", "in"),
        ("functions.f.arguments.0.shape.0", -1),
        ("functions.f.launch_parameters", [1] * 7),
        ("target.optimized_for", {"CPU": {"clock_frequency": "3 GHz"}}),
        ("functions.f.auxiliary", {"any": [{"thing": 1.5}]}),
        ("functions.f.runtime", "my own"),
        ("target.optimized_for", {"CPU": {"clock_frequency": 3}}),
        ("functions.f.name", "f"),
    ],
)
def test_the_json_schema_agrees_with_the_schema(path: str, value: Any) -> None:
    document = change(path, value)
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(document) == (check(document) == [])
