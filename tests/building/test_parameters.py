"""The metadata of parameters, from their C types and the comments about them."""

from __future__ import annotations

from typing import Any

import pytest

from hatframe.building.comments import Annotations, ParameterAnnotation
from hatframe.building.parameters import Signature, read_parameters
from hatframe.c.elements import DataModel
from hatframe.c.preprocessed import Place
from hatframe.c.scopes import Scope
from hatframe.c.syntax import UnsupportedDeclaration, parameter_list, parse
from hatframe.calling.plans import MOST_ARGUMENTS
from hatframe.errors import FormatError
from hatframe.format.model import LogicalType, Usage

HERE = Place("a.c", 3)


def signature(code: str, **annotations: dict[str, Any]) -> Signature:
    """The parameters of the prototype that code ends with, with annotations by their names."""
    root = parse(code.encode()).root_node
    scope = Scope(root.children, DataModel(long=8, pointer=8))
    nodes = parameter_list(root.named_children[-1].child_by_field_name("declarator"))
    found = {name: ParameterAnnotation(place=HERE, name=name, **fields) for name, fields in annotations.items()}
    return read_parameters(nodes, scope, Annotations(parameters=found))


def summary(found: Signature) -> list[tuple[Any, ...]]:
    assert found.unsupported is None
    return [
        (each.name, each.logical_type, each.declared_type, each.usage, each.shape or each.size)
        for each in (typed.parameter for typed in found.parameters)
    ]


def test_each_kind_of_parameter_is_described() -> None:
    code = "void f(int n, const float a[n][4], double b[2][3], const int *one);"
    found = signature(code, one={"usage": Usage.INPUT})
    assert summary(found) == [
        ("n", LogicalType.ELEMENT, "int", Usage.INPUT, None),
        ("a", LogicalType.RUNTIME_ARRAY, "const float*", Usage.INPUT, "n*4"),
        ("b", LogicalType.AFFINE_ARRAY, "double*", Usage.INPUT_OUTPUT, (2, 3)),
        ("one", LogicalType.ELEMENT, "const int*", Usage.INPUT, None),
    ]
    assert found.dimensions == {"n"}


def test_a_comment_gives_the_extents_of_a_pointer_its_usage_and_its_layout() -> None:
    fields = {"extents": ("4", "3"), "usage": Usage.OUTPUT, "order": "column-major", "offset": "1"}
    (typed,) = signature("void f(float *a);", a=fields).parameters
    parameter = typed.parameter
    assert (parameter.shape, parameter.affine_map, parameter.affine_offset) == ((4, 3), (1, 4), 1)
    assert parameter.usage is Usage.OUTPUT


def test_an_array_that_the_function_allocates_has_the_size_that_it_sets() -> None:
    fields = {"count": {"usage": Usage.OUTPUT}, "out": {"extents": ("count",), "usage": Usage.OUTPUT}}
    found = signature("void f(int *count, float **out);", **fields)
    assert [typed.parameter.declared_type for typed in found.parameters] == ["int*", "float**"]
    assert found.parameters[1].parameter.size == "count"


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("void f(float *a);", "a"),
        ("void f(void *a);", "void"),
        ("struct s; void f(struct s *a);", "struct s"),
        ("void f(int (*callback)(int));", "callback"),
        ("void f(int a, ...);", "variadic"),
        ("void f(float ***a);", "a"),
        ("void f(float a[m]);", "m"),
    ],
)
def test_an_unsupported_parameter_is_the_reason_and_the_others_are_read(code: str, named: str) -> None:
    found = signature(code)
    assert found.unsupported is not None
    assert named in found.unsupported.reason


@pytest.mark.parametrize(
    ("code", "annotations"),
    [
        ("void f(int a);", {"b": {"usage": Usage.INPUT}}),
        ("void f(int a);", {"a": {"usage": Usage.OUTPUT}}),
        ("void f(int a);", {"a": {"extents": ("4",)}}),
        ("void f(const float *a);", {"a": {"extents": ("4",), "usage": Usage.OUTPUT}}),
        ("void f(float a[4]);", {"a": {"extents": ("5",)}}),
        ("void f(float a[4]);", {"a": {"extents": ("2", "2")}}),
        ("void f(float *a);", {"a": {"extents": ("0",)}}),
        ("void f(float *a);", {"a": {"extents": ("N",)}}),
        ("void f(float *a);", {"a": {"extents": ("4",), "offset": "-1"}}),
        ("void f(float a[4]);", {"a": {"extents": ("4",), "strides": ("2",)}}),
        ("void f(int n, float *a);", {"a": {"extents": ("n", "n"), "order": "column-major"}}),
    ],
)
def test_a_comment_that_contradicts_the_code_is_an_error_with_its_line(code: str, annotations: Any) -> None:
    with pytest.raises(FormatError) as caught:
        signature(code, **annotations)
    assert caught.value.where == str(HERE)


def test_more_parameters_than_any_loader_passes_are_unsupported() -> None:
    with pytest.raises(UnsupportedDeclaration, match=str(MOST_ARGUMENTS)):
        signature(f"void f({', '.join(f'int a{i}' for i in range(MOST_ARGUMENTS + 1))}) {{}}")
