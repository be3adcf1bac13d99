"""Parsing preprocessed C: its syntax tree, its comments, and where each line of it was written.

The text is what a preprocessor writes that keeps comments and line markers (``gcc -E -C``, ``cl /E /C``). Comments,
line markers and other directives are blanked before parsing, so that none sits inside a signature; every byte keeps
its place. What GNU C spells its own way is replaced by the standard's word, padded to the same length.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from hatframe.errors import FormatError

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Parser, Tree


class Place(msgspec.Struct, frozen=True, order=True):
    """A line of a file as it was written, before the preprocessor."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Comment(msgspec.Struct, frozen=True):
    """A comment, or a run of ``//`` comments: its lines as written, each with its place.

    ``start`` and ``end`` are its bytes in :attr:`Unit.code`; ``alone`` tells that nothing stands before it on its line.
    """

    start: int
    end: int
    lines: tuple[str, ...]
    places: tuple[Place, ...]
    alone: bool

    @property
    def is_run(self) -> bool:
        """Whether it is made of ``//`` comments."""
        return self.lines[0].lstrip().startswith("//")


_TOKEN = re.compile(
    rb"""(?P<comment>//(?:[^\\\n]|\\[\s\S])*|/\*[\s\S]*?(?:\*/|\Z))|(?P<directive>\#[^\n]*)"""
    rb"""|"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'"""
)
_MARKER = re.compile(rb'#[ \t]*(?:line[ \t]+)?(?P<line>\d+)(?:[ \t]+"(?P<file>(?:[^"\\]|\\.)*)")?')
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_STANDARD_WORDS = {
    b"__restrict": b"restrict",
    b"__restrict__": b"restrict",
    b"__const": b"const",
    b"__const__": b"const",
    b"__volatile": b"volatile",
    b"__volatile__": b"volatile",
    b"__inline": b"inline",
    b"__inline__": b"inline",
    b"__signed": b"signed",
    b"__signed__": b"signed",
    b"__extension__": b"",
    b"__w64": b"",
    b"__unaligned": b"",
}
_GNU_WORD = re.compile(rb"__(?<!\w__)(?:restrict|const|volatile|inline|signed|extension|w64|unaligned)(?:__)?\b")
_PRAGMA = re.compile(rb"__pragma\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")
_NOT_NEWLINE = re.compile(rb"[^\n]")


def files_of(text: str) -> list[str]:
    """The files that a preprocessed text was made of, as its line markers name them, each once."""
    data = text.replace("\r\n", "\n").encode("utf-8", "surrogatepass")
    markers = (_MARKER.match(line) for line in data.split(b"\n") if line.startswith(b"#"))
    return list(dict.fromkeys(_unescaped(marker["file"]) for marker in markers if marker and marker["file"]))


