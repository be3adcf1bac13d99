"""Every deviation of a .hat file from the format, found without running its code.

The schema checks single values; this module checks the rules across fields and files. Whether a function can be
called is decided by the code that prepares a call.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import msgspec

from hatframe.c.declarations import parameter_counts
from hatframe.c.elements import element_type, parse_declared_type, same_type
from hatframe.c.layouts import UNSET_OFFSET, Layout
from hatframe.c.size_expressions import SizeExpression
from hatframe.calling.plans import MOST_ARGUMENTS, check_host_convention, plan_call
from hatframe.errors import FormatError, PackageError
from hatframe.format.model import Function, LogicalType, Parameter
from hatframe.format.positions import Keys, Positions
from hatframe.format.reading import parse_document, parse_hat, read_text
from hatframe.format.rendering import bare_code, path_text
from hatframe.format.schema import Violation, ViolationKind, check
from hatframe.outcomes import Deviation, Severity
from hatframe.packages.confinement import confined
from hatframe.packages.pairing import HINT, KEY, changed_libraries

# A header of ten thousand functions; parsing it takes some seconds.
_LONGEST_CODE = 4_000_000
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Without these keys a function cannot be called; other required keys have a default.
_REQUIRED_FOR_CALLS = frozenset(["arguments", "logical_type"])


def validate(path: str | Path, runtimes: Collection[str] | None = None) -> list[Deviation]:
    """Every deviation of the .hat file at ``path``, in the order of its lines.

    ``runtimes`` are those that the installed loaders serve; None skips that check.
    """
    path = Path(path)
    text = read_text(path)
    try:
        document = parse_document(text)
    except FormatError as error:
        found = re.search(r"at line (\d+)", error.message)
        line = int(found[1]) if found else text.count("\n") + (not text.endswith("\n"))
        return [Deviation("error", "", "", line, error.message, error.hint)]
    validator = _Validator(path, text, document, runtimes)
    validator.validate()
    return sorted(validator.deviations, key=lambda deviation: deviation.line)


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
        # Further rules would only report the same error again.
        self.broken.update(path[:length] for length in range(len(path) + 1))
        self._report("error", path, message, hint)

    def warn(self, path: Keys, message: str, hint: str = "") -> None:
        self._report("warning", path, message, hint)

    def _report(self, severity: Severity, path: Keys, message: str, hint: str) -> None:
        key_at = max((at for at, key in enumerate(path) if isinstance(key, str)), default=0)
        table, key = path_text(path[:key_at]), path_text(path[key_at:])
        self.deviations.append(Deviation(severity, table, key, self.positions.line(path), message, hint))

    def validate(self) -> None:
        for violation in check(self.document):
            self._report_violation(violation)
        host = self._functions("functions")
        device = self._functions("device_functions")
        if not host and not device and not self._table("functions"):
            self.warn(("functions",), "the file describes no functions")
        for name, function in host.items():
            self._check_function(("functions", name), function)
            self._check_launch(("functions", name), function)
        for name, function in device.items():
            self._check_function(("device_functions", name), function)
            self._check_device_function(("device_functions", name), function)
        if device and "GPU" not in self._table("target", "required"):
            self.warn(("target", "required"), "missing table GPU, which describes the GPU for the device functions")
        self._check_runtime(("target", "required", "GPU", "runtime"))
        self._check_files(any(not function.runtime for function in host.values()))
        self._check_declarations(host)
        if not any(deviation.severity == "error" for deviation in self.deviations):
            try:
                parse_hat(self.text)
            except FormatError as error:
                self.error((), error.message, error.hint)

    def _report_violation(self, violation: Violation) -> None:
        path, message = violation.path, violation.message
        key = path[-1] if path else ""
        if violation.kind is ViolationKind.UNKNOWN:
            self.warn(path, message, "remove it, or move it to auxiliary")
        elif violation.kind is ViolationKind.MISSING:
            (self.error if key in _REQUIRED_FOR_CALLS else self.warn)(path, message)
        elif key == "calling_convention" and violation.kind is ViolationKind.VALUE:
            table, name, _ = map(str, path)
            convention = self._table(table, name)["calling_convention"].lower()
            convention = "device" if convention == "devicecall" else convention or "cdecl"
            if convention in ("cdecl", "stdcall", "fastcall", "vectorcall", "device"):
                self.warn(path, message, f"write it as {convention!r}")
            else:
                self.error(path, message)
        elif key == "os" and violation.kind is ViolationKind.VALUE:
            self.warn(path, message)
        else:
            self.error(path, message)

    def _table(self, *path: str) -> dict[str, Any]:
        table: Any = self.document
        for key in path:
            table = table.get(key) if isinstance(table, dict) else None
        return table if isinstance(table, dict) else {}

    def _functions(self, table: str) -> dict[str, Function]:
        """The functions without violations of the schema."""
        return {
            name: msgspec.convert(value, Function)
            for name, value in self._table(table).items()
            if (table, name) not in self.broken
        }

    def _check_function(self, path: Keys, function: Function) -> None:
        key = str(path[-1])
        name = function.name or key
        if name != key:
            self.error((*path, "name"), f"the name {name!r} is not the key of its table, {key!r}")
        if not _IDENTIFIER.fullmatch(name):
            self.error((*path, "name"), f"{name!r} is not a C identifier")
        self._check_runtime((*path, "runtime"))
        if len(function.arguments) > MOST_ARGUMENTS:
            message = f"{len(function.arguments)} arguments, and the limit is {MOST_ARGUMENTS}"
            self.error((*path, "arguments"), message)
            return
        if unnamed := [str(index) for index, argument in enumerate(function.arguments) if not argument.name]:
            which = f"argument {unnamed[0]} has" if len(unnamed) == 1 else f"arguments {', '.join(unnamed)} have"
            hint = f"in calls, their names are arg{unnamed[0]} and so on, by position"
            self.warn((*path, "arguments"), f"{which} no name", hint)
        names = [argument.name for argument in function.arguments]
        for index, argument in enumerate(function.arguments):
            where = (*path, "arguments", index)
            if argument.name and argument.name in names[:index]:
                self.error((*where, "name"), f"duplicate argument name {argument.name!r}")
            if where not in self.broken:
                self._check_parameter(where, argument, function)
        self._check_call(path, function)

    def _check_parameter(self, path: Keys, parameter: Parameter, function: Function) -> None:
        errors = len(self.deviations)
        logical_type = parameter.logical_type
        if logical_type is LogicalType.AFFINE_ARRAY:
            key = "affine_map" if parameter.shape and parameter.affine_map else "shape"
            if parameter.affine_offset == UNSET_OFFSET:
                self.warn((*path, "affine_offset"), f"affine_offset {UNSET_OFFSET} means 0", "write 0, or remove it")
            elif parameter.affine_offset < 0:
                key = "affine_offset"
            self._try(path, key, lambda: Layout.of(parameter.shape, parameter.affine_map, parameter.affine_offset))
        elif parameter.shape is not None:
            self.warn((*path, "shape"), f"a shape is for affine_array, not for {logical_type}")
        if logical_type is LogicalType.RUNTIME_ARRAY:
            self._check_size(path, parameter, function)
        elif parameter.size is not None:
            self.warn((*path, "size"), f"a size is for runtime_array, not for {logical_type}")
        base, _ = parse_declared_type(parameter.declared_type)
        if parameter.element_type and logical_type is not LogicalType.VOID:
            self._try(path, "element_type", lambda: element_type(parameter.element_type))
            if base and path not in self.broken and not same_type(base, parameter.element_type):
                contradicted = f"contradicts declared_type {parameter.declared_type!r}"
                self.error((*path, "element_type"), f"element_type {parameter.element_type!r} {contradicted}")
        if len(self.deviations) == errors:
            # Pointers, usages, and types that only declared_type gives.
            alone = msgspec.structs.replace(parameter, size=parameter.size and "1")
            single = Function(name=function.name, arguments=(alone,))
            self._try(path, "declared_type", lambda: plan_call(single))

    def _check_size(self, path: Keys, parameter: Parameter, function: Function) -> None:
        where = (*path, "size")
        names: Collection[str] = ()
        if parameter.size:
            try:
                names = SizeExpression(parameter.size).names
            except FormatError as error:
                self.error(where, error.message, error.hint)
        else:
            self.error(where, "missing size of a runtime_array", "write an expression over parameters, such as 'M*K'")
        by_name = {argument.name: argument for argument in function.arguments}
        for name in sorted(names):
            dimension = by_name.get(name)
            if dimension is None:
                self.error(where, f"the size refers to {name!r}, which is not an argument")
            elif dimension.logical_type is not LogicalType.ELEMENT:
                self.error(where, f"the size refers to {name!r}, whose logical_type is {dimension.logical_type}")

    def _check_call(self, path: Keys, function: Function) -> None:
        """Check the return value, the calling convention, and then the whole function, as a call does."""
        if path[0] != "functions":
            return
        plain = msgspec.structs.replace(function, name=str(path[-1]), arguments=())
        self._try(path, "return", lambda: plan_call(plain))
        if (*path, "calling_convention") not in self.broken:
            self._try(path, "calling_convention", lambda: check_host_convention(function))
        if path not in self.broken:
            self._try(path[:-1], str(path[-1]), lambda: plan_call(function))

    def _try(self, path: Keys, key: str, action: Callable[[], object]) -> None:
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
            self.warn(path, f"runtime {runtime!r} is not lowercase", f"write it as {runtime.lower()!r}")
        if self.runtimes is not None and path[0] != "target" and runtime.lower() not in self.runtimes:
            self.warn(path, f"no installed loader supports runtime {runtime!r}", "install a plugin with such a loader")

    def _check_launch(self, path: Keys, function: Function) -> None:
        if function.launches and function.launches not in self._table("device_functions"):
            self.error((*path, "launches"), f"unknown device function {function.launches!r}")
        if function.runtime and not function.launches:
            self.warn(path, "a function with a runtime must launch a device function")

    def _check_device_function(self, path: Keys, function: Function) -> None:
        if len(function.launch_parameters) != 6 or not all(extent > 0 for extent in function.launch_parameters):
            message = f"invalid launch_parameters {list(function.launch_parameters)}"
            hint = "write six positive integers: the extents of the grid along x, y and z, and those of a block"
            self.error((*path, "launch_parameters"), message, hint)
        if not function.runtime:
            self.error((*path, "runtime"), "missing runtime of a device function")
        if not function.provider:
            self.error((*path, "provider"), "missing provider of a device function")
        elif not _holds((self.folder / function.provider).is_file):
            self.error((*path, "provider"), f"file not found beside the .hat file: {function.provider!r}")

    def _check_files(self, has_host_functions: bool) -> None:
        dependencies = self._table("dependencies")
        target = dependencies.get("link_target", "")
        where: Keys = ("dependencies", "link_target")
        if target == "" and has_host_functions:
            self.error(where, "missing link_target, the library of the host functions")
        elif not isinstance(target, str) or not target or self._is_outside(where, target):
            pass
        elif not _holds((self.folder / target).is_file):
            self.error(where, f"library not found beside the .hat file: {target!r}")
        with contextlib.suppress(FormatError):
            hat = msgspec.structs.replace(parse_hat(self.text), path=self.folder / "package.hat")
            for library in changed_libraries(hat):
                message = f"{library} is not the library that this file was written with"
                self.error(("dependencies", "auxiliary", KEY), message, HINT)
        for index, name in enumerate(_list(dependencies.get("deploy_files"))):
            where = ("dependencies", "deploy_files", index)
            if isinstance(name, str) and not self._is_outside(where, name) and not _holds((self.folder / name).exists):
                self.warn(where, f"file not found beside the .hat file: {name!r}")
        for index, reference in enumerate(_list(dependencies.get("dynamic"))):
            name = reference.get("target_file") if isinstance(reference, dict) else None
            if isinstance(name, str) and Path(name).is_absolute() and not _holds(Path(name).exists):
                self.warn(("dependencies", "dynamic", index, "target_file"), f"file not found: {name!r}")

    def _is_outside(self, path: Keys, text: str) -> bool:
        """Whether a path leaves the package's folder; other machines do not have such files."""
        try:
            confined(self.folder.absolute(), text, "")
        except PackageError as error:
            self.warn(path, error.message, "move the file into the folder, or pass --allow-outside")
            return True
        return False

    def _check_declarations(self, host: dict[str, Function]) -> None:
        path: Keys = ("declaration", "code")
        code = self._table("declaration").get("code")
        if not isinstance(code, str):
            return
        if not re.search(r"^[ \t]*#[ \t]*ifdef[ \t]+TOML\b", self.text, re.MULTILINE):
            self.warn((), "the TOML is not inside #ifdef TOML, so C compilers cannot read this file")
        elif code.strip() and bare_code(code) == code:
            self.warn(path, "the C code is inside #ifdef TOML, so C compilers skip it")
        else:
            statement = self.positions.statement(path)
            first_line = ((statement.value.text if statement else None) or b"").partition(b"\n")[0]
            if first_line.count(b'"') % 2 or first_line.count(b"'") % 2:
                hint = "open the code with '''//' and close it with //'''"
                self.warn(path, "C compilers warn of an unclosed quote here", hint)
        if len(code) > _LONGEST_CODE:
            self.warn(path, f"the C code has {len(code)} characters, and only {_LONGEST_CODE} are checked")
            return
        declared = parameter_counts(bare_code(code))
        if host and not declared:
            self.warn(path, "the C code declares no functions")
            return
        for name, function in host.items():
            if name not in declared:
                self.warn(("functions", name), f"the C code does not declare {name}")
            elif (count := declared[name]) is not None and count != len(function.arguments):
                message = f"{len(function.arguments)} arguments here, but {count} in the C declaration of {name}"
                self.error(("functions", name, "arguments"), message)


def _holds(question: Callable[[], bool]) -> bool:
    """The answer about a file; no for a name that the system refuses."""
    try:
        return question()
    except OSError:
        return False


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
