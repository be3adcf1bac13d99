"""Which rows of a run compete, and how their groups are labelled."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sample_packages as sample

from hatframe.format.model import Function
from hatframe.results.groups import Measured, group_labels

ONE = sample.affine("A", [4])
TWO = sample.affine("B", [8])


def named(name: str, *arguments: dict[str, Any], **more: Any) -> Function:
    return msgspec.convert({**sample.function(*(arguments or (ONE,)), **more), "name": name}, Function)


@pytest.mark.parametrize(
    ("functions", "labels"),
    [
        ([named("dot_a"), named("dot_b")], ["dot_*"] * 2),
        ([named("gemm"), named("gemm_tiled")], ["gemm*"] * 2),
        ([named("f1"), named("f2")], ["f1, f2"] * 2),
        ([named("quick"), named("slow"), named("scale"), named("last")], ["quick, slow, scale and 1 more"] * 4),
        ([named("f_0123456789abcdef"), named("f_fedcba9876543210")], ["f"] * 2),
        ([named("dot_a"), named("dot_b"), named("dot_c", TWO)], ["dot_a, dot_b", "dot_a, dot_b", "dot_c"]),
        ([named("a", auxiliary={"group": "g"}), named("b", TWO, auxiliary={"group": "g"})], ["g", "g"]),
        ([named("f"), named("f", TWO)], ["f", "f #2"]),
    ],
    ids=["prefix", "name", "no word", "many", "hashes", "prefix of another", "named", "same name"],
)
def test_labels_name_what_the_functions_share(functions: list[Function], labels: list[str]) -> None:
    assert group_labels(list(map(Measured, functions))) == labels


def test_sizes_and_values_are_part_of_the_label() -> None:
    f, g = named("f_a"), named("f_b")
    rows = [Measured(f, {"n": 1}), Measured(g, {"n": 1}), Measured(f, {"n": 2}), Measured(f, {"n": 2}, {"limit": 9})]
    assert group_labels(rows) == ["f_* (n=1)", "f_* (n=1)", "f_* (n=2)", "f_* (n=2 limit=9)"]


def test_a_named_group_has_functions_with_other_values() -> None:
    f, g = (named(name, auxiliary={"group": "copy"}) for name in "fg")
    assert group_labels([Measured(f, {"n": 1}, {"step": 2}), Measured(g, {"n": 1})]) == ["copy (n=1)"] * 2
