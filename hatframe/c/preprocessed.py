"""Preprocessed C (``gcc -E -C``, ``cl /E /C``): its code, its comments, and where each line was written.

Comments, line markers and other directives become spaces, so that none stands inside a signature, and every byte keeps
its place. The standard's keywords replace those of GNU C, padded to the same length.
"""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from hatframe.c.syntax import parse

if TYPE_CHECKING:
    from tree_sitter import Tree


class Place(msgspec.Struct, frozen=True, order=True):
    """A line of a file as it was written, before the preprocessor."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Comment(msgspec.Struct, frozen=True):
    """A comment, or a run of ``//`` comments: its bytes in the text, and its lines as written, each with its place.

    ``alone`` means that no code stands before it on its line.
    """

    start: int
    end: int
    lines: tuple[str, ...]
    places: tuple[Place, ...]
    alone: bool

    @property
    def is_run(self) -> bool:
        return self.lines[0].lstrip().startswith("//")


_TOKEN = re.compile(
    rb"""(?P<comment>//(?:[^\\\n]|\\[\s\S])*|/\*[\s\S]*?(?:\*/|\Z))|(?P<directive>\#[^\\\n]*(?:\\[\s\S][^\\\n]*)*)"""
    rb"""|"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'"""
)
_MARKER = re.compile(rb'#[ \t]*(?:line[ \t]+)?(?P<line>\d+)(?:[ \t]+"(?P<file>(?:[^"\\]|\\.)*)")?')
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_GNU_KEYWORD = re.compile(
    rb"__(?<!\w__)(?:(?P<standard>restrict|const|volatile|inline|signed)(?:__)?|extension__|w64|unaligned)(?!\w)"
)
_PRAGMA = re.compile(rb"__pragma\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")
_NOT_NEWLINE = re.compile(rb"[^\n]")


def files_of(text: str) -> list[str]:
    """The files that a preprocessed text consists of, from its line markers."""
    markers = (_MARKER.match(line) for line in _encoded(text).split(b"\n") if line.startswith(b"#"))
    return list(dict.fromkeys(_unescaped(marker["file"]) for marker in markers if marker and marker["file"]))


class TranslationUnit:
    """One preprocessed text.

    ``sources`` are the files that count, as the line markers spell their names. ``originals`` are their texts, where
    known: they distinguish an empty line from one that a directive or an empty macro left empty.
    """

    def __init__(self, text: str, sources: Collection[str], originals: Mapping[str, str] | None = None) -> None:
        data = _encoded(text)
        self._sources = {_slashed(source) for source in sources}
        self._originals = {
            _slashed(name): original.replace("\r\n", "\n").split("\n") for name, original in (originals or {}).items()
        }
        self._line_starts = [0, *(match.end() for match in re.finditer(rb"\n", data))]
        self._mark_rows: list[int] = [0]
        self._marks: list[Place] = [Place("", 1)]
        self._directives: set[Place] = set()
        comments = []
        pieces: list[bytes] = []
        position = 0
        for match in _TOKEN.finditer(data):
            if match.lastgroup is None:
                continue
            pieces += (data[position : match.start()], _blank(match))
            position = match.end()
            if match.lastgroup == "comment":
                comments.append(match)
            else:
                self._read_directive(match)
        pieces.append(data[position:])
        self.code = _GNU_KEYWORD.sub(_standard, _PRAGMA.sub(_blank, b"".join(pieces)))
        # Only after all marks are known can it be said which comments are those of the sources.
        self.comments = _joined([comment for match in comments if (comment := self._comment(match))])

    def _read_directive(self, match: re.Match[bytes]) -> None:
        row = self.row(match.start())
        marker = _MARKER.match(match.group())
        if not marker:
            self._directives.add(self.place(row))
            return
        file = self._marks[-1].file if marker["file"] is None else _unescaped(marker["file"])
        self._mark_rows.append(row + 1)
        self._marks.append(Place(file, int(marker["line"][:9])))

    def _comment(self, match: re.Match[bytes]) -> Comment | None:
        row = self.row(match.start())
        if not self.is_source(self.place(row)):
            return None
        lines = match.group().decode("utf-8", "surrogatepass").split("\n")
        before = self.code[self._line_starts[row] : match.start()]
        return Comment(
            start=match.start(),
            end=match.end(),
            lines=tuple(lines),
            places=tuple(self.place(row + number) for number in range(len(lines))),
            alone=not before.strip(),
        )

    def row(self, offset: int) -> int:
        """The row of the preprocessed text in which a byte stands, from 0."""
        return bisect.bisect_right(self._line_starts, offset) - 1

    def place(self, row: int) -> Place:
        index = bisect.bisect_right(self._mark_rows, row) - 1
        mark = self._marks[index]
        return Place(mark.file, mark.line + row - self._mark_rows[index])

    def is_source(self, place: Place) -> bool:
        """Whether a place is in one of the files that count."""
        return _slashed(place.file) in self._sources

    @cached_property
    def tree(self) -> Tree:
        return parse(self.code)

    def comment_above(self, offset: int) -> Comment | None:
        """The comment directly above what begins at ``offset``, with neither code nor an empty line between."""
        index = bisect.bisect_right(self.comments, offset, key=lambda comment: comment.start) - 1
        if index < 0:
            return None
        comment = self.comments[index]
        if not comment.alone or comment.end > offset or self.code[comment.end : offset].strip():
            return None
        last, first = comment.places[-1], self.place(self.row(offset))
        if last.file != first.file or any(
            self._is_empty(Place(last.file, line)) for line in range(last.line + 1, first.line)
        ):
            return None
        return comment

    def _is_empty(self, place: Place) -> bool:
        if place in self._directives:
            return False
        lines = self._originals.get(_slashed(place.file), [])
        return place.line > len(lines) or not lines[place.line - 1].strip()


def _encoded(text: str) -> bytes:
    return text.replace("\r\n", "\n").encode("utf-8", "surrogatepass")


def _blank(match: re.Match[bytes]) -> bytes:
    data = match.group()
    return _NOT_NEWLINE.sub(b" ", data) if b"\n" in data else b" " * len(data)


def _standard(match: re.Match[bytes]) -> bytes:
    return (match["standard"] or b"").ljust(len(match.group()))


def _slashed(name: str) -> str:
    return name.replace("\\", "/")


def _unescaped(name: bytes) -> str:
    """A file name of a line marker, in which a backslash escapes quotes, backslashes and the octal value of a byte."""

    def character(match: re.Match[bytes]) -> bytes:
        escaped = match[1]
        return bytes([int(escaped, 8) & 255]) if escaped[0] in b"01234567" else escaped

    return os.fsdecode(_ESCAPE.sub(character, name))


def _joined(comments: list[Comment]) -> list[Comment]:
    """The comments, with ``//`` comments on consecutive lines joined into one."""
    joined: list[Comment] = []
    for comment in comments:
        before = joined[-1] if joined else comment
        last = before.places[-1]
        are_runs = all(each.is_run and each.alone for each in (before, comment))
        if are_runs and comment.places[0] == Place(last.file, last.line + 1):
            joined.pop()
            comment = Comment(
                before.start, comment.end, before.lines + comment.lines, before.places + comment.places, True
            )
        joined.append(comment)
    return joined
