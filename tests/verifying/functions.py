"""Plans of functions that exist only as metadata, for references and tolerances."""

from __future__ import annotations

from hatframe.calling.plans import CallPlan, plan_call
from hatframe.format.model import VOID, Function, LogicalType, Parameter, Usage


def array(name: str, element: str = "float", shape: tuple[int, ...] = (8,), usage: str = "input") -> Parameter:
    return Parameter(
        name=name,
        logical_type=LogicalType.AFFINE_ARRAY,
        declared_type=f"{element}*",
        element_type=element,
        usage=Usage(usage),
        shape=shape,
    )


def runtime(name: str, size: str, element: str = "float", usage: str = "input", pointers: str = "*") -> Parameter:
    return Parameter(
        name=name,
        logical_type=LogicalType.RUNTIME_ARRAY,
        declared_type=f"{element}{pointers}",
        element_type=element,
        usage=Usage(usage),
        size=size,
    )


def scalar(name: str, element: str = "int", usage: str = "input") -> Parameter:
    return Parameter(
        name=name,
        logical_type=LogicalType.ELEMENT,
        declared_type=element if usage == "input" else f"{element}*",
        element_type=element,
        usage=Usage(usage),
    )


def plan(*parameters: Parameter, returns: str = "") -> CallPlan:
    """The plan of a function ``f`` with these parameters."""
    returned = VOID
    if returns:
        returned = Parameter(
            logical_type=LogicalType.ELEMENT, declared_type=returns, element_type=returns, usage=Usage.OUTPUT
        )
    return plan_call(Function(name="f", arguments=parameters, return_value=returned))
