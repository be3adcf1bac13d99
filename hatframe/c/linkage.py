"""Linkage: whether other files can call a function, and by the platform's calling convention."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import msgspec

from hatframe.c.syntax import UnsupportedDeclaration, declared_name, nodes_within, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

_CONVENTION = re.compile(
    r"\b_*(?P<name>ms_abi|sysv_abi|stdcall|fastcall|thiscall|vectorcall|regcall|regparm|sseregparm|pascal|pcs"
    r"|aarch64_vector_pcs|aarch64_sve_pcs|swiftcall|swiftasynccall|preserve_most|preserve_all|preserve_none|interrupt"
    r"|naked|riscv_vector_cc|clrcall)_*\b"
)
_HIDDEN = re.compile(r"\bvisibility(?:__)?\s*\(\s*\"(?P<kind>hidden|internal)\"")
_ATTRIBUTES = ("attribute_specifier", "attribute_declaration", "ms_declspec_modifier", "ms_call_modifier")


class Linkage(msgspec.Struct, frozen=True, kw_only=True):
    """What all declarations of a function say together, as in C; ``label`` is the symbol's name from ``__asm__``."""

    is_external: bool
    attributes: tuple[str, ...] = ()
    label: str = ""

    @classmethod
    def of_functions(cls, nodes: Iterable[Node], names: Collection[str]) -> dict[str, Linkage]:
        """The linkage of each named function, from the declarations at the outermost level of a file."""
        declarations: dict[str, list[Node]] = {name: [] for name in names}
        for node in nodes:
            if node.type in ("function_definition", "declaration"):
                for declarator in node.children_by_field_name("declarator"):
                    if (name := declared_name(declarator)) in declarations:
                        declarations[name].append(node)
        return {name: _linkage(found) for name, found in declarations.items()}


def check_linkage(linkage: Linkage) -> None:
    """Raise :class:`UnsupportedDeclaration` for a hidden or renamed function, or another calling convention."""
    for text in linkage.attributes:
        if match := _CONVENTION.search(text):
            raise UnsupportedDeclaration(f"`{match['name']}` changes its calling convention")
        if match := _HIDDEN.search(text):
            raise UnsupportedDeclaration(f"its visibility is {match['kind']}, so a library cannot export it")
    if linkage.label:
        raise UnsupportedDeclaration(f"its symbol has another name: {linkage.label}")


def _linkage(declarations: list[Node]) -> Linkage:
    storages = [
        {text_of(child) for child in node.children if child.type == "storage_class_specifier"} for node in declarations
    ]
    attributes: list[str] = []
    label = ""
    for node in declarations:
        for part in nodes_within(node):
            if part.type in _ATTRIBUTES:
                attributes.append(text_of(part))
            elif part.type == "gnu_asm_expression":
                label = text_of(part)
    is_static = any("static" in words for words in storages)
    inlines = [words for words in storages if "inline" in words or "__forceinline" in words]
    if any("gnu_inline" in text for text in attributes):
        # Before C99, extern meant the opposite: no definition for other files.
        is_defined = not any("extern" in words for words in inlines)
    else:
        is_defined = len(inlines) < len(storages) or any("extern" in words for words in storages)
    return Linkage(is_external=is_defined and not is_static, attributes=tuple(attributes), label=label)
