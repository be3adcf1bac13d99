r"""Comments above functions: what C cannot say of a function's parameters, and the authors of the package.

``docs/building.md`` describes them. Doxygen's commands begin with ``@`` or ``\``; those not listed here are ignored.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import msgspec

from hatframe.c.preprocessed import Comment, Place
from hatframe.calling.distributions import RANGE, WORDS
from hatframe.errors import FormatError
from hatframe.format.model import Usage


class Annotation(msgspec.Struct, frozen=True):
    value: str
    place: Place


class DoxygenParam(msgspec.Struct, frozen=True):
    """A ``@param`` command; ``usage`` is None where it has no direction."""

    text: str
    usage: Usage | None
    place: Place


class ParameterAnnotation(msgspec.Struct, frozen=True, kw_only=True):
    """A ``@hat`` line about a parameter, as written, with None for what it omits."""

    place: Place
    name: str
    extents: tuple[str, ...] | None = None
    usage: Usage | None = None
    order: str | None = None
    strides: tuple[str, ...] | None = None
    offset: str | None = None
    example: str | None = None
    values: str = ""
    """What random values of an array are like: :mod:`hatframe.calling.distributions`."""

    @property
    def has_layout(self) -> bool:
        return self.order is not None or self.changes_layout

    @property
    def changes_layout(self) -> bool:
        """Whether it gives another layout than C's own, which is row-major and dense."""
        return self.order == "column-major" or self.strides is not None or self.offset is not None

    @property
    def is_single_number(self) -> bool:
        """Whether it makes a pointer one to a single number, by a usage alone."""
        return self.usage is not None and self.extents is None and not self.has_layout


class Annotations(msgspec.Struct, kw_only=True):
    """All that one comment says; ``package`` are its lines about the package, by key."""

    description: str = ""
    returns: str = ""
    doxygen: dict[str, DoxygenParam] = {}
    parameters: dict[str, ParameterAnnotation] = {}
    flops: Annotation | None = None
    group: Annotation | None = None
    reference: list[Annotation] = []
    same_as: Annotation | None = None
    skip: Place | None = None
    package: list[tuple[str, Annotation]] = []

    @property
    def of_function(self) -> Place | None:
        """The first ``@hat`` line about a function."""
        places = [annotation.place for annotation in self.parameters.values()]
        places += [keyed.place for keyed in (self.flops, self.group, self.same_as, *self.reference) if keyed]
        return min(places + ([self.skip] if self.skip else []), default=None)


PACKAGE_KEYS = ("author", "version", "license", "comment")
FUNCTION_KEYS = ("flops", "group")
KEYS = (*FUNCTION_KEYS, *PACKAGE_KEYS)
_FORM = (
    "write `@hat NAME[ROWS][COLUMNS] input`, or output, input_output, column-major, strides […], offset N, example N, "
    "in LOW..HIGH, uniform LOW..HIGH, normal, sorted, distinct, permutation"
)

_OPENING = re.compile(r"^\s*(?:/{2,}!?|/?\*+!?)?<?")
_STAR = re.compile(r"^\s*(?:\*+(?=\s|$)|\*(?!\*))")
_RULE = re.compile(r"[\s*/=\-#~_+]*")
_HAT = re.compile(r"@hat(?!\w)(?P<rest>.*)", re.DOTALL)
# A parameter may have the name `reference`: then a usage or a layout follows.
_OF_PARAMETER = (
    r"(?:(?:input|output|input_output|row-major|column-major|normal|sorted|distinct|permutation|in)\b\s*(?:\w|$)"
    r"|strides\s*\[|(?:offset|example|uniform)\s+[\d(-])"
)
_REFERENCE = re.compile(rf"reference\s*:?\s+(?P<statement>(?!{_OF_PARAMETER}).*)")
_SAME_AS = re.compile(r"same\s+as\b\s*:?\s*(?P<name>.*)")
_HAT_INSIDE = re.compile(r"\s@hat\s+\w")
_BLOCK_WORDS = (
    "brief|short|details|param|tparam|returns?|result|retval|note|see|sa|warning|attention|remarks?|todo|pre|post"
    "|author|version|date|since|code|verbatim|file|ingroup|defgroup|deprecated|throws?|exception|par|copyright"
)
_COMMAND = re.compile(rf"(?:^|(?<=\s))[@\\](?P<word>(?:{_BLOCK_WORDS})\b|f[$\[{{(])|^[@\\](?P<first>[A-Za-z]+)")
# Commands that only format the next word.
_MARKUP = re.compile(r"(?:^|(?<=[\s(]))[@\\](?:p|c|a|b|e|em|ref)\s+(?=\S)")
_DIRECTION = re.compile(
    r"\s*(?:\[(?P<direction>[^\]]*)\])?\s*(?P<names>\.\.\.|\w+(?:\s*,\s*\w+)*)?(?P<text>.*)", re.DOTALL
)
_DIRECTIONS = {
    "in": Usage.INPUT,
    "out": Usage.OUTPUT,
    "in,out": Usage.INPUT_OUTPUT,
    "inout": Usage.INPUT_OUTPUT,
    "out,in": Usage.INPUT_OUTPUT,
}
_DESCRIBING = frozenset(["brief", "short", "details"])
_RETURNING = frozenset(["return", "returns", "result"])


