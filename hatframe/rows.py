"""Rows: which functions a run takes, with which sizes, and which of them compete."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from hatframe.backends import INPUT_DATA
from hatframe.calling.plans import ArgumentPlan, plan_call
from hatframe.errors import HatError, PackageError, UnknownFunctionError, UsageError
from hatframe.format.model import EXAMPLES_KEY, Function
from hatframe.format.names import matching
from hatframe.packages.package import Package
from hatframe.results.groups import Measured, group_labels

if TYPE_CHECKING:
    from hatframe.calling.inputs import InputData

_log = logging.getLogger(__name__)


class Row(msgspec.Struct, frozen=True):
    """One row of a run: a function of a package, given by its position, with one choice of sizes and scalars.

    Rows of the same ``group`` compete with one another.
    """

    package: int
    function: str
    sizes: dict[str, int] = {}
    group: str = ""
    values: dict[str, int | float] = {}


class RowOptions(Protocol):
    """What a run's options say about its rows."""

    @property
    def functions(self) -> tuple[str, ...]:
        """Names, base names or globs; none for all functions."""

    @property
    def sizes(self) -> tuple[dict[str, int], ...]:
        """The choices of dimensions."""

    @property
    def default_size(self) -> int:
        """The size of dimensions that neither a choice nor an example gives."""

    @property
    def values(self) -> dict[str, int | float]:
        """The values of other scalars."""

    @property
    def input_data(self) -> str:
        """The kind of input data, or the path of an ``.npz`` file, whose scalars and shapes count."""

    @property
    def seed(self) -> int:
        """The seed of random inputs."""


_SKIPPED = ("Initialize", "_debug_check_allclose")


def choose(packages: Sequence[Package], options: RowOptions) -> tuple[list[tuple[Package, Function]], dict[str, str]]:
    """The functions to measure, and those that are left out with the reason."""
    patterns = options.functions or ("*",)
    chosen: list[tuple[Package, Function]] = []
    for package in packages:
        known = [pattern for pattern in patterns if matching(pattern, package.functions)]
        chosen.extend((package, function) for function in package.select(known))
    for pattern in options.functions:
        if not any(matching(pattern, package.functions) for package in packages):
            if len(packages) == 1:
                packages[0].select([pattern])  # raises, with names that are close
            raise UnknownFunctionError(f"no package has a function {pattern!r}")
    if not chosen:
        listed = ", ".join(str(package.path) for package in packages)
        raise PackageError("it has no functions", where=listed, hint="name the .hat file that describes some")
    skipped = {
        function.name: "an initialiser or a debugging aid, not a function to measure"
        for _, function in chosen
        if any(part in function.name for part in _SKIPPED)
    }
    return [entry for entry in chosen if entry[1].name not in skipped], skipped


def with_sizes(
    packages: Sequence[Package], chosen: Sequence[tuple[Package, Function]], options: RowOptions
) -> list[Row]:
    """Each function once for each choice of sizes that makes a difference to it, in groups that compete."""
    rows: list[Row] = []
    measured: list[Measured] = []
    scalars: set[str] = set()
    numbers: set[str] = set()
    sized = {name for given in options.sizes for name in given}
    if twice := sorted(sized & set(options.values)):
        raise UsageError(f"{', '.join(twice)} is given by --size too", where="--value", hint="remove one of them")
    file = _input_file(options)
    positions = {id(package): position for position, package in enumerate(packages)}
    for package, function in chosen:
        try:
            plan = plan_call(function)
        except HatError:  # measuring it reports the error
            rows.append(Row(positions[id(package)], function.name))
            measured.append(Measured(function))
            continue
        known = {argument.name: argument for argument in plan.arguments if argument.is_scalar and argument.read}
        scalars |= set(known)
        integers = {name: argument for name, argument in known.items() if argument.element.is_integer}
        numbers |= set(integers)
        of_file = file.scalars(plan) if file else {}
        given = {**_examples(function, known), **of_file, **_fitting(options.values, known, "--value")}
        different: list[dict[str, int]] = []
        # A choice of dimensions that only other functions have is not one for this function.
        for choice in [choice for choice in options.sizes if integers.keys() & choice.keys()] or [{}]:
            sizes = {name: int(given.get(name, options.default_size)) for name in plan.dimensions if name in integers}
            sizes.update({name: int(value) for name, value in _fitting(choice, integers, "--size").items()})
            if sizes not in different:
                different.append(sizes)
        for sizes in different:
            values = {name: given[name] for name in known if name in given and name not in sizes}
            rows.append(Row(positions[id(package)], function.name, sizes, values=values))
            measured.append(Measured(function, sizes, values))
    _check_known("dimension", sized, numbers, "--size")
    _check_known("scalar", options.values, scalars, "--value")
    labels = group_labels(measured)
    return [msgspec.structs.replace(row, group=label) for row, label in zip(rows, labels, strict=True)]


def _check_known(what: str, given: Iterable[str], known: set[str], where: str) -> None:
    if unknown := sorted(set(given) - known):
        hint = f"there are {', '.join(sorted(known))}" if known else f"these functions have no {what}s"
        raise UsageError(f"no function has a {what} {', '.join(unknown)}", where=where, hint=hint)


def _fitting(given: Mapping[str, int | float], known: Mapping[str, ArgumentPlan], where: str) -> dict[str, int | float]:
    """Those of the numbers that are for ``known`` scalars; :class:`UsageError` for one that its type cannot hold."""
    found: dict[str, int | float] = {}
    for name, value in given.items():
        if argument := known.get(name):
            if not _fits(argument, value):
                raise UsageError(f"{name}={value} does not fit in the type {argument.element.name}", where=where)
            found[name] = value
    return found


def _fits(argument: ArgumentPlan, value: object) -> bool:
    if argument.element.kind == "bool":
        return value in (0, 1)
    if argument.element.is_integer:
        low, high = argument.element.integer_range
        return type(value) is int and low <= value <= high
    return type(value) in (int, float)


def _examples(function: Function, known: Mapping[str, ArgumentPlan]) -> dict[str, int | float]:
    """The examples of scalars in the metadata; one that does not fit is reported and ignored."""
    examples = function.auxiliary.get(EXAMPLES_KEY, {})
    found: dict[str, int | float] = {}
    for name, value in examples.items() if isinstance(examples, dict) else ():
        if name in known and _fits(known[name], value):
            found[name] = value
        else:
            _log.warning("%s: ignored auxiliary.%s.%s = %r", function.name, EXAMPLES_KEY, name, value)
    return found


def _input_file(options: RowOptions) -> InputData | None:
    if options.input_data in INPUT_DATA:
        return None
    from hatframe.calling.inputs import InputData

    return InputData(options.seed, options.input_data)
