"""Editing a .hat file: a changed key changes only its own lines, and no other byte.

The differences are spliced into the text at the places that :mod:`hatframe.format.positions` finds, directly beside a
line of TOML, so that they never leave its ``#ifdef TOML``. (tomlkit writes a new table after the last ``#endif``.)
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatframe import files
from hatframe.errors import FormatError, HatError
from hatframe.format.positions import Item, Keys, Positions, Section, Statement, items
from hatframe.format.reading import parse_document, read_text
from hatframe.format.rendering import (
    has_section,
    plain,
    same,
    toml_key,
    toml_path,
    toml_sections,
    toml_statement,
    toml_value,
)

if TYPE_CHECKING:
    from tree_sitter import Node

_LINE_BREAK = re.compile(rb"\r?\n")
_BLANK_LINES = re.compile(rb"(?:\r?\n)?(?:[ \t]*\r?\n)*")
_INDENT = re.compile(rb"[ \t]*")
_ABSENT = object()
_IFDEF_TOML = re.compile(rb"^[ \t]*#[ \t]*ifdef[ \t]+TOML\b[^\n]*\n", re.MULTILINE)


@contextlib.contextmanager
def edit_hat(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the document of a .hat file as plain dicts and lists, and write the changes made to it.

    The file is locked, and replaced atomically, only if something changed and the block raised nothing. Raises
    :class:`FormatError` if the file cannot be read or a value cannot be stored, and :class:`HatError` if it cannot be
    written.

    >>> with edit_hat("pkg.hat") as document:  # doctest: +SKIP
    ...     document["dependencies"]["link_target"] = "pkg.so"
    """
    path = Path(path)
    with files.locked(path):
        text = read_text(path)
        document = parse_document(text, str(path))
        old = _copied(document)
        yield document
        changed = edit_text(text, document, str(path), old=old)
        if changed != text:
            try:
                files.write_atomically(path, changed.encode("utf-8"))
            except OSError as error:
                raise HatError(f"cannot be written: {error.strerror or error}", where=str(path)) from None


def store_in_auxiliary(path: str | Path, values: Mapping[str, Mapping[str, Any]]) -> None:
    """Store keys in the ``auxiliary`` tables of functions, given by name, in one edit; other keys stay, also in tables.

    Raises :class:`FormatError` for a function that the file does not describe, and as :func:`edit_hat`.
    """
    with edit_hat(path) as document:
        functions = _table(document, "functions", str(path))
        by_name = {table.get("name") or key: key for key, table in functions.items() if isinstance(table, dict)}
        for name, stored in values.items():
            if name not in by_name:
                raise FormatError(f"it does not describe function {name!r}", where=str(path))
            function = functions[by_name[name]]
            _merge(_table(function, "auxiliary", f"{path}: functions.{by_name[name]}"), stored)


def _merge(table: dict[str, Any], stored: Mapping[str, Any]) -> None:
    for key, value in stored.items():
        before = table.get(key)
        if isinstance(before, dict) and isinstance(value, Mapping):
            _merge(before, value)
        else:
            table[key] = value


