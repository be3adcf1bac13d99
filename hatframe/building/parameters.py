"""From a parameter's C type and what comments tell of it to its metadata."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

import msgspec

from hatframe.building.comments import Documented, Notes, ParameterNote
from hatframe.c.evaluation import Number, SizeValue, UnsupportedDeclaration, evaluate, product
from hatframe.c.parsing import Place, parse_expression
from hatframe.c.scopes import Lookup, Scope, check_understood, declared_name
from hatframe.c.types import (
    Aggregate,
    Array,
    CType,
    FunctionType,
    Pointer,
    Scalar,
    Void,
    check_by_value,
    written,
)
from hatframe.errors import FormatError
from hatframe.format.model import LogicalType, Parameter, Usage

if TYPE_CHECKING:
    from tree_sitter import Node

# As the layouts of arrays are checked when a function is bound: no memory is larger.
MAX_ELEMENTS = 1 << 60
MAX_LENGTH = 1000
_NO_MACROS = "a comment does not see macros: write the number, or a constant of an enum"


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter: its metadata, and its type as C has it."""

    parameter: Parameter
    c_type: CType

    @property
    def header_type(self) -> CType:
        """Its type as a header writes it for both C99 and C++: an array is a pointer to its elements.

        C++ has no extents that parameters tell; and in C before C23 an array of arrays that a program can write to is
        no ``const float (*)[4]``.
        """
        if not isinstance(self.c_type, (Pointer, Array)):
            return _bare(self.c_type)
        return Pointer(_without_restrict(_flattened(self.c_type)[1]))


