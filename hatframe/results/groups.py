"""Groups: functions of a run that do the same work with the same sizes. Each group has a ranking of its own."""

from __future__ import annotations

import os.path
from collections.abc import Hashable, Iterable, Mapping, Sequence

import msgspec

from hatframe.errors import listed
from hatframe.format.model import Function
from hatframe.format.names import base_name
from hatframe.format.signatures import group_name, signature
from hatframe.results.text import sized_name

_MOST_NAMES = 3


class Measured(msgspec.Struct, frozen=True):
    """A function with the dimensions and the values of other scalars that it is measured with."""

    function: Function
    sizes: Mapping[str, int] = {}
    values: Mapping[str, int | float] = {}


def group_labels(rows: Sequence[Measured]) -> list[str]:
    """For each row of a run the label of its group: rows with equal labels compete, and no others.

    A label is the group that the metadata name, or else the part that the names of the functions share, with the sizes:
    ``dot_* (n=1000)``.
    """
    keys = [signature(row.function) for row in rows]
    functions: dict[Hashable, dict[str, Function]] = {}
    for key, row in zip(keys, rows, strict=True):
        functions.setdefault(key, {}).setdefault(row.function.name, row.function)
    everything = {base_name(name) for members in functions.values() for name in members}
    labels: dict[Hashable, str] = {}
    taken: set[str] = set()
    for key, members in functions.items():
        label = name = _label(members.values(), everything)
        number = 1
        while label in taken:
            number += 1
            label = f"{name} #{number}"
        taken.add(label)
        labels[key] = label
    return [
        # An explicit group may have functions with different scalars.
        sized_name(labels[key], {**row.sizes, **({} if group_name(row.function) else row.values)})
        for key, row in zip(keys, rows, strict=True)
    ]


def _label(members: Iterable[Function], everything: Iterable[str]) -> str:
    """A name for functions of one signature, where the run has functions with the base names ``everything``."""
    members = list(members)
    if name := group_name(members[0]):
        return name
    names = list(dict.fromkeys(base_name(function.name) for function in members))
    if len(names) == 1:
        return names[0]
    common = os.path.commonprefix(names)  # noqa: RUF071 - names, not paths
    # A whole word, and not the first letters of two.
    prefix = common if common in names else common[: common.rfind("_") + 1]
    if prefix.strip("_") and not any(name.startswith(prefix) for name in everything if name not in names):
        return f"{prefix}*"
    return listed(names, most=_MOST_NAMES)
