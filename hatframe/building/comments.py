r"""Reading the comments above functions: what C cannot say of a function's parameters, and who made the package.

The text before the first command is the function's description. Of Doxygen's commands, with ``@`` or ``\``, these mean
something: ``@brief TEXT``, ``@param[in|out|in,out] NAME TEXT`` and ``@return TEXT``; any other ends what went before,
and is left out. A line that begins with ``@hat`` is ours, and everything on it must be understood::

    @hat NAME[ROWS][COLUMNS] WORD …   of a parameter
    @hat flops: 2*M*N*K               how many floating-point operations a call makes
    @hat skip                         leave this function out of the package
    @hat author: NAME                 of the package, in any comment of a source file; so are
    @hat version: TEXT                    version,
    @hat license: URL                     license
    @hat comment: TEXT                    and comment

Extents are expressions over parameters, integers and enum constants; they can be left out where C tells them. The
words of a parameter, in any order:

- ``input``, ``output`` or ``input_output``: whether the function reads it, writes it, or both;
- ``row-major`` or ``column-major``; or ``strides [80][1]``, counted in elements;
- ``offset N``: the first element lies N elements after the pointer.

``@hat count output`` of an ``int *count`` is a pointer to one number; ``@hat x[n] output`` of a ``float **x`` is an
array that the function allocates.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import msgspec

from hatframe.c.parsing import Comment, Place
from hatframe.errors import FormatError
from hatframe.format.model import Usage


class Annotation(msgspec.Struct, frozen=True):
    """A value out of a comment, and the line that tells it."""

    value: str
    place: Place


class Documented(msgspec.Struct, frozen=True):
    """What ``@param`` tells of a parameter; ``usage`` is None where it has no direction."""

    text: str
    usage: Usage | None
    place: Place


class ParameterNote(msgspec.Struct, frozen=True, kw_only=True):
    """What ``@hat`` tells of a parameter: ``extents`` and the rest as written, None where left out."""

    place: Place
    name: str
    extents: tuple[str, ...] | None = None
    usage: Usage | None = None
    order: str | None = None
    strides: tuple[str, ...] | None = None
    offset: str | None = None

    @property
    def has_layout(self) -> bool:
        """Whether it tells more than extents and usage."""
        return self.order is not None or self.is_laid_out

    @property
    def is_laid_out(self) -> bool:
        """Whether it tells of another layout than C's own, which is row-major without gaps."""
        return self.order == "column-major" or self.strides is not None or self.offset is not None


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    """All that one comment tells. ``package`` has the keys that are about the package, each with its value."""

    description: str = ""
    returns: str = ""
    documented: dict[str, Documented] = {}
    parameters: dict[str, ParameterNote] = {}
    flops: Annotation | None = None
    skip: Place | None = None
    package: tuple[tuple[str, Annotation], ...] = ()

    @property
    def of_function(self) -> Place | None:
        """A line of ours that is about a function, if there is one."""
        places = [note.place for note in self.parameters.values()]
        places += [self.flops.place] if self.flops else []
        return min(places + ([self.skip] if self.skip else []), default=None)


PACKAGE_KEYS = ("author", "version", "license", "comment")
KEYS = ("flops", *PACKAGE_KEYS)
_FORM = "the form is `@hat NAME[ROWS][COLUMNS] input`, or output, input_output, column-major, strides […], offset N"

_BEFORE = re.compile(r"^\s*(?:/{2,}!?|/?\*+!?)?<?")
_STAR = re.compile(r"^\s*(?:\*+(?=\s|$)|\*(?!\*))")
_RULE = re.compile(r"[\s*/=\-#~_+]*")
_OWN = re.compile(r"@hat(?!\w)(?P<rest>.*)", re.DOTALL)
_OWN_INSIDE = re.compile(r"\s@hat\s+\w")
_BLOCK_WORDS = (
    "brief|short|details|param|tparam|returns?|result|retval|note|see|sa|warning|attention|remarks?|todo|pre|post"
    "|author|version|date|since|code|verbatim|file|ingroup|defgroup|deprecated|throws?|exception|par|copyright"
)
_COMMAND = re.compile(rf"(?:^|(?<=\s))[@\\](?P<word>(?:{_BLOCK_WORDS})\b|f[$\[{{(])|^[@\\](?P<first>[A-Za-z]+)")
# What only changes how a word looks.
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


