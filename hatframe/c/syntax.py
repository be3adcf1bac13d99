"""The syntax tree of C: a parser, and what its nodes say. tree-sitter is imported on first use."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Tree


class UnsupportedDeclaration(Exception):  # noqa: N818 - reported as a note, not as an error of the user's
    """Why a function cannot be part of a package."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse(code: bytes) -> Tree:
    import tree_sitter

    return tree_sitter.Parser(_language()).parse(code)


@cache
def _language() -> Language:
    import tree_sitter
    import tree_sitter_c

    return tree_sitter.Language(tree_sitter_c.language())


def parse_expression(text: str) -> Node:
    """The syntax tree of one C expression; raises :class:`UnsupportedDeclaration`."""
    tree = parse(b"int x = (" + text.encode("utf-8", "replace") + b"\n);")
    children = tree.root_node.named_children
    if len(children) == 1 and not tree.root_node.has_error and children[0].type == "declaration":
        declared = children[0].child_by_field_name("declarator")
        value = declared.child_by_field_name("value") if declared else None
        if value and value.type == "parenthesized_expression" and value.named_child_count == 1:
            return value.named_children[0]
    raise UnsupportedDeclaration("not a C expression")


def text_of(node: Node) -> str:
    """The text of a node, with collapsed white space."""
    return " ".join((node.text or b"").decode("utf-8", "replace").split())


def nodes_within(node: Node) -> Iterator[Node]:
    """A node and all its descendants, without the bodies of functions."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += [child for child in reversed(current.children) if child.type != "compound_statement"]


def inner_declarator(node: Node) -> Node | None:
    """The declarator inside of a declarator, such as ``*x`` of ``(*x)[4]``."""
    if inner := node.child_by_field_name("declarator"):
        return inner
    for child in node.named_children:
        if child.type.endswith("declarator") or child.type in ("identifier", "type_identifier", "primitive_type"):
            return child
    return None


def declared_name(node: Node | None) -> str:
    """The name that a declarator declares, or an empty text."""
    while node is not None and node.type.endswith("declarator"):
        node = inner_declarator(node)
    return text_of(node) if node is not None else ""


def parameter_list(node: Node | None) -> Node | None:
    """The parameters of the function that a declarator declares."""
    parameters = None
    while node is not None and node.type.endswith("declarator"):
        if node.type == "function_declarator":
            parameters = node.child_by_field_name("parameters")
        node = inner_declarator(node)
    return parameters
