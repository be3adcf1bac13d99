"""The functions that preprocessed C defines: their metadata, from the code and its comments."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from hatframe.building.comments import PACKAGE_KEYS, Annotation, Annotations, fail, read_comment
from hatframe.building.parameters import OLD_STYLE, Signature, annotated_value, read_parameters
from hatframe.c.elements import DataModel, element_type
from hatframe.c.expressions import Constant, Extent, Formula
from hatframe.c.linkage import Linkage, check_linkage
from hatframe.c.preprocessed import Place, TranslationUnit
from hatframe.c.scopes import Lookup, Scope, check_supported
from hatframe.c.syntax import UnsupportedDeclaration, declared_name, parameter_list
from hatframe.c.types import (
    CType,
    FunctionType,
    Pointer,
    Scalar,
    Void,
    check_by_value,
    declaration,
    prerequisites,
    scalar_of,
)
from hatframe.calling.distributions import Distribution
from hatframe.calling.plans import plan_call
from hatframe.errors import FormatError
from hatframe.format.model import EXAMPLES_KEY, INPUTS_KEY, VOID, Function, LogicalType, Parameter, Usage
from hatframe.format.numpy_expressions import REFERENCE_KEY, SAME_AS_KEY, InvalidReferenceError, parse
from hatframe.format.signatures import GROUP_KEY
from hatframe.machine import Platform
from hatframe.outcomes import UnsupportedFunction

if TYPE_CHECKING:
    from tree_sitter import Node


class FunctionDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A function's metadata and its declarations.

    ``prototype`` is valid C99 and C++ after ``prerequisites``. A compiler accepts ``redeclaration`` after the
    definition only if hatframe understood the definition; ``sizes`` are the bytes of its types, for the same purpose.
    """

    function: Function
    prototype: str
    redeclaration: str
    sizes: tuple[tuple[str, int], ...]
    prerequisites: tuple[str, ...]
    file: str
    line: int
    same_as: Annotation | None = None


class ParsedSource(msgspec.Struct, frozen=True, kw_only=True):
    """The functions that a source defines, in its order, and the ``@hat`` lines about the package, by key."""

    functions: tuple[FunctionDefinition, ...] = ()
    unsupported: tuple[UnsupportedFunction, ...] = ()
    package: tuple[tuple[str, Annotation], ...] = ()


_MAX_INTEGER = (1 << 63) - 1
_CPP_KEYWORDS = frozenset(
    "alignas alignof and and_eq asm bitand bitor bool catch char8_t char16_t char32_t class co_await co_return co_yield"  # noqa: SIM905
    " compl concept consteval constexpr constinit const_cast decltype delete dynamic_cast explicit export false friend"
    " mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public reinterpret_cast"
    " requires static_assert static_cast template this thread_local throw true try typeid typename using virtual"
    " wchar_t xor xor_eq".split()
)
# Searching takes quadratic time.
_LONGEST_HEADING = 1000
# What stands before a body that the parser could not attach to a function.
_HEADING = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*\((?:[^()]|\([^()]*\))*\)\s*\Z")


def read_functions(
    text: str, sources: Collection[str], originals: Mapping[str, str] | None = None, platform: Platform | None = None
) -> ParsedSource:
    """Describe the functions that preprocessed C defines; raises :class:`FormatError` for a mistake in a comment."""
    return _Reader(TranslationUnit(text, sources, originals), DataModel.of(platform or Platform.host())).read()


def combine(sources: Sequence[ParsedSource]) -> ParsedSource:
    return ParsedSource(
        functions=tuple(function for source in sources for function in source.functions),
        unsupported=tuple(function for source in sources for function in source.unsupported),
        package=tuple(dict.fromkeys(line for source in sources for line in source.package)),
    )


def package_description(lines: Iterable[tuple[str, Annotation]]) -> dict[str, str]:
    """The description of the package; raises :class:`FormatError` where two lines contradict each other."""
    by_key: dict[str, list[Annotation]] = {key: [] for key in PACKAGE_KEYS}
    for key, line in lines:
        by_key[key].append(line)
        first = by_key[key][0]
        if key != "author" and line.value != first.value:
            fail(
                f"the {key} is {line.value!r} here and {first.value!r} at {first.place}", line.place, "keep one of them"
            )
    values = {key: ", ".join(dict.fromkeys(line.value for line in lines)) for key, lines in by_key.items()}
    return {key: values[key.removesuffix("_url")] for key in ("comment", "author", "version", "license_url")}


