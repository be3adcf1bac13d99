"""The C code of a .hat file against its metadata: which functions it declares, and with which types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from hatframe import files
from hatframe.c.declarations import DeclaredFunction, DeclaredParameter, declared_functions
from hatframe.c.elements import DataModel, ElementType, canonical_name, element_types, parse_declared_type
from hatframe.c.syntax import UnsupportedDeclaration
from hatframe.c.types import Array, CType, Pointer, Scalar, Void, check_by_value
from hatframe.errors import HatError
from hatframe.format.model import Function, Parameter, Usage
from hatframe.format.positions import Keys
from hatframe.format.rendering import bare_code
from hatframe.machine import Platform
from hatframe.packages.confinement import confined
from hatframe.validating.report import Report

# A header of ten thousand functions; parsing it takes some seconds.
_LONGEST_CODE = 4_000_000
_MOST_HEADERS = 100
_MOST_DECLARATIONS = 20
_TOML_GUARD = re.compile(r"^[ \t]*#[ \t]*ifdef[ \t]+TOML\b", re.MULTILINE)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">\n]+)[">]', re.MULTILINE)
_OPENING = re.compile(r"\bcode[\"']?[ \t]*=[ \t]*([^\n]*)")
_CODE: Keys = ("declaration", "code")


def check_declarations(
    report: Report, folder: Path, host: Mapping[str, Function], platform: Platform
) -> frozenset[str]:
    """Check that C compilers see the C code, and that it declares the ``host`` functions as the metadata do.

    Types are those of ``platform``. Headers are read only in the package's ``folder``. Returns the functions that the
    code defines itself.
    """
    code = report.table("declaration").get("code")
    if not isinstance(code, str):
        return frozenset()
    _check_guard(report, code)
    headers = _headers(code, folder)
    if (length := len(code) + sum(map(len, headers))) > _LONGEST_CODE:
        report.warn(_CODE, f"the C code has {length} characters, and only {_LONGEST_CODE} are checked")
        return frozenset(host)
    model = DataModel.of(platform)
    declared = declared_functions(bare_code(code), headers, model)
    if host and not declared:
        report.warn(_CODE, "the C code declares no functions")
        return frozenset()
    comparison = _Comparison(element_types(model))
    for name, function in host.items():
        path: Keys = ("functions", name)
        if name not in declared:
            report.warn(path, f"the C code does not declare {name}")
            continue
        # In another branch of a condition, the declaration may be another.
        differences = min(
            (list(comparison.of(function, each)) for each in declared[name][:_MOST_DECLARATIONS]), key=_weight
        )
        for difference in differences:
            where = (*path, *difference.keys)
            if difference.is_error and where not in report.broken:
                report.error(where, difference.message)
            elif not difference.is_error:
                report.warn(where, difference.message)
    described = {*report.table("functions"), *report.table("device_functions")}
    for name, declarations in declared.items():
        if name not in described and not any(
            each.is_definition or each.is_static or each.in_header for each in declarations
        ):
            report.warn(_CODE, f"the C code declares {name}, which no table of functions describes")
    return frozenset(
        name for name, each in declared.items() if any(one.is_definition and not one.is_static for one in each)
    )


def _check_guard(report: Report, code: str) -> None:
    if not _TOML_GUARD.search(report.text):
        report.warn((), "the TOML is not inside #ifdef TOML, so C compilers cannot read this file")
    elif code.strip() and bare_code(code) == code:
        report.warn(_CODE, "the C code is inside #ifdef TOML, so C compilers skip it")
    else:
        may_be_odd = any(_has_odd_quotes(line.encode()) for line in _OPENING.findall(report.text))
        # Finding positions takes a third of the time of all checks.
        statement = report.positions.statement(_CODE) if may_be_odd else None
        first_line = ((statement.value.text if statement else None) or b"").partition(b"\n")[0]
        if _has_odd_quotes(first_line):
            hint = "open the code with '''//' and close it with //'''"
            report.warn(_CODE, "C compilers warn of an unclosed quote here", hint)


def _has_odd_quotes(line: bytes) -> bool:
    return line.count(b'"') % 2 == 1 or line.count(b"'") % 2 == 1


def _headers(code: str, folder: Path) -> list[str]:
    """The texts of the headers of the package that C code includes, and of those that they include."""
    found: dict[Path, str] = {}
    waiting = [(code, folder)]
    while waiting and sum(map(len, found.values())) <= _LONGEST_CODE:
        text, beside = waiting.pop()
        for name in _INCLUDE.findall(text):
            try:
                path = confined(folder, str(beside.absolute() / name), "")
                if path in found or len(found) == _MOST_HEADERS or not path.is_file():
                    continue
                found[path] = files.read_file(path, _LONGEST_CODE).decode("utf-8", "replace")
            except (HatError, OSError):
                continue
            waiting.append((found[path], path.parent))
    return list(found.values())


class _Difference(msgspec.Struct, frozen=True):
    """What differs, and the keys of its place within the table of the function."""

    keys: Keys
    message: str
    is_error: bool = True


def _weight(differences: list[_Difference]) -> tuple[int, int]:
    return sum(difference.is_error for difference in differences), len(differences)


class _Comparison:
    """Compares functions with their declarations, given the element types of their platform by canonical name."""

    def __init__(self, types: Mapping[str, ElementType]) -> None:
        self._types = types

    def of(self, function: Function, declared: DeclaredFunction) -> Iterator[_Difference]:
        count, name = len(function.arguments), declared.name
        if declared.returns is not None and (message := self._of_return(function.return_value, declared.returns)):
            yield _Difference(("return",), f"{message} in the C declaration of {name}")
        if declared.parameters is None:
            return
        if len(declared.parameters) != count:
            yield _Difference(
                ("arguments",), f"{count} arguments here, but {len(declared.parameters)} in the C declaration of {name}"
            )
            return
        for index, (here, in_c) in enumerate(zip(function.arguments, declared.parameters, strict=True)):
            for difference in self._of_parameter(here, in_c):
                yield msgspec.structs.replace(difference, keys=("arguments", index, *difference.keys))

    def _of_parameter(self, here: Parameter, in_c: DeclaredParameter) -> Iterator[_Difference]:
        if in_c.c_type is None:
            yield _Difference((), f"cannot compare it with the C declaration: {in_c.reason}", is_error=False)
            return
        but = f"here, but `{in_c.text}` in the C declaration"
        if here.name and in_c.name and here.name != in_c.name:
            yield _Difference(("name",), f"{here.name!r} {but}", is_error=False)
        levels, pointee, is_const = _levels(in_c.c_type)
        base, levels_here = parse_declared_type(here.declared_type or f"{here.element_type}*")
        if levels != levels_here:
            pointers = "pointer" if levels_here == 1 else "pointers"
            yield _Difference(("declared_type",), f"{levels_here or 'no'} {pointers} {but}")
        elif not self._same(here.element_type or base, pointee):
            yield _Difference(("element_type",), f"{here.element_type or base} {but}")
        elif not levels and isinstance(pointee, Scalar):
            try:
                check_by_value(pointee)
            except UnsupportedDeclaration as error:
                yield _Difference(("element_type",), error.reason)
        if is_const and here.usage is not Usage.INPUT:
            yield _Difference(("usage",), f"{here.usage} {but}")

    def _of_return(self, here: Parameter, returned: CType) -> str:
        """How the return types differ, or an empty text."""
        text = here.declared_type or here.element_type or "void"
        base, levels_here = parse_declared_type(text)
        levels, pointee, _ = _levels(returned)
        if isinstance(pointee, Void) and not levels:
            return "" if base == "void" else f"{text} here, but void"
        if base == "void" and not levels_here:
            return "void here, but a value"
        if levels != levels_here or not self._same(base, pointee):
            return f"{text} here, but another type"
        return ""

    def _same(self, name: str, c_type: CType) -> bool:
        """Whether an element type and a C type are the same, as far as the latter is known."""
        element = self._types.get(canonical_name(name))
        # Only the metadata say what a void pointer points to.
        if element is None or isinstance(c_type, Void):
            return True
        if not isinstance(c_type, Scalar):
            return False
        kinds = {element.kind, c_type.element.kind}
        if element.size != c_type.element.size:
            return False
        if len(kinds) == 1 or "char" in (canonical_name(name), c_type.original):
            return True
        # A bool is a byte, and Accera passes half-precision numbers as their 16 bits.
        return kinds in ({"bool", "uint"}, {"float16", "uint"}, {"bfloat16", "uint"})


def _levels(c_type: CType) -> tuple[int, CType, bool]:
    """The pointer levels of a parameter, what is at their end, and whether a function may not write to it."""
    levels, is_const = 0, False
    while isinstance(c_type, (Pointer, Array)):
        if isinstance(c_type, Pointer):
            c_type = c_type.to
        # An array of arrays is one array in memory.
        while isinstance(c_type, Array):
            c_type = c_type.of
        levels += 1
        if levels == 1:
            is_const = "const" in getattr(c_type, "qualifiers", ())
    return levels, c_type, is_const
