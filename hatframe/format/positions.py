"""Where each table, key and value of a TOML text stands; parsers of TOML give values without their places.

The text must be TOML that a parser accepted: what stands where is found without checking it again. A path is
a tuple of keys and indices, such as ``("functions", "f", "arguments", 2, "usage")``; offsets count
characters, and lines count from 1.

A file of 1,000 functions has 4,000 headers and 30,000 statements, and few of their places are ever asked for. So
at first only the headers are found, with one regular expression that passes over all that stands between two
of them; statements are told apart where they are asked for.
"""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Iterator

import msgspec

Keys = tuple[str | int, ...]

# In each pattern the choices differ by their first character, and what repeats ends where a choice can begin: so
# none is tried twice, and what fits none is known in a time that grows with its length only.
_BASIC = r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
_LITERAL = r"'[^'\n]*'"
_STRING = rf"""(?!"{{3}}){_BASIC}|(?!'{{3}}){_LITERAL}"""
_COMMENT = r"#[^\n]*"


def _bracketed(depth: int) -> str:
    """An array or an inline table, with so many levels of them inside, and without strings over several lines."""
    # With its line break, as a comment must not be given up from its middle on for a bracket in it.
    inside = rf"{_STRING}|{_COMMENT}\n" + (f"|{_bracketed(depth - 1)}" if depth else "")
    return rf"""[\[{{][^\[\]{{}}"'#]*(?:(?:{inside})[^\[\]{{}}"'#]*)*[\]}}]"""


_KEY = rf"(?:[A-Za-z0-9_-]+|{_BASIC}|{_LITERAL})[ \t]*"
# Dates may have a space inside.
_VALUE = rf"""{_STRING}|[^\s\[\]{{}}"'#,]+(?:[ \t]+[^\s\[\]{{}}"'#,]+)*|{_bracketed(3)}"""
_BLANK = re.compile(rf"(?:[ \t\r\n]+|{_COMMENT})*")
_SPACES = re.compile(r"[ \t]*")
_REST_OF_LINE = re.compile(r"[^\r\n]*")
_KEY_PART = re.compile(rf"[ \t]*(?:([A-Za-z0-9_-]+)|({_BASIC})|({_LITERAL}))[ \t]*")
_PLAIN_VALUE = re.compile(_VALUE)
# Whole statements, and the header behind them if it has no quotes.
_STATEMENTS = re.compile(
    rf"(?:{_KEY}(?:\.[ \t]*{_KEY})*=[ \t]*(?:{_VALUE})[ \t\r\n]*|[ \t\r\n]+|{_COMMENT})*"
    rf"(?:(\[\[?)([A-Za-z0-9_.-]+)\][^\r\n]*)?"
)
# All that may stand between two brackets, save strings over several lines.
_INSIDE = re.compile(rf"""(?:[^\[\]{{}}"'#]+|{_STRING}|{_COMMENT})+""")
# Up to two quotes may stand directly before the three that close a multi-line string.
_CLOSE = {'"""': re.compile(r'\\.|"{3,5}', re.DOTALL), "'''": re.compile(r"'{3,5}")}


class Span(msgspec.Struct, frozen=True):
    """A part of the text, from offset ``start`` up to ``end``."""

    start: int
    end: int


class Item(msgspec.Struct, frozen=True):
    """A value inside an array or an inline table: its keys or index, its start (with its key), its value."""

    keys: Keys
    start: int
    value: Span


class Statement(msgspec.Struct, frozen=True):
    """``key = value``: ``path`` is the whole path of the value.

    ``start`` is where its line starts, and ``end`` is where its last line ends, without the line break.
    """

    path: Keys
    start: int
    value: Span
    end: int


class Section(msgspec.Struct, frozen=True, dict=True):
    """A header such as ``[a.b]`` or ``[[a.b]]`` with the statements under it; the root has an empty path.

    The path of an array's table ends with its index. ``start`` is where the header's line starts, and ``end``
    where it ends, without the line break. ``text`` is the whole text, up to the next header at ``limit``.
    """

    path: Keys
    start: int
    end: int
    text: str
    limit: int

    @functools.cached_property
    def statements(self) -> list[Statement]:
        """The statements under the header, in the order of the text."""
        return list(_statements(self))

    @functools.cached_property
    def under(self) -> dict[Keys, list[Statement]]:
        """The statements at and under each path below the section's, as dotted keys make them."""
        found: dict[Keys, list[Statement]] = {}
        for statement in self.statements:
            for length in range(len(self.path) + 1, len(statement.path) + 1):
                found.setdefault(statement.path[:length], []).append(statement)
        return found

    @property
    def body_end(self) -> int:
        """Where the last line of the section ends, without the line break."""
        return self.statements[-1].end if self.statements else self.end


