"""Describing the functions that preprocessed C text defines: their metadata, read from the code and its comments."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

import msgspec

from hatframe.building.comments import PACKAGE_KEYS, Annotation, Notes, read_comment
from hatframe.building.parameters import Argument, Arguments, annotated_size, read_parameters
from hatframe.c.evaluation import Number, UnsupportedDeclaration
from hatframe.c.linkage import Linkage, check_linkage
from hatframe.c.parsing import Comment, Place, Unit, text_of
from hatframe.c.scanning import scan_functions
from hatframe.c.scopes import Lookup, Scope, check_understood, declared_name, parameter_list
from hatframe.c.types import (
    CType,
    DataModel,
    FunctionType,
    Pointer,
    Scalar,
    Void,
    check_by_value,
    headers_of,
    scalar_of,
    written,
)
from hatframe.errors import FormatError
from hatframe.format.model import VOID, Function, LogicalType, Parameter, Usage
from hatframe.machine import Platform

if TYPE_CHECKING:
    from tree_sitter import Node


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A function and how C declares it.

    ``prototype`` is right in both C99 and C++, after ``typedefs`` (includes and typedefs). ``exact`` is a prototype
    that a C compiler accepts after the definition only where the definition was read rightly; so are the ``sizes``, of
    the types of numbers in it, in bytes.
    """

    function: Function
    prototype: str
    exact: str
    sizes: tuple[tuple[str, int], ...]
    typedefs: tuple[str, ...]
    file: str
    line: int


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A function that other files could call, but whose metadata cannot be told, and why."""

    name: str
    reason: str
    file: str
    line: int


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a text defines, in its order, and what its comments tell of the package.

    ``told`` are the lines that the latter come from, each with its key.
    """

    functions: tuple[Described, ...] = ()
    refused: tuple[Refused, ...] = ()
    comment: str = ""
    author: str = ""
    version: str = ""
    license_url: str = ""
    told: tuple[tuple[str, Annotation], ...] = ()


_FLOPS_KEY = "flops"
_MAX_INTEGER = (1 << 63) - 1
# A prototype cannot hold them in C++.
_CPP_TEXT = (
    "alignas alignof and and_eq asm bitand bitor bool catch char8_t char16_t char32_t class co_await co_return co_yield"
    " compl concept consteval constexpr constinit const_cast decltype delete dynamic_cast explicit export false friend"
    " mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public reinterpret_cast"
    " requires static_assert static_cast template this thread_local throw true try typeid typename using virtual"
    " wchar_t xor xor_eq"
)
_CPP_WORDS = frozenset(_CPP_TEXT.split())


def read_functions(
    text: str,
    sources: Collection[str],
    originals: Mapping[str, str] | None = None,
    platform: Platform | None = None,
) -> Reading:
    """Describe the functions that ``text`` defines.

    Parameters
    ----------
    text
        C after the preprocessor, with comments kept and with line markers: what ``gcc -E -C`` or ``cl /E /C`` writes.
    sources
        The files whose functions count, as the line markers spell their names.
    originals
        The texts of those files, by the same names. With them an empty line, which parts a comment from the function
        below it, is told from a line that holds a directive or a macro that expands to nothing.
    platform
        The platform that it is compiled for, without which it is this machine: how long a ``long`` is depends on it.

    Raises
    ------
    FormatError
        where a comment in one of ``sources`` tells something that is not understood, or that contradicts the code;
        ``where`` is that very line.
    """
    return _Reader(Unit(text, sources, originals or {}), DataModel.of(platform or Platform.host())).read()


def combine(readings: Iterable[Reading]) -> Reading:
    """What several texts define together. :class:`FormatError` where they contradict each other."""
    readings = list(readings)
    told = tuple(dict.fromkeys(entry for reading in readings for entry in reading.told))
    return Reading(
        functions=tuple(function for reading in readings for function in reading.functions),
        refused=tuple(refused for reading in readings for refused in reading.refused),
        told=told,
        **_package(told),
    )