class _Reader:
    def __init__(self, unit: TranslationUnit, model: DataModel) -> None:
        self._unit = unit
        self._nodes = unit.tree.root_node.children
        self._scope = Scope(self._nodes, model)

    def read(self) -> ParsedSource:
        definitions = [node for node in self._nodes if self._is_ours(node)]
        linkages = Linkage.of_functions(self._nodes, {_name(node) for node in definitions})
        functions: list[FunctionDefinition] = []
        unsupported: list[UnsupportedFunction] = []
        above_functions: dict[int, Annotations] = {}
        for node in definitions:
            comment = self._unit.comment_above(node.start_byte)
            annotations = read_comment(comment) if comment else Annotations()
            if comment:
                above_functions[comment.start] = annotations
            name = _name(node)
            if annotations.skip or not linkages[name].is_external:
                continue
            try:
                functions.append(self._definition(node, name, annotations, linkages[name]))
            except UnsupportedDeclaration as error:
                unsupported.append(_unsupported(name, error.reason, self._place(node)))
            except RecursionError:
                unsupported.append(_unsupported(name, "its types are nested too deeply", self._place(node)))
        return ParsedSource(
            functions=tuple(functions),
            unsupported=(*unsupported, *self._unparsed(linkages)),
            package=tuple(self._package_lines(above_functions)),
        )

    def _is_ours(self, node: Node) -> bool:
        # The parser takes `void *__attribute__((cold)) f(void)` for a function named __attribute__.
        is_function = node.type == "function_definition" and _name(node) != "__attribute__"
        return is_function and self._unit.is_source(self._place(node))

    def _place(self, definition: Node) -> Place:
        node = definition.child_by_field_name("declarator") or definition
        return self._unit.place(node.start_point.row)

    def _definition(self, node: Node, name: str, annotations: Annotations, linkage: Linkage) -> FunctionDefinition:
        # The comment comes first: a mistake in it is an error also where the function is unsupported.
        in_parentheses = parameter_list(node.child_by_field_name("declarator"))
        signature = read_parameters(in_parentheses, self._scope, annotations)
        auxiliary: dict[str, Any] = {**self._flops(annotations, signature)}
        if annotations.group:
            auxiliary[GROUP_KEY] = annotations.group.value
        if annotations.same_as:
            auxiliary[SAME_AS_KEY] = annotations.same_as.value
        if name == "main":
            raise UnsupportedDeclaration("`main` is the entry point of a program")
        if name in _CPP_KEYWORDS:
            raise UnsupportedDeclaration(f"`{name}` is a keyword of C++, so C++ programs could not include the header")
        if any(child.type == "declaration" for child in node.children):
            raise UnsupportedDeclaration(OLD_STYLE)
        check_linkage(linkage)
        returned_type = self._returned_type(node)
        if signature.unsupported:
            raise signature.unsupported
        parameters = signature.parameters
        if examples := self._examples(annotations, signature):
            auxiliary = {**auxiliary, EXAMPLES_KEY: examples}
        if values := self._values(annotations, signature):
            auxiliary = {**auxiliary, INPUTS_KEY: values}
        types = [returned_type, *(typed.c_type for typed in parameters)]
        scalars = [scalar for c_type in types if (scalar := scalar_of(c_type)) and scalar.original]
        function = Function(
            name=name,
            description=annotations.description,
            arguments=tuple(typed.parameter for typed in parameters),
            return_value=_return_value(returned_type, annotations),
            auxiliary=auxiliary,
        )
        needed = set().union(*map(prerequisites, types))
        if annotations.reference:
            function = msgspec.structs.replace(function, auxiliary={**auxiliary, **_reference(annotations, function)})
        place = self._place(node)
        in_c = [(typed.c_type, typed.parameter.name) for typed in parameters]
        in_header = [
            (typed.header_type, "" if typed.parameter.name in _CPP_KEYWORDS else typed.parameter.name)
            for typed in parameters
        ]
        # Compilers warn of `(void)` after a definition with `()`.
        none = "void" if in_parentheses and in_parentheses.named_child_count else ""
        return FunctionDefinition(
            function=function,
            prototype=_function_declaration(returned_type, name, in_header, lambda scalar: scalar.name),
            redeclaration=_function_declaration(returned_type, name, in_c, lambda scalar: scalar.original, none),
            sizes=tuple(dict.fromkeys((scalar.original, scalar.element.size) for scalar in scalars)),
            # Includes first: the typedefs of half-precision numbers depend on them.
            prerequisites=tuple(sorted(needed, key=lambda text: (not text.startswith("#include"), text))),
            file=place.file,
            line=place.line,
            same_as=annotations.same_as,
        )

    def _returned_type(self, node: Node) -> CType:
        for child in node.children:
            if child.type not in ("compound_statement", "parameter_list"):
                _check_without_parameters(child)
        c_type = self._scope.declarator(node.child_by_field_name("declarator"), self._scope.base(node), {})[1]
        if not isinstance(c_type, FunctionType):
            raise UnsupportedDeclaration("could not parse its declaration")
        return c_type.returns

    def _flops(self, annotations: Annotations, signature: Signature) -> dict[str, int | str]:
        if annotations.flops is None:
            return {}
        text, place = annotations.flops.value, annotations.flops.place
        value = annotated_value(text, place, Lookup(self._scope, signature.types))
        if isinstance(value, Constant):
            if not 0 <= value.value <= _MAX_INTEGER:
                fail(f"invalid number of operations `{text}`", place, "it must be between 0 and 2^63 - 1")
            return {"flops": value.value}
        unknown = sorted(value.names - signature.dimensions)
        if unknown and not signature.unsupported:
            known = ", ".join(sorted(signature.dimensions))
            fail(
                f"`{text}` refers to {', '.join(f'`{name}`' for name in unknown)}, which is not the size of an array",
                place,
                f"it can refer to {known}" if known else "write a number",
            )
        return {"flops": value.text}

    def _examples(self, annotations: Annotations, signature: Signature) -> dict[str, int | float]:
        """The example values of scalars, by name."""
        found: dict[str, int | float] = {}
        for parameter, c_type in ((typed.parameter, typed.c_type) for typed in signature.parameters):
            annotation = annotations.parameters.get(parameter.name)
            if annotation is None or annotation.example is None:
                continue
            place, text = annotation.place, annotation.example
            scalar = scalar_of(c_type)
            if scalar is None or parameter.logical_type is not LogicalType.ELEMENT or parameter.usage is Usage.OUTPUT:
                fail(f"`{parameter.name}` is not a scalar that the function reads", place, "remove the example")
            element = scalar.element
            low, high = element.integer_range if element.is_integer else (-math.inf, math.inf)
            number = self._number(text, place, signature) if element.is_integer else _real(text)
            if not low <= number <= high or math.isinf(number):
                fail(f"the example `{text}` is not a number of type {element.name}", place, "correct it")
            found[parameter.name] = number
        return found

    def _values(self, annotations: Annotations, signature: Signature) -> dict[str, str]:
        """What the values of arrays are like, by name."""
        found: dict[str, str] = {}
        parameters = {typed.parameter.name: typed.parameter for typed in signature.parameters}
        for name, parameter in parameters.items():
            annotation = annotations.parameters.get(name)
            if annotation is None or not annotation.values:
                continue
            place = annotation.place
            if parameter.logical_type is LogicalType.ELEMENT or parameter.usage is Usage.OUTPUT:
                fail(f"`{name}` is not an array that the function reads", place, f"remove `{annotation.values}`")
            element = element_type(parameter.element_type)
            try:
                written = Distribution.parse(annotation.values)
                if written.low and element.is_integer:
                    low, high = (str(self._bound(text, place, signature)) for text in (written.low, written.high))
                    written = msgspec.structs.replace(written, low=low, high=high)
                written.check(element)
            except FormatError as error:
                raise FormatError(f"`{name}`: {error.message}", where=str(place), hint=error.hint) from None
            found[name] = str(written)
        return found

    def _bound(self, text: str, place: Place, signature: Signature) -> Extent:
        value = annotated_value(text, place, Lookup(self._scope, signature.types))
        scalars = {
            typed.parameter.name
            for typed in signature.parameters
            if typed.parameter.logical_type is LogicalType.ELEMENT and typed.parameter.usage is not Usage.OUTPUT
        }
        if isinstance(value, Formula) and (unknown := sorted(value.names - scalars)):
            fail(f"`{text}` refers to {', '.join(unknown)}, which is not a number that the function reads", place, "")
        return value

    def _number(self, text: str, place: Place, signature: Signature) -> int | float:
        if re.fullmatch(r"[+-]?\d{1,20}", text):
            return int(text)
        value = annotated_value(text, place, Lookup(self._scope, signature.types))
        return value.value if isinstance(value, Constant) else math.nan

    def _unparsed(self, parsed: Collection[str]) -> Iterable[UnsupportedFunction]:
        """The functions whose bodies the parser could not attach to their definitions."""
        bodies: list[Node | None] = []
        for node in self._nodes:
            if node.type == "ERROR":
                bodies += node.children
            else:
                bodies.append(node.child_by_field_name("body") if node.has_error else node)
        for body in bodies:
            if body is None or body.type != "compound_statement":
                continue
            start = max(self._unit.code.rfind(end, 0, body.start_byte) for end in (b";", b"}")) + 1
            start = max(start, body.start_byte - _LONGEST_HEADING)
            heading = _HEADING.search(self._unit.code[start : body.start_byte].decode("utf-8", "replace"))
            place = self._unit.place(body.start_point.row)
            if (
                heading
                and heading["name"] not in parsed
                and self._unit.is_source(place)
                and not re.search(r"\b(?:static|inline)\b", heading.string)
            ):
                yield _unsupported(heading["name"], "could not parse its definition", place)

    def _package_lines(self, above_functions: Mapping[int, Annotations]) -> Iterable[tuple[str, Annotation]]:
        """The lines about the package in all comments; lines about functions must stand above one."""
        for comment in self._unit.comments:
            annotations = above_functions.get(comment.start)
            if annotations is None and any("@hat" in line for line in comment.lines):
                annotations = read_comment(comment)
                place = annotations.of_function
                if not place and any(node.start_byte < comment.start < node.end_byte for node in self._nodes):
                    place = next((line.place for _, line in annotations.package), None)
                if place:
                    fail(
                        "this line is not above a function definition",
                        place,
                        "put the comment directly above the function, without an empty line, directive or other "
                        "comment between them",
                    )
            if annotations:
                yield from annotations.package