def read_comment(comment: Comment) -> Annotations:
    """Read a comment; raises :class:`FormatError` for an invalid ``@hat`` line or ``@param``."""
    reader = _Reader()
    for line, place in zip(plain_lines(comment), comment.places, strict=True):
        reader.read(line, place)
    return reader.annotations()


def plain_lines(comment: Comment) -> list[str]:
    """The text of each line of a comment, without delimiters and frames."""
    lines = []
    for number, line in enumerate(comment.lines):
        if comment.is_run or not number:
            line = _OPENING.sub("", line, count=1)
        else:
            line = _STAR.sub("", line.removesuffix("*/"), count=1)
        line = line.removesuffix("*/").strip()
        lines.append("" if _RULE.fullmatch(line) else re.sub(r"\s\*+$", "", line))
    return lines


class _Reader:
    """Reads a comment line by line; ``_into`` is the list that collects the current text."""

    def __init__(self) -> None:
        self._description: list[str] = []
        self._returns: list[str] = []
        self._doxygen: dict[str, tuple[list[str], Usage | None, Place]] = {}
        self._found = Annotations()
        self._into = self._description
        self._commands = 0

    def annotations(self) -> Annotations:
        self._found.description = _collapsed(self._description)
        self._found.returns = _collapsed(self._returns)
        for name, (text, usage, place) in self._doxygen.items():
            self._found.doxygen[name] = DoxygenParam(_collapsed(text), usage, place)
        return self._found

    def read(self, line: str, place: Place) -> None:
        if match := _HAT.match(line):
            self._read_annotation(match["rest"].strip(), place)
            return
        if _HAT_INSIDE.search(line):
            fail("`@hat` in the middle of a line", place, "move it to the beginning of a line")
        line = _MARKUP.sub("", line)
        if not line and self._into is not self._description:
            self._into = []  # an empty line ends the paragraph of a command
        position = 0
        command = ""
        for match in _COMMAND.finditer(line):
            self._add(command, line[position : match.start()], place)
            command, position = match["word"] or match["first"], match.end()
        self._add(command, line[position:], place)

    def _add(self, command: str, text: str, place: Place) -> None:
        if command in _DESCRIBING and not self._commands:
            pass  # the description goes on
        elif command == "param":
            text = self._start_parameter(text, place)
        elif command:
            self._into = self._returns if command in _RETURNING else []
        if command and command not in _DESCRIBING:
            self._commands += 1
        self._into.append(text)

    def _start_parameter(self, text: str, place: Place) -> str:
        match = _DIRECTION.fullmatch(text)
        if not match or not match["names"]:
            fail("missing parameter name after `@param`", place, "write `@param[in] NAME what it is`")
        usage = None
        if match["direction"] is not None:
            usage = _DIRECTIONS.get(re.sub(r"\s", "", match["direction"]).lower())
            if usage is None:
                fail(f"invalid direction `[{match['direction']}]`", place, "use [in], [out] or [in,out]")
        self._into = []
        for name in re.split(r"\s*,\s*", match["names"]) if match["names"] != "..." else []:
            text_before, usage_before, first_place = self._doxygen.get(name, ([], usage, place))
            if usage_before and usage and usage_before is not usage:
                fail(f"`{name}` has another direction on line {first_place.line}", place, "correct one of them")
            # Names that share a text share the list that collects it.
            self._into = [*text_before] if text_before else self._into
            self._doxygen[name] = (self._into, usage or usage_before, first_place)
        return match["text"]

    def _read_annotation(self, text: str, place: Place) -> None:
        keyed = re.fullmatch(r"(?P<key>[A-Za-z_][\w-]*)\s*:\s*(?P<value>.*)", text, re.DOTALL)
        if text == "skip":
            self._found.skip = place
        elif reference := _REFERENCE.fullmatch(text):
            self._found.reference.append(Annotation(reference["statement"], place))
        elif same_as := _SAME_AS.fullmatch(text):
            if not same_as["name"].isidentifier():
                fail("missing name of a function after `@hat same as`", place, "write `@hat same as gemm_naive`")
            if first := self._found.same_as:
                fail(f"`@hat same as` is also on line {first.place.line}", place, "keep one of them")
            self._found.same_as = Annotation(same_as["name"], place)
        elif not keyed:
            annotation = _parameter_annotation(text, place)
            if before := self._found.parameters.get(annotation.name):
                fail(f"`{annotation.name}` is also on line {before.place.line}", place, "write all of it on one line")
            self._found.parameters[annotation.name] = annotation
        elif keyed["key"] not in KEYS:
            fail(f"unknown key `@hat {keyed['key']}:`", place, f"use {', '.join(f'{key}:' for key in KEYS)}")
        elif not keyed["value"]:
            fail(f"missing value after `@hat {keyed['key']}:`", place, f"write `@hat {keyed['key']}: …`")
        elif keyed["key"] in PACKAGE_KEYS:
            self._found.package.append((keyed["key"], Annotation(keyed["value"], place)))
        elif before := getattr(self._found, keyed["key"]):
            fail(f"`@hat {keyed['key']}:` is also on line {before.place.line}", place, "keep one of them")
        else:
            setattr(self._found, keyed["key"], Annotation(keyed["value"], place))


