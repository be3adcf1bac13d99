"""The parser of C, and what its nodes say."""

from __future__ import annotations

import pytest

from hatframe.c.syntax import (
    UnsupportedDeclaration,
    declared_name,
    nodes_within,
    parameter_list,
    parse,
    parse_expression,
    text_of,
)


@pytest.mark.parametrize(
    ("code", "name", "parameters"),
    [
        ("void f(int a, float *b);", "f", "(int a, float *b)"),
        ("float *(*f(int n))[4];", "f", "(int n)"),
        ("int x[3];", "x", None),
        ("int (*pointer)(void);", "pointer", "(void)"),
    ],
)
def test_a_declarator_has_a_name_and_parameters(code: str, name: str, parameters: str | None) -> None:
    declarator = parse(code.encode()).root_node.children[0].child_by_field_name("declarator")
    assert declared_name(declarator) == name
    found = parameter_list(declarator)
    assert (text_of(found) if found else None) == parameters


def test_bodies_of_functions_are_not_visited() -> None:
    root = parse(b"int f(int a) { int hidden; }").root_node
    assert {text_of(node) for node in nodes_within(root) if node.type == "identifier"} == {"f", "a"}


def test_white_space_is_collapsed() -> None:
    assert text_of(parse(b"int  f(\n\tint a);").root_node) == "int f( int a);"


@pytest.mark.parametrize("text", ["", "1 +", "1); int y = (2", "int"])
def test_anything_but_one_expression_is_unsupported(text: str) -> None:
    with pytest.raises(UnsupportedDeclaration):
        parse_expression(text)
