"""The metadata of a parameter, from its C type and the comments about it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from hatframe.building.comments import Annotations, DoxygenParam, ParameterAnnotation, fail
from hatframe.c.expressions import Constant, Extent, evaluate, product
from hatframe.c.layouts import Layout, row_major
from hatframe.c.preprocessed import Place
from hatframe.c.scopes import Lookup, Scope, check_supported
from hatframe.c.size_expressions import MAX_LENGTH
from hatframe.c.syntax import UnsupportedDeclaration, declared_name, parse_expression
from hatframe.c.types import (
    Aggregate,
    Array,
    CType,
    FunctionType,
    Pointer,
    Scalar,
    Void,
    check_by_value,
    check_named,
    declaration,
)
from hatframe.calling.plans import MOST_ARGUMENTS
from hatframe.errors import FormatError
from hatframe.format.model import LogicalType, Parameter, Usage

if TYPE_CHECKING:
    from tree_sitter import Node

_UNPARSED = "could not parse the parameters"
OLD_STYLE = "old-style parameter declarations are not supported"
_NOT_DECLARED = {"variadic_parameter": "variadic functions are not supported", "identifier": OLD_STYLE}
_CALLBACK = "the format has no function pointers"


class TypedParameter(msgspec.Struct, frozen=True, kw_only=True):
    parameter: Parameter
    c_type: CType

    @property
    def header_type(self) -> CType:
        """Its type in a header for both C99 and C++, where an array is a pointer to its elements.

        C++ has no extents that depend on parameters, and C before C23 does not convert to ``const float (*)[4]``.
        """
        if not isinstance(self.c_type, (Pointer, Array)):
            return _unqualified(self.c_type)
        return Pointer(_without_restrict(_flattened(self.c_type)[1]))


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """The supported parameters of a function, their types by name, and what is wrong with the first of the others."""

    parameters: tuple[TypedParameter, ...]
    types: dict[str, CType]
    unsupported: UnsupportedDeclaration | None

    @property
    def dimensions(self) -> set[str]:
        sizes = [typed.parameter.size or "" for typed in self.parameters]
        return set(re.findall(r"[A-Za-z_]\w*", " ".join(sizes)))


def read_parameters(parameters: Node | None, scope: Scope, annotations: Annotations) -> Signature:
    """Read all parameters of a function, so that each mistake in a comment raises :class:`FormatError`."""
    if parameters and parameters.named_child_count > MOST_ARGUMENTS:
        raise UnsupportedDeclaration(f"it has {parameters.named_child_count} parameters; the limit is {MOST_ARGUMENTS}")
    unsupported: UnsupportedDeclaration | None = None
    named: list[tuple[str, CType | None]] = []
    types: dict[str, CType] = {}
    for node in parameters.named_children if parameters else ():
        name = ""
        try:
            if node.type != "parameter_declaration":
                raise UnsupportedDeclaration(_NOT_DECLARED.get(node.type, _UNPARSED))
            name = declared_name(node.child_by_field_name("declarator"))
            check_supported(node)
            name, c_type = scope.declared(node, types)
            named.append((name, c_type))
            types[name] = c_type
        except UnsupportedDeclaration as error:
            unsupported = unsupported or _of_parameter(error, name)
            named.append((name, None))
    if parameters and parameters.has_error and not unsupported:
        unsupported = UnsupportedDeclaration(_UNPARSED)
    if named == [("", Void())]:
        named = []
    _check_names(annotations, [name for name, _ in named])
    reader = _ParameterReader(scope, annotations, types)
    typed = []
    for position, (name, known_type) in enumerate(named):
        if known_type is not None:
            try:
                typed.append(reader.read(name, known_type))
                if not name and f"arg{position}" in types:
                    raise UnsupportedDeclaration(
                        f"parameter {position} has no name, and another parameter has its default name `arg{position}`"
                    )
            except UnsupportedDeclaration as error:
                unsupported = unsupported or _of_parameter(error, name)
    return Signature(parameters=tuple(typed), types=types, unsupported=unsupported)


def _of_parameter(error: UnsupportedDeclaration, name: str) -> UnsupportedDeclaration:
    is_named = re.search(rf"`[^`]*\b{re.escape(name)}\b[^`]*`", error.reason)
    return UnsupportedDeclaration(f"parameter `{name}`: {error.reason}") if name and not is_named else error


def _check_names(annotations: Annotations, names: Sequence[str]) -> None:
    places = [("@param", name, given.place) for name, given in annotations.doxygen.items()]
    places += [("@hat", name, given.place) for name, given in annotations.parameters.items()]
    for command, name, place in places:
        if name not in names:
            known = ", ".join(f"`{known}`" for known in names if known)
            hint = f"its parameters are {known}" if known else "it has no named parameters"
            fail(f"`{command}` for an unknown parameter `{name}`", place, hint)


class _ParameterReader:
    def __init__(self, scope: Scope, annotations: Annotations, types: Mapping[str, CType]) -> None:
        self._scope = scope
        self._annotations = annotations
        # The size of an array that the function allocates may be a number that it sets through a pointer.
        single = {
            name: c_type.to
            for name, annotation in annotations.parameters.items()
            if annotation.is_single_number
            and isinstance(c_type := types.get(name), Pointer)
            and isinstance(c_type.to, Scalar)
        }
        self._lookup = Lookup(scope, types)
        self._lookup_when_allocated = Lookup(scope, {**types, **single})

    def read(self, name: str, c_type: CType) -> TypedParameter:
        annotation = self._annotations.parameters.get(name)
        doxygen = self._annotations.doxygen.get(name)
        usage, place = _annotated_usage(name, annotation, doxygen)
        if isinstance(c_type, (Pointer, Array)):
            parameter = self._pointer(name, c_type, annotation, usage, place)
        else:
            parameter = self._by_value(name, c_type, annotation, usage, place)
        return TypedParameter(
            parameter=msgspec.structs.replace(parameter, description=doxygen.text if doxygen else ""), c_type=c_type
        )

    def _by_value(
        self, name: str, c_type: CType, annotation: ParameterAnnotation | None, usage: Usage | None, place: Place | None
    ) -> Parameter:
        if annotation and (annotation.extents or annotation.has_layout):
            fail(f"`{name}` is not an array in C", annotation.place, "remove its extents and layout")
        if place and usage is not Usage.INPUT:
            fail(f"`{name}` is passed by value and cannot be an {usage}", place, "make it a pointer, or an input")
        if isinstance(c_type, FunctionType):
            raise UnsupportedDeclaration(_CALLBACK)
        if not isinstance(c_type, Scalar):
            raise UnsupportedDeclaration("the format has no structs or unions passed by value")
        check_by_value(c_type)
        return Parameter(
            logical_type=LogicalType.ELEMENT, name=name, declared_type=c_type.name, element_type=c_type.name
        )

    def _pointer(
        self,
        name: str,
        c_type: Pointer | Array,
        annotation: ParameterAnnotation | None,
        usage: Usage | None,
        place: Place | None,
    ) -> Parameter:
        extents, element = _flattened(c_type)
        is_allocated = isinstance(element, Pointer) and extents == [None]
        is_writable = True
        if isinstance(element, Pointer) and is_allocated:
            is_writable = "const" not in element.qualifiers
            element = element.to
            if annotation is None or not annotation.extents or usage is not Usage.OUTPUT:
                raise UnsupportedDeclaration(
                    f"`{_in_c(c_type, name)}` is a pointer to a pointer; if the function allocates an array, "
                    f"write a comment `@hat {name or 'NAME'}[n] output`"
                )
        if not isinstance(element, Scalar):
            raise UnsupportedDeclaration(_unsupported_element(element))
        check_named(element)
        is_writable = is_writable and ("const" not in element.qualifiers or is_allocated)
        if place and not is_writable and usage is not Usage.INPUT:
            fail(f"`{name}` is const in C and cannot be an {usage}", place, "remove the const, or make it an input")
        qualifiers = [word for word in ("const", "volatile") if word in element.qualifiers]
        parameter = Parameter(
            logical_type=LogicalType.ELEMENT,
            name=name,
            declared_type=" ".join([*qualifiers, element.name]) + ("**" if is_allocated else "*"),
            element_type=element.name,
            usage=usage or (Usage.INPUT_OUTPUT if is_writable else Usage.INPUT),
        )
        is_bare = extents == [None]
        if is_bare and annotation and annotation.is_single_number:
            return parameter
        in_c = extents
        if annotation and annotation.extents:
            lookup = self._lookup_when_allocated if is_allocated else self._lookup
            extents = _annotated_extents(annotation, extents, is_bare, lookup)
        known = [extent for extent in extents if extent is not None]
        if len(known) < len(extents):
            raise UnsupportedDeclaration(_unknown_size(c_type, element, name, extents))
        array = self._array(parameter, known, annotation)
        if annotation and annotation.changes_layout and not is_bare:
            _check_layout(array, annotation, in_c)
        return array

    def _array(
        self, parameter: Parameter, extents: Sequence[Extent], annotation: ParameterAnnotation | None
    ) -> Parameter:
        shape = tuple(extent.value for extent in extents if isinstance(extent, Constant))
        if len(shape) < len(extents):
            if annotation and annotation.changes_layout:
                fail(
                    f"`{parameter.name}` has a size known only at run time and cannot have a layout",
                    annotation.place,
                    "remove the layout, as the format supports only row-major order here, or use constant extents",
                )
            size = product(extents)
            if len(size) > MAX_LENGTH:
                raise UnsupportedDeclaration(f"its size expression has {len(size)} characters")
            return msgspec.structs.replace(parameter, logical_type=LogicalType.RUNTIME_ARRAY, size=size)
        strides, offset = None, 0
        if annotation:
            if annotation.order == "column-major":
                strides = row_major(shape[::-1])[::-1]
            if annotation.strides:
                strides = tuple(self._constant(text, annotation) for text in annotation.strides)
            offset = self._constant(annotation.offset, annotation) if annotation.offset else 0
            if offset < 0:
                fail(f"the offset {offset} is negative", annotation.place, "the pointer is the start of the buffer")
        try:
            layout = Layout.of(shape, strides, offset)
        except FormatError as error:
            if annotation and (annotation.extents or annotation.has_layout):
                fail(f"`{parameter.name}`: {error.message}", annotation.place, "correct the extents or the layout")
            raise UnsupportedDeclaration(error.message) from None
        return msgspec.structs.replace(
            parameter,
            logical_type=LogicalType.AFFINE_ARRAY,
            shape=shape,
            affine_map=layout.strides,
            affine_offset=offset,
        )

    def _constant(self, text: str, annotation: ParameterAnnotation) -> int:
        value = annotated_value(text, annotation.place, Lookup(self._scope, {}))
        assert isinstance(value, Constant)
        return value.value


def _annotated_extents(
    annotation: ParameterAnnotation, in_c: Sequence[Extent | None], is_bare: bool, lookup: Lookup
) -> list[Extent | None]:
    """The extents in a comment, which must be those in C unless the comment changes the layout."""
    name, texts = annotation.name, annotation.extents or ()
    extents: list[Extent | None] = [annotated_value(text, annotation.place, lookup) for text in texts]
    for text, extent in zip(texts, extents, strict=True):
        if isinstance(extent, Constant) and extent.value < 1:
            fail(f"the extent `{text}` of `{name}` is {extent.value}", annotation.place, "it must be at least 1")
    if is_bare or annotation.changes_layout:
        return extents
    if len(extents) != len(in_c):
        fail(
            f"`{name}` has {len(extents)} extents here and {len(in_c)} in C",
            annotation.place,
            "use as many as in C, or remove them",
        )
    for text, extent, declared in zip(texts, extents, in_c, strict=True):
        if declared is not None and str(declared) != str(extent):
            fail(f"`{name}` has the extent `{text}` here and `{declared}` in C", annotation.place, "remove the extents")
    return extents


def _check_layout(array: Parameter, annotation: ParameterAnnotation, in_c: Sequence[Extent | None]) -> None:
    """Raise :class:`FormatError` for a layout that goes beyond the array in C, or transposes it."""
    assert array.shape is not None
    known = [extent.value if isinstance(extent, Constant) else None for extent in in_c]
    if annotation.order == "column-major" and len(known) > 1:
        # The first index varies fastest, and in C the last one does.
        for annotated, extent in itertools.zip_longest(array.shape, reversed(known)):
            if annotated != (extent or annotated):
                extents = "".join(f"[{extent}]" for extent in reversed(in_c))
                fail(
                    f"`{array.name}` is row-major in C, where its last index varies fastest",
                    annotation.place,
                    f"write `@hat {array.name}{extents} column-major`, or make it a pointer in C",
                )
    if None in known:
        return
    total = Layout.dense(tuple(extent for extent in known if extent is not None)).size
    layout = Layout.of(array.shape, array.affine_map, array.affine_offset)
    if layout.first < 0 or layout.last >= total:
        fail(
            f"`{array.name}` has {total} elements in C, and this layout goes from element {layout.first} to "
            f"{layout.last}",
            annotation.place,
            "use the extents of the part that the function accesses, or make it a pointer in C",
        )


def annotated_value(text: str, place: Place, lookup: Lookup) -> Extent:
    """The value of an expression in a comment; raises :class:`FormatError`."""
    try:
        return evaluate(parse_expression(text), lookup)
    except UnsupportedDeclaration as error:
        hint = "use integers, parameters, + - * / % and parentheses"
        if "neither a parameter" in error.reason:
            hint = "macros do not work in comments: write the number, or use an enum constant"
        raise FormatError(f"`{text}`: {error.reason}", where=str(place), hint=hint) from None


def _annotated_usage(
    name: str, annotation: ParameterAnnotation | None, doxygen: DoxygenParam | None
) -> tuple[Usage | None, Place | None]:
    """The usage that a comment gives, and where; None where comments leave it open."""
    if annotation and annotation.usage:
        if doxygen and doxygen.usage and doxygen.usage is not annotation.usage:
            fail(
                f"`{name}` is an {annotation.usage} here, and an {doxygen.usage} in `@param` on line "
                f"{doxygen.place.line}",
                annotation.place,
                "correct one of them",
            )
        return annotation.usage, annotation.place
    return (doxygen.usage, doxygen.place) if doxygen and doxygen.usage else (None, None)


def _flattened(c_type: CType) -> tuple[list[Extent | None], CType]:
    """The extents of an array parameter, with None first for a pointer, and the type of its elements."""
    extents: list[Extent | None] = []
    if isinstance(c_type, Pointer):
        extents, c_type = [None], c_type.to
    while isinstance(c_type, Array):
        extents.append(c_type.extent)
        c_type = c_type.of
    return extents, c_type


def _unsupported_element(element: CType) -> str:
    if isinstance(element, Void):
        return "a `void` pointer has no element type"
    if isinstance(element, Aggregate):
        return f"it points to `{element.original}`; the format has arrays of numbers only"
    return _CALLBACK if isinstance(element, FunctionType) else "it has too many pointer levels for the format"


def _unknown_size(c_type: CType, element: Scalar, name: str, extents: Sequence[Extent | None]) -> str:
    """Why an array of unknown size is unsupported, and what to write instead."""
    unknown = "rows" if any(not isinstance(extent, Constant) for extent in extents[1:]) else "n"
    # The size cannot have the name of the array.
    unknown = "size" if name == unknown else unknown
    brackets = "".join(f"[{unknown if extent is None else extent}]" for extent in extents)
    words = [*(word for word in element.qualifiers if word != "restrict"), element.original]
    remedy = "write `" + " ".join([*words, f"{name or 'x'}{brackets}"]) + "`"
    if name:
        remedy += f", or a comment `@hat {name}{brackets}`"
        if isinstance(c_type, Pointer) and len(extents) == 1 and "const" not in element.qualifiers:
            remedy += f"; for a single number, `@hat {name} output`"
    return f"`{_in_c(c_type, name)}` has an unknown size; {remedy}"


def _in_c(c_type: CType, name: str) -> str:
    return declaration(_unqualified(c_type), name, lambda scalar: scalar.original)


def _unqualified(c_type: CType) -> CType:
    """A parameter's type without its own qualifiers, which do not concern callers."""
    c_type = _without_restrict(c_type)
    return c_type if isinstance(c_type, (Array, FunctionType)) else msgspec.structs.replace(c_type, qualifiers=())


def _without_restrict(c_type: CType) -> CType:
    if isinstance(c_type, Array):
        return Array(_without_restrict(c_type.of), c_type.extent)
    if isinstance(c_type, FunctionType):
        return c_type
    kept = tuple(word for word in c_type.qualifiers if word != "restrict")
    if isinstance(c_type, Pointer):
        return Pointer(_without_restrict(c_type.to), kept)
    return msgspec.structs.replace(c_type, qualifiers=kept)