def read_comment(comment: Comment) -> Notes:
    """What a comment tells. :class:`FormatError` where a line of ours, or a ``@param``, is not understood."""
    reader = _Reader()
    for line, place in zip(plain_lines(comment), comment.places, strict=True):
        reader.read(line, place)
    return reader.notes()


def plain_lines(comment: Comment) -> list[str]:
    """The lines of a comment without what makes it one, and without frames of stars."""
    lines = []
    for number, line in enumerate(comment.lines):
        if comment.is_run or not number:
            line = _BEFORE.sub("", line, count=1)
        else:
            line = _STAR.sub("", line.removesuffix("*/"), count=1)
        line = line.removesuffix("*/").strip()
        lines.append("" if _RULE.fullmatch(line) else re.sub(r"\s\*+$", "", line))
    return lines


class _Reader:
    """Goes through the lines of a comment; ``_into`` is the list that text goes to at the moment."""

    def __init__(self) -> None:
        self._description: list[str] = []
        self._returns: list[str] = []
        self._documented: dict[str, tuple[list[str], Usage | None, Place]] = {}
        self._parameters: dict[str, ParameterNote] = {}
        self._flops: Annotation | None = None
        self._skip: Place | None = None
        self._package: list[tuple[str, Annotation]] = []
        self._into = self._description
        self._commands = 0

    def notes(self) -> Notes:
        return Notes(
            description=_collapsed(self._description),
            returns=_collapsed(self._returns),
            documented={
                name: Documented(_collapsed(text), usage, place)
                for name, (text, usage, place) in self._documented.items()
            },
            parameters=self._parameters,
            flops=self._flops,
            skip=self._skip,
            package=tuple(self._package),
        )

    def read(self, line: str, place: Place) -> None:
        if own := _OWN.match(line):
            self._read_own(own["rest"].strip(), place)
            return
        if _OWN_INSIDE.search(line):
            _fail("`@hat` stands in the middle of a line", place, "begin a line with it")
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
        """Add text after a command, or after none, to what it belongs to."""
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
            _fail("`@param` names no parameter", place, "write `@param[in] NAME what it is`")
        usage = None
        if match["direction"] is not None:
            usage = _DIRECTIONS.get(re.sub(r"\s", "", match["direction"]).lower())
            if usage is None:
                _fail(f"`[{match['direction']}]` is no direction", place, "it is [in], [out] or [in,out]")
        self._into = []
        for name in re.split(r"\s*,\s*", match["names"]) if match["names"] != "..." else []:
            text_before, usage_before, first_place = self._documented.get(name, ([], usage, place))
            if usage_before and usage and usage_before is not usage:
                _fail(f"`@param` gives `{name}` another direction than line {first_place.line}", place, "give it once")
            # Names that share a text share the list that it goes to.
            self._into = [*text_before] if text_before else self._into
            self._documented[name] = (self._into, usage or usage_before, first_place)
        return match["text"]

    def _read_own(self, text: str, place: Place) -> None:
        keyed = re.fullmatch(r"(?P<key>[A-Za-z_][\w-]*)\s*:\s*(?P<value>.*)", text, re.DOTALL)
        if text == "skip":
            self._skip = place
        elif not keyed:
            note = _parameter_note(text, place)
            if before := self._parameters.get(note.name):
                _fail(f"`{note.name}` is told twice, also on line {before.place.line}", place, "put it on one line")
            self._parameters[note.name] = note
        elif keyed["key"] not in KEYS:
            _fail(f"`@hat {keyed['key']}:` is not known", place, f"known are {', '.join(f'{key}:' for key in KEYS)}")
        elif not keyed["value"]:
            _fail(f"`@hat {keyed['key']}:` has no value", place, f"write `@hat {keyed['key']}: …`")
        elif keyed["key"] in PACKAGE_KEYS:
            self._package.append((keyed["key"], Annotation(keyed["value"], place)))
        elif self._flops:
            _fail(f"flops are told twice, also on line {self._flops.place.line}", place, "keep one of them")
        else:
            self._flops = Annotation(keyed["value"], place)


