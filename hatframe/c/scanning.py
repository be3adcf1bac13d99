"""Finding the functions that C code declares or defines, from its text alone.

This is no C parser: it reads past the preprocessor, so that both branches of a condition count, and past
macros and C++. It finds plain declarations and definitions, which is what headers of compiled functions hold.
"""

from __future__ import annotations

import re

import msgspec


class Prototype(msgspec.Struct, frozen=True):
    """A function as C code declares it.

    ``parameters`` are the texts between the commas, none for ``(void)``; they are None for ``()``, which in C
    leaves them open, and where the list ends in ``...``.
    """

    name: str
    returns: str
    parameters: tuple[str, ...] | None
    defined: bool = False


_SKIPPED = re.compile(
    r"""//(?:[^\\\n]|\\[\s\S])*|/\*[\s\S]*?(?:\*/|\Z)|(?P<text>"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*')"""
)
_DIRECTIVE = re.compile(r"^[ \t]*#[^\n]*", re.MULTILINE)
_LINKAGE = re.compile(r'\bextern\s*""\s*\{?')
_ATTRIBUTE = re.compile(r"\b(?:__attribute__|__declspec|__asm__|_Alignas)\s*\(")
_DECLARATION = re.compile(r"(?P<returns>[A-Za-z_][\w\s*&:<>,]*[\s*&])(?P<name>[A-Za-z_]\w*)\s*\(")
_NO_TYPE = frozenset(["return", "else", "typedef", "case", "goto", "using", "new", "delete"])


def scan_functions(code: str) -> dict[str, Prototype]:
    """The functions that C code declares or defines, by name; a definition counts first."""
    found: dict[str, Prototype] = {}
    for statement, has_body in _statements(_plain(code)):
        prototype = _prototype(statement, has_body)
        if prototype and (prototype.name not in found or prototype.defined):
            found[prototype.name] = prototype
    return found


def _plain(code: str) -> str:
    """The code without comments, directives, attributes, and what is inside of literals."""
    code = _SKIPPED.sub(lambda match: '""' if match["text"] else " ", code.replace("\r\n", "\n"))
    code = _DIRECTIVE.sub("", re.sub(r"\\\n", " ", code))
    code = _LINKAGE.sub(" ", code)
    parts = []
    position = 0
    for match in _ATTRIBUTE.finditer(code):
        if match.start() >= position:
            parts.append(code[position : match.start()])
            position = _closing(code, match.end() - 1)
    return "".join((*parts, code[position:]))


def _closing(text: str, position: int) -> int:
    """Where the bracket that opens at ``position`` has closed; the end of the text where it does not."""
    depth = 0
    for match in re.compile(r"[()\[\]{}]").finditer(text, position):
        depth += 1 if match.group() in "([{" else -1
        if not depth:
            return match.end()
    return len(text)


def _statements(code: str) -> list[tuple[str, bool]]:
    """What stands between semicolons at the outermost level, and whether a body in braces ended it."""
    statements = []
    start = position = 0
    for match in re.compile(r"[;{}]").finditer(code):
        if match.start() < position:
            continue
        text = code[start : match.start()].strip()
        position = match.end()
        if match.group() == "{":
            position = _closing(code, match.start())
            if not text.endswith(")"):
                # The braces of a struct, an enum or an initialiser belong to a statement that goes on.
                continue
            statements.append((text, True))
        elif match.group() == ";":
            statements.append((text, False))
        start = position
    return statements


def _prototype(statement: str, has_body: bool) -> Prototype | None:
    match = _DECLARATION.match(statement)
    if not match or match["returns"].split()[0] in _NO_TYPE:
        return None
    end = _closing(statement, match.end() - 1)
    # After the parameters come qualifiers at most; anything else is an initialiser or an expression.
    if not re.fullmatch(r"[\w\s]*", statement[end:]):
        return None
    return Prototype(
        name=match["name"],
        returns=" ".join(match["returns"].split()),
        parameters=_parameters(statement[match.end() : end - 1]),
        defined=has_body,
    )


def _parameters(text: str) -> tuple[str, ...] | None:
    parts = [""]
    depth = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    parameters = tuple(" ".join(part.split()) for part in parts)
    if parameters == ("void",):
        return ()
    return None if parameters == ("",) or parameters[-1] == "..." else parameters
