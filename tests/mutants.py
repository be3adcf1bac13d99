"""The mutation test of ``hatframe verify``: python tests/mutants.py [--quick] [--seed N].

It changes an operator, an index or a bound in the functions of five samples, 300 times, builds all these mutants, and
verifies them with the references of the samples, and without them among unchanged functions. It also calls each mutant
with ordinary numbers at several sizes, in a process of its own, and compares with the unchanged function as a user of
numpy would: a mutant that differs, crashes or does not return must be among the findings, and no unchanged function.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tree_sitter_c
from tree_sitter import Language, Node, Parser

import hatframe
from hatframe.calling.plans import CallPlan, PassingMode, plan_call

SAMPLES = Path(__file__).parent.parent / "samples"

# The sizes at which numpy compares: around those of the loops of the samples.
SIZES: dict[str, Sequence[Mapping[str, int]]] = {
    "gemm": [{}],
    "gemv": [{"m": m, "n": n} for m, n in ((1, 1), (4, 4), (7, 5), (64, 33))],
    "reduce": [{"n": n} for n in (0, 1, 31, 32, 100, 257, 1000)],
    "stencil": [{}],
    "sort": [{"n": n} for n in (0, 1, 2, 16, 17, 100, 1000)],
}
SECONDS = 5
"""After which a call counts as one that does not return."""

# Each of them compiles wherever the first one does, with pointers too.
OPERATORS = {
    **{"+": ("-",), "-": ("+",), "*": ("+", "-"), "/": ("*",), "+=": ("-=", "="), "-=": ("+=",)},
    **{"<": ("<=", ">"), "<=": ("<",), ">": (">=", "<"), ">=": (">",)},
}


class Change(NamedTuple):
    """A change of the text between two bytes of a source."""

    kind: str
    start: int
    end: int
    text: str


class Mutant(NamedTuple):
    """A changed copy of a function of a sample, with the static functions that it calls."""

    name: str
    original: str
    what: str
    code: str


class Source:
    """A sample, and every single change of its functions."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_bytes()
        root = Parser(Language(tree_sitter_c.language())).parse(self.text).root_node
        self.functions: dict[str, Node] = {}
        self.helpers: dict[str, Node] = {}
        for node in root.children:
            if node.type == "function_definition":
                name = re.findall(r"(\w+)\(", self._text(node))[0]
                (self.helpers if self._text(node).startswith("static") else self.functions)[name] = node

    def _text(self, node: Node) -> str:
        return self.text[node.start_byte : node.end_byte].decode()

    def mutants(self, count: int, chosen: random.Random) -> list[Mutant]:
        """``count`` different mutants, as many of each kind of change as there are."""
        changes: dict[str, list[tuple[str, Change]]] = {"operator": [], "index": [], "bound": []}
        for name, node in [*self.functions.items(), *self.helpers.items()]:
            for change in dict.fromkeys(self._changes(node.child_by_field_name("body"))):
                changes[change.kind].append((name, change))
        for found in changes.values():
            chosen.shuffle(found)
        kinds = list(changes.values())
        order = [kind[place] for place in range(max(map(len, kinds))) for kind in kinds if place < len(kind)]
        return [self._mutant(number, *each) for number, each in enumerate(order[:count])]

    def _changes(self, node: Node | None) -> Iterator[Change]:
        if node is None:
            return
        operator = node.child_by_field_name("operator")
        text = self._text(node)
        if node.type in ("binary_expression", "assignment_expression") and operator:
            for replacement in OPERATORS.get(self._text(operator), ()):
                yield Change("operator", operator.start_byte, operator.end_byte, replacement)
        elif node.type == "subscript_expression":
            index = node.child_by_field_name("index")
            if index:
                for offset in ("+ 1", "- 1"):
                    yield Change("index", index.start_byte, index.end_byte, f"{self._text(index)} {offset}")
            if swapped := re.fullmatch(r"(\w+)\[(\w+)\]\[(\w+)\]", text):
                yield Change("index", node.start_byte, node.end_byte, "{0}[{2}][{1}]".format(*swapped.groups()))
        elif node.type == "for_statement":
            condition, update = node.child_by_field_name("condition"), node.child_by_field_name("update")
            bound = condition.child_by_field_name("right") if condition else None
            if bound:
                for offset in ("+ 1", "- 1"):
                    yield Change("bound", bound.start_byte, bound.end_byte, f"({self._text(bound)} {offset})")
            if update and self._text(update).endswith("++"):
                name = self._text(update).removesuffix("++")
                yield Change("bound", update.start_byte, update.end_byte, f"{name} += 2")
        elif node.type == "number_literal":
            yield Change("bound", node.start_byte, node.end_byte, "1" if text == "0" else f"({text} + 1)")
        for child in node.children:
            yield from self._changes(child)

    def _mutant(self, number: int, name: str, change: Change) -> Mutant:
        original = name
        if name in self.helpers:
            users = [each for each, node in self.functions.items() if re.search(rf"\b{name}\(", self._text(node))]
            original = users[number % len(users)]
        suffix = f"_m{number:03}"
        parts = []
        for part in dict.fromkeys((name, original)):
            node = {**self.functions, **self.helpers}[part]
            text = self._text(node)
            if part == name:
                text = self.text[node.start_byte : change.start].decode() + change.text
                text += self.text[change.end : node.end_byte].decode()
            for renamed in (name, original):
                text = re.sub(rf"\b{renamed}\b(?=\()", renamed + suffix, text)
            parts.append(text)
        before = self.text[change.start : change.end].decode()
        line = self.text[: change.start].count(b"\n") + 1
        return Mutant(original + suffix, original, f"line {line}: `{before}` → `{change.text}`", "\n".join(parts))

    def package(self, mutants: Sequence[Mutant], copies: int, references: bool) -> str:
        """C code of the functions, ``copies`` more of each, and mutants; without references, in groups by name."""
        code = self.text.decode()
        added = [(mutant.original, mutant.code) for mutant in mutants]
        for name, node in self.functions.items():
            added += [
                (name, re.sub(rf"\b{name}\b(?=\()", f"{name}_c{copy}", self._text(node))) for copy in range(copies)
            ]
        pieces = [code]
        for original, text in added:
            comment = self.functions[original].prev_sibling
            above = self._text(comment) if comment and comment.type == "comment" else ""
            # The comment belongs above the function itself, which comes last.
            helpers, _, function = text.rpartition("\n}\n") if "\n}\n" in text else ("", "", text)
            pieces.append(f"{helpers}\n}}\n" if helpers else "")
            pieces.append(f"{above}\n{function}")
        whole = "\n".join(pieces) + "\n"
        return whole if references else re.sub(r"(?m)^ \* @hat (?:reference|same as) .*?( \*/)?$", r" *\1", whole)