class Positions:
    """The places of everything in ``text``, which must be valid TOML; a byte order mark may lead it.

    ``sections`` are in the order of the text; the first is the root, with an empty span.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.sections = list(_sections(text))
        self._headers = {section.path: section for section in self.sections}

    @functools.cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    @functools.cached_property
    def _under(self) -> dict[Keys, list[Section]]:
        found: dict[Keys, list[Section]] = {}
        for section in self.sections:
            path = section.path
            for length in range(len(path) + 1):
                found.setdefault(path[:length], []).append(section)
        return found

    def line(self, path: Keys) -> int:
        """The line of a table or key; for a path that is not there, that of the closest around it."""
        return self.line_of(self._offset(tuple(path)))

    def line_of(self, offset: int) -> int:
        """The line of an offset into the text."""
        return bisect.bisect_right(self._line_starts, offset)

    def header(self, path: Keys) -> Section | None:
        """The section whose header names exactly ``path``, or None."""
        return self._headers.get(path)

    def statement(self, path: Keys) -> Statement | None:
        """The statement that gives exactly the value at ``path``, or None."""
        return next((found for _, found in self.statements_under(path) if found.path == path), None)

    def sections_under(self, path: Keys) -> list[Section]:
        """The sections whose headers name ``path`` or a path below it, in the order of the text."""
        return self._under.get(path, [])

    def statements_under(self, path: Keys) -> list[tuple[Section, Statement]]:
        """The statements that give the value at ``path`` or one below it, in sections that stand above it."""
        return [
            (section, statement)
            for length in range(len(path))
            if (section := self._headers.get(path[:length]))
            for statement in section.under.get(path, ())
        ]

    def items(self, value: Span) -> Iterator[Item]:
        """What is directly in the array or inline table at ``value``; nothing for other values."""
        return _items(self.text, value)

    def _offset(self, path: Keys) -> int:
        for length in range(len(path), -1, -1):
            if header := self._headers.get(path[:length]):
                return header.start
            if statement := self.statement(path[:length]):
                return self._offset_inside(statement.value, path[length:], statement.start)
            # What no header or statement defines stands where it is first used: [a.b.c] makes a and a.b.
            used = [statement.start for _, statement in self.statements_under(path[:length])]
            used += [section.start for section in self.sections_under(path[:length])[:1]]
            if used:
                return min(used)
        return 0

    def _offset_inside(self, value: Span, rest: Keys, known: int) -> int:
        if not rest:
            return known
        for item in self.items(value):
            shared = min(len(item.keys), len(rest))
            if item.keys[:shared] == rest[:shared]:
                return self._offset_inside(item.value, rest[shared:], item.start)
        return known


def _sections(text: str) -> Iterator[Section]:
    first = int(text.startswith("\ufeff"))
    path: Keys = ()
    start = end = position = first
    counts: dict[Keys, int] = {}
    while match := _STATEMENTS.match(text, position):
        opening, plain = match.groups()
        position = match.start(1) if opening else match.end()
        if position == len(text):
            break
        if text[position] != "[":
            _, position = _keys(text, position)
            position = _value_end(text, _match_end(_SPACES, text, position + 1))
            continue
        line_start = max(text.rfind("\n", 0, position) + 1, first)
        yield Section(path, start, end, text, line_start)
        start = line_start
        if opening:
            keys, end = tuple(plain.split(".")), match.end()
        else:
            opening = "[[" if text.startswith("[[", position) else "["
            keys, end = _keys(text, position + len(opening))
            end = _match_end(_REST_OF_LINE, text, end)
        path = (*_resolve(keys[:-1], counts), keys[-1])
        if opening == "[[":
            counts[path] = counts.get(path, -1) + 1
            path = (*path, counts[path])
        position = end
    yield Section(path, start, end, text, len(text))


def _statements(section: Section) -> Iterator[Statement]:
    text, position = section.text, section.end
    while (position := _match_end(_BLANK, text, position)) < section.limit:
        line_start = max(text.rfind("\n", 0, position) + 1, section.end)
        keys, position = _keys(text, position)
        start = _match_end(_SPACES, text, position + 1)
        stop = _value_end(text, start)
        position = _match_end(_REST_OF_LINE, text, stop)
        yield Statement((*section.path, *keys), line_start, Span(start, stop), position)


def _resolve(keys: Keys, counts: dict[Keys, int]) -> Keys:
    """The path with the index of the last table after each array of tables in it."""
    if not counts:
        return keys
    path: Keys = ()
    for key in keys:
        path = (*path, key)
        if path in counts:
            path = (*path, counts[path])
    return path


def _match_end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _keys(text: str, position: int) -> tuple[tuple[str, ...], int]:
    """The parts of a dotted key, and where it ends (after blanks): at ``=`` or ``]``."""
    keys: list[str] = []
    while True:
        match = _KEY_PART.match(text, position)
        if match is None:
            raise ValueError(f"no key at offset {position}")
        bare, basic, literal = match.groups()
        if basic and "\\" in basic:
            import tomli

            keys.append(tomli.loads(f"key = {basic}")["key"])
        else:
            keys.append(bare or (basic or literal)[1:-1])
        position = match.end()
        if not text.startswith(".", position):
            return tuple(keys), position
        position += 1


def _value_end(text: str, position: int) -> int:
    plain = _PLAIN_VALUE.match(text, position)
    if plain:
        return plain.end()
    depth = 0
    while True:
        character = text[position]
        if character in "[{":
            depth += 1
            position += 1
        elif character in "]}":
            depth -= 1
            position += 1
        else:
            position = _multi_line_end(text, position)
        if not depth:
            return position
        position = _match_end(_INSIDE, text, position)


def _multi_line_end(text: str, position: int) -> int:
    quotes = text[position : position + 3]
    for match in _CLOSE[quotes].finditer(text, position + 3):
        if match.group().startswith(quotes):
            return match.end()
    raise ValueError(f"the string at offset {position} has no end")


def _items(text: str, value: Span) -> Iterator[Item]:
    kind = text[value.start]
    if kind not in "[{":
        return
    position = value.start + 1
    index = 0
    while True:
        position = _match_end(_BLANK, text, position)
        if text[position] == ",":
            position += 1
            continue
        if text[position] in "]}":
            return
        start = position
        keys: Keys = (index,)
        if kind == "{":
            keys, position = _keys(text, position)
            position = _match_end(_BLANK, text, position + 1)
        end = _value_end(text, position)
        yield Item(keys, start, Span(position, end))
        position = end
        index += 1