class _Reader:
    def __init__(self, unit: Unit, model: DataModel) -> None:
        self._unit = unit
        # The nodes live as long as their tree does.
        self._tree = unit.tree
        self._nodes = self._tree.root_node.children
        self._scope = Scope(self._tree.root_node, model)

    def read(self) -> Reading:
        definitions = [node for node in self._nodes if self._is_ours(node)]
        linkages = Linkage.of_functions(self._nodes, {_name(node) for node in definitions})
        functions: list[Described] = []
        refused: list[Refused] = []
        attached: dict[int, Notes] = {}
        for node in definitions:
            comment = self._unit.comment_above(node.start_byte)
            notes = read_comment(comment) if comment else Notes()
            if comment:
                attached[comment.start] = notes
            name = _name(node)
            if notes.skip or not linkages[name].is_external:
                continue
            place = self._place(node)
            try:
                functions.append(self._described(node, name, notes, linkages[name], place))
            except UnsupportedDeclaration as unfit:
                refused.append(Refused(name=name, reason=unfit.reason, file=place.file, line=place.line))
            except RecursionError:
                reason = "its types are nested too deeply"
                refused.append(Refused(name=name, reason=reason, file=place.file, line=place.line))
        refused += self._lost({_name(node) for node in definitions})
        told = self._package_lines(attached)
        return Reading(functions=tuple(functions), refused=tuple(refused), told=told, **_package(told))

    def _is_ours(self, node: Node) -> bool:
        return node.type == "function_definition" and self._unit.is_source(self._place(node))

    def _place(self, definition: Node) -> Place:
        """Where a function is defined: the line of its name."""
        node = definition.child_by_field_name("declarator") or definition
        return self._unit.place(node.start_point.row)

    def _described(self, node: Node, name: str, notes: Notes, linkage: Linkage, place: Place) -> Described:
        # Also for a function that is refused: what its comment says must be right.
        in_parentheses = parameter_list(node.child_by_field_name("declarator"))
        parameters = read_parameters(in_parentheses, self._scope, notes)
        auxiliary = self._flops(notes, parameters)
        _check_signature(node, name)
        check_linkage(linkage)
        returned_type = self._returned_type(node)
        if parameters.unfit:
            raise parameters.unfit
        arguments = parameters.arguments
        types = [returned_type, *(argument.c_type for argument in arguments)]
        scalars = [scalar for c_type in types if (scalar := scalar_of(c_type)) and scalar.original]
        function = Function(
            name=name,
            description=notes.description,
            arguments=tuple(argument.parameter for argument in arguments),
            return_value=_returned(returned_type, notes),
            auxiliary=auxiliary,
        )
        return Described(
            function=function,
            prototype=_prototype(returned_type, name, arguments),
            exact=_exact(returned_type, name, arguments, bool(in_parentheses and in_parentheses.named_child_count)),
            sizes=tuple(dict.fromkeys((scalar.original, self._scope.size_of(scalar)) for scalar in scalars)),
            typedefs=_typedefs(types),
            file=place.file,
            line=place.line,
        )

    def _returned_type(self, node: Node) -> CType:
        for child in node.children:
            if child.type not in ("compound_statement", "parameter_list"):
                _check_without_parameters(child)
        c_type = self._scope.declarator(node.child_by_field_name("declarator"), self._scope.base(node), {})[1]
        if not isinstance(c_type, FunctionType):
            raise UnsupportedDeclaration("its declaration is not understood")
        return c_type.returns

    def _flops(self, notes: Notes, parameters: Arguments) -> dict[str, int | str]:
        if notes.flops is None:
            return {}
        text, place = notes.flops.value, notes.flops.place
        amount = annotated_size(text, place, Lookup(self._scope, parameters.types))
        if isinstance(amount, Number):
            if not 0 <= amount.value <= _MAX_INTEGER:
                _fail(f"`{text}` is no number of operations", place, "it must be from 0 up, and fit into 64 bits")
            return {_FLOPS_KEY: amount.value}
        known = parameters.dimensions
        unknown = sorted(amount.names - known)
        if unknown and not parameters.unfit:
            _fail(
                f"`{text}` refers to {', '.join(f'`{name}`' for name in unknown)}, which no array's size refers to",
                place,
                f"it can refer to {', '.join(sorted(known))}" if known else "write a number",
            )
        return {_FLOPS_KEY: amount.text}

    def _lost(self, found: Collection[str]) -> list[Refused]:
        """The definitions that the parser lost in errors of syntax, as far as a simple scan sees them."""
        if not self._tree.root_node.has_error:
            return []
        errors = [node for node in self._nodes if node.has_error]
        lost = []
        for name, prototype in scan_functions(self._unit.source_code()).items():
            words = prototype.returns.split()
            if not prototype.defined or name in found or "static" in words or "inline" in words:
                continue
            holders = [node for node in errors if re.search(rf"\b{re.escape(name)}\s*\(", text_of(node))]
            place = self._unit.place(holders[0].start_point.row) if holders else Place("", 0)
            lost.append(
                Refused(name=name, reason="its definition could not be parsed", file=place.file, line=place.line)
            )
        return lost

    def _package_lines(self, attached: Mapping[int, Notes]) -> tuple[tuple[str, Annotation], ...]:
        """The lines about the package, of all comments; each line of ours must stand where it means something."""
        told: list[tuple[str, Annotation]] = []
        for comment in self._unit.comments:
            if comment.start in attached:
                told += attached[comment.start].package
            elif any("@hat" in line for line in comment.lines):
                notes = read_comment(comment)
                if (place := notes.of_function) or (notes.package and self._is_inside(comment)):
                    _fail(
                        "this line stands above no definition of a function",
                        place or notes.package[0][1].place,
                        "put the comment directly above the function, with no empty line, directive or other comment "
                        "between",
                    )
                told += notes.package
        return tuple(told)

    def _is_inside(self, comment: Comment) -> bool:
        return any(node.start_byte < comment.start < node.end_byte for node in self._nodes)


