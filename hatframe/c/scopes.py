"""Scopes: the types and values that the typedefs and enums of a preprocessed text stand for.

Names that the format knows (``int32_t``, ``size_t``, ``float16_t`` …) stay; every other typedef is resolved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from hatframe.c.elements import DataModel, ElementType, canonical_name, element_types
from hatframe.c.expressions import Constant, Extent, evaluate, parameter_value
from hatframe.c.syntax import UnsupportedDeclaration, declared_name, inner_declarator, nodes_within, text_of
from hatframe.c.types import (
    HALF_TYPES,
    HEADERS,
    Aggregate,
    Array,
    CType,
    FunctionType,
    Pointer,
    Scalar,
    Void,
    qualified,
)

if TYPE_CHECKING:
    from tree_sitter import Node

_BUILT_IN = {
    **{name: name for name in ("char", "int", "float", "double")},
    **dict.fromkeys(("bool", "_Bool"), "bool"),
    "_Float32": "float",
    **dict.fromkeys(("_Float64", "_Float32x"), "double"),
    **dict.fromkeys(("_Float16", "__fp16"), "float16_t"),
    "__bf16": "bfloat16_t",
    "__int8": "char",
    "__int16": "short",
    "__int32": "int",
    "__int64": "long long",
}
_WIDE_FLOAT = "the format has no floating-point type wider than double"
_WIDE_INTEGER = "the format has no integer type wider than 64 bits"
_COMPLEX = "the format has no complex types; pass the real and the imaginary parts in arrays"
_VECTOR = "the format has no SIMD vector types"
_UNSUPPORTED = {
    **dict.fromkeys(("_Float128", "__float128", "__float80", "_Float64x", "__ibm128"), _WIDE_FLOAT),
    **dict.fromkeys(("__int128", "__int128_t", "__uint128_t", "_BitInt"), _WIDE_INTEGER),
    **dict.fromkeys(
        ("__builtin_va_list", "__gnuc_va_list", "va_list", "__builtin_ms_va_list"), "a va_list cannot be passed"
    ),
    **dict.fromkeys(("_Complex", "__complex__", "__complex", "_Imaginary"), _COMPLEX),
    **{f"__m{bits}{kind}": _VECTOR for bits in (64, 128, 256, 512) for kind in ("", "i", "d")},
    "_Atomic": "the format has no _Atomic types",
}
_WORD = re.compile(r"[A-Za-z_]\w*")
_VECTOR_ATTRIBUTE = re.compile(r"\b_*(?:vector_size|ext_vector_type|neon_(?:poly)?vector_type)_*\b")
_TYPE_ATTRIBUTE = re.compile(r"\b_*(?:mode|address_space|scalar_storage_order|altivec|riscv_rvv_vector_bits)_*\b")


class Scope:
    """The typedefs and enums of a file, from its outermost declarations and the data model of its platform.

    Of several definitions of a name, the first counts.
    """

    def __init__(self, nodes: Sequence[Node], model: DataModel) -> None:
        self._nodes = nodes
        self._model = model
        self._types = element_types(model)
        self._resolving: set[str] = set()
        self._resolved: dict[str, CType] = {}
        self._values: dict[int, dict[str, Extent]] = {}

    @cached_property
    def _index(self) -> tuple[dict[str, tuple[Node, Node]], dict[str, Node], dict[str, Node]]:
        """The typedefs by name (the whole, the declarator), the enums by tag, and by each of their constants."""
        typedefs: dict[str, tuple[Node, Node]] = {}
        tags: dict[str, Node] = {}
        constants: dict[str, Node] = {}
        for node in self._nodes:
            if node.type == "type_definition":
                for declarator in node.children_by_field_name("declarator"):
                    if name := declared_name(declarator):
                        typedefs.setdefault(name, (node, declarator))
                # Uses of a typedef that was not parsed must still lead to the reason.
                if node.has_error and (words := _WORD.findall(text_of(node))):
                    typedefs.setdefault(words[-1], (node, node))
            is_declaration = node.type in ("type_definition", "declaration")
            specifier = node.child_by_field_name("type") if is_declaration else node
            if specifier is None or specifier.type != "enum_specifier":
                continue
            if body := specifier.child_by_field_name("body"):
                if tag := specifier.child_by_field_name("name"):
                    tags.setdefault(text_of(tag), specifier)
                for enumerator in body.named_children:
                    if enumerator.type == "enumerator" and (named := enumerator.child_by_field_name("name")):
                        constants.setdefault(text_of(named), specifier)
        return typedefs, tags, constants

    def constant(self, name: str) -> Extent | None:
        specifier = self._index[2].get(name)
        return self._enum_values(specifier).get(name) if specifier else None

    def declared(self, node: Node, parameters: Mapping[str, CType]) -> tuple[str, CType]:
        """The name and type of a declaration with at most one declarator, whose extents may refer to ``parameters``."""
        return self.declarator(node.child_by_field_name("declarator"), self.base(node), parameters)

    def base(self, node: Node) -> CType:
        """The type that the specifiers and qualifiers of a declaration give, without any declarator."""
        specifier = node.child_by_field_name("type")
        if specifier is None:
            raise UnsupportedDeclaration(f"missing type in `{text_of(node)}`")
        for text in (text_of(child) for child in node.children if child.type == "attribute_specifier"):
            if _VECTOR_ATTRIBUTE.search(text):
                raise UnsupportedDeclaration(_VECTOR)
            if match := _TYPE_ATTRIBUTE.search(text):
                raise UnsupportedDeclaration(f"unsupported type attribute `{match.group()}`")
        return qualified(self._specified(specifier), _qualifiers(node))

    def declarator(
        self, node: Node | None, base: CType, parameters: Mapping[str, CType], depth: int = 0
    ) -> tuple[str, CType]:
        """The name and the type that a declarator makes of a base type."""
        if depth > 50:
            raise UnsupportedDeclaration("a declarator is nested too deeply")
        if node is None:
            return "", base
        kind = node.type.removeprefix("abstract_")
        if kind in ("identifier", "type_identifier", "primitive_type", "field_identifier"):
            return text_of(node), base
        if kind == "pointer_declarator":
            base = Pointer(base, _qualifiers(node))
        elif kind == "array_declarator":
            base = Array(base, self._extent(node, parameters))
        elif kind == "function_declarator":
            base = FunctionType(base)
        elif kind not in ("parenthesized_declarator", "attributed_declarator"):
            raise UnsupportedDeclaration(f"unsupported declarator `{text_of(node)}`")
        return self.declarator(inner_declarator(node), base, parameters, depth + 1)

    def size_of(self, c_type: CType) -> int:
        """The bytes of a type; raises :class:`UnsupportedDeclaration` where they are unknown."""
        if isinstance(c_type, Pointer):
            return self._model.pointer
        if isinstance(c_type, Array) and isinstance(c_type.extent, Constant):
            return c_type.extent.value * self.size_of(c_type.of)
        if isinstance(c_type, Scalar):
            return c_type.element.size
        raise UnsupportedDeclaration("a size expression contains the size of an unsupported type")

    def type_named(self, node: Node) -> CType:
        return self._named(text_of(node)) if node.type == "identifier" else self.declared(node, {})[1]

    def _extent(self, node: Node, parameters: Mapping[str, CType]) -> Extent | None:
        size = node.child_by_field_name("size")
        if size is None or size.type == "*":
            return None
        extent = evaluate(size, Lookup(self, parameters))
        if isinstance(extent, Constant) and extent.value < 1:
            raise UnsupportedDeclaration(f"an array has the extent {extent.value}")
        return extent

    def _specified(self, node: Node) -> CType:
        if node.type in ("primitive_type", "type_identifier"):
            return self._named(text_of(node))
        if node.type == "sized_type_specifier":
            return self._sized(text_of(node))
        if node.type == "enum_specifier":
            return self._enum(node)
        if node.type in ("struct_specifier", "union_specifier"):
            name = node.child_by_field_name("name")
            return Aggregate(f"{node.type.split('_')[0]} {text_of(name) if name else '{...}'}")
        raise UnsupportedDeclaration(f"unsupported type `{text_of(node)}`")

    def _sized(self, text: str) -> Scalar:
        words = [word for part in text.split() for word in _BUILT_IN.get(part, part).split()]
        for word in words:
            if reason := _WIDE_FLOAT if word == "double" else _UNSUPPORTED.get(word):
                raise UnsupportedDeclaration(f"`{text}`: {reason}")
        element = self._types.get(canonical_name(" ".join(words)))
        if element is None:
            raise UnsupportedDeclaration(f"unsupported type `{text}`")
        return Scalar(element, element.name)

    def _named(self, name: str) -> CType:
        if name == "void":
            return Void()
        if name in _UNSUPPORTED:
            raise UnsupportedDeclaration(f"`{name}`: {_UNSUPPORTED[name]}")
        definition = self._index[0].get(name)
        if definition is None:
            if name in _BUILT_IN:
                return Scalar(self._types[_BUILT_IN[name]], "_Bool" if name == "bool" else name)
            raise UnsupportedDeclaration(f"unknown type `{name}`")
        if name in self._resolving:
            raise UnsupportedDeclaration(f"the typedef `{name}` refers to itself")
        if name not in self._resolved:
            self._resolving.add(name)
            try:
                self._resolved[name] = self._resolved_typedef(name, *definition)
            finally:
                self._resolving.discard(name)
        return self._resolved[name]

    def _resolved_typedef(self, name: str, definition: Node, declarator: Node) -> CType:
        try:
            if definition.has_error:
                raise UnsupportedDeclaration("syntax error")
            c_type = self.declarator(declarator, self.base(definition), {})[1]
        except UnsupportedDeclaration as error:
            check_supported(definition)
            raise UnsupportedDeclaration(
                error.reason if f"`{name}`" in error.reason else f"`{name}`: {error.reason}"
            ) from None
        if isinstance(c_type, Aggregate):
            return Aggregate(name if "{" in c_type.original else c_type.original, c_type.qualifiers)
        if not isinstance(c_type, Scalar):
            return c_type
        if self._is_of_format(name, c_type.element):
            return Scalar(self._types[name], name, c_type.qualifiers)
        return c_type if c_type.original else Scalar(c_type.element, name, c_type.qualifiers)

    def _is_of_format(self, name: str, element: ElementType) -> bool:
        """Whether a typedef has a name of the format, and that name's meaning."""
        if name in HALF_TYPES:
            return element.name in ("uint16_t", "unsigned short")
        known = self._types[name] if name in HEADERS and name != "bool" else None
        return known is not None and (element.kind, element.size) == (known.kind, known.size)

    def _enum(self, node: Node) -> Scalar:
        """The integer type of an enum: the one that compilers choose for its values."""
        tag = node.child_by_field_name("name")
        written = f"enum {text_of(tag)}" if tag else ""
        whole = node if node.child_by_field_name("body") else self._index[1].get(text_of(tag)) if tag else None
        if whole is None:
            raise UnsupportedDeclaration(f"`{written}` is not defined here")
        if whole.has_error or re.search(r"\b_*packed_*\b", text_of(whole)):
            raise UnsupportedDeclaration(f"`{written or 'enum'}` may be smaller than an int")
        if underlying := whole.child_by_field_name("underlying_type"):
            base = self._specified(underlying)
            if isinstance(base, Scalar):
                return Scalar(base.element, written)
        numbers = [value.value for value in self._enum_values(whole).values() if isinstance(value, Constant)]
        least, most = min(numbers, default=0), max(numbers, default=0)
        if least >= -(1 << 31) and most < 1 << 31:
            return Scalar(self._types["int"], written)
        if least >= 0 and most < 1 << 32:
            return Scalar(self._types["unsigned int"], written)
        raise UnsupportedDeclaration(f"`{written or 'enum'}` has constants that do not fit into an int")

    def _enum_values(self, node: Node) -> dict[str, Extent]:
        if node.id in self._values:
            return self._values[node.id]
        # A constant may refer to those before it …
        values = self._values[node.id] = {}
        following = 0
        body = node.child_by_field_name("body")
        for enumerator in body.named_children if body else ():
            name = enumerator.child_by_field_name("name")
            if enumerator.type != "enumerator" or name is None:
                continue
            if given := enumerator.child_by_field_name("value"):
                try:
                    value = evaluate(given, Lookup(self, {}))
                except UnsupportedDeclaration:
                    # … but an enum with an unsupported constant is unsupported.
                    del self._values[node.id]
                    raise
                following = value.value if isinstance(value, Constant) else following
            values[text_of(name)] = Constant(following, 32 if abs(following) < 1 << 31 else 64)
            following += 1
        return values


