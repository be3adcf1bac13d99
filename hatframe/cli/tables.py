"""Tables of figures that fit the terminal and split neither names nor numbers: columns that matter less go first."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from hatframe.errors import printable

Row = Mapping[str, str]
"""The cells of a row, by column; a cell that is missing is empty."""

_GAP = "  "


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Rows under a heading, and a line that closes them. All sections of a table have the same columns."""

    rows: Sequence[Row]
    heading: str = ""
    closing: str = ""


def table_lines(
    columns: Mapping[str, str],
    sections: Sequence[Section],
    *,
    width: int,
    right: Collection[str] = (),
    optional: Sequence[str] = (),
) -> Iterator[str]:
    """The lines of a table whose first column has names; at most ``width`` wide, unless its numbers are wider.

    ``columns`` has the title of each column by the key that its cells have in a row.
    Empty columns are left out. While the rest is too wide, so are those of ``optional``, the last one first. Names that
    are still too long have a line of their own.
    """
    from rich.cells import cell_len

    rows = [{column: printable(cell) for column, cell in row.items()} for section in sections for row in section.rows]
    widths = {
        column: max(map(cell_len, (title, *(row.get(column, "") for row in rows))))
        for column, title in columns.items()
        if any(row.get(column) for row in rows)
    }
    if not widths:
        return
    left_out = list(optional)
    while left_out and len(widths) > 1 and _total(widths) > width:
        widths.pop(left_out.pop(), None)
    first = next(iter(widths))
    place = max(cell_len(columns[first]), width - (_total(widths) - widths[first]))
    names = [cell_len(row.get(first, "")) for row in rows]
    widths[first] = max([cell_len(columns[first]), *(name for name in names if name <= place)])

    def lines(cells: Row) -> Iterator[str]:
        if cell_len(cells.get(first, "")) > place:
            yield cells[first]
            cells = {**cells, first: ""}
        padded = []
        for column, size in widths.items():
            cell = cells.get(column, "")
            space = " " * (size - cell_len(cell))
            padded.append(space + cell if column in right else cell + space)
        yield _GAP.join(padded).rstrip()

    yield from lines({column: columns[column] for column in widths})
    following = iter(rows)
    for section in sections:
        if section.heading:
            yield ""
            yield from _wrapped(section.heading, width)
        for row in itertools.islice(following, len(section.rows)):
            yield from lines(row)
        yield from _wrapped(section.closing, width)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(printable(text), width, break_long_words=False, break_on_hyphens=False)


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)
