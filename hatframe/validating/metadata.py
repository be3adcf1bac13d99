"""The metadata against themselves: the schema checks single values, and this module the rules across fields.

Whether a function can be called is decided by the code that prepares a call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

import msgspec

from hatframe.c.elements import element_type, parse_declared_type, same_type
from hatframe.c.layouts import UNSET_OFFSET, Layout
from hatframe.c.size_expressions import SizeExpression
from hatframe.calling.distributions import distributions
from hatframe.calling.plans import MOST_ARGUMENTS, CallPlan, check_host_convention, plan_call
from hatframe.errors import FormatError
from hatframe.format.model import INPUTS_KEY, Function, LogicalType, Parameter, Usage
from hatframe.format.numpy_expressions import REFERENCE_KEY, parse
from hatframe.format.positions import Keys
from hatframe.format.schema import Violation, ViolationKind, check
from hatframe.validating.report import Report

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_CONST = re.compile(r"\bconst\b")
# Without these keys a function cannot be called; other required keys have a default.
_REQUIRED_FOR_CALLS = frozenset(["arguments", "logical_type"])


def check_metadata(report: Report, runtimes: Collection[str] | None) -> dict[str, Function]:
    """Check all tables but the dependencies; returns the host functions that fit the schema.

    ``runtimes`` are those that the installed loaders serve; None skips that check.
    """
    return _Checker(report, runtimes).check()


class _Checker:
    def __init__(self, report: Report, runtimes: Collection[str] | None) -> None:
        self._report = report
        self._runtimes = None if runtimes is None else {runtime.lower() for runtime in runtimes}

    def check(self) -> dict[str, Function]:
        report = self._report
        for violation in check(report.document):
            self._report_violation(violation)
        host = self._functions("functions")
        device = self._functions("device_functions")
        if not host and not device and not report.table("functions"):
            report.warn(("functions",), "the file describes no functions")
        for name, function in host.items():
            self._check_function(("functions", name), function)
            self._check_launch(("functions", name), function)
        for name, function in device.items():
            self._check_function(("device_functions", name), function)
            self._check_device_function(("device_functions", name), function)
        if device and "GPU" not in report.table("target", "required"):
            report.warn(("target", "required"), "missing table GPU, which describes the GPU for the device functions")
        self._check_runtime(("target", "required", "GPU", "runtime"))
        return host

    def _report_violation(self, violation: Violation) -> None:
        report, path, message = self._report, violation.path, violation.message
        key = path[-1] if path else ""
        if violation.kind is ViolationKind.UNKNOWN:
            report.warn(path, message, "remove it, or move it to auxiliary")
        elif violation.kind is ViolationKind.MISSING:
            (report.error if key in _REQUIRED_FOR_CALLS else report.warn)(path, message)
        elif key == "calling_convention" and violation.kind is ViolationKind.VALUE:
            table, name, _ = map(str, path)
            convention = report.table(table, name)["calling_convention"].lower()
            convention = "device" if convention == "devicecall" else convention or "cdecl"
            if convention in ("cdecl", "stdcall", "fastcall", "vectorcall", "device"):
                report.warn(path, message, f"write it as {convention!r}")
            else:
                report.error(path, message)
        elif key == "os" and violation.kind is ViolationKind.VALUE:
            report.warn(path, message)
        else:
            report.error(path, message)

    def _functions(self, table: str) -> dict[str, Function]:
        """The functions without violations of the schema."""
        return {
            name: msgspec.convert(value, Function)
            for name, value in self._report.table(table).items()
            if (table, name) not in self._report.broken
        }

    def _check_function(self, path: Keys, function: Function) -> None:
        report, key = self._report, str(path[-1])
        name = function.name or key
        if name != key:
            report.error((*path, "name"), f"the name {name!r} is not the key of its table, {key!r}")
        if not _IDENTIFIER.fullmatch(name):
            report.error((*path, "name"), f"{name!r} is not a C identifier")
        self._check_runtime((*path, "runtime"))
        if len(function.arguments) > MOST_ARGUMENTS:
            message = f"{len(function.arguments)} arguments, and the limit is {MOST_ARGUMENTS}"
            report.error((*path, "arguments"), message)
            return
        if unnamed := [str(index) for index, argument in enumerate(function.arguments) if not argument.name]:
            which = f"argument {unnamed[0]} has" if len(unnamed) == 1 else f"arguments {', '.join(unnamed)} have"
            hint = f"in calls, their names are arg{unnamed[0]} and so on, by position"
            report.warn((*path, "arguments"), f"{which} no name", hint)
        for index, argument in enumerate(function.arguments):
            self._check_stray_keys((*path, "arguments", index), argument)
        try:
            self._check_auxiliary((*path, "auxiliary"), plan_call(function))
        except FormatError as error:
            # Which argument it is, and what else is wrong.
            for index, argument in enumerate(function.arguments):
                self._check_parameter((*path, "arguments", index), argument, function)
            plain = msgspec.structs.replace(function, name=key, arguments=())
            if path[0] == "functions":
                self._try(path, "return", lambda: plan_call(plain))
            if path[0] == "functions" and path not in report.broken:
                report.error(path, error.message, error.hint)
        if path[0] == "functions" and (*path, "calling_convention") not in report.broken:
            self._try(path, "calling_convention", lambda: check_host_convention(function))

    def _check_auxiliary(self, path: Keys, plan: CallPlan) -> None:
        """Check what hatframe keeps there: a mistake would only show when the function is measured or verified."""
        reference = plan.function.auxiliary.get(REFERENCE_KEY)
        if isinstance(reference, str):
            self._try(path, REFERENCE_KEY, lambda: parse(reference, plan.readable_names, plan.written_names))
        self._try(path, INPUTS_KEY, lambda: distributions(plan))

    def _check_stray_keys(self, path: Keys, parameter: Parameter) -> None:
        """Report keys that do not belong to the logical type, and a const output."""
        report, logical_type = self._report, parameter.logical_type
        if logical_type is LogicalType.AFFINE_ARRAY:
            if parameter.affine_offset == UNSET_OFFSET:
                message = f"affine_offset {UNSET_OFFSET} means 0"
                report.warn((*path, "affine_offset"), message, "write 0, or remove it")
        elif parameter.shape is not None:
            report.warn((*path, "shape"), f"a shape is for affine_array, not for {logical_type}")
        if logical_type is not LogicalType.RUNTIME_ARRAY and parameter.size is not None:
            report.warn((*path, "size"), f"a size is for runtime_array, not for {logical_type}")
        declared = parameter.declared_type
        if parameter.usage is not Usage.INPUT and declared.count("*") == 1 and _CONST.search(declared.split("*")[0]):
            report.error((*path, "usage"), f"an {parameter.usage} is written, but its declared_type is {declared!r}")

    def _check_parameter(self, path: Keys, parameter: Parameter, function: Function) -> None:
        report = self._report
        names = [argument.name for argument in function.arguments[: int(path[-1])]]
        if parameter.name and parameter.name in names:
            report.error((*path, "name"), f"duplicate argument name {parameter.name!r}")
        if path in report.broken:
            return
        logical_type = parameter.logical_type
        if logical_type is LogicalType.AFFINE_ARRAY:
            key = "affine_map" if parameter.shape and parameter.affine_map else "shape"
            if parameter.affine_offset < UNSET_OFFSET:
                key = "affine_offset"
            self._try(path, key, lambda: Layout.of(parameter.shape, parameter.affine_map, parameter.affine_offset))
        if logical_type is LogicalType.RUNTIME_ARRAY:
            self._check_size(path, parameter, function)
        base, _ = parse_declared_type(parameter.declared_type)
        if parameter.element_type and logical_type is not LogicalType.VOID:
            self._try(path, "element_type", lambda: element_type(parameter.element_type))
            if base and path not in report.broken and not same_type(base, parameter.element_type):
                contradicted = f"contradicts declared_type {parameter.declared_type!r}"
                report.error((*path, "element_type"), f"element_type {parameter.element_type!r} {contradicted}")
        if path not in report.broken:
            # Pointers, usages, and types that only declared_type gives.
            alone = msgspec.structs.replace(parameter, size=parameter.size and "1")
            single = Function(name=function.name, arguments=(alone,))
            self._try(path, "declared_type", lambda: plan_call(single))

    def _check_size(self, path: Keys, parameter: Parameter, function: Function) -> None:
        report, where = self._report, (*path, "size")
        names: Collection[str] = ()
        if parameter.size:
            try:
                names = SizeExpression(parameter.size).names
            except FormatError as error:
                report.error(where, error.message, error.hint)
        else:
            report.error(where, "missing size of a runtime_array", "write an expression over parameters, such as 'M*K'")
        by_name = {argument.name: argument for argument in function.arguments}
        for name in sorted(names):
            dimension = by_name.get(name)
            if dimension is None:
                report.error(where, f"the size refers to {name!r}, which is not an argument")
            elif dimension.logical_type is not LogicalType.ELEMENT:
                report.error(where, f"the size refers to {name!r}, whose logical_type is {dimension.logical_type}")

    def _try(self, path: Keys, key: str, action: Callable[[], object]) -> None:
        try:
            action()
        except FormatError as error:
            self._report.error((*path, key), error.message, error.hint)

    def _check_runtime(self, path: Keys) -> None:
        *table, key = map(str, path)
        runtime = self._report.table(*table).get(key, "")
        if not isinstance(runtime, str) or not runtime:
            return
        if runtime != runtime.lower():
            self._report.warn(path, f"runtime {runtime!r} is not lowercase", f"write it as {runtime.lower()!r}")
        if self._runtimes is not None and path[0] != "target" and runtime.lower() not in self._runtimes:
            hint = "install a plugin with such a loader"
            self._report.warn(path, f"no installed loader supports runtime {runtime!r}", hint)

    def _check_launch(self, path: Keys, function: Function) -> None:
        if function.launches and function.launches not in self._report.table("device_functions"):
            self._report.error((*path, "launches"), f"unknown device function {function.launches!r}")
        if function.runtime and not function.launches:
            self._report.warn(path, "a function with a runtime must launch a device function")

    def _check_device_function(self, path: Keys, function: Function) -> None:
        report = self._report
        if len(function.launch_parameters) != 6 or not all(extent > 0 for extent in function.launch_parameters):
            message = f"invalid launch_parameters {list(function.launch_parameters)}"
            hint = "write six positive integers: the extents of the grid along x, y and z, and those of a block"
            report.error((*path, "launch_parameters"), message, hint)
        if not function.runtime:
            report.error((*path, "runtime"), "missing runtime of a device function")
        if not function.provider:
            report.error((*path, "provider"), "missing provider of a device function")
