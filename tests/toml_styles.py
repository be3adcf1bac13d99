"""Hypothesis strategies for TOML texts in every style: what an editor or a scanner of TOML must cope with."""

from __future__ import annotations

import datetime
import json
import re
from typing import Any

from hypothesis import strategies as st

KEYS = st.sampled_from(["a", "b", "name", "d e", "x.y", "", "clé", 'quo"te', "it's", "#k", "return", "7"])
TEXTS = st.one_of(
    st.sampled_from(
        ["", "plain", "it's", 'a "b"', "'''", '"""', "# no comment", "[no.header]", "a = 1", "\\", "x\n[y]\n", "\ufeff"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
SCALARS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    TEXTS,
    st.datetimes(datetime.datetime(1970, 1, 1), timezones=st.sampled_from([None, datetime.timezone.utc])),
    st.dates(datetime.date(1970, 1, 1)),
)
TABLES = st.recursive(
    st.dictionaries(KEYS, SCALARS, max_size=3),
    lambda inner: st.dictionaries(
        KEYS, st.one_of(SCALARS, inner, st.lists(inner, max_size=3), st.lists(SCALARS, max_size=3)), max_size=4
    ),
    max_leaves=8,
)


@st.composite
def styled(draw: st.DrawFn, tables: st.SearchStrategy[dict[str, Any]] = TABLES) -> tuple[str, dict[str, Any]]:
    """A TOML text and the plain document that it holds."""
    document = draw(tables)
    writer = _Writer(draw)
    writer.table((), document, header=None)
    text = writer.line_break.join(writer.lines)
    if draw(st.booleans()):
        text += writer.line_break
    return ("\ufeff" if draw(st.booleans()) else "") + text, document


class _Writer:
    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.line_break = draw(st.sampled_from(["\n", "\r\n"]))

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def key(self, key: str) -> str:
        if re.fullmatch(r"[A-Za-z0-9_-]+", key) and self.one_of(True, True, False):
            return key
        if "'" not in key and key.isprintable() and self.one_of(True, False):
            return f"'{key}'"
        return json.dumps(key)

    def path(self, path: tuple[str, ...]) -> str:
        return self.one_of(".", ".", " . ").join(map(self.key, path))

    def add(self, line: str) -> None:
        for _ in range(self.one_of(0, 0, 0, 1)):
            self.lines.append(self.one_of("", "# a comment: 'not', \"closed", "  # [no.table]", "\t"))
        indent = self.one_of("", "", "  ")
        comment = self.one_of("", "", " ", " # said so = 1 'n")
        self.lines += f"{indent}{line}{comment}".split("\n")

    def table(self, path: tuple[str, ...], table: dict[str, Any], header: str | None) -> None:
        """Write a table under a header; None is the root's."""
        sections = []
        statements: list[str] = []
        for key, value in table.items():
            if isinstance(value, dict):
                style = self.one_of("section", "section", "inline", "dotted")
                if style == "section":
                    sections.append((key, value))
                elif style == "dotted" and value:
                    equals = self.one_of(" = ", "=")
                    statements += [
                        f"{self.path((key, inner))}{equals}{self.value(item)}" for inner, item in value.items()
                    ]
                else:
                    statements.append(f"{self.key(key)} = {self.value(value)}")
            elif (
                isinstance(value, list)
                and value
                and all(isinstance(item, dict) for item in value)
                and self.one_of(True, False)
            ):
                sections.append((key, value))
            else:
                statements.append(f"{self.key(key)} = {self.value(value)}")
        if header and (statements or not sections or self.one_of(True, False)):
            self.add(header)
        for statement in statements:
            self.add(statement)
        for key, value in sections:
            inner = (*path, key)
            for item in value if isinstance(value, list) else [value]:
                if isinstance(value, list):
                    # An array's table needs its header, or there would be one table less.
                    self.add(f"[[{self.path(inner)}]]")
                    self.table(inner, item, header="")
                else:
                    self.table(inner, item, header=f"[{self.path(inner)}]")

    def value(self, value: Any) -> str:
        if isinstance(value, dict):
            inside = self.one_of(", ", ",").join(f"{self.key(k)} = {self.value(v)}" for k, v in value.items())
            return f"{{ {inside} }}" if self.one_of(True, False) else f"{{{inside}}}"
        if isinstance(value, list):
            items = [self.value(item) for item in value]
            if items and self.one_of(True, False):
                return "[\n" + "".join(f"  {item},{self.one_of('', ' # ] }')}\n" for item in items) + "]"
            return f"[{', '.join(items)}]"
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, (datetime.datetime, datetime.date)):
            return value.isoformat()
        return repr(value)

    def text(self, text: str) -> str:
        escaped = [c if c.isprintable() and c not in '"\\' else _escape(c) for c in text]
        over_lines = "".join("\n" if c == "\\n" else c for c in escaped)
        # A line break that directly follows the quotes is not part of the text.
        choices = [f'"{"".join(escaped)}"', f'"""\n{over_lines}"""']
        if not over_lines.startswith("\n"):
            choices.append(f'"""{over_lines}"""')
        if text.isprintable() and "'" not in text:
            choices.append(f"'{text}'")
        if all(c.isprintable() or c in "\n\t" for c in text) and "'''" not in text and not text.endswith("'"):
            choices.append(f"'''\n{text}'''")
        return str(self.one_of(*choices))


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return "\\n" if character == "\n" else f"\\U{ord(character):08X}"
