"""Where each table, key and value of a TOML text stands, which parsers of TOML do not report.

A path is a tuple of keys and indices, such as ``("functions", "f", "arguments", 2, "usage")``. Offsets count bytes of
UTF-8, and lines count from 1. What TOML 1.0 does not have (a time without seconds) has no place.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

Keys = tuple[str | int, ...]

_KEYS = frozenset(("bare_key", "quoted_key", "dotted_key"))


class Item(msgspec.Struct, frozen=True):
    """A value inside an array or inline table: its keys or index, where it starts (with its key), and its node."""

    keys: Keys
    start: int
    value: Node


class Statement(msgspec.Struct, frozen=True):
    """``key = value``, with the whole path of the value, and the span of its lines without the last line break."""

    path: Keys
    start: int
    value: Node
    end: int


class Section(msgspec.Struct, frozen=True, dict=True):
    """A header such as ``[a.b]`` or ``[[a.b]]``, the span of its line, and its statements; the root has no path."""

    path: Keys
    start: int
    end: int
    pairs: list[Node]
    source: bytes

    @functools.cached_property
    def statements(self) -> list[Statement]:
        return [
            Statement((*self.path, *keys), _line_start(self.source, start), value, _line_end(self.source, value))
            for keys, start, value in map(_pair, self.pairs)
        ]

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
        """The end of the section's last line, without the line break."""
        return self.statements[-1].end if self.statements else self.end


class Positions:
    """The places of everything in a valid text; ``sections`` are in its order, and the first is the root."""

    def __init__(self, text: str) -> None:
        self.source = text.encode()
        # The escapes of TOML 1.1 would keep tree-sitter from reading what follows; these have the same length.
        readable = self.source.replace(b"\\e", b"\\t").replace(b"\\x", b"\\t")
        self.sections = list(_sections(_parser().parse(readable).root_node, self.source))
        self._headers = {section.path: section for section in self.sections}

    @functools.cached_property
    def _under(self) -> dict[Keys, list[Section]]:
        found: dict[Keys, list[Section]] = {}
        for section in self.sections:
            for length in range(len(section.path) + 1):
                found.setdefault(section.path[:length], []).append(section)
        return found

    def line(self, path: Keys) -> int:
        """The line of a table or key, or of the closest one around a path that does not exist."""
        return self.source.count(b"\n", 0, self._offset(tuple(path))) + 1

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

    def _offset(self, path: Keys) -> int:
        for length in range(len(path), -1, -1):
            if header := self._headers.get(path[:length]):
                return header.start
            if statement := self.statement(path[:length]):
                return _offset_inside(statement.value, path[length:], statement.start)
            # A table without a header stands where it is first used: [a.b.c] makes a and a.b.
            used = [statement.start for _, statement in self.statements_under(path[:length])]
            used += [section.start for section in self.sections_under(path[:length])[:1]]
            if used:
                return min(used)
        return 0


def items(value: Node) -> list[Item]:
    """The items directly in an array or inline table; none for other values."""
    if value.type == "array":
        found = [node for node in value.named_children if node.type != "comment"]
        return [Item((index,), node.start_byte, node) for index, node in enumerate(found)]
    if value.type == "inline_table":
        return [Item(*_pair(node)) for node in _pairs(value.named_children)]
    return []


@functools.cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_toml

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language()))


def _offset_inside(value: Node, rest: Keys, known: int) -> int:
    for item in items(value) if rest else ():
        shared = min(len(item.keys), len(rest))
        if item.keys[:shared] == rest[:shared]:
            return _offset_inside(item.value, rest[shared:], item.start)
    return known


def _sections(root: Node, source: bytes) -> Iterator[Section]:
    first = 3 if source.startswith(b"\xef\xbb\xbf") else 0
    yield Section((), first, first, _pairs(root.children), source)
    counts: dict[Keys, int] = {}
    for node in root.children:
        if node.type not in ("table", "table_array_element"):
            continue
        _, name, *inside = node.children
        keys = _keys(name)
        path = (*_resolve(keys[:-1], counts), keys[-1])
        if node.type == "table_array_element":
            counts[path] = counts.get(path, -1) + 1
            path = (*path, counts[path])
        yield Section(path, _line_start(source, node.start_byte), _line_end(source, name), _pairs(inside), source)


def _pairs(nodes: Iterable[Node]) -> list[Node]:
    return [node for node in nodes if node.type == "pair" and not any(part.is_error for part in node.named_children)]


def _pair(node: Node) -> tuple[Keys, int, Node]:
    name, value, *_comment = node.named_children
    return _keys(name), node.start_byte, value


def _keys(name: Node) -> Keys:
    if name.type == "dotted_key":
        return tuple(key for part in name.children if part.type in _KEYS for key in _keys(part))
    assert name.text is not None
    text = name.text.decode()
    if name.type == "bare_key":
        return (text,)
    if "\\" in text:
        import rtoml

        return (rtoml.loads(f"key = {text}")["key"],)
    return (text[1:-1],)


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


def _line_start(source: bytes, offset: int) -> int:
    start = source.rfind(b"\n", 0, offset) + 1
    return start or (3 if source.startswith(b"\xef\xbb\xbf") else 0)


def _line_end(source: bytes, node: Node) -> int:
    end = source.find(b"\n", node.end_byte)
    if end < 0:
        return len(source)
    return end - 1 if source[end - 1] == 0x0D else end