_TOKEN = re.compile(r"(?P<space>\s+)|(?P<bracket>\[)|(?P<word>\((?:[^()]|\([^()]*\))*\)|[^\s\[\]]+)")


def _parameter_note(text: str, place: Place) -> ParameterNote:
    match = re.match(r"(?P<name>[^\W\d]\w*)", text)
    if not match:
        _fail(f"`@hat {text}` is not understood", place, _FORM)
    name = match["name"]
    extents, position = _extents(text, match.end(), place)
    told: dict[str, Any] = {}

    def tell(key: str, value: str | tuple[str, ...] | Usage) -> None:
        if key in told:
            _fail(f"the {key} of `{name}` is told twice", place, "keep one of them")
        told[key] = value

    while token := _TOKEN.match(text, position):
        position = token.end()
        word = token["word"]
        if token["space"]:
            continue
        if word in ("input", "output", "input_output"):
            tell("usage", Usage(word))
        elif word in ("row-major", "column-major"):
            tell("order", word)
        elif word == "strides":
            strides, position = _extents(text, position, place)
            if strides is None:
                _fail("`strides` are not followed by any", place, "write `strides [80][1]`, counted in elements")
            tell("strides", strides)
        elif word == "offset" and (
            number := re.compile(r"\s*(\((?:[^()]|\([^()]*\))*\)|[^\s\[\]]+)").match(text, position)
        ):
            tell("offset", number[1])
            position = number.end()
        elif word == "offset":
            _fail("`offset` is not followed by a number", place, "write `offset 16`, counted in elements")
        elif name in KEYS:
            _fail(f"`@hat {text}` is not understood", place, f"write `@hat {name}: …`, with a colon")
        else:
            _fail(f"`{word or token.group()}` is not understood", place, _FORM)
    if position < len(text):
        _fail(f"`{text[position:]}` is not understood", place, _FORM)
    if "order" in told and "strides" in told:
        _fail(f"`{name}` has both an order and strides", place, "keep one of them")
    if extents is None and not told:
        _fail(f"`@hat {text}` tells nothing of `{name}`", place, _FORM)
    return ParameterNote(place=place, name=name, extents=extents, **told)


def _extents(text: str, position: int, place: Place) -> tuple[tuple[str, ...] | None, int]:
    """The texts between the brackets that stand at ``position``, None where there are none, and where they end."""
    extents: list[str] = []
    while opening := re.compile(r"\s*\[").match(text, position):
        depth, position = 1, opening.end()
        start = position
        while depth:
            bracket = re.compile(r"[\[\]]").search(text, position)
            if not bracket:
                _fail(f"a bracket in `{text}` is not closed", place, _FORM)
            position = bracket.end()
            depth += 1 if bracket.group() == "[" else -1
        extents.append(text[start : position - 1].strip())
        if not extents[-1]:
            _fail(f"`{text}` has empty brackets", place, "write how many elements there are, such as `[n]` or `[256]`")
    return tuple(extents) or None, position


def _collapsed(texts: list[str]) -> str:
    return " ".join(" ".join(texts).split())


def _fail(message: str, place: Place, hint: str) -> NoReturn:
    raise FormatError(message, where=str(place), hint=hint)
