"""Recognizing .hat files whose C code defines nothing that linking could need, so that no compiler has to read them.

A header passes only if it certainly contains nothing but declarations, and pointers with the base names of functions.
Patterns do this in a quarter of the parser's time, and every conversion of a static package waits for it.
"""

from __future__ import annotations

import re
from pathlib import Path

_LINE_END = re.compile(r"\r\n?|\n")
_TOML = re.compile(r"^[ \t]*#[ \t]*ifdef[ \t]+TOML\b.*", re.MULTILINE)
_IF = re.compile(r"[ \t]*#[ \t]*if")
_ELSE = re.compile(r"[ \t]*#[ \t]*el")
_ENDIF = re.compile(r"[ \t]*#[ \t]*endif\b")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_DIRECTIVE = re.compile(
    r"[ \t]*#[ \t]*(?:"
    # The code on both sides of a condition is checked.
    r"(?:if|ifdef|ifndef|elif)\b[\w\s()!&|<>=.]*|(?:else|endif)\b.*"
    # An include guard has no value that could change a name.
    r"|define[ \t]+\w+[ \t]*1?[ \t]*"
    r"|include[ \t]*<(?P<header>cstdint|stdint\.h|stddef\.h|stdbool\.h)>[ \t]*)"
)
_EXTERN_C = re.compile(r'\bextern\s*"C"\s*\{')
_TYPE = r"[A-Za-z_][\w\s*]*"
_PARAMETERS = r"\([\w\s*,\[\]]*\)"
_STATEMENT = re.compile(
    rf"typedef\s+{_TYPE}|{_TYPE}[\s*]\w+\s*{_PARAMETERS}"
    rf"|{_TYPE}\(\s*\*\s*(?P<alias>[A-Za-z_]\w*)\s*\)\s*{_PARAMETERS}\s*=\s*[A-Za-z_]\w*"
)
# Continued lines, characters, and extensions, which may change names. A name with "asm" in it costs only time.
_BEYOND_PATTERNS = ("\\\n", "'", "asm", "attribute", "declspec", "_Pragma")

# Matching takes quadratic time for a long text, and no declaration is that long.
_MAX_STATEMENT = 4_000


def only_aliases(text: str, folder: Path) -> frozenset[str] | None:
    """The pointers that a .hat text defines if it certainly defines nothing else; ``folder`` may replace headers."""
    code = outside_toml(text)
    if code is None or any(text in code for text in _BEYOND_PATTERNS):
        return None
    lines = []
    for line in _COMMENT.sub(" ", code).split("\n"):
        if line.lstrip().startswith("#"):
            directive = _DIRECTIVE.fullmatch(line)
            if not directive or (directive["header"] and (folder / directive["header"]).exists()):
                return None
        else:
            lines.append(line)
    statements = _EXTERN_C.sub(";", "\n".join(lines)).replace("}", ";").split(";")
    aliases = set()
    for statement in filter(None, map(str.strip, statements)):
        match = _STATEMENT.fullmatch(statement) if len(statement) <= _MAX_STATEMENT else None
        if not match:
            return None
        aliases.add(match["alias"])
    return frozenset(aliases - {None})


def outside_toml(text: str) -> str | None:
    """What a C compiler sees of a .hat text; None where that takes a preprocessor."""
    if "\r" in text:
        text = _LINE_END.sub("\n", text)
    seen = []
    position = 0
    while opening := _TOML.search(text, position):
        end = _end_of_condition(text, opening.end())
        # A comment or a continued line may begin in skipped text, and an #else ends it.
        if end is None or text.find("/*", opening.end(), end) >= 0 or "\\\n" in text[opening.end() : end + 1]:
            return None
        seen.append(text[position : opening.start()])
        position = end
    return "\n".join((*seen, text[position:]))


def _end_of_condition(text: str, position: int) -> int | None:
    """The end of the line that closes the condition around ``position``; None where it has an #else."""
    depth = 1
    # Looking for number signs takes a tenth of the time of looking at each line of a large file.
    while depth and (position := text.find("#", position)) >= 0:
        line = text.rfind("\n", 0, position) + 1
        if text[line:position].strip(" \t") == "":
            if _ELSE.match(text, line):
                return None
            depth += 1 if _IF.match(text, line) else -1 if _ENDIF.match(text, line) else 0
        position += 1
    end = text.find("\n", position) if position >= 0 else -1
    return end if end >= 0 else len(text)
