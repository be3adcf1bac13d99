"""A preprocessed text: where its lines come from, and the comments in it."""

from __future__ import annotations

from hatframe.c.preprocessed import Place, TranslationUnit, files_of

TEXT = """\
# 1 "main.c"
# 1 "<built-in>"
# 1 "/usr/include/own \\"x\\".h" 1
extern int other;
# 4 "main.c" 2
/* Adds. */
int add(int a) { return a; }

// one
// two
int sub(int a);
"""


def test_the_files_are_those_of_the_line_markers() -> None:
    assert files_of(TEXT) == ["main.c", "<built-in>", '/usr/include/own "x".h']


def test_every_row_has_a_place_and_only_the_sources_count() -> None:
    unit = TranslationUnit(TEXT, ["main.c"])
    row = unit.row(unit.code.index(b"int add"))
    assert unit.place(row) == Place("main.c", 5)
    assert unit.is_source(unit.place(row))
    header = unit.place(unit.row(unit.code.index(b"extern int other")))
    assert header == Place('/usr/include/own "x".h', 1)
    assert not unit.is_source(header)


def test_the_comment_directly_above_is_found() -> None:
    unit = TranslationUnit(TEXT, ["main.c"])
    above = unit.comment_above(unit.code.index(b"int add"))
    assert above is not None
    assert above.lines == ("/* Adds. */",)
    assert not above.is_run
    run = unit.comment_above(unit.code.index(b"int sub"))
    assert run is not None
    assert run.is_run
    assert [line.strip() for line in run.lines] == ["// one", "// two"]


def test_an_empty_line_parts_a_comment_from_the_code() -> None:
    unit = TranslationUnit('# 1 "a.c"\n/* Not for f. */\n\nint f(void);\n', ["a.c"])
    assert unit.comment_above(unit.code.index(b"int f")) is None


def test_comments_are_blank_in_the_code_and_the_offsets_stay() -> None:
    unit = TranslationUnit(TEXT, ["main.c"])
    assert b"Adds" not in unit.code
    assert len(unit.code) == len(TEXT.encode())
