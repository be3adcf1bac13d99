"""Scopes: what the typedefs and enums of a preprocessed text mean, down to the types that the format knows.

Names that the format knows (``int32_t``, ``size_t``, ``float16_t`` …) stay; every other typedef is followed to its
end. Scoping is that of the file: a name means the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from hatframe.c.evaluation import Number, SizeValue, UnsupportedDeclaration, evaluate, parameter_size
from hatframe.c.parsing import nodes_within, text_of
from hatframe.c.types import (
    INTEGERS,
    Aggregate,
    Array,
    CType,
    DataModel,
    FunctionType,
    Pointer,
    Scalar,
    Void,
    integers,
    qualified,
)

if TYPE_CHECKING:
    from tree_sitter import Node

_BUILT_IN = {
    "_Bool": Scalar("bool", "_Bool"),
    "bool": Scalar("bool", "_Bool"),
    "char": Scalar("char", "char"),
    "int": Scalar("int", "int"),
    "float": Scalar("float", "float"),
    "double": Scalar("double", "double"),
    "_Float32": Scalar("float", "_Float32"),
    "_Float64": Scalar("double", "_Float64"),
    "_Float32x": Scalar("double", "_Float32x"),
    "_Float16": Scalar("float16_t", "_Float16"),
    "__fp16": Scalar("float16_t", "__fp16"),
    "__bf16": Scalar("bfloat16_t", "__bf16"),
    "__int8": Scalar("char", "__int8"),
    "__int16": Scalar("short", "__int16"),
    "__int32": Scalar("int", "__int32"),
    "__int64": Scalar("long long", "__int64"),
}
_SYNONYMS = {"__int8": "char", "__int16": "short", "__int32": "int", "__int64": "long long"}
_WIDE_FLOAT = "the format has no floating-point type wider than double"
_WIDE_INTEGER = "the format has no integer type wider than 64 bits"
_ARGUMENT_LIST = "a va_list cannot be passed"
_COMPLEX = "the format has no complex numbers; pass the real and the imaginary parts in an array of float or double"
_VECTOR = "it is a SIMD vector, which the format does not know"
_UNKNOWN_TO_FORMAT = {
    **dict.fromkeys(("_Float128", "__float128", "__float80", "_Float64x", "__ibm128"), _WIDE_FLOAT),
    **dict.fromkeys(("__int128", "__int128_t", "__uint128_t", "_BitInt"), _WIDE_INTEGER),
    **dict.fromkeys(("__builtin_va_list", "__gnuc_va_list", "va_list", "__builtin_ms_va_list"), _ARGUMENT_LIST),
    **dict.fromkeys(("_Complex", "__complex__", "__complex", "_Imaginary"), _COMPLEX),
    **dict.fromkeys(("__m64", "__m128", "__m128i", "__m128d", "__m256", "__m256i", "__m256d"), _VECTOR),
    **dict.fromkeys(("__m512", "__m512i", "__m512d"), _VECTOR),
    "_Atomic": "it is _Atomic, which the format does not know",
}
_WORD = re.compile(r"[A-Za-z_]\w*")
_VECTOR_ATTRIBUTE = re.compile(r"\b_*(?:vector_size|ext_vector_type|neon_(?:poly)?vector_type)_*\b")
_TYPE_ATTRIBUTE = re.compile(r"\b_*(?:mode|address_space|scalar_storage_order|altivec|riscv_rvv_vector_bits)_*\b")


class Scope:
    """The typedefs and enums of a file. ``root`` is the whole of its syntax tree, ``model`` that of its platform."""

    def __init__(self, root: Node, model: DataModel) -> None:
        self._root = root
        self._model = model
        self.integers = integers(model)
        self._resolving: set[str] = set()
        self._resolved: dict[str, CType] = {}
        self._values: dict[int, dict[str, SizeValue]] = {}

    @cached_property
    def _index(self) -> tuple[dict[str, tuple[Node, Node]], dict[str, Node], dict[str, Node]]:
        """The typedefs by name (the whole, the declarator), the enums by tag, and by each of their constants."""
        typedefs: dict[str, tuple[Node, Node]] = {}
        tags: dict[str, Node] = {}
        constants: dict[str, Node] = {}
        for node in self._root.children:
            if node.type == "type_definition":
                for declarator in node.children_by_field_name("declarator"):
                    if name := declared_name(declarator):
                        typedefs.setdefault(name, (node, declarator))
                # Where it is not understood, the name that it ends in must still lead to the reason.
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

    def constant(self, name: str) -> SizeValue | None:
        """The value of an enum constant; None where there is none of that name."""
        specifier = self._index[2].get(name)
        return self._enum_values(specifier).get(name) if specifier else None

    def declared(self, node: Node, parameters: Mapping[str, CType]) -> tuple[str, CType]:
        """The name and the type of a declaration with one declarator at most, such as a parameter.

        ``parameters`` are those that an array's extent may refer to. Raises :class:`UnsupportedDeclaration`.
        """
        return self.declarator(node.child_by_field_name("declarator"), self.base(node), parameters)

    def base(self, node: Node) -> CType:
        """The type that the specifiers and qualifiers of a declaration mean, before any declarator."""
        specifier = node.child_by_field_name("type")
        if specifier is None:
            raise UnsupportedDeclaration(f"`{text_of(node)}` has no type")
        for child in node.children:
            if child.type == "attribute_specifier":
                _check_type_attributes(text_of(child))
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
            raise UnsupportedDeclaration(f"`{text_of(node)}` is not understood")
        return self.declarator(_inner_declarator(node), base, parameters, depth + 1)

    def size_of(self, c_type: CType) -> int:
        """The bytes of a type; :class:`UnsupportedDeclaration` where that is not known."""
        if isinstance(c_type, Pointer):
            return self._model.pointer // 8
        if isinstance(c_type, Array) and isinstance(c_type.extent, Number):
            return c_type.extent.value * self.size_of(c_type.of)
        if isinstance(c_type, Scalar):
            floats = {"bool": 1, "float": 4, "double": 8, "float16_t": 2, "bfloat16_t": 2}
            return floats[c_type.name] if c_type.name in floats else self.integers[c_type.name][0] // 8
        raise UnsupportedDeclaration("the size of a type in a size expression is not known")

    def described(self, node: Node) -> CType:
        """The type that a cast or ``sizeof`` names."""
        return self._named(text_of(node)) if node.type == "identifier" else self.declared(node, {})[1]

    def _extent(self, node: Node, parameters: Mapping[str, CType]) -> SizeValue | None:
        size = node.child_by_field_name("size")
        if size is None or size.type == "*":
            return None
        amount = evaluate(size, Lookup(self, parameters))
        if isinstance(amount, Number) and amount.value < 1:
            raise UnsupportedDeclaration(f"an array has {amount.value} elements")
        return amount

    def _specified(self, node: Node) -> CType:
        if node.type in ("primitive_type", "type_identifier"):
            return self._named(text_of(node))
        if node.type == "sized_type_specifier":
            return _sized(node)
        if node.type == "enum_specifier":
            return self._enum(node)
        if node.type in ("struct_specifier", "union_specifier"):
            name = node.child_by_field_name("name")
            return Aggregate(f"{node.type.split('_')[0]} {text_of(name) if name else '{...}'}")
        raise UnsupportedDeclaration(f"the type `{text_of(node)}` is not understood")

    def _named(self, name: str) -> CType:
        if name == "void":
            return Void()
        if name in _UNKNOWN_TO_FORMAT:
            raise UnsupportedDeclaration(f"`{name}`: {_UNKNOWN_TO_FORMAT[name]}")
        definition = self._index[0].get(name)
        if definition is None:
            if name in _BUILT_IN:
                return _BUILT_IN[name]
            raise UnsupportedDeclaration(f"`{name}` is no type that is known here")
        if name in self._resolving:
            raise UnsupportedDeclaration(f"the typedef `{name}` refers to itself")
        if name not in self._resolved:
            self._resolving.add(name)
            try:
                self._resolved[name] = self._followed(name, *definition)
            finally:
                self._resolving.discard(name)
        return self._resolved[name]

    def _followed(self, name: str, definition: Node, declarator: Node) -> CType:
        try:
            if definition.has_error:
                raise UnsupportedDeclaration("it is not understood")
            c_type = self.declarator(declarator, self.base(definition), {})[1]
        except UnsupportedDeclaration as unfit:
            check_understood(definition)
            raise UnsupportedDeclaration(
                unfit.reason if f"`{name}`" in unfit.reason else f"`{name}`: {unfit.reason}"
            ) from None
        if isinstance(c_type, Aggregate):
            return Aggregate(name if "{" in c_type.original else c_type.original, c_type.qualifiers)
        if not isinstance(c_type, Scalar):
            return c_type
        if _is_well_known(name, c_type, self.integers):
            return Scalar(name, name, c_type.qualifiers)
        return c_type if c_type.original else Scalar(c_type.name, name, c_type.qualifiers)

    def _enum(self, node: Node) -> Scalar:
        """The integer that an enum is; its values say which, as compilers choose it."""
        tag = node.child_by_field_name("name")
        written = f"enum {text_of(tag)}" if tag else ""
        whole = node if node.child_by_field_name("body") else self._index[1].get(text_of(tag)) if tag else None
        if whole is None:
            raise UnsupportedDeclaration(f"`{written}` has no definition here")
        if whole.has_error or re.search(r"\b_*packed_*\b", text_of(whole)):
            raise UnsupportedDeclaration(f"`{written or 'enum'}` is not an enum of int's size")
        if underlying := whole.child_by_field_name("underlying_type"):
            base = self._specified(underlying)
            if isinstance(base, Scalar):
                return Scalar(base.name, written)
        numbers = [value.value for value in self._enum_values(whole).values() if isinstance(value, Number)]
        least, most = min(numbers, default=0), max(numbers, default=0)
        if least >= -(1 << 31) and most < 1 << 31:
            return Scalar("int", written)
        if least >= 0 and most < 1 << 32:
            return Scalar("unsigned int", written)
        raise UnsupportedDeclaration(f"`{written or 'enum'}` has constants that no int holds")

    def _enum_values(self, node: Node) -> dict[str, SizeValue]:
        if node.id in self._values:
            return self._values[node.id]
        # Its constants may refer to those before them …
        values = self._values[node.id] = {}
        try:
            self._add_enum_values(node.child_by_field_name("body"), values)
        except UnsupportedDeclaration:
            # … but an enum of which not all are known is not known.
            del self._values[node.id]
            raise
        return values

    def _add_enum_values(self, body: Node | None, values: dict[str, SizeValue]) -> None:
        following = 0
        for enumerator in body.named_children if body else ():
            name = enumerator.child_by_field_name("name")
            if enumerator.type != "enumerator" or name is None:
                continue
            if given := enumerator.child_by_field_name("value"):
                amount = evaluate(given, Lookup(self, {}))
                following = amount.value if isinstance(amount, Number) else following
            values[text_of(name)] = Number(following) if abs(following) < 1 << 31 else Number(following, 64)
            following += 1


class Lookup:
    """What names and types mean in the extent of an array that may refer to ``parameters``."""

    def __init__(self, scope: Scope, parameters: Mapping[str, CType]) -> None:
        self._scope = scope
        self._parameters = parameters

    def amount(self, name: str) -> SizeValue:
        """The parameter or the enum constant of that name."""
        parameter = self._parameters.get(name)
        if parameter is not None:
            if not isinstance(parameter, Scalar) or not parameter.is_integer:
                raise UnsupportedDeclaration(f"the dimension `{name}` is not an integer passed by value")
            return parameter_size(name)
        value = self._scope.constant(name)
        if value is None:
            raise UnsupportedDeclaration(f"the dimension `{name}` is neither a parameter nor a constant")
        return value

    def size_of(self, node: Node) -> int:
        """The bytes of a type."""
        return self._scope.size_of(self._scope.described(node))

    def integer_type(self, node: Node) -> tuple[int, bool]:
        """The bits of an integer type, and whether it is unsigned."""
        c_type = self._scope.described(node)
        if not isinstance(c_type, Scalar) or not c_type.is_integer:
            raise UnsupportedDeclaration(f"a size expression casts to `{text_of(node)}`, which is no integer type")
        return self._scope.integers[c_type.name]


def check_understood(node: Node) -> None:
    """Raise :class:`UnsupportedDeclaration` for what the parser could not read, or what the format has no word for."""
    for part in nodes_within(node):
        if part.is_error or part.is_missing or part.type in ("identifier", "type_identifier", "type_qualifier"):
            for word in _WORD.findall(text_of(part)):
                if word in ("_Atomic", "_Complex", "__complex__", "__complex", "_Imaginary"):
                    raise UnsupportedDeclaration(f"`{text_of(node)}`: {_UNKNOWN_TO_FORMAT[word]}")
    if node.has_error:
        raise UnsupportedDeclaration(f"`{text_of(node)[:200]}` could not be parsed")


def _check_type_attributes(text: str) -> None:
    if _VECTOR_ATTRIBUTE.search(text):
        raise UnsupportedDeclaration(_VECTOR)
    if match := _TYPE_ATTRIBUTE.search(text):
        raise UnsupportedDeclaration(
            f"the attribute `{match.group()}` changes the type in a way that is not understood"
        )


def _qualifiers(node: Node) -> tuple[str, ...]:
    return tuple(
        word
        for child in node.children
        if child.type == "type_qualifier" and (word := text_of(child)) in ("const", "volatile", "restrict")
    )


def _inner_declarator(node: Node) -> Node | None:
    if inner := node.child_by_field_name("declarator"):
        return inner
    for child in node.named_children:
        if child.type.endswith("declarator") or child.type in ("identifier", "type_identifier", "primitive_type"):
            return child
    return None


def parameter_list(node: Node | None) -> Node | None:
    """The parameters of the function that a declarator declares."""
    parameters = None
    while node is not None and node.type.endswith("declarator"):
        if node.type == "function_declarator":
            parameters = node.child_by_field_name("parameters")
        node = _inner_declarator(node)
    return parameters


def declared_name(node: Node) -> str:
    """The name that a declarator declares, or an empty text."""
    inner: Node | None = node
    while inner is not None:
        if not inner.type.endswith("declarator"):
            return text_of(inner)
        inner = _inner_declarator(inner)
    return ""


def _sized(node: Node) -> Scalar:
    text = text_of(node)
    words = [word for part in text.split() for word in _SYNONYMS.get(part, part).split()]
    if "double" in words:
        raise UnsupportedDeclaration(f"`{text}`: {_WIDE_FLOAT}")
    for word in words:
        if word in _UNKNOWN_TO_FORMAT:
            raise UnsupportedDeclaration(f"`{text}`: {_UNKNOWN_TO_FORMAT[word]}")
    if not {"signed", "unsigned", "long", "short", "int", "char"}.issuperset(words):
        raise UnsupportedDeclaration(f"the type `{text}` is not understood")
    if "char" in words:
        name = "unsigned char" if "unsigned" in words else "signed char" if "signed" in words else "char"
    else:
        size = " ".join(["long"] * words.count("long")) or ("short" if "short" in words else "int")
        name = f"unsigned {size}" if "unsigned" in words else size
    return Scalar(name, name)


def _is_well_known(name: str, base: Scalar, known: Mapping[str, tuple[int, bool]]) -> bool:
    """Whether a typedef is one of the names of the format, and means what the format says."""
    if name in ("float16_t", "bfloat16_t"):
        return base.name in ("uint16_t", "unsigned short")
    if name not in INTEGERS or not name.endswith("_t") or base.name not in INTEGERS:
        return False
    return known[base.name] == known[name]