# --------------------------------------------------------------------------------------- what numpy can tell


def arguments(plan: CallPlan, sizes: Mapping[str, int], seed: int) -> dict[str, Any]:
    """Ordinary arguments: all that the function takes, by name."""
    numbers = np.random.default_rng(seed)
    made: dict[str, Any] = {}
    for argument in plan.arguments:
        if argument.passing is PassingMode.VALUE:
            made[argument.name] = sizes[argument.name]
            continue
        shape = argument.layout.shape if argument.layout else argument.size.factor_values(sizes)  # type: ignore[union-attr]
        if argument.element.is_integer:
            made[argument.name] = numbers.integers(-1000, 1000, shape).astype(argument.element.dtype)
        else:
            made[argument.name] = numbers.uniform(-1, 1, shape).astype(argument.element.dtype)
    return made


def results(package: Path, name: str, sizes: Sequence[Mapping[str, int]]) -> list[list[Any]]:
    function = hatframe.load(package)[name]
    plan = plan_call(function.function)
    found = []
    for size in sizes:
        given = arguments(plan, size, 1)
        returned = function(**given)
        written = [given[argument.name] for argument in plan.arguments if argument.written]
        found.append([*written, *([] if returned is None else [returned])])
    return found


def _send(pipe: Any, *request: Any) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where the C library writes of damaged memory
    signal.alarm(SECONDS)
    pipe.send(results(*request))


def differs(package: Path, mutant: Mutant, sizes: Sequence[Mapping[str, int]], right: list[list[Any]]) -> str:
    """How numpy tells a mutant from the unchanged function, or an empty text."""
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_send, args=(sender, package, mutant.name, sizes))
    process.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:
        process.join()
        return "does not return" if process.exitcode == -signal.SIGALRM else "crashes"
    process.join()
    for size, outputs, expected in zip(sizes, found, right, strict=True):
        if not all(np.allclose(one, other, equal_nan=True) for one, other in zip(outputs, expected, strict=True)):
            return f"differs at {dict(size) or 'its size'}"
    return ""


# ------------------------------------------------------------------------------------------------- the test


def build(folder: Path, name: str, code: str) -> Path:
    path = folder / f"{name}.c"
    path.write_text(code)
    return hatframe.build([path], folder / f"{name}.hat", optimize=2, cflags="-w").written.hat


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="25 mutants instead of 300")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    each = 5 if options.quick else 60
    totals = {True: [0, 0], False: [0, 0]}
    failed = False
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for sample, sizes in SIZES.items():
            source = Source(SAMPLES / f"{sample}.c")
            mutants = source.mutants(each, random.Random(options.seed))
            # Without a reference, most of the functions must be unchanged.
            copies = -(-(len(mutants) + 1) // len(source.functions))
            packages = {
                True: build(folder, sample, source.package(mutants, 0, True)),
                False: build(folder, f"{sample}_alone", source.package(mutants, copies, False)),
            }
            right = {name: results(packages[True], name, sizes) for name in source.functions}
            seen = {mutant.name: differs(packages[True], mutant, sizes, right[mutant.original]) for mutant in mutants}
            different = {name for name, how in seen.items() if how}
            print(f"{sample}: {len(mutants)} mutants, of which numpy tells {len(different)} from the original")
            for reference, package in packages.items():
                began = time.perf_counter()
                found = {finding.function for finding in hatframe.verify(package, timeout=SECONDS).findings}
                missed = different - found
                wrong = {name for name in found if not re.search(r"_m\d{3}$", name)}
                totals[reference][0] += len(different & found)
                totals[reference][1] += len(different)
                how = "with a reference" if reference else "without one"
                more = len(found - different - wrong)
                print(f"  {how}: {len(different & found)} of {len(different)} found, and {more} more", end="")
                print(f" ({time.perf_counter() - began:.0f} s)")
                for mutant in mutants:
                    if mutant.name in missed:
                        print(f"    missed {mutant.name} ({seen[mutant.name]}): {mutant.what}")
                for name in sorted(wrong):
                    print(f"    false alarm: {name}")
                failed |= bool(missed or wrong)
    for reference, (found_count, all_count) in totals.items():
        print(f"{'with references' if reference else 'without'}: {found_count} of {all_count} found")
    print(f"{time.perf_counter() - started:.0f} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