def _table(parent: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    table = parent.setdefault(key, {})
    if not isinstance(table, dict):
        raise FormatError(f"{key} is not a table", where=where, hint="hatframe validate lists all deviations")
    return table


def edit_text(text: str, document: Mapping[str, Any], where: str = "", *, old: dict[str, Any] | None = None) -> str:
    """The TOML text, changed so that it parses to ``document``; only lines that must change do.

    ``old`` is what the text parses to, if known; objects that it shares with ``document`` are not searched for changes.
    Raises :class:`FormatError` if the text is not TOML, or a value cannot be stored.
    """
    if old is None:
        old = parse_document(text, where)
    new: dict[str, Any] = _plain(document, old)
    keys = [key for key in {**old, **new} if not same(old.get(key, _ABSENT), new.get(key, _ABSENT))]
    if not keys:
        return text
    if len(keys) == 1 and (changed := _edit_table(text, keys[0], old, new)):
        return changed
    changed = _Edit(text).apply(old, new)
    with contextlib.suppress(FormatError):
        if same(parse_document(changed), new):
            return changed
    raise FormatError(
        "the change would affect the rest of the file",
        where=where,
        hint="does it use TOML 1.1, such as a time without seconds? write that in TOML 1.0",
    )


def _edit_table(text: str, key: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    """The text with only the sections of one top-level table read and edited; empty if they are not adjacent."""
    name = rf"\[[ \t]*{re.escape(key)}[ \t]*[].]"
    # A pattern that starts with a character is found ten times as fast as one that starts with a line.
    headers = (match.start() for match in re.finditer(name, text))
    lines = (text.rfind("\n", 0, header) + 1 for header in headers)
    start = next((line for line in lines if re.compile(rf"[ \t]*\[?{name}").match(text, line)), -1)
    if start < 0 or key not in old or key not in new or any(quotes in text[:start] for quotes in ('"""', "'''")):
        return ""
    following = re.compile(rf"^(?![ \t]*\[?{name})[ \t]*\[", re.MULTILINE).search(text, start)
    end = following.start() if following else len(text)
    with contextlib.suppress(FormatError):
        if same(parse_document(text[start:end]), {key: old[key]}):
            changed = _Edit(text[start:end]).apply({key: old[key]}, {key: new[key]})
            if same(parse_document(changed), {key: new[key]}) and (changed.endswith("\n") or end == len(text)):
                return text[:start] + changed + text[end:]
    return ""


def _copied(value: Any) -> Any:
    """A copy of a parsed document, ten times as fast as :func:`copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _plain(value: Any, old: Any, where: Keys = ()) -> Any:
    """:func:`plain`, which leaves what is part of ``old`` itself, since a parser made that."""
    if value is old:
        return value
    if isinstance(value, dict) and isinstance(old, dict) and all(isinstance(key, str) for key in value):
        return {str(key): _plain(item, old.get(key, _ABSENT), (*where, key)) for key, item in value.items()}
    return plain(value, where)


class _Edit:
    """One edit of a text: collects what to cut and insert, and then applies it in one pass."""

    def __init__(self, text: str) -> None:
        self.positions = Positions(text)
        self.source = self.positions.source
        first_break = _LINE_BREAK.search(self.source)
        self.line_break = first_break.group() if first_break else b"\n"
        self.splices: list[tuple[int, int, str]] = []
        self.added: dict[Keys, dict[str, Any]] = {}
        self.added_sections: list[tuple[Keys, list[list[str]]]] = []
        self.removed: set[int] = set()

    def apply(self, old: dict[str, Any], new: dict[str, Any]) -> str:
        """The text, which parses to ``old``, changed to parse to ``new``."""
        self._change_table((), old, new)
        # Additions come last, as they go next to statements that stay. At the same place, the keys of a table come
        # before a new header, and the content of a table before the tables that follow it.
        for path in sorted(self.added, key=len):
            self._add(path, self.added[path])
        for path, sections in sorted(self.added_sections, key=lambda pair: -len(pair[0])):
            self._add_sections(path, sections)
        parts: list[bytes] = []
        position = 0
        for start, end, inserted in sorted(self.splices, key=lambda splice: splice[:2]):
            parts += (self.source[position:start], _LINE_BREAK.sub(self.line_break, inserted.encode()))
            position = end
        return b"".join((*parts, self.source[position:])).decode()

    def _change(self, path: Keys, old: Any, new: Any) -> None:
        statement = self.positions.statement(path)
        if statement:
            self._change_value(statement.value, old, new)
        elif isinstance(old, dict) and isinstance(new, dict):
            self._change_table(path, old, new)
        elif isinstance(old, list) and isinstance(new, list) and new and all(isinstance(item, dict) for item in new):
            self._change_array_of_tables(path, old, new)
        else:
            self._remove(path)
            self.added.setdefault(path[:-1], {})[str(path[-1])] = new

    def _change_table(self, path: Keys, old: dict[str, Any], new: dict[str, Any]) -> None:
        for key, value in old.items():
            if key not in new:
                self._remove((*path, key))
            elif not same(value, new[key]):
                self._change((*path, key), value, new[key])
        if new.keys() - old.keys():
            self.added.setdefault(path, {}).update((key, new[key]) for key in new if key not in old)
        elif not (new or self.positions.header(path)):
            # Without keys, the table exists only if it has a header.
            self.added.setdefault(path, {})

    def _change_array_of_tables(self, path: Keys, old: list[Any], new: list[Any]) -> None:
        for index, (before, after) in enumerate(zip(old, new, strict=False)):
            self._change_table((*path, index), before, after)
        for index in range(len(new), len(old)):
            self._remove((*path, index))
        for index in range(len(old), len(new)):
            self.added_sections.append((path, toml_sections((*path, index), new[index])))

    def _change_value(self, value: Node, old: Any, new: Any) -> None:
        inside = items(value)
        if isinstance(old, dict) and isinstance(new, dict) and all(len(item.keys) == 1 for item in inside):
            kept = [item for item in inside if item.keys[0] in new]
            pairs = [(old[item.keys[0]], new[item.keys[0]]) for item in kept]
            added = [f"{toml_key(key)} = {toml_value(new[key])}" for key in new if key not in old]
        elif isinstance(old, list) and isinstance(new, list):
            kept = inside[: len(new)]
            pairs = list(zip(old, new, strict=False))
            added = [toml_value(item) for item in new[len(old) :]]
        else:
            kept = []
        if not kept:
            self.splices.append((value.start_byte, value.end_byte, toml_value(new)))
            return
        for item, (before, after) in zip(kept, pairs, strict=True):
            if not same(before, after):
                self._change_value(item.value, before, after)
        self._cut_items(inside, kept)
        separator = b", "
        if len(inside) > 1 and b"#" not in (between := self.source[inside[-2].value.end_byte : inside[-1].start]):
            separator = between
        end = kept[-1].value.end_byte
        self.splices += [(end, end, separator.decode() + text) for text in added]

    def _cut_items(self, items: list[Item], kept: list[Item]) -> None:
        """Cut the items that are not kept, each with one comma: the one before it, if there is one."""
        first_kept = items.index(kept[0])
        if first_kept:
            self.splices.append((items[0].start, items[first_kept].start, ""))
        starts = {item.start for item in kept}
        for before, item in itertools.pairwise(items[first_kept:]):
            if item.start not in starts:
                self.splices.append((before.value.end_byte, item.value.end_byte, ""))

    def _remove(self, path: Keys) -> None:
        for section in self.positions.sections_under(path):
            self.removed.update(map(id, (section, *section.statements)))
            # Without the blank lines after it, or each removal would leave more of them.
            after = _BLANK_LINES.match(self.source, section.body_end)
            self.splices.append((section.start, after.end() if after else section.body_end, ""))
        for _, statement in self.positions.statements_under(path):
            if id(statement) not in self.removed:
                self.removed.add(id(statement))
                after = _LINE_BREAK.match(self.source, statement.end)
                self.splices.append((statement.start, after.end() if after else statement.end, ""))

    def _add(self, path: Keys, items: dict[str, Any]) -> None:
        left = self._left(path)
        header = next((section for section in left if section.path == path), None)
        dotted = [pair for pair in self.positions.statements_under(path) if id(pair[1]) not in self.removed]
        if dotted and not header and len(dotted[-1][0].path) < len(path):
            section, statement = dotted[-1]
            keys = path[len(section.path) :]
            lines = [f"{toml_path((*keys, key))} = {toml_value(value)}" for key, value in items.items()]
            self._insert_after(statement.end, lines, like=statement.start)
            return
        tables = {key: value for key, value in items.items() if has_section(key, value)}
        lines = [line for key in items if key not in tables for line in toml_statement(key, items[key])]
        if header and lines:
            self._add_lines(header, lines)
        elif not header and (lines or not tables):
            lines = [f"[{toml_path(path)}]", *lines]
            if left:
                self._insert_before(left[0].start, [*lines, ""])
            else:
                self.added_sections.append((path, [lines]))
        for key, value in tables.items():
            self.added_sections.append((path, toml_sections((*path, key), value)))

    def _add_lines(self, section: Section, lines: list[str]) -> None:
        statements = self._left_in(section)
        if statements:
            self._insert_after(statements[-1].end, lines, like=statements[-1].start)
        elif section.path:
            self._insert_after(section.end, lines, like=section.start)
        else:
            # Top-level keys go before the first table.
            self._insert_before(self._first_line(), [*lines, ""])

    def _add_sections(self, path: Keys, sections: list[list[str]]) -> None:
        """Add new sections after all sections under ``path``, or under the closest path around it."""
        lines = [line for section in sections for line in ("", *section)]
        for length in range(len(path), -1, -1):
            left = self._left(path[:length])
            # The root has no header to insert anything after.
            if left and (left[-1].path or self._left_in(left[-1])):
                last = (self._left_in(left[-1]) or left)[-1]
                self._insert_after(last.end, lines, like=left[-1].start)
                return
            removed = self.positions.sections_under(path[:length])
            if length and removed:
                self._insert_before(removed[0].start, [*lines[1:], ""])
                return
        self._insert_before(self._first_line(), [*lines[1:], ""])

    def _left(self, path: Keys) -> list[Section]:
        return [section for section in self.positions.sections_under(path) if id(section) not in self.removed]

    def _left_in(self, section: Section) -> list[Statement]:
        return [statement for statement in section.statements if id(statement) not in self.removed]

    def _first_line(self) -> int:
        """The start of the first line of TOML or, without any, the line after ``#ifdef TOML``."""
        root, *sections = self.positions.sections
        places: list[Statement | Section] = [*root.statements, *sections]
        if places:
            return min(place.start for place in places)
        opening = _IFDEF_TOML.search(self.source)
        return opening.end() if opening else root.start

    def _insert_after(self, end: int, lines: Iterable[str], like: int) -> None:
        """Insert lines after the line that ends at ``end``, indented like the line that starts at ``like``."""
        text = "".join("\n" + (self._indent(like) + line if line else "") for line in lines)
        self.splices.append((end, end, text))

    def _insert_before(self, start: int, lines: Iterable[str]) -> None:
        text = "".join((self._indent(start) + line if line else "") + "\n" for line in lines)
        self.splices.append((start, start, text))

    def _indent(self, start: int) -> str:
        indent = _INDENT.match(self.source, start)
        return indent.group().decode() if indent else ""