_TERM = r"\((?:[^()]|\([^()]*\))*\)|[^\s\[\]]+"
_TOKEN = re.compile(rf"(?P<space>\s+)|(?P<bracket>\[)|(?P<word>{_TERM})")
_NEXT_TERM = re.compile(rf"\s*({_TERM})")
_NEXT_RANGE = re.compile(rf"\s+({RANGE})")
_OPENING_BRACKET = re.compile(r"\s*\[")
_BRACKET = re.compile(r"[\[\]]")


def _parameter_annotation(text: str, place: Place) -> ParameterAnnotation:
    match = re.match(r"(?P<name>[^\W\d]\w*)", text)
    if not match:
        fail(f"invalid annotation `@hat {text}`", place, _FORM)
    name = match["name"]
    extents, position = _extents(text, match.end(), place)
    words: dict[str, Any] = {}

    def add(key: str, value: str | tuple[str, ...] | Usage) -> None:
        if key in words:
            fail(f"duplicate {key} of `{name}`", place, "keep one of them")
        words[key] = value

    while token := _TOKEN.match(text, position):
        position = token.end()
        word = token["word"]
        if token["space"]:
            continue
        if word in ("input", "output", "input_output"):
            add("usage", Usage(word))
        elif word in ("row-major", "column-major"):
            add("order", word)
        elif word == "strides":
            strides, position = _extents(text, position, place)
            if strides is None:
                fail("missing strides after `strides`", place, "write `strides [80][1]`, in elements")
            add("strides", strides)
        elif word == "offset":
            number = _NEXT_TERM.match(text, position)
            if not number:
                fail("missing number after `offset`", place, "write `offset 16`, in elements")
            add("offset", number[1])
            position = number.end()
        elif word == "example":
            number = _NEXT_TERM.match(text, position)
            if not number:
                fail("missing number after `example`", place, "write `example 1000`")
            add("example", number[1])
            position = number.end()
        elif word in WORDS:
            number = _NEXT_RANGE.match(text, position) if word in ("in", "uniform") else None
            words["values"] = f"{words.get('values', '')} {word}{f' {number[1]}' if number else ''}".strip()
            position = number.end() if number else position
        elif name in KEYS:
            fail(f"missing colon after `@hat {name}`", place, f"write `@hat {name}: …`")
        else:
            fail(f"unknown word `{word or token.group()}`", place, _FORM)
    if position < len(text):
        fail(f"unexpected `{text[position:]}`", place, _FORM)
    if "order" in words and "strides" in words:
        fail(f"`{name}` has both an order and strides", place, "keep one of them")
    if extents is None and not words:
        fail(f"`@hat {text}` says nothing about `{name}`", place, _FORM)
    return ParameterAnnotation(place=place, name=name, extents=extents, **words)


def _extents(text: str, position: int, place: Place) -> tuple[tuple[str, ...] | None, int]:
    extents: list[str] = []
    while opening := _OPENING_BRACKET.match(text, position):
        depth, position = 1, opening.end()
        start = position
        while depth:
            bracket = _BRACKET.search(text, position)
            if not bracket:
                fail(f"unclosed bracket in `{text}`", place, _FORM)
            position = bracket.end()
            depth += 1 if bracket.group() == "[" else -1
        extents.append(text[start : position - 1].strip())
        if not extents[-1]:
            fail(f"empty brackets in `{text}`", place, "write the number of elements, such as `[n]` or `[256]`")
    return tuple(extents) or None, position


def _collapsed(texts: list[str]) -> str:
    return " ".join(" ".join(texts).split())


def fail(message: str, place: Place, hint: str) -> NoReturn:
    """Raise :class:`FormatError` for a mistake in a comment."""
    raise FormatError(message, where=str(place), hint=hint)
