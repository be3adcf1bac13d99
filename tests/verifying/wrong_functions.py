"""A package of functions that are wrong, each in one way, and of right ones that look suspicious."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sample_packages import affine, element, function, make_package, runtime

SOURCE = Path(__file__).with_suffix(".c").read_text()

_X, _Y = affine("x", [64]), affine("y", [64], usage="output")
_COPY = function(_X, _Y)
_PRODUCT = function(affine("a", [8, 8]), affine("b", [8, 8]), affine("c", [8, 8], usage="output"))
_SUM = function(element("n"), runtime("x", "n"), returns=element("", "float", "output", "float"))
_RUNTIME = function(element("n"), runtime("x", "n"), runtime("y", "n", usage="output"))


class Wrong(NamedTuple):
    """What is wrong with a function: the check that finds it, and the argument to blame."""

    check: str
    argument: str
    metadata: dict[str, Any] = _COPY


WRONG = {
    "reads_past_end": Wrong("bounds", "x"),
    "reads_before": Wrong("bounds", "x"),
    "reads_vector_past_end": Wrong("bounds", "x"),
    "writes_past_1": Wrong("bounds", "y"),
    "writes_past_64": Wrong("bounds", "y"),
    "writes_past_4096": Wrong("bounds", "y"),
    "writes_before_1": Wrong("bounds", "y"),
    "writes_before_64": Wrong("bounds", "y"),
    "writes_before_4096": Wrong("bounds", "y"),
    "writes_gap": Wrong(
        "bounds", "y", function(affine("x", [8, 8]), affine("y", [8, 8], usage="output", affine_map=[16, 1]))
    ),
    "writes_input": Wrong("usage", "x"),
    "sorts_input": Wrong("usage", "x"),
    "output_untouched": Wrong("usage", "z", function(_X, _Y, affine("z", [64], usage="output"))),
    "output_partly": Wrong("usage", "y"),
    "adds_to_output": Wrong("usage", "y"),
    "returns_of_output": Wrong("usage", "return", function(_X, _Y, returns=element("", "float", "output", "float"))),
    "counts_calls": Wrong("determinism", "y"),
    "draws_numbers": Wrong("determinism", "y"),
    "by_address": Wrong("determinism", "y"),
    "shares_buffer": Wrong("determinism", "y"),
    "divides_by_zero": Wrong("values", "y"),
    "roots_of_negative": Wrong("values", "y"),
    "only_multiples_of_8": Wrong("shapes", "x", _RUNTIME),
    "drops_tail": Wrong("shapes", "y", _RUNTIME),
    "divides_by_size": Wrong(
        "shapes", "", function(element("n"), runtime("x", "n", "int"), returns=element("", "int", "output", "int"))
    ),
    "swaps_sizes": Wrong(
        "shapes", "x", function(element("m"), element("n"), runtime("x", "m*n"), runtime("y", "m*n", usage="output"))
    ),
    "product_transposed": Wrong("agreement", "c", _PRODUCT),
    "dereferences_null": Wrong("crash", ""),
    "calls_exit": Wrong("crash", ""),
    "never_returns": Wrong("timeout", ""),
}

_INT = element("", "int32_t", "output", "int32_t")
RIGHT = {
    "right_copy": _COPY,
    "right_in_place": function(affine("y", [64], usage="input_output")),
    "right_strided": function(affine("x", [8], affine_map=[3]), affine("y", [8], usage="output", affine_map=[3])),
    "right_padded": function(affine("x", [8, 8]), affine("y", [8, 8], usage="output", affine_map=[16, 1], offset=5)),
    "right_reversed": function(affine("x", [8]), affine("y", [8], usage="output", affine_map=[-1])),
    "right_aligned": _COPY,
    "right_product": _PRODUCT,
    "right_product_reordered": _PRODUCT,
    "right_product_double": _PRODUCT,
    "right_sum": _SUM,
    "right_sum_backwards": _SUM,
    "right_sum_in_lanes": _SUM,
    "right_integers": function(element("n"), runtime("x", "n", "int32_t"), returns=_INT),
    "right_gather": function(
        element("n"), runtime("index", "n", "int32_t"), runtime("x", "n"), runtime("y", "n", usage="output")
    ),
    "right_leading": function(
        element("m"), element("n"), element("ld"), runtime("x", "m*ld"), runtime("y", "m*n", usage="output")
    ),
    "right_sizes_last": function(
        runtime("x", "m*n", "double"),
        runtime("y", "m*n", "double", "output"),
        element("m", "int64_t"),
        element("n", "int64_t"),
    ),
    "right_count": function(
        element("n"), runtime("x", "n"), element("limit", "float"), element("count", "int", "output")
    ),
    "right_found": function(
        element("n"),
        runtime("x", "n"),
        element("limit", "float"),
        element("count", "int", "output"),
        runtime("found", "count", usage="output", declared="float**"),
    ),
    "right_scratch": _COPY,
    "right_rectifier": function(affine("x", [64], "int8_t"), affine("y", [64], "int8_t", "output")),
}


def make_wrong_package(folder: Path) -> Path:
    """The .hat file of a package with all of these functions."""
    functions = {**{name: wrong.metadata for name, wrong in WRONG.items()}, **RIGHT}
    return make_package(folder, SOURCE, functions, name="wrong", flags=["-mavx"] if _is_x86() else [])


def _is_x86() -> bool:
    import platform

    return platform.machine() in ("x86_64", "AMD64")
