"""Which functions do the same work: those with the same parameters, or that their metadata put into one group."""

from __future__ import annotations

from collections.abc import Hashable

from hatframe.c.elements import element_type, parse_declared_type
from hatframe.errors import FormatError
from hatframe.format.model import Function, Parameter

GROUP_KEY = "group"
"""The key of a function's ``auxiliary`` that names its group."""


def group_name(function: Function) -> str:
    """The group that the metadata name, or an empty text."""
    name = function.auxiliary.get(GROUP_KEY)
    return name if isinstance(name, str) else ""


def signature(function: Function) -> Hashable:
    """Equal for functions that can stand in for one another.

    It is the group that the metadata name, or else the names, element types, shapes or sizes, and usages of the
    parameters, and the type of the return value. Layouts and descriptions may differ.
    """
    return group_name(function) or unnamed_signature(function)


def unnamed_signature(function: Function) -> Hashable:
    """The signature of a function whose group has no name."""
    return (*map(_of_parameter, function.arguments), _of_parameter(function.return_value))


def _of_parameter(parameter: Parameter) -> Hashable:
    base, levels = parse_declared_type(parameter.declared_type)
    name = parameter.element_type or base
    try:
        # int and int32_t are one type.
        known = element_type(name)
        element: Hashable = (known.kind, known.size)
    except FormatError:
        element = name
    size = "".join((parameter.size or "").split())
    return (parameter.name, parameter.logical_type, element, levels, parameter.usage, parameter.shape or (), size)
