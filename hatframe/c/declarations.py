"""The functions that C code declares, read without a preprocessor.

All branches of conditions count, the names of the standard headers are known, and macros without parameters are
replaced. So a function may have several declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from hatframe.c.elements import DataModel, element_types
from hatframe.c.preprocessed import TranslationUnit
from hatframe.c.scopes import Scope
from hatframe.c.syntax import UnsupportedDeclaration, inner_declarator, parse, text_of
from hatframe.c.types import HALF_TYPES, HEADERS, CType, FunctionType

if TYPE_CHECKING:
    from tree_sitter import Node

# Names for integers of the standard headers, beside those that the format knows.
_MORE_INTEGERS = {
    "ssize_t": "ptrdiff_t",
    **{f"{sign}int_least{bits}_t": f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_OF_SIZE = {1: "signed char", 2: "short", 4: "int", 8: "long long"}
_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+([A-Za-z_]\w*)\b(?!\()((?:[^\n\\]|\\.)*)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\[\s\S])*", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z_]\w*")
# Macros of macros of macros …, and how long the code may become.
_MOST_DEPTH = 8
_MOST_GROWTH = 2


class DeclaredParameter(msgspec.Struct, frozen=True):
    """A parameter as the code spells it. ``c_type`` is None where it is unknown, for the ``reason``."""

    text: str
    name: str = ""
    c_type: CType | None = None
    reason: str = ""


class DeclaredFunction(msgspec.Struct, frozen=True, kw_only=True):
    """One declaration of a function.

    ``parameters`` is None where C leaves them open: ``()``, and with ``...``. ``returns`` is None where it is unknown.
    ``in_header`` means that a header has it rather than the code itself.
    """

    name: str
    parameters: tuple[DeclaredParameter, ...] | None
    returns: CType | None
    is_definition: bool
    is_static: bool
    in_header: bool = False


def declared_functions(
    code: str, headers: Sequence[str] = (), model: DataModel | None = None
) -> dict[str, list[DeclaredFunction]]:
    """The functions that C code declares, by name, with the types that the code and ``headers`` define."""
    model = model or DataModel(long=8, pointer=8)
    trees = [TranslationUnit(_without_macros(text), [""]).tree for text in (code, *headers)]
    own, *others = [list(_outermost(tree.root_node)) for tree in trees]
    of_headers = [node for nodes in others for node in nodes]
    standard = parse(_standard_types(model)).root_node.children
    reader = _Reader(Scope([*own, *of_headers, *standard], model))
    found: dict[str, list[DeclaredFunction]] = {}
    for function in (*reader.functions(own), *reader.functions(of_headers, in_header=True)):
        found.setdefault(function.name, []).append(function)
    return found


class _Reader:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        # Functions that compute the same thing have the same parameters.
        self._parameters: dict[bytes, tuple[DeclaredParameter, ...] | None] = {}

    def functions(self, nodes: Iterable[Node], in_header: bool = False) -> Iterator[DeclaredFunction]:
        for node in nodes:
            if node.type not in ("declaration", "function_definition"):
                continue
            words = {text_of(child) for child in node.children if child.type == "storage_class_specifier"}
            for declarator in node.children_by_field_name("declarator"):
                if named := _function(declarator):
                    name, parameters = named
                    yield DeclaredFunction(
                        name=text_of(name),
                        parameters=self._of_list(parameters),
                        returns=self._returned(node, declarator),
                        is_definition=node.type == "function_definition",
                        is_static="static" in words,
                        in_header=in_header,
                    )

    def _of_list(self, parameters: Node) -> tuple[DeclaredParameter, ...] | None:
        text = parameters.text or b""
        if text not in self._parameters:
            self._parameters[text] = self._read(parameters.named_children)
        return self._parameters[text]

    def _read(self, nodes: Sequence[Node]) -> tuple[DeclaredParameter, ...] | None:
        if not nodes or nodes[-1].type == "variadic_parameter":
            return None
        if [text_of(node) for node in nodes] == ["void"]:
            return ()
        types: dict[str, CType] = {}
        read = []
        for node in nodes:
            text = text_of(node)
            try:
                if node.type != "parameter_declaration" or node.has_error:
                    raise UnsupportedDeclaration(f"could not parse `{text[:200]}`")
                name, c_type = self._scope.declared(node, types)
                types[name] = c_type
                read.append(DeclaredParameter(text, name, c_type))
            except UnsupportedDeclaration as error:
                read.append(DeclaredParameter(text, reason=error.reason))
            except RecursionError:
                read.append(DeclaredParameter(text, reason="its type is nested too deeply"))
        return tuple(read)

    def _returned(self, node: Node, declarator: Node) -> CType | None:
        try:
            c_type = self._scope.declarator(declarator, self._scope.base(node), {})[1]
        except (UnsupportedDeclaration, RecursionError):
            return None
        return c_type.returns if isinstance(c_type, FunctionType) else None


def _outermost(node: Node) -> Iterator[Node]:
    """The declarations and definitions at the outermost level, also those in ``extern "C"``."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if current is node or current.type in ("linkage_specification", "declaration_list", "ERROR"):
            waiting += reversed(current.named_children)
        else:
            yield current


def _function(declarator: Node) -> tuple[Node, Node] | None:
    """The name and the parameters of a declared function; None for variables, also pointers to functions."""
    parameters = None
    node: Node | None = declarator
    while node is not None and node.type.endswith("declarator"):
        if node.type not in ("parenthesized_declarator", "attributed_declarator"):
            parameters = node.child_by_field_name("parameters")
        node = inner_declarator(node)
    return (node, parameters) if node is not None and parameters else None


@cache
def _standard_types(model: DataModel) -> bytes:
    """The typedefs of the standard headers and of Accera's for half-precision numbers, in C."""
    types = element_types(model)
    integers = {name: types[name] for name in HEADERS if name != "bool"}
    integers |= {name: types[known] for name, known in _MORE_INTEGERS.items()}
    lines = [
        f"typedef {'unsigned ' if element.kind == 'uint' else ''}"
        f"{_OF_SIZE[element.size].removeprefix('signed ' if element.kind == 'uint' else '')} {name};"
        for name, element in integers.items()
    ]
    lines += [f"typedef uint16_t {name};" for name in HALF_TYPES]
    return "\n".join([*lines, "typedef struct FILE FILE;"]).encode()


def _without_macros(code: str) -> str:
    """The code with the macros that have no parameters replaced by what they stand for."""
    macros = {name: value.split("//")[0].split("/*")[0].strip() for name, value in _MACRO.findall(code)}
    if not macros:
        return code
    left = _MOST_GROWTH * len(code)

    def value(match: re.Match[str]) -> str:
        nonlocal left
        text = macros.get(match.group(), match.group())
        left -= len(text)
        return text if left > 0 else match.group()

    code = _DIRECTIVE.sub("", code)
    for _ in range(_MOST_DEPTH):
        before, code = code, _WORD.sub(value, code)
        if code == before:
            break
    return code
