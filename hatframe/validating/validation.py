"""Every deviation of a .hat file from the format: what breaks its use, and what only strays. No code is run.

What the schema can say is checked by it; here are the rules across fields and files. Whether a function can
be called is decided by the same code that decides it at a call.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from hatframe.c.declarations import parameter_counts
from hatframe.c.elements import element_type, parse_declared_type, same_type
from hatframe.c.layouts import Layout
from hatframe.c.size_expressions import SizeExpression
from hatframe.calling.plans import plan_call
from hatframe.errors import FormatError, PackageError
from hatframe.format.model import VOID, Function, LogicalType, Parameter
from hatframe.format.positions import Keys, Positions
from hatframe.format.reading import parse_document, parse_hat, read_text
from hatframe.format.rendering import bare_code, toml_key
from hatframe.format.schema import Kind, Violation, check
from hatframe.packages.confinement import confined

Severity = Literal["error", "warning"]

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NEEDED = frozenset(["arguments", "logical_type"])


class Deviation(msgspec.Struct, frozen=True):
    """One deviation: ``error`` where it breaks use, ``warning`` where it only strays.

    ``table`` and ``key`` tell where in the document it is, such as ``functions.f.arguments[2]`` and
    ``usage``, and ``line`` where in the text, counted from 1: that of the closest table or key around what is missing.
    """

    severity: Severity
    table: str
    key: str
    line: int
    message: str
    hint: str = ""


def validate(path: str | Path, runtimes: Collection[str] | None = None) -> list[Deviation]:
    """Every deviation of the .hat file at ``path``, in the order of its lines.

    ``runtimes`` are those that the installed loaders serve; None leaves them unchecked. Raises
    :class:`FormatError` only where the file is not there, is no text, or cannot be read.
    """
    path = Path(path)
    text = read_text(path)
    try:
        document = parse_document(text)
    except FormatError as error:
        return [Deviation("error", "", "", _line_of_error(error.message, text), error.message, error.hint)]
    validator = _Validator(path, text, document, runtimes)
    validator.check_all()
    return sorted(validator.deviations, key=lambda deviation: deviation.line)


def _line_of_error(message: str, text: str) -> int:
    found = re.search(r"at line (\d+)", message)
    return int(found[1]) if found else text.count("\n") + (not text.endswith("\n"))


class _Validator:
    def __init__(self, path: Path, text: str, document: dict[str, Any], runtimes: Collection[str] | None) -> None:
        self.folder = path.parent
        self.text = text
        self.document = document
        self.runtimes = None if runtimes is None else {runtime.lower() for runtime in runtimes}
        self.positions = Positions(text)
        self.deviations: list[Deviation] = []
        self.broken: set[Keys] = set()

    def error(self, path: Keys, message: str, hint: str = "") -> None:
        # A rule that takes a broken table for a sound one would only say the same again.
        self.broken.update(path[:length] for length in range(len(path) + 1))
        self._add("error", path, message, hint)

    def warn(self, path: Keys, message: str, hint: str = "") -> None:
        self._add("warning", path, message, hint)

    def _add(self, severity: Severity, path: Keys, message: str, hint: str) -> None:
        key_at = max((at for at, key in enumerate(path) if isinstance(key, str)), default=0)
        table, key = _written(path[:key_at]), _written(path[key_at:])
        self.deviations.append(Deviation(severity, table, key, self.positions.line(path), message, hint))

    def check_all(self) -> None:
        for stray in check(self.document):
            self._check_stray(stray)
        host = self._functions("functions")
        device = self._functions("device_functions")
        if not host and not device and not self._table("functions"):
            self.warn(("functions",), "it describes no functions")
        for name, function in host.items():
            self._check_function(("functions", name), function)
            self._check_launch(("functions", name), function)
        for name, function in device.items():
            self._check_function(("device_functions", name), function)
            self._check_device_function(("device_functions", name), function)
        if device and "GPU" not in self._table("target", "required"):
            self.warn(("target", "required"), "it has device functions, and does not tell the GPU that they need")
        self._check_runtime(("target", "required", "GPU", "runtime"))
        self._check_files(any(not function.runtime for function in host.values()))
        self._check_declarations(host)
        if not any(deviation.severity == "error" for deviation in self.deviations):
            try:
                parse_hat(self.text)
            except FormatError as error:
                self.error((), error.message, error.hint)

    # ------------------------------------------------------------------------------------------------- schema

    def _check_stray(self, stray: Violation) -> None:
        key = stray.path[-1] if stray.path else ""
        if stray.kind is Kind.UNKNOWN:
            self.warn(stray.path, f"{stray.message} to the format", "remove it, or put it into auxiliary")
        elif stray.kind is Kind.MISSING:
            (self.error if key in _NEEDED else self.warn)(stray.path, stray.message)
        elif key == "calling_convention" and stray.kind is Kind.VALUE:
            self._check_convention(stray)
        elif key == "os" and stray.kind is Kind.VALUE:
            self.warn(stray.path, stray.message)
        else:
            self.error(stray.path, stray.message)

    def _check_convention(self, stray: Violation) -> None:
        table, name, key = map(str, stray.path)
        value = self._table(table, name)[key].lower()
        if value == "devicecall":
            self.warn(stray.path, stray.message, "write it as 'device'")
        elif value in ("cdecl", "stdcall", "fastcall", "vectorcall", "device", ""):
            self.warn(stray.path, stray.message, f"write it as {value or 'cdecl'!r}")
        else:
            self.error(stray.path, stray.message)

    def _table(self, *path: str) -> dict[str, Any]:
        table: Any = self.document
        for key in path:
            table = table.get(key) if isinstance(table, dict) else None
        return table if isinstance(table, dict) else {}

    def _functions(self, table: str) -> dict[str, Function]:
        """The functions that the model takes; the schema has told what is wrong with the others."""
        functions = {}
        for name, value in self._table(table).items():
            if (table, name) not in self.broken:
                functions[name] = msgspec.convert(value, Function)
        return functions

    # ---------------------------------------------------------------------------------------------- functions

    def _check_function(self, path: Keys, function: Function) -> None:
        key = str(path[-1])
        name = function.name or key
        if name != key:
            self.error((*path, "name"), f"the name {name!r} is not the key of its table, {key!r}")
        if not _IDENTIFIER.fullmatch(name):
            self.error((*path, "name"), f"{name!r} is no name of a C function")
        self._check_runtime((*path, "runtime"))
        if unnamed := [str(index) for index, argument in enumerate(function.arguments) if not argument.name]:
            which = f"argument {unnamed[0]} has" if len(unnamed) == 1 else f"arguments {', '.join(unnamed)} have"
            self.warn(
                (*path, "arguments"), f"{which} no name", f"calls name them arg{unnamed[0]} and so on, by position"
            )
        names = [argument.name for argument in function.arguments]
        for index, argument in enumerate(function.arguments):
            where = (*path, "arguments", index)
            if argument.name and argument.name in names[:index]:
                self.error((*where, "name"), f"several arguments are named {argument.name!r}")
            if where not in self.broken:
                self._check_parameter(where, argument, function)
        self._check_call(path, function)

    def _check_parameter(self, path: Keys, parameter: Parameter, function: Function) -> None:
        errors = len(self.deviations)
        kind = parameter.logical_type
        if kind is LogicalType.AFFINE_ARRAY:
            self._try(
                path,
                "affine_map" if parameter.shape and parameter.affine_map else "shape",
                lambda: Layout.of(parameter.shape, parameter.affine_map, parameter.affine_offset),
            )
            if parameter.affine_offset < 0:
                self.error((*path, "affine_offset"), f"the offset {parameter.affine_offset} lies before the array")
        elif parameter.shape is not None:
            self.warn((*path, "shape"), f"a shape belongs to an affine_array, and this is of logical_type {kind}")
        if kind is LogicalType.RUNTIME_ARRAY:
            self._check_size(path, parameter, function)
        elif parameter.size is not None:
            self.warn((*path, "size"), f"a size belongs to a runtime_array, and this is of logical_type {kind}")
        base, _ = parse_declared_type(parameter.declared_type)
        if parameter.element_type and kind is not LogicalType.VOID:
            self._try(path, "element_type", lambda: element_type(parameter.element_type))
            if base and path not in self.broken and not same_type(base, parameter.element_type):
                self.error(
                    (*path, "element_type"),
                    f"{parameter.element_type!r} contradicts declared_type {parameter.declared_type!r}",
                )
        if len(self.deviations) == errors:
            # The rest is decided as for a call: pointers, usages, and types that only the declaration tells.
            alone = msgspec.structs.replace(parameter, size=parameter.size and "1")
            single = Function(name=function.name, arguments=(alone,))
            self._try(path, "declared_type", lambda: plan_call(single))

    def _check_size(self, path: Keys, parameter: Parameter, function: Function) -> None:
        where = (*path, "size")
        if not parameter.size:
            self.error(where, "a runtime_array has no size", "name the parameters that tell it, such as 'M*K'")
            return
        try:
            expression = SizeExpression(parameter.size)
        except FormatError as error:
            self.error(where, error.message, error.hint)
            return
        by_name = {argument.name: argument for argument in function.arguments}
        for name in sorted(expression.names):
            dimension = by_name.get(name)
            if dimension is None:
                self.error(where, f"it refers to {name!r}, and no argument has that name")
            elif dimension.logical_type is not LogicalType.ELEMENT:
                self.error(where, f"it refers to {name!r}, which is of logical_type {dimension.logical_type}")

    def _check_call(self, path: Keys, function: Function) -> None:
        """What is wrong beside the single arguments, decided as for a call."""
        if path[0] == "functions":
            without = msgspec.structs.replace(function, name=str(path[-1]), arguments=())
            self._try(
                path,
                "return",
                lambda: plan_call(msgspec.structs.replace(without, calling_convention="cdecl")),
            )
            if (*path, "calling_convention") not in self.broken:
                self._try(
                    path,
                    "calling_convention",
                    lambda: plan_call(msgspec.structs.replace(without, return_value=VOID)),
                )
            if path not in self.broken:
                self._try(path[:-1], str(path[-1]), lambda: plan_call(function))

    def _try(self, path: Keys, key: str, action: Any) -> None:
        try:
            action()
        except FormatError as error:
            self.error((*path, key), error.message, error.hint)

    def _check_runtime(self, path: Keys) -> None:
        *table, key = map(str, path)
        runtime = self._table(*table).get(key, "")
        if not isinstance(runtime, str) or not runtime:
            return
        if runtime != runtime.lower():
            self.warn(path, f"runtime {runtime!r} is not in lower case", f"write it as {runtime.lower()!r}")
        if self.runtimes is not None and path[0] != "target" and runtime.lower() not in self.runtimes:
            self.warn(
                path,
                f"no installed loader serves runtime {runtime!r}",
                "install a plugin that does, or call it elsewhere",
            )

    def _check_launch(self, path: Keys, function: Function) -> None:
        if function.launches and function.launches not in self._table("device_functions"):
            self.error((*path, "launches"), f"there is no device function {function.launches!r}")
        if function.runtime and not function.launches:
            self.warn(path, "it has a runtime, and launches no device function")

    def _check_device_function(self, path: Keys, function: Function) -> None:
        if len(function.launch_parameters) != 6 or not all(extent > 0 for extent in function.launch_parameters):
            self.error(
                (*path, "launch_parameters"),
                f"{list(function.launch_parameters)} are no launch parameters",
                "they are six numbers above 0: the grid's extents along x, y and z, and those of a block",
            )
        if not function.runtime:
            self.error((*path, "runtime"), "a device function does not tell its runtime")
        if not function.provider:
            self.error((*path, "provider"), "a device function does not name the file that provides it")
        elif not (self.folder / function.provider).is_file():
            self.error((*path, "provider"), f"there is no file {function.provider!r} beside the .hat file")

    # -------------------------------------------------------------------------------------------------- files

    def _check_files(self, has_host_functions: bool) -> None:
        dependencies = self._table("dependencies")
        target = dependencies.get("link_target", "")
        where: Keys = ("dependencies", "link_target")
        if target == "" and has_host_functions:
            self.error(where, "it has host functions, and names no library")
        elif not isinstance(target, str) or not target or self._leaves(where, target):
            pass
        elif not (self.folder / target).is_file():
            self.error(where, f"there is no library {target!r} beside the .hat file")
        for index, name in enumerate(_list(dependencies.get("deploy_files"))):
            where = ("dependencies", "deploy_files", index)
            if isinstance(name, str) and not self._leaves(where, name) and not (self.folder / name).exists():
                self.warn(where, f"there is no file {name!r} beside the .hat file")
        for index, reference in enumerate(_list(dependencies.get("dynamic"))):
            name = reference.get("target_file") if isinstance(reference, dict) else None
            if isinstance(name, str) and Path(name).is_absolute() and not Path(name).exists():
                self.warn(
                    ("dependencies", "dynamic", index, "target_file"),
                    f"there is no file {name!r} on this machine",
                )

    def _leaves(self, path: Keys, text: str) -> bool:
        """Whether a path leaves the folder of the package, which is told: nobody else has what lies there."""
        try:
            confined(self.folder.absolute(), text, "")
        except PackageError as error:
            self.warn(path, error.message, "put the file into the folder; --allow-outside takes it where it is")
            return True
        return False

    def _check_declarations(self, host: dict[str, Function]) -> None:
        path: Keys = ("declaration", "code")
        code = self._table("declaration").get("code")
        if not isinstance(code, str):
            return
        if not re.search(r"^[ \t]*#[ \t]*ifdef[ \t]+TOML\b", self.text, re.MULTILINE):
            self.warn((), "the TOML does not stand in #ifdef TOML: no C compiler takes this file")
        elif code.strip() and bare_code(code) == code:
            self.warn(path, "the C code does not leave #ifdef TOML: no C compiler sees it")
        else:
            self._check_quotes(path)
        declared = parameter_counts(bare_code(code))
        if host and not declared:
            self.warn(path, "the C code declares no function")
            return
        for name, function in host.items():
            if name not in declared:
                self.warn(("functions", name), f"the C code does not declare {name}")
            elif (count := declared[name]) is not None and count != len(function.arguments):
                self.error(
                    ("functions", name, "arguments"),
                    f"there are {len(function.arguments)} arguments, and the C code declares {name} with {count}",
                )

    def _check_quotes(self, path: Keys) -> None:
        statement = self.positions.statement(path)
        value = statement.value.text if statement else None
        first_line = (value or b"").partition(b"\n")[0]
        if first_line.count(b'"') % 2 or first_line.count(b"'") % 2:
            self.warn(
                path,
                "C compilers warn here of a quote that is not closed",
                "open the code with '''//' and close it with //'''",
            )


def _written(path: Iterable[str | int]) -> str:
    """A path as text: ``functions.f.arguments[2]``."""
    written = ""
    for key in path:
        written += f"[{key}]" if isinstance(key, int) else f".{toml_key(key)}" if written else toml_key(key)
    return written


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
