"""The functions that C code declares, read without a preprocessor: all branches of its conditions count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hatframe.c.preprocessed import TranslationUnit
from hatframe.c.syntax import inner_declarator, text_of

if TYPE_CHECKING:
    from tree_sitter import Node


def parameter_counts(code: str) -> dict[str, int | None]:
    """The number of parameters of each function in C code; None where C leaves it open: ``()``, and with ``...``."""
    counts: dict[str, int | None] = {}
    for node in _external_declarations(TranslationUnit(code, [""]).tree.root_node):
        for declarator in node.children_by_field_name("declarator"):
            if function := _function(declarator):
                name, parameters = function
                given = parameters.named_children
                is_open = not given or given[-1].type == "variadic_parameter"
                is_empty = [text_of(child) for child in given] == ["void"]
                counts[text_of(name)] = None if is_open else 0 if is_empty else len(given)
    return counts


def _external_declarations(node: Node) -> Iterator[Node]:
    """The declarations and definitions at the outermost level, also those in ``extern "C"``."""
    for child in node.named_children:
        if child.type in ("linkage_specification", "declaration_list", "ERROR"):
            yield from _external_declarations(child)
        elif child.type in ("declaration", "function_definition"):
            yield child


def _function(declarator: Node) -> tuple[Node, Node] | None:
    """The name and the parameters of a declared function; None for variables, also pointers to functions."""
    parameters = None
    node: Node | None = declarator
    while node is not None and node.type.endswith("declarator"):
        if node.type not in ("parenthesized_declarator", "attributed_declarator"):
            parameters = node.child_by_field_name("parameters")
        node = inner_declarator(node)
    return (node, parameters) if node is not None and parameters else None
