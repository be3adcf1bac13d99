"""Telling .hat files that define nothing a library could be linked with: no compiler need look at those.

Most declare functions and types, and define a pointer of the base name for each function. Only what is certainly no
more than that is taken for it; every other header is compiled.
"""

from __future__ import annotations

import re
from pathlib import Path

_LINES = re.compile(r"\r\n?|\n")
_TOML = re.compile(r"[ \t]*#[ \t]*ifdef[ \t]+TOML\b")
_OPENS = re.compile(r"[ \t]*#[ \t]*if")
_CLOSES = re.compile(r"[ \t]*#[ \t]*endif\b")
_TURNS = re.compile(r"[ \t]*#[ \t]*el")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_DIRECTIVE = re.compile(
    r"[ \t]*#[ \t]*(?:"
    # Both sides of a condition are looked at.
    r"(?:if|ifdef|ifndef|elif)\b[\w\s()!&|<>=.]*|(?:else|endif)\b.*"
    # What marks that something is there already has no value that could change a name.
    r"|define[ \t]+\w+[ \t]*1?[ \t]*"
    r"|include[ \t]*<(?P<header>cstdint|stdint\.h|stddef\.h|stdbool\.h)>[ \t]*)"
)
_LINKAGE = re.compile(r'\bextern\s*"C"\s*\{')
_TYPE = r"[A-Za-z_][\w\s*]*"
_PARAMETERS = r"\([\w\s*,\[\]]*\)"
_STATEMENT = re.compile(
    rf"typedef\s+{_TYPE}|{_TYPE}[\s*]\w+\s*{_PARAMETERS}"
    rf"|{_TYPE}\(\s*\*\s*(?P<alias>[A-Za-z_]\w*)\s*\)\s*{_PARAMETERS}\s*=\s*[A-Za-z_]\w*"
)
_KEYWORDS_THAT_MATTER = re.compile(r"\b(?:_*asm_*|_*attribute_*|_*declspec|_Pragma)\b")

_LONGEST = 4_000


def only_aliases(text: str, folder: Path) -> frozenset[str] | None:
    """The names of the pointers that a .hat text defines, where it certainly defines nothing else; otherwise None.

    ``folder`` is where it looks for what it includes: what lies there may take the place of a header of the system's.
    """
    code = _outside_toml(text)
    if code is None or "\\\n" in code or "'" in code or _KEYWORDS_THAT_MATTER.search(code):
        return None
    lines = []
    for line in _COMMENT.sub(" ", code).split("\n"):
        if line.lstrip().startswith("#"):
            directive = _DIRECTIVE.fullmatch(line)
            if not directive or (directive["header"] and (folder / directive["header"]).exists()):
                return None
        else:
            lines.append(line)
    plain = _LINKAGE.sub(";", "\n".join(lines)).replace("}", ";")
    statements = [statement.strip() for statement in plain.split(";")]
    # A pattern takes long for a long text; no declaration is that long.
    if any(len(statement) > _LONGEST for statement in statements):
        return None
    matches = [_STATEMENT.fullmatch(statement) for statement in statements if statement]
    if not all(matches):
        return None
    return frozenset(match["alias"] for match in matches if match and match["alias"])


def _outside_toml(text: str) -> str | None:
    """What a C compiler sees of a .hat text; None where that is not plain to tell."""
    seen = []
    depth = 0
    for line in _LINES.split(text):
        # Few lines have a number sign, and only those can be directives.
        directive = "#" in line
        if depth:
            # A comment may begin or a line go on where no text is compiled, and an #else ends that.
            if "/*" in line or line.endswith("\\") or (directive and _TURNS.match(line)):
                return None
            if directive:
                depth += 1 if _OPENS.match(line) else -1 if _CLOSES.match(line) else 0
        elif directive and _TOML.match(line):
            depth = 1
        else:
            seen.append(line)
    return "\n".join(seen)
