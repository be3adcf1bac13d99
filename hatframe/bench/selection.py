"""Selection: which functions a run measures, and with which sizes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hatframe.bench.options import BenchOptions
from hatframe.bench.session import Row
from hatframe.calling.plans import plan_call
from hatframe.errors import HatError, PackageError, UnknownFunctionError, UsageError
from hatframe.format.model import Function
from hatframe.format.names import matching
from hatframe.packages.package import Package
from hatframe.results.groups import Measured, group_labels

_SKIPPED = ("Initialize", "_debug_check_allclose")


def choose(packages: Sequence[Package], options: BenchOptions) -> tuple[list[tuple[Package, Function]], dict[str, str]]:
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
    packages: Sequence[Package], chosen: Sequence[tuple[Package, Function]], options: BenchOptions
) -> list[Row]:
    """Each function once for each choice of sizes that makes a difference to it, in groups that compete."""
    rows: list[Row] = []
    measured: list[Measured] = []
    known: set[str] = set()
    positions = {id(package): position for position, package in enumerate(packages)}
    for package, function in chosen:
        numbers, dimensions = _numbers_and_dimensions(function)
        known |= numbers
        different: list[dict[str, int]] = []
        # A choice of dimensions that only other functions have is not one for this function.
        for given in [given for given in options.sizes if numbers & given.keys()] or [{}]:
            sizes = dict.fromkeys(dimensions, options.default_size)
            sizes.update({name: value for name, value in given.items() if name in numbers})
            if sizes not in different:
                different.append(sizes)
        rows.extend(Row(positions[id(package)], function.name, sizes) for sizes in different)
        measured.extend(Measured(function, sizes) for sizes in different)
    if unknown := sorted({name for given in options.sizes for name in given} - known):
        hint = f"there are {', '.join(sorted(known))}" if known else "these functions have fixed sizes"
        raise UsageError(f"no function has a dimension {', '.join(unknown)}", where="--size", hint=hint)
    labels = group_labels(measured)
    return [msgspec.structs.replace(row, group=label) for row, label in zip(rows, labels, strict=True)]


def _numbers_and_dimensions(function: Function) -> tuple[set[str], list[str]]:
    """The integer parameters that can be given, and those that array sizes refer to; none where it has no plan."""
    try:
        plan = plan_call(function)
    except HatError:
        return set(), []  # measuring it reports the error
    numbers = {
        argument.name
        for argument in plan.arguments
        if argument.read and not argument.is_array and argument.element.kind in ("int", "uint")
    }
    return numbers, [name for name in plan.dimensions if name in numbers]
