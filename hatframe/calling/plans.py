"""Plans: what a function's metadata mean for a call, worked out once when the function is bound."""

from __future__ import annotations

import enum
from collections.abc import Iterator

import msgspec

from hatframe.c.elements import ElementType, element_type, parse_declared_type, same_type
from hatframe.c.layouts import Layout
from hatframe.c.size_expressions import SizeExpression
from hatframe.errors import FormatError, HatError
from hatframe.format.model import Function, LogicalType, Parameter, Usage
from hatframe.format.names import python_name
from hatframe.format.numpy_expressions import RETURN
from hatframe.machine import Platform

MOST_ARGUMENTS = 1000
"""The most arguments of a function: C promises 127, and ctypes passes 1024."""


class PassingMode(enum.Enum):
    """How a parameter goes to C."""

    VALUE = "a number by value"
    CELL = "a pointer to a number"
    ARRAY = "a pointer to an affine array"
    RUNTIME = "a pointer to a runtime array"
    ALLOCATED = "a pointer to a pointer, which the function sets to an array that it allocates"


class ArgumentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a call.

    ``layout`` belongs to affine arrays and ``size`` to runtime arrays; an allocated array has either.
    It may be omitted if it ``follows`` from the others: the function allocates the array, or the shapes of arrays imply
    the dimension.
    """

    position: int
    name: str
    element: ElementType
    passing: PassingMode
    usage: Usage
    layout: Layout | None = None
    size: SizeExpression | None = None
    follows: bool = False

    @property
    def written(self) -> bool:
        """Whether the function writes to it."""
        return self.usage is not Usage.INPUT

    @property
    def read(self) -> bool:
        """Whether the function reads it."""
        return self.usage is not Usage.OUTPUT

    @property
    def is_array(self) -> bool:
        """Whether the caller gives an array of any number of elements."""
        return self.passing in (PassingMode.ARRAY, PassingMode.RUNTIME)

    @property
    def is_scalar(self) -> bool:
        """Whether it is a single number: by value, through a pointer, or as an affine array without axes."""
        if self.passing is PassingMode.ARRAY:
            return self.layout is not None and not self.layout.shape
        return self.passing in (PassingMode.VALUE, PassingMode.CELL)


class CallPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole function: its arguments in declared order, and what it returns (None for nothing)."""

    function: Function
    arguments: tuple[ArgumentPlan, ...]
    returns: ElementType | None

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The integer parameters that sizes of runtime arrays refer to, in declared order."""
        used = {name for argument in self.arguments if argument.size for name in argument.size.names}
        return tuple(argument.name for argument in self.arguments if argument.name in used)

    @property
    def readable_names(self) -> tuple[str, ...]:
        """The arguments that are read, as Python names them."""
        return tuple(python_name(argument.name) for argument in self.arguments if argument.read)

    @property
    def written_names(self) -> tuple[str, ...]:
        """The outputs, as Python names them: arguments that are written, and ``return``."""
        names = (python_name(argument.name) for argument in self.arguments if argument.written)
        return (*names, *([RETURN] if self.returns else []))

    @property
    def needed(self) -> tuple[ArgumentPlan, ...]:
        """The arguments that no call can leave out."""
        return tuple(argument for argument in self.arguments if not argument.follows)

    @property
    def simple(self) -> bool:
        """Whether each argument can be checked alone: nothing follows from anything."""
        return all(argument.size is None and not argument.follows for argument in self.arguments)


def plan_call(function: Function) -> CallPlan:
    """Work out how ``function`` is called.

    Raises :class:`FormatError` where its metadata contradict themselves or say too little for a call that is right;
    the error names the function and the argument.
    """
    if len(function.arguments) > MOST_ARGUMENTS:
        count = len(function.arguments)
        raise FormatError(f"it has {count} arguments, and the limit is {MOST_ARGUMENTS}", where=function.name)
    plans = []
    for position, parameter in enumerate(function.arguments):
        name = parameter.name or f"arg{position}"
        try:
            plans.append(_plan_argument(position, name, parameter))
        except HatError as error:
            raise FormatError(
                error.message, where=f"{function.name}: argument {position} ({name})", hint=error.hint
            ) from None
    names = [plan.name for plan in plans]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise FormatError(f"several arguments are named {', '.join(duplicates)}", where=function.name)
    return CallPlan(function=function, arguments=tuple(_with_follows(function, plans)), returns=_plan_return(function))


def _plan_argument(position: int, name: str, parameter: Parameter) -> ArgumentPlan:
    base, levels = parse_declared_type(parameter.declared_type or f"{parameter.element_type}*")
    element = element_type(parameter.element_type or base)
    if not same_type(base, parameter.element_type or base):
        raise FormatError(
            f"declared_type {parameter.declared_type!r} and element_type {parameter.element_type!r} "
            "contradict each other"
        )
    size = None
    layout = None
    if parameter.logical_type is LogicalType.AFFINE_ARRAY:
        layout = Layout.of(parameter.shape, parameter.affine_map, parameter.affine_offset)
    elif parameter.logical_type is LogicalType.RUNTIME_ARRAY:
        if not parameter.size:
            raise FormatError("a runtime_array has no size")
        size = SizeExpression(parameter.size)
    elif parameter.logical_type is LogicalType.VOID:
        raise FormatError("an argument cannot be void")
    return ArgumentPlan(
        position=position,
        name=name,
        element=element,
        passing=_passing(parameter, levels),
        usage=parameter.usage,
        layout=layout,
        size=size,
    )


def _passing(parameter: Parameter, levels: int) -> PassingMode:
    if parameter.logical_type is LogicalType.ELEMENT:
        if levels == 0 and parameter.usage is not Usage.INPUT:
            raise FormatError(f"an {parameter.usage} must be a pointer, and {parameter.declared_type!r} is none")
        if levels < 2:
            return PassingMode.VALUE if levels == 0 else PassingMode.CELL
    elif levels == 1:
        is_affine = parameter.logical_type is LogicalType.AFFINE_ARRAY
        return PassingMode.ARRAY if is_affine else PassingMode.RUNTIME
    elif levels == 2 and parameter.usage is Usage.OUTPUT:
        return PassingMode.ALLOCATED
    raise FormatError(
        f"{parameter.declared_type!r} with {levels} pointer levels cannot be an {parameter.usage} "
        f"{parameter.logical_type}"
    )


def _with_follows(function: Function, plans: list[ArgumentPlan]) -> Iterator[ArgumentPlan]:
    """Mark what may be omitted; every name in a size must be an integer parameter."""
    by_name = {plan.name: plan for plan in plans}
    implied: set[str] = set()
    for plan in plans:
        for name in sorted(plan.size.names) if plan.size else ():
            dimension = by_name.get(name)
            if dimension is None or dimension.passing not in (PassingMode.VALUE, PassingMode.CELL):
                raise FormatError(
                    f"size {plan.size.text!r} refers to {name!r}, which is not an element parameter",  # type: ignore[union-attr]
                    where=f"{function.name}: argument {plan.position} ({plan.name})",
                )
            if dimension.element.kind not in ("int", "uint"):
                raise FormatError(
                    f"dimension {name!r} is a {dimension.element.name}, not an integer", where=function.name
                )
        if plan.passing is PassingMode.ALLOCATED:
            names = plan.size.names if plan.size else ()
            implied.update(by_name[name].name for name in names if by_name[name].written)
        elif plan.passing is PassingMode.RUNTIME and plan.size:
            implied.update(factor for factor in plan.size.factors if isinstance(factor, str))
    for plan in plans:
        follows = plan.passing is PassingMode.ALLOCATED or plan.name in implied
        yield msgspec.structs.replace(plan, follows=follows)


def _plan_return(function: Function) -> ElementType | None:
    returned = function.return_value
    base, levels = parse_declared_type(returned.declared_type or returned.element_type or "void")
    if returned.logical_type is LogicalType.VOID or (base == "void" and not levels):
        return None
    where = f"{function.name}: return"
    if levels or returned.logical_type is not LogicalType.ELEMENT:
        raise FormatError(
            f"{returned.declared_type!r} cannot be returned: the format does not define who frees it",
            where=where,
            hint="let the function write to an output array",
        )
    try:
        return element_type(base)
    except FormatError as error:
        raise FormatError(error.message, where=where, hint=error.hint) from None


def check_host_convention(function: Function) -> None:
    """Raise :class:`FormatError` if the host cannot call the function with its calling convention."""
    convention = function.calling_convention.lower()
    if convention in ("", "cdecl"):
        return
    where = f"{function.name}: calling_convention"
    if convention in ("device", "devicecall"):
        raise FormatError("a device function cannot be called from the host", where=where)
    if convention not in ("stdcall", "fastcall", "vectorcall"):
        raise FormatError(f"{function.calling_convention!r} is not known", where=where)
    host = Platform.host()
    # Everywhere else these keywords mean nothing: there is one convention, the platform's own.
    if host.architecture == "x86" or (host.os == "windows" and convention == "vectorcall"):
        raise FormatError(f"{convention} functions cannot be called on {host}", where=where, hint="build it as cdecl")