class Lookup:
    """What names and types mean in an extent that may refer to ``parameters``."""

    def __init__(self, scope: Scope, parameters: Mapping[str, CType]) -> None:
        self._scope = scope
        self._parameters = parameters

    def value(self, name: str) -> Extent:
        parameter = self._parameters.get(name)
        if parameter is not None:
            if not isinstance(parameter, Scalar) or not parameter.element.is_integer:
                raise UnsupportedDeclaration(f"the dimension `{name}` is not an integer parameter passed by value")
            return parameter_value(name)
        value = self._scope.constant(name)
        if value is None:
            raise UnsupportedDeclaration(f"the dimension `{name}` is neither a parameter nor a constant")
        return value

    def size_of(self, node: Node) -> int:
        return self._scope.size_of(self._scope.type_named(node))

    def integer_type(self, node: Node) -> ElementType:
        c_type = self._scope.type_named(node)
        if not isinstance(c_type, Scalar) or not c_type.element.is_integer:
            raise UnsupportedDeclaration(f"a size expression casts to `{text_of(node)}`, which is not an integer type")
        return c_type.element


def check_supported(node: Node) -> None:
    """Raise :class:`UnsupportedDeclaration` for a syntax error, or a type that the format lacks."""
    for part in nodes_within(node):
        if part.is_error or part.is_missing or part.type in ("identifier", "type_identifier", "type_qualifier"):
            for word in _WORD.findall(text_of(part)):
                if word in ("_Atomic", "_Complex", "__complex__", "__complex", "_Imaginary"):
                    raise UnsupportedDeclaration(f"`{text_of(node)}`: {_UNSUPPORTED[word]}")
    if node.has_error:
        raise UnsupportedDeclaration(f"could not parse `{text_of(node)[:200]}`")


def _qualifiers(node: Node) -> tuple[str, ...]:
    return tuple(
        word
        for child in node.children
        if child.type == "type_qualifier" and (word := text_of(child)) in ("const", "volatile", "restrict")
    )