def _name(definition: Node) -> str:
    declarator = definition.child_by_field_name("declarator")
    return declared_name(declarator) if declarator else ""


def _check_signature(node: Node, name: str) -> None:
    if name == "main":
        raise UnsupportedDeclaration("`main` is where a program starts, not a function of a package")
    if name in _CPP_WORDS:
        raise UnsupportedDeclaration(
            f"`{name}` is a word of C++, so that no C++ program could include the package's header"
        )
    if any(child.type == "declaration" for child in node.children):
        raise UnsupportedDeclaration("its parameters are declared in the old way, after the parentheses")


def _check_without_parameters(node: Node) -> None:
    """Check what is no parameter: those are checked one by one, to tell which it is."""
    if node.type.endswith("declarator"):
        for child in node.children:
            if child.type != "parameter_list":
                _check_without_parameters(child)
    else:
        check_understood(node)


def _returned(c_type: CType, notes: Notes) -> Parameter:
    if isinstance(c_type, Void):
        return VOID
    if isinstance(c_type, Pointer):
        raise UnsupportedDeclaration(
            "it returns a pointer, and the format does not tell who frees it; let it write to an output array"
        )
    if not isinstance(c_type, Scalar):
        raise UnsupportedDeclaration("it returns something else than a number; let it write to output arrays")
    check_by_value(c_type)
    return Parameter(
        logical_type=LogicalType.ELEMENT,
        description=notes.returns,
        declared_type=c_type.name,
        element_type=c_type.name,
        usage=Usage.OUTPUT,
    )


def _prototype(returns: CType, name: str, arguments: Sequence[Argument]) -> str:
    def spelled(scalar: Scalar) -> str:
        return scalar.name

    parameters = [
        written(
            argument.header_type,
            "" if argument.parameter.name in _CPP_WORDS else argument.parameter.name,
            spelled,
        )
        for argument in arguments
    ]
    return f"{_unqualified(returns, spelled)} {name}({', '.join(parameters) or 'void'});"


def _exact(returns: CType, name: str, arguments: Sequence[Argument], has_prototype: bool) -> str:
    def spelled(scalar: Scalar) -> str:
        return scalar.original

    parameters = [written(argument.c_type, argument.parameter.name, spelled) for argument in arguments]
    # A compiler warns of `(void)` after a definition with `()`.
    none = "void" if has_prototype else ""
    return f"{_unqualified(returns, spelled)} {name}({', '.join(parameters) or none});"


def _unqualified(c_type: CType, spelled: Callable[[Scalar], str]) -> str:
    return spelled(c_type) if isinstance(c_type, Scalar) else "void"


def _typedefs(types: Iterable[CType]) -> tuple[str, ...]:
    needed = set().union(*(headers_of(c_type) for c_type in types))
    # Includes first: the typedefs of half-precision numbers use their names.
    return tuple(sorted(needed, key=lambda text: (not text.startswith("#include"), text)))


def _package(told: Iterable[tuple[str, Annotation]]) -> dict[str, str]:
    """The description of the package; :class:`FormatError` where two lines contradict each other."""
    by_key: dict[str, list[Annotation]] = {key: [] for key in PACKAGE_KEYS}
    for key, entry in told:
        by_key[key].append(entry)
    for key, entries in by_key.items():
        for entry in entries[1:]:
            if key != "author" and entry.value != entries[0].value:
                _fail(
                    f"the {key} is {entry.value!r} here and {entries[0].value!r} at {entries[0].place}",
                    entry.place,
                    "keep one of them",
                )
    values = {key: entries[0].value if entries else "" for key, entries in by_key.items()}
    return {
        "author": ", ".join(dict.fromkeys(entry.value for entry in by_key["author"])),
        "comment": values["comment"],
        "version": values["version"],
        "license_url": values["license"],
    }


def _fail(message: str, place: Place, hint: str) -> NoReturn:
    raise FormatError(message, where=str(place), hint=hint)
