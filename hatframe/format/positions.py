"""Where each table, key and value of a TOML text stands; parsers of TOML give values without their places.

The text must be TOML that a parser accepted: what stands where is found without checking it again. A path is
a tuple of keys and indices, such as ``("functions", "f", "arguments", 2, "usage")``; offsets count
characters, and lines count from 1.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

Keys = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACES = re.compile(r"[ \t]*")
_REST_OF_LINE = re.compile(r"[^\r\n]*")
_KEY_PART = re.compile(
    r"""[ \t]*(?:(?P<bare>[A-Za-z0-9_-]+)"""
    r"""|"(?P<basic>[^"\\\n]*(?:\\.[^"\\\n]*)*)"|'(?P<literal>[^'\n]*)')[ \t]*"""
)
_BASIC = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
# Up to two quotes may stand directly before the three that close a multi-line string.
_CLOSE = {'"""': re.compile(r'\\.|"{3,5}', re.DOTALL), "'''": re.compile(r"'{3,5}")}
_SCALAR = re.compile(r"[^\s,\]}#][^,\]}#\r\n]*")
# All that may stand between two brackets, save strings over several lines: in one step, for speed.
_INSIDE = re.compile(r"""(?:[^\[\]{}"'#]+|(?!\"{3})"[^"\\\n]*(?:\\.[^"\\\n]*)*"|(?!'{3})'[^'\n]*'|#[^\n]*)+""")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the text, from offset ``start`` up to ``end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Item:
    """A value inside an array or an inline table: its keys or index, its start (with its key), its value."""

    keys: Keys
    start: int
    value: Span


@dataclass(frozen=True, slots=True)
class Statement:
    """``key = value``: ``path`` is the whole path of the value.

    ``start`` is where its line starts, and ``end`` is where its last line ends, without the line break.
    """

    path: Keys
    start: int
    value: Span
    end: int


@dataclass(frozen=True, slots=True)
class Section:
    """A header such as ``[a.b]`` or ``[[a.b]]`` with the statements under it; the root has an empty path.

    The path of an array's table ends with its index. ``start`` is where the header's line starts, and ``end``
    where it ends, without the line break.
    """

    path: Keys
    start: int
    end: int
    statements: list[Statement] = field(default_factory=list)

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
        self.sections = _sections(text)
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._first: dict[Keys, Section | Statement] = {}
        for section in self.sections:
            self._remember(section, 0)
            for statement in section.statements:
                self._remember(statement, len(section.path))

    def _remember(self, place: Section | Statement, known: int) -> None:
        # A prefix that nothing else defines stands where it is first used: [a.b.c] makes a and a.b.
        for length in range(known, len(place.path)):
            self._first.setdefault(place.path[:length], place)
        # An explicit header wins over an earlier use of its path as a prefix.
        first = self._first.get(place.path)
        if first is None or first.path != place.path:
            self._first[place.path] = place

    def line(self, path: Keys) -> int:
        """The line of a table or key; for a path that is not there, that of the closest around it."""
        return self.line_of(self._offset(tuple(path)))

    def line_of(self, offset: int) -> int:
        """The line of an offset into the text."""
        return bisect.bisect_right(self._line_starts, offset)

    def statement(self, path: Keys) -> Statement | None:
        """The statement that gives exactly the value at ``path``, or None."""
        place = self._first.get(path)
        return place if isinstance(place, Statement) and place.path == path else None

    def items(self, value: Span) -> Iterator[Item]:
        """What is directly in the array or inline table at ``value``; nothing for other values."""
        return _items(self.text, value)

    def _offset(self, path: Keys) -> int:
        for length in range(len(path), -1, -1):
            place = self._first.get(path[:length])
            if place is not None:
                break
        else:
            return 0
        if not isinstance(place, Statement):
            return place.start
        if place.path != path[:length]:
            return place.start
        return self._offset_inside(place.value, path[length:], place.start)

    def _offset_inside(self, value: Span, rest: Keys, known: int) -> int:
        if not rest:
            return known
        for item in self.items(value):
            shared = min(len(item.keys), len(rest))
            if item.keys[:shared] == rest[:shared]:
                return self._offset_inside(item.value, rest[shared:], item.start)
        return known


def _sections(text: str) -> list[Section]:
    position = int(text.startswith("\ufeff"))
    current = Section((), position, position)
    sections = [current]
    counts: dict[Keys, int] = {}
    while True:
        position = _match_end(_BLANK, text, position)
        if position >= len(text):
            return sections
        line_start = max(text.rfind("\n", 0, position) + 1, sections[0].start)
        if text[position] == "[":
            is_array = text.startswith("[[", position)
            keys, position = _keys(text, position + 1 + is_array)
            path = (*_resolve(keys[:-1], counts), keys[-1])
            if is_array:
                counts[path] = counts.get(path, -1) + 1
                path = (*path, counts[path])
            end = _match_end(_REST_OF_LINE, text, position)
            current = Section(path, line_start, end)
            sections.append(current)
        else:
            keys, position = _keys(text, position)
            start = _match_end(_SPACES, text, position + 1)
            stop = _value_end(text, start)
            end = _match_end(_REST_OF_LINE, text, stop)
            current.statements.append(Statement((*current.path, *keys), line_start, Span(start, stop), end))
        position = end


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
        raw = match["basic"]
        if raw is not None and "\\" in raw:
            import tomli

            raw = tomli.loads(f'key = "{raw}"')["key"]
        keys.append(next(part for part in (match["bare"], raw, match["literal"]) if part is not None))
        position = match.end()
        if not text.startswith(".", position):
            return tuple(keys), position
        position += 1


def _value_end(text: str, position: int) -> int:
    first = text[position : position + 3]
    if first in _CLOSE:
        return _multi_line_end(text, position)
    if first[:1] == '"':
        return _match_end(_BASIC, text, position)
    if first[:1] == "'":
        return _match_end(_LITERAL, text, position)
    if first[:1] not in ("[", "{"):
        end = _match_end(_SCALAR, text, position)
        return position + len(text[position:end].rstrip(" \t"))
    depth = 0
    while True:
        position = _match_end(_INSIDE, text, position)
        character = text[position]
        if character in "[{":
            depth += 1
            position += 1
        elif character in "]}":
            depth -= 1
            position += 1
            if not depth:
                return position
        else:
            position = _multi_line_end(text, position)


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