def _reference(annotations: Annotations, function: Function) -> dict[str, str]:
    """The reference of a function, with a line for each statement, after a check of its syntax and its names."""
    # Other characters than the line feed end lines in Python, too.
    text = "\n".join(" ".join(line.value.split()) for line in annotations.reference)
    plan = plan_call(function)
    try:
        parse(text, plan.readable_names, plan.written_names)
    except InvalidReferenceError as error:
        fail(error.message, annotations.reference[error.line - 1].place, error.hint)
    return {REFERENCE_KEY: text}


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _unsupported(name: str, reason: str, place: Place) -> UnsupportedFunction:
    return UnsupportedFunction(name=name, reason=reason, file=place.file, line=place.line)


def _name(definition: Node) -> str:
    return declared_name(definition.child_by_field_name("declarator"))


def _check_without_parameters(node: Node) -> None:
    """Check all but the parameters, which are checked one by one so that the message can name them."""
    if node.type.endswith("declarator"):
        for child in node.children:
            if child.type != "parameter_list":
                _check_without_parameters(child)
    else:
        check_supported(node)


def _return_value(c_type: CType, annotations: Annotations) -> Parameter:
    if isinstance(c_type, Void):
        return VOID
    if isinstance(c_type, Pointer):
        raise UnsupportedDeclaration(
            "it returns a pointer, and the format does not say who frees the memory; write to an output array"
        )
    if not isinstance(c_type, Scalar):
        raise UnsupportedDeclaration("it returns a struct or union; write to output arrays")
    check_by_value(c_type)
    return Parameter(
        logical_type=LogicalType.ELEMENT,
        description=annotations.returns,
        declared_type=c_type.name,
        element_type=c_type.name,
        usage=Usage.OUTPUT,
    )


def _function_declaration(
    returns: CType,
    name: str,
    parameters: Iterable[tuple[CType, str]],
    spelling: Callable[[Scalar], str],
    none: str = "void",
) -> str:
    returned = spelling(returns) if isinstance(returns, Scalar) else "void"
    declared = ", ".join(declaration(c_type, each, spelling) for c_type, each in parameters)
    return f"{returned} {name}({declared or none});"