class Arguments(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a function as far as they are understood, their types by name, and why one is not."""

    arguments: tuple[Argument, ...]
    types: dict[str, CType]
    unfit: UnsupportedDeclaration | None

    @property
    def dimensions(self) -> set[str]:
        """The parameters that sizes refer to."""
        sizes = [argument.parameter.size or "" for argument in self.arguments]
        return set(re.findall(r"[A-Za-z_]\w*", " ".join(sizes)))


def read_parameters(parameters: Node | None, scope: Scope, notes: Notes) -> Arguments:
    """The parameters of a function. :class:`FormatError` for a mistake in a comment.

    All are looked at even where one is not understood, so that a mistake in a comment is told in any case.
    """
    unfit: UnsupportedDeclaration | None = None
    named: list[tuple[str, CType | None]] = []
    types: dict[str, CType] = {}
    for node in parameters.named_children if parameters else ():
        name = ""
        try:
            if node.type != "parameter_declaration":
                raise UnsupportedDeclaration(_misfits(node))
            declarator = node.child_by_field_name("declarator")
            name = declared_name(declarator) if declarator else ""
            check_understood(node)
            name, c_type = scope.declared(node, types)
            named.append((name, c_type))
            types[name] = c_type
        except UnsupportedDeclaration as error:
            unfit = unfit or _of_parameter(error, name)
            named.append((name, None))
    if parameters and parameters.has_error and not unfit:
        unfit = UnsupportedDeclaration(_UNPARSED)
    if named == [("", Void())]:
        named = []
    _check_names(notes, [name for name, _ in named])
    reader = _ParameterReader(scope, notes, types)
    arguments = []
    for position, (name, known_type) in enumerate(named):
        if known_type is not None:
            try:
                arguments.append(reader.read(name, known_type))
                if not name and f"arg{position}" in types:
                    raise UnsupportedDeclaration(
                        f"parameter {position} has no name, and another is called `arg{position}`"
                    )
            except UnsupportedDeclaration as error:
                unfit = unfit or _of_parameter(error, name)
    return Arguments(arguments=tuple(arguments), types=types, unfit=unfit)


_UNPARSED = "its parameters could not be parsed"


def _misfits(node: Node) -> str:
    if node.type == "variadic_parameter":
        return "it takes a variable number of arguments"
    if node.type == "identifier":
        return "its parameters are declared in the old way, after the parentheses"
    return _UNPARSED


def _of_parameter(unfit: UnsupportedDeclaration, name: str) -> UnsupportedDeclaration:
    is_named = re.search(rf"`[^`]*\b{re.escape(name)}\b[^`]*`", unfit.reason)
    return UnsupportedDeclaration(f"parameter `{name}`: {unfit.reason}") if name and not is_named else unfit


def _check_names(notes: Notes, names: list[str]) -> None:
    told: Mapping[str, Documented | ParameterNote]
    for told, command in ((notes.documented, "@param"), (notes.parameters, "@hat")):
        for name, note in told.items():
            if name not in names:
                known = ", ".join(f"`{known}`" for known in names if known)
                _fail(
                    f"`{command}` tells of `{name}`, which is no parameter of the function",
                    note.place,
                    f"its parameters are {known}" if known else "it has none with a name",
                )


class _ParameterReader:
    def __init__(self, scope: Scope, notes: Notes, types: Mapping[str, CType]) -> None:
        self._scope = scope
        self._notes = notes
        cells = {
            name: element
            for name, note in notes.parameters.items()
            if _is_cell(note) and isinstance(element := _pointee(types.get(name)), Scalar)
        }
        self._lookup = Lookup(scope, types)
        self._lookup_with_cells = Lookup(scope, {**types, **cells})

    def read(self, name: str, c_type: CType) -> Argument:
        """One parameter's metadata."""
        note = self._notes.parameters.get(name)
        documented = self._notes.documented.get(name)
        if isinstance(c_type, (Pointer, Array)):
            parameter = self._pointer(name, c_type, note, documented)
        else:
            parameter = self._by_value(name, c_type, note, documented)
        return Argument(
            parameter=msgspec.structs.replace(parameter, description=documented.text if documented else ""),
            c_type=c_type,
        )

    def _by_value(
        self, name: str, c_type: CType, note: ParameterNote | None, documented: Documented | None
    ) -> Parameter:
        if note and (note.extents or note.has_layout):
            _fail(f"`{name}` is no array in C", note.place, "leave out what tells of an array")
        usage, place = _usage_told(name, note, documented)
        if place and usage is not Usage.INPUT:
            _fail(
                f"`{name}` is passed by value, so it is no {usage}",
                place,
                f"make it a pointer, or write `{name}` as input",
            )
        if isinstance(c_type, FunctionType):
            raise UnsupportedDeclaration(_CALLBACK)
        if not isinstance(c_type, Scalar):
            raise UnsupportedDeclaration(_STRUCT)
        check_by_value(c_type)
        return Parameter(
            logical_type=LogicalType.ELEMENT, name=name, declared_type=c_type.name, element_type=c_type.name
        )

    def _pointer(
        self, name: str, c_type: Pointer | Array, note: ParameterNote | None, documented: Documented | None
    ) -> Parameter:
        usage, place = _usage_told(name, note, documented)
        extents, element = _flattened(c_type)
        levels = 1
        is_writable = True
        if isinstance(element, Pointer) and extents == [None]:
            levels = 2
            is_writable = "const" not in element.qualifiers
            element = element.to
            if note is None or not note.extents or usage is not Usage.OUTPUT:
                raise UnsupportedDeclaration(
                    f"`{_in_c(c_type, name)}` is a pointer to a pointer; where the function allocates an array and "
                    f"sets the pointer to it, say so in a comment: `@hat {name or 'NAME'}[n] output`"
                )
        if not isinstance(element, Scalar):
            raise UnsupportedDeclaration(_pointer_misfits(element))
        if not element.original:
            raise UnsupportedDeclaration("an enum without a name cannot be written in a prototype")
        is_writable = is_writable and ("const" not in element.qualifiers or levels == 2)
        if place and not is_writable and usage is not Usage.INPUT:
            _fail(
                f"`{name}` is const in C, so it is no {usage}", place, "remove the const, or tell that it is an input"
            )
        if usage is None:
            usage = Usage.INPUT_OUTPUT if is_writable else Usage.INPUT
        qualifiers = [word for word in ("const", "volatile") if word in element.qualifiers]
        parameter = Parameter(
            logical_type=LogicalType.ELEMENT,
            name=name,
            declared_type=" ".join([*qualifiers, element.name]) + "*" * levels,
            element_type=element.name,
            usage=usage,
        )
        is_flat = len(extents) == 1 and extents[0] is None
        if is_flat and note and _is_cell(note):
            return parameter
        in_c = extents
        if note and note.extents:
            extents = self._told_extents(
                name, note, extents, is_flat, self._lookup_with_cells if levels == 2 else self._lookup
            )
        if any(extent is None for extent in extents):
            raise UnsupportedDeclaration(_sizeless(c_type, element, name, extents))
        array = self._array(parameter, [extent for extent in extents if extent is not None], note)
        if note and note.is_laid_out and not is_flat:
            _check_layout(array, note, in_c)
        return array

    def _told_extents(
        self, name: str, note: ParameterNote, known: list[SizeValue | None], is_flat: bool, lookup: Lookup
    ) -> list[SizeValue | None]:
        """The extents that a comment tells: those that C tells, where it does, unless it tells of another layout."""
        told: list[SizeValue | None] = [annotated_size(text, note.place, lookup) for text in note.extents or ()]
        for text, amount in zip(note.extents or (), told, strict=True):
            if isinstance(amount, Number) and amount.value < 1:
                _fail(f"the extent `{text}` of `{name}` is {amount.value}", note.place, "it must be 1 or more")
        if is_flat or note.is_laid_out:
            return told
        if len(told) != len(known):
            _fail(f"`{name}` has {len(told)} extents here and {len(known)} in C", note.place, "tell as many as C does")
        for text, amount, in_c in zip(note.extents or (), told, known, strict=True):
            if in_c is not None and str(in_c) != str(amount):
                _fail(f"`{name}` has the extent `{text}` here and `{in_c}` in C", note.place, "leave out the extents")
        return told

    def _array(self, parameter: Parameter, extents: list[SizeValue], note: ParameterNote | None) -> Parameter:
        shape = tuple(extent.value for extent in extents if isinstance(extent, Number))
        if len(shape) < len(extents):
            if note and note.is_laid_out:
                _fail(
                    f"the size of `{parameter.name}` is known only at run time, so that it can have no layout",
                    note.place,
                    "the format knows such arrays in row-major order alone; leave out the layout, or use constants",
                )
            size = product(extents)
            if len(size) > MAX_LENGTH:
                raise UnsupportedDeclaration(f"its size is an expression of {len(size)} characters")
            return msgspec.structs.replace(parameter, logical_type=LogicalType.RUNTIME_ARRAY, size=size)
        strides = _row_major(shape)
        offset = 0
        if note and note.order == "column-major":
            strides = _row_major(shape[::-1])[::-1]
        if note and note.strides:
            strides = tuple(self._constant(text, note) for text in note.strides)
        if note and note.offset:
            offset = self._constant(note.offset, note)
            if offset < 0:
                _fail(f"the offset {offset} lies before the array", note.place, "a pointer is the start of a buffer")
        if len(strides) != len(shape):
            assert note is not None
            _fail(
                f"`{parameter.name}` has {len(shape)} extents and {len(strides)} strides",
                note.place,
                "tell a stride for each extent",
            )
        reach = abs(offset) + sum(extent * max(1, abs(step)) for extent, step in zip(shape, strides, strict=True))
        if reach >= MAX_ELEMENTS:
            if note and (note.extents or note.has_layout):
                _fail(f"`{parameter.name}` is larger than any memory", note.place, "tell smaller numbers")
            raise UnsupportedDeclaration("it is larger than any memory")
        return msgspec.structs.replace(
            parameter,
            logical_type=LogicalType.AFFINE_ARRAY,
            shape=shape,
            affine_map=strides,
            affine_offset=offset,
        )

    def _constant(self, text: str, note: ParameterNote) -> int:
        amount = annotated_size(text, note.place, Lookup(self._scope, {}))
        assert isinstance(amount, Number)
        return amount.value


def _check_layout(array: Parameter, note: ParameterNote, in_c: list[SizeValue | None]) -> None:
    """Check the layout of an array whose extents C tells: it must be one of the elements that the array has there."""
    assert array.shape is not None
    assert array.affine_map is not None
    known = [extent.value if isinstance(extent, Number) else None for extent in in_c]
    if note.order == "column-major" and len(known) > 1:
        # The first index, which varies fastest, is the last one of C.
        for told, extent in itertools.zip_longest(array.shape, reversed(known)):
            if told != (extent or told):
                extents = "".join(f"[{extent}]" for extent in reversed(in_c))
                _fail(
                    f"`{array.name}` is row-major in C, so that its last index there varies fastest",
                    note.place,
                    f"write `@hat {array.name}{extents} column-major`, or make it a pointer in C",
                )
    if None in known:
        return
    total = math.prod(extent for extent in known if extent is not None)
    reach = [(extent - 1) * step for extent, step in zip(array.shape, array.affine_map, strict=True)]
    first = (array.affine_offset or 0) + sum(min(step, 0) for step in reach)
    last = (array.affine_offset or 0) + sum(max(step, 0) for step in reach)
    if first < 0 or last >= total:
        _fail(
            f"`{array.name}` has {total} elements in C, and this layout goes from element {first} to {last}",
            note.place,
            "tell the extents of the part that the function uses, or make it a pointer in C",
        )


def annotated_size(text: str, place: Place, lookup: Lookup) -> SizeValue:
    """The amount that a comment tells; :class:`FormatError` where it cannot be understood."""
    try:
        return evaluate(parse_expression(text, place), lookup)
    except UnsupportedDeclaration as unfit:
        hint = _NO_MACROS if "neither a parameter" in unfit.reason else "use integers, parameters, + - * / % and ()"
        raise FormatError(f"`{text}`: {unfit.reason}", where=str(place), hint=hint) from None


_CALLBACK = "it is a callback; the format knows no function pointers"
_STRUCT = "it is a struct or union passed by value; the format knows numbers and arrays of numbers"


def _usage_told(
    name: str, note: ParameterNote | None, documented: Documented | None
) -> tuple[Usage | None, Place | None]:
    """The usage that comments tell, and where; None where they do not."""
    ours = note.usage if note else None
    theirs = documented.usage if documented else None
    if note and documented and ours and theirs and ours is not theirs:
        _fail(
            f"`@hat` tells that `{name}` is an {ours}, and `@param` on line {documented.place.line} an {theirs}",
            note.place,
            "let them agree",
        )
    if note and ours:
        return ours, note.place
    return (theirs, documented.place) if documented and theirs else (None, None)


def _is_cell(note: ParameterNote) -> bool:
    """Whether a comment says that a pointer leads to a single number."""
    return note.usage is not None and note.extents is None and not note.has_layout


def _pointee(c_type: CType | None) -> CType | None:
    return c_type.to if isinstance(c_type, Pointer) else None


def _flattened(c_type: CType) -> tuple[list[SizeValue | None], CType]:
    """The extents of an array parameter, the first None for a pointer, and the type of its elements."""
    extents: list[SizeValue | None] = []
    if isinstance(c_type, Pointer):
        extents, c_type = [None], c_type.to
    while isinstance(c_type, Array):
        extents.append(c_type.extent)
        c_type = c_type.of
    return extents, c_type


def _pointer_misfits(element: CType) -> str:
    if isinstance(element, Void):
        return "a `void` pointer does not tell what it points to"
    if isinstance(element, Aggregate):
        return f"it points to `{element.original}`; the format knows arrays of numbers, not of structs or unions"
    if isinstance(element, FunctionType):
        return _CALLBACK
    return "it has more pointer levels than the format knows"


def _sizeless(c_type: CType, element: Scalar, name: str, extents: list[SizeValue | None]) -> str:
    """Why an array whose size is not told is refused, with the remedy."""
    unknown = "rows" if any(not isinstance(extent, Number) for extent in extents[1:]) else "n"
    # An array cannot tell its own size.
    unknown = "size" if name == unknown else unknown
    known = [unknown if extent is None else str(extent) for extent in extents]
    brackets = "".join(f"[{extent}]" for extent in known)
    words = [*(word for word in element.qualifiers if word != "restrict"), element.original]
    declared = " ".join([*words, f"{name or 'x'}{brackets}"])
    remedy = f"write `{declared}`, or a comment `@hat {name}{brackets}`" if name else f"write `{declared}`"
    if name and isinstance(c_type, Pointer) and len(extents) == 1 and "const" not in element.qualifiers:
        remedy += f"; if it is one number, `@hat {name} output`"
    return f"`{_in_c(c_type, name)}` does not tell its size; {remedy}"


def _in_c(c_type: CType, name: str) -> str:
    return written(_bare(c_type), name, lambda scalar: scalar.original)


def _bare(c_type: CType) -> CType:
    """A parameter's type without its own qualifiers, which its callers do not see."""
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


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _fail(message: str, place: Place, hint: str) -> NoReturn:
    raise FormatError(message, where=str(place), hint=hint)
