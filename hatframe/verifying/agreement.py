"""Agreement: the outputs of functions against references, against another function, or against those of their group."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hatframe.c.elements import ElementType
from hatframe.calling.plans import CallPlan, PassingMode, plan_call
from hatframe.errors import HatError, UsageError
from hatframe.format.model import Function
from hatframe.format.names import base_name, matching
from hatframe.format.numpy_expressions import REFERENCE_KEY, RETURN, SAME_AS_KEY
from hatframe.format.signatures import unnamed_signature
from hatframe.packages.package import Package
from hatframe.rows import Row
from hatframe.verifying.checks import Problem
from hatframe.verifying.clusters import odd_ones_out
from hatframe.verifying.inputs import SPECIAL, Inputs, Trial
from hatframe.verifying.options import VerifyOptions
from hatframe.verifying.references import Reference, parse_reference, reference_from_file, remembered
from hatframe.verifying.tolerances import Expected, Mismatch, compare, measured, sum_length

Array = np.ndarray[Any, Any]


_NAN, _INFINITY = 1, 2


class Saved(msgspec.Struct, frozen=True):
    """Outputs that a function wrote to the folder: of a trial with inputs of a ``style``.

    Those with equal ``what`` are of the same call, apart from what a function needs.
    """

    what: str
    trial: Trial
    style: str
    shape: bool = False

    @property
    def name(self) -> str:
        """The name of the files, without the number of the output."""
        return f"{self.trial.row}.{self.what}"


class Disagreement(msgspec.Struct, frozen=True):
    """A function that does not agree: the problem, the trial, and the functions that it takes to see it."""

    row: int
    trial: Trial
    problem: Problem
    others: tuple[str, ...] = ()
    shape: bool = False


def output_elements(plan: CallPlan) -> dict[str, ElementType]:
    """The type of each output of a function, by its name, in the order in which they are written."""
    elements = {RETURN: plan.returns} if plan.returns else {}
    allocated = [argument for argument in plan.arguments if argument.passing is PassingMode.ALLOCATED]
    placed = [
        argument for argument in plan.arguments if argument.written and argument.passing is not PassingMode.ALLOCATED
    ]
    return {**elements, **{argument.name: argument.element for argument in (*allocated, *placed)}}


def models_of(
    packages: Sequence[Package], chosen: Sequence[tuple[Package, Function]], same: Sequence[str]
) -> list[tuple[Package, Function]]:
    """The functions that chosen ones should agree with, and that are not chosen themselves."""
    known = {(id(package), function.name) for package, function in chosen}
    found: list[tuple[Package, Function]] = []
    for package in packages:
        names = [name for pattern in same for name in matching(pattern, package.functions)]
        for of, function in chosen if not same else ():
            name = function.auxiliary.get(SAME_AS_KEY)
            if of is package and isinstance(name, str):
                names += [each for each in package.functions if name in (each, base_name(each))]
        new = [name for name in dict.fromkeys(names) if (id(package), name) not in known]
        found += [(package, package.functions[name]) for name in new]
    return found


class Agreement:
    """Compares what functions wrote to ``folder``; ``rows`` are all of a run.

    ``compared`` is what each row was compared with, and ``notes`` are of rows for which nobody knows what is right.
    """

    def __init__(self, packages: Sequence[Package], rows: Sequence[Row], options: VerifyOptions, folder: Path) -> None:
        self._packages = packages
        self._rows = rows
        self._options = options
        self._folder = folder
        self._plans: dict[int, CallPlan] = {}
        self._references: dict[int, Reference] = {}
        self._expected: dict[Hashable, dict[str, Expected]] = {}
        self._saved: dict[int, list[Saved]] = {}
        self._special: dict[str, list[Saved]] = {}
        self.compared: dict[int, str] = {}
        self.notes: dict[int, str] = {}

    def plan(self, row: int) -> CallPlan:
        """The plan of a row's function."""
        if row not in self._plans:
            self._plans[row] = plan_call(self._function(row))
        return self._plans[row]

    def reference(self, row: int) -> Reference | None:
        """The reference of a row, if it has one; raises :class:`HatError` for one that is invalid."""
        text = self._function(row).auxiliary.get(REFERENCE_KEY)
        if row not in self._references:
            found: Reference | None = None
            if self._options.reference:
                found = reference_from_file(self._options.reference, self.plan(row))
            elif isinstance(text, str):
                found = parse_reference(text, self.plan(row))
            if found:
                key = (self._options.reference or text, unnamed_signature(self._function(row)))
                self._references[row] = remembered(found, key, self._expected)
        return self._references.get(row)

    @functools.cached_property
    def _groups(self) -> dict[str, list[int]]:
        groups: dict[str, list[int]] = {}
        for index, row in enumerate(self._rows):
            groups.setdefault(row.group, []).append(index)
        return groups

    @functools.cached_property
    def _models(self) -> dict[int, int]:
        """The row of the function that each row should agree with, by ``--same`` or by its metadata."""
        found = {}
        for row in range(len(self._rows)):
            model = self._model_by_option(row) if self._options.same else self._model_by_metadata(row)
            if model is not None and model != row:
                found[row] = model
        return found

    def _model_by_option(self, row: int) -> int | None:
        names = {self._rows[other].function: other for other in self._groups[self._rows[row].group]}
        matched = (name for pattern in self._options.same for name in matching(pattern, names))
        return next((names[name] for name in matched), None)

    def _model_by_metadata(self, row: int) -> int | None:
        name, of_row = self._function(row).auxiliary.get(SAME_AS_KEY), self._rows[row]
        if not isinstance(name, str):
            return None
        for index, other in enumerate(self._rows):
            is_named = name in (other.function, base_name(other.function)) and other.package == of_row.package
            if is_named and other.sizes == of_row.sizes and other.values == of_row.values:
                return index
        return None

    def takes_part(self, row: int) -> bool:
        """Whether a row is compared, or others with it."""
        return bool(
            self._options.reference
            or REFERENCE_KEY in self._function(row).auxiliary
            or len(self._groups[self._rows[row].group]) > 1
            or row in self._models
            or row in self._models.values()
        )

    def saved(self, outputs: Saved) -> None:
        """Outputs were written to the folder."""
        row = outputs.trial.row
        if outputs.style == SPECIAL:
            self._special.setdefault(self._rows[row].group, []).append(outputs)
        else:
            self._saved.setdefault(row, []).append(outputs)

    def disagreements(self, trusted: Sequence[int]) -> Iterator[Disagreement]:
        """The functions that do not agree. Of groups, only ``trusted`` rows are compared with each other."""
        clustered: dict[str, list[int]] = {}
        for row in self._saved:
            try:
                reference = self.reference(row)
            except UsageError:
                raise
            except HatError as error:
                self.notes[row] = f"its reference is invalid: {error}"
                continue
            if reference is not None:
                yield from self._with_reference(row, reference)
            elif row in self._models:
                yield from self._with_model(row, self._models[row])
            elif row in trusted:
                clustered.setdefault(self._rows[row].group, []).append(row)
        for rows in clustered.values():
            yield from self._with_group(rows)

    def _with_reference(self, row: int, reference: Reference) -> Iterator[Disagreement]:
        self.compared[row] = "its reference"
        problem: HatError | None = None
        computed = 0
        for saved in self._saved[row]:
            try:
                expected = reference(self._inputs(saved).before())
            except HatError as error:
                if not saved.shape:  # at some sizes, such as 0, nothing may be defined
                    problem = error
                continue
            computed += 1
            outputs = self._outputs(saved)
            for name, element in output_elements(self.plan(row)).items():
                if name in expected and name in outputs:
                    tolerances = {"rtol": self._options.rtol, "atol": self._options.atol}
                    if mismatch := compare(expected[name], outputs[name], element, **tolerances):
                        yield self._disagreement(saved, name, mismatch, "its reference")
                        return
        if problem is not None:
            if self._options.reference and not computed:  # it computes nothing that was asked for
                raise problem
            self.notes[row] = f"its reference cannot be computed: {problem}"
            self.compared.pop(row, None)

    def _with_model(self, row: int, model: int) -> Iterator[Disagreement]:
        name_of_model = self._rows[model].function
        ours = {_key(saved): saved for saved in self._saved[row]}
        theirs = {_key(saved): saved for saved in self._saved.get(model, [])}
        if not ours.keys() & theirs.keys():
            self.notes[row] = f"{name_of_model}, which it should agree with, has no results for equal inputs"
            return
        self.compared[row] = name_of_model
        for key in [key for key in ours if key in theirs]:
            saved = ours[key]
            inputs = self._inputs(saved).before()
            outputs, wanted = self._outputs(saved), list(self._outputs(theirs[key]).values())
            elements = output_elements(self.plan(row))
            if len(outputs) != len(wanted):
                self.notes[row] = f"{name_of_model}, which it should agree with, has other outputs"
                return
            for (name, element), values in zip(elements.items(), wanted, strict=True):
                expected = measured(values, element, sum_length(self.plan(row), inputs), self._read(row, inputs))
                tolerances = {"rtol": self._options.rtol, "atol": self._options.atol}
                if mismatch := compare(expected, outputs[name], element, **tolerances):
                    yield self._disagreement(saved, name, mismatch, name_of_model, (name_of_model,))
                    return

    def _with_group(self, rows: Sequence[int]) -> Iterator[Disagreement]:
        found: set[int] = set()
        calls: dict[tuple[str, int], list[Saved]] = {}
        for row in rows:
            for saved in self._saved[row]:
                calls.setdefault(_key(saved), []).append(saved)
        for saved_calls in calls.values():
            outputs: dict[int, dict[str, Array]] = {}
            members: dict[int, Saved] = {}
            elements = output_elements(self.plan(saved_calls[0].trial.row))
            for saved in saved_calls:
                found_outputs = list(self._outputs(saved).values()) if saved.trial.row not in found else []
                # A call that failed wrote none, and functions of an explicit group may have others.
                if found_outputs and len(found_outputs) == len(elements):
                    outputs[saved.trial.row] = dict(zip(elements, found_outputs, strict=True))
                    members[saved.trial.row] = saved
            if len(members) < 2:
                continue
            first = next(iter(members.values()))
            plan = self.plan(first.trial.row)
            inputs = self._inputs(first).before()
            clusters = odd_ones_out(
                outputs,
                elements,
                sum_length(plan, inputs),
                self._read(first.trial.row, inputs),
                rtol=self._options.rtol,
                atol=self._options.atol,
            )
            if clusters.note:
                self.notes.setdefault(first.trial.row, clusters.note)
                continue
            for row, saved in members.items():
                self.compared.setdefault(row, f"{len(members) - 1} others")
                if row in clusters.odd:
                    name, mismatch = clusters.odd[row]
                    name = list(output_elements(self.plan(row)))[list(elements).index(name)]
                    right = [self._rows[other].function for other in outputs if other not in clusters.odd]
                    many = f"the {clusters.majority} others" if clusters.majority > 1 else right[0]
                    found.add(row)
                    yield self._disagreement(saved, name, mismatch, many, tuple(dict.fromkeys(right))[:2])

    def special_differences(self) -> Iterator[tuple[int, str]]:
        """The rows whose outputs for special inputs are NaN or infinite elsewhere than those of most of their group."""
        for saved in self._special.values():
            kinds = {each.trial.row: list(map(_kinds, self._outputs(each).values())) for each in saved}
            clusters: dict[tuple[bytes, ...], list[int]] = {}
            for row, found in kinds.items():
                clusters.setdefault(tuple(each.tobytes() for each in found), []).append(row)
            most, *others = sorted(clusters.values(), key=len, reverse=True)
            model = kinds[most[0]]
            for row in (row for rows in others for row in rows):
                for name, ours, theirs in zip(output_elements(self.plan(row)), kinds[row], model, strict=False):
                    if ours.shape == theirs.shape and (different := np.argwhere(ours != theirs)).size:
                        index = tuple(map(int, different[0]))
                        place = f"{'its result' if name == RETURN else name}{list(index) if index else ''}"
                        pair = [_KINDS.get(int(each[index]), str(each[index])) for each in (ours, theirs)]
                        yield row, f"{place} is {pair[0]}, and {pair[1]} from {self._rows[most[0]].function}"
                        break

    def _disagreement(
        self, saved: Saved, name: str, mismatch: Mismatch, other: str, others: tuple[str, ...] = ()
    ) -> Disagreement:
        what = "its result" if name == RETURN else name
        text = f"{what}{mismatch.message}: differs from {other}"
        problem = Problem("agreement", name, text, mismatch.index)
        return Disagreement(saved.trial.row, saved.trial, problem, others, saved.shape)

    def _inputs(self, saved: Saved) -> Inputs:
        row = saved.trial.row
        return Inputs(self.plan(row), saved.trial, self._rows[row].values, saved.style, kind=self._options.input_data)

    def _read(self, row: int, inputs: Mapping[str, Any]) -> list[Any]:
        return [inputs[each.name] for each in self.plan(row).arguments if each.read and each.is_array]

    def _outputs(self, saved: Saved) -> dict[str, Array]:
        """What a function wrote; what it did to the files is not trusted."""
        found: dict[str, Array] = {}
        for number, (name, element) in enumerate(output_elements(self.plan(saved.trial.row)).items()):
            with contextlib.suppress(OSError, ValueError):
                plain = np.load(self._folder / f"{saved.name}.{number}.npy", allow_pickle=False)
                found[name] = plain.view(element.dtype) if plain.dtype != element.dtype else plain
        return found

    def _function(self, row: int) -> Function:
        return self._packages[self._rows[row].package].functions[self._rows[row].function]


_KINDS = {_NAN: "NaN", _INFINITY: "infinity", -_INFINITY: "-infinity", 0: "finite"}


def _kinds(values: Array) -> Array:
    """Of floating-point numbers, whether they are NaN or infinite; integers as they are."""
    if values.dtype.kind in "iub":
        return values
    wide = values.astype(np.float64)
    kinds = np.zeros(wide.shape, np.int8)
    kinds[np.isnan(wide)] = _NAN
    kinds[np.isinf(wide)] = _INFINITY * np.sign(wide[np.isinf(wide)])
    return kinds


def _key(saved: Saved) -> tuple[str, int]:
    """What outputs of equal inputs have in common."""
    return saved.what, saved.trial.index_limit