class Unit:
    """One preprocessed text.

    ``sources`` are the files that count, as their names are spelled in the line markers; either slash will do.
    ``originals`` are their texts as written, where known: by them an empty line is told from one that a directive or
    an empty macro left empty.
    """

    def __init__(self, text: str, sources: Collection[str], originals: Mapping[str, str]) -> None:
        data = text.replace("\r\n", "\n").encode("utf-8", "surrogatepass")
        self._sources = {_slashed(source) for source in sources}
        self._originals = {
            _slashed(name): original.replace("\r\n", "\n").split("\n") for name, original in originals.items()
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
            pieces += (data[position : match.start()], _blank(match.group()))
            position = match.end()
            if match.lastgroup == "comment":
                comments.append(match)
            else:
                self._read_directive(match)
        pieces.append(data[position:])
        self.code = _standard(b"".join(pieces))
        # All marks must be known before a comment can be told from those of other files.
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
        """The row of the preprocessed text that a byte stands in, from 0."""
        return bisect.bisect_right(self._line_starts, offset) - 1

    def place(self, row: int) -> Place:
        """Where a row of the preprocessed text was written."""
        index = bisect.bisect_right(self._mark_rows, row) - 1
        mark = self._marks[index]
        return Place(mark.file, mark.line + row - self._mark_rows[index])

    def is_source(self, place: Place) -> bool:
        """Whether a place is in one of the files that count."""
        return _slashed(place.file) in self._sources

    @property
    def tree(self) -> Tree:
        """The syntax tree of :attr:`code`; parsed on each access."""
        return parser().parse(self.code)

    def source_code(self) -> str:
        """The code of the files that count, with that of others left out."""
        ends = [*self._mark_rows[1:], len(self._line_starts)]
        pieces: list[bytes] = []
        for row, end, mark in zip(self._mark_rows, ends, self._marks, strict=True):
            if row < len(self._line_starts) and self.is_source(mark):
                stop = self._line_starts[end] if end < len(self._line_starts) else len(self.code)
                pieces.append(self.code[self._line_starts[row] : stop])
        return b"\n".join(pieces).decode("utf-8", "replace")

    def comment_above(self, offset: int) -> Comment | None:
        """The comment directly above what begins at ``offset``: no code and no empty line parts them."""
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


def parser() -> Parser:
    """A parser of C, for one thread; importing it is put off until it is needed."""
    import tree_sitter

    return tree_sitter.Parser(_language())


@cache
def _language() -> Language:
    import tree_sitter
    import tree_sitter_c

    return tree_sitter.Language(tree_sitter_c.language())


def text_of(node: Node) -> str:
    """The text of a node, with its white space collapsed."""
    return " ".join((node.text or b"").decode("utf-8", "replace").split())


def nodes_within(node: Node) -> Iterator[Node]:
    """A node and all below it, but for the bodies of functions."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += [child for child in reversed(current.children) if child.type != "compound_statement"]


def parse_expression(text: str, place: Place) -> Node:
    """The syntax tree of one C expression out of a comment; :class:`FormatError` where it is none."""
    tree = parser().parse(b"int x = (" + text.encode("utf-8", "replace") + b"\n);")
    children = tree.root_node.named_children
    expression = None
    if len(children) == 1 and not tree.root_node.has_error and children[0].type == "declaration":
        declared = children[0].child_by_field_name("declarator")
        value = declared.child_by_field_name("value") if declared else None
        if value and value.type == "parenthesized_expression" and value.named_child_count == 1:
            expression = value.named_child(0)
    if expression is None:
        raise FormatError(
            f"`{text}` is no expression of C", where=str(place), hint="use integers, parameter names, + - * / % and ()"
        )
    return expression


def _blank(data: bytes) -> bytes:
    return _NOT_NEWLINE.sub(b" ", data) if b"\n" in data else b" " * len(data)


def _standard(code: bytes) -> bytes:
    code = _PRAGMA.sub(lambda match: _blank(match.group()), code)
    return _GNU_WORD.sub(
        lambda match: _STANDARD_WORDS.get(match.group(), match.group()).ljust(len(match.group())), code
    )


def _slashed(name: str) -> str:
    return name.replace("\\", "/")


def _unescaped(name: bytes) -> str:
    """A file name as a line marker writes it: a backslash before quotes and backslashes, octal for other bytes."""

    def character(match: re.Match[bytes]) -> bytes:
        escaped = match[1]
        return bytes([int(escaped, 8) & 255]) if escaped[0] in b"01234567" else escaped

    return _ESCAPE.sub(character, name).decode("utf-8", "surrogateescape")


def _joined(comments: list[Comment]) -> list[Comment]:
    """Runs of ``//`` comments on lines that follow one another, as one comment each."""
    joined: list[Comment] = []
    for comment in comments:
        before = joined[-1] if joined else None
        if (
            before
            and before.is_run
            and comment.is_run
            and before.alone
            and comment.alone
            and comment.places[0] == Place(before.places[-1].file, before.places[-1].line + 1)
        ):
            joined[-1] = Comment(
                before.start, comment.end, before.lines + comment.lines, before.places + comment.places, True
            )
        else:
            joined.append(comment)
    return joined
