"""The C code of a package's headers, checked before a compiler reads it.

A compiler does what code says also where nobody runs it: it reads files for ``#include`` and ``.incbin``, and waits for
pipes. So code of unknown origin may include only files of its package and, by plain names, those that come with the
compiler; and it may contain neither assembler nor names for the assembler that are more than names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from hatframe import files
from hatframe.c.headers import outside_toml
from hatframe.errors import OutsideError, PackageError
from hatframe.packages.confinement import confined

# Directives wherever they stand, also in comments: what only looks like one may be one to some compiler.
_DIRECTIVE = re.compile(
    r"(?:^|\*/)[ \t\f\v]*(?:#|%:|\?\?=)[ \t\f\v]*"
    r"(?P<name>include_next|include|import|embed|line\b|\d|/\*)(?P<rest>[^\n]*)"
    r"|\b(?P<question>__has_(?:include_next|include|embed))\b(?P<asked>[^\n]*)"
    r"|(?P<pragma>\bpragma\s+(?:GCC\s+(?:dependency|pch_preprocess)|comment)\b|\b_Pragma\b|\bdefine\s+TOML\b)",
    re.MULTILINE,
)
_FILE = re.compile(r'\s*\(?\s*(?:"(?P<quoted>[^"\n]+)"|<(?P<angled>[^>\n]+)>)')
_CONTINUED = re.compile(r"(?:\\|\?\?/)[ \t]*\n")
# What can hide the end of the TOML: apart, the parts of this search take a tenth of the time.
_HIDING_MARKS = ("/*", "%:", "??")
_HIDING = (re.compile(r"[\x00-\x08\x0b-\x1f]"), re.compile(r"define\s+TOML\b"))
_TOKEN = re.compile(
    r'//[^\n]*|/\*[\s\S]*?\*/|^[ \t]*#[ \t]*(?:line[ \t]+)?\d+[ \t]+"(?P<file>(?:[^"\\\n]|\\.)*)"[^\n]*'
    r'|(?P<text>"(?:[^"\\\n]|\\.)*")|\'(?:[^\'\\\n]|\\.)*\'|(?P<word>[A-Za-z_]\w*|(?:\[|<:)\s*(?:\[|<:))|(?P<end>[;{])',
    re.MULTILINE,
)
_ASSEMBLER = frozenset(("asm", "__asm", "__asm__"))
_ATTRIBUTES = frozenset(("__attribute__", "__attribute", "__declspec", "pragma"))
# With a space, a quote or a semicolon in a name for the assembler, the rest of it would be assembler too.
_NAME = re.compile(r'"[\w.$,@:=+<>*/&-]*"')

_MOST_FILES = 1000


def check_includes(text: str, header: Path) -> None:
    """Check what the .hat file ``header`` includes, and what those files of its folder include in turn.

    Raises :class:`OutsideError` for an include that leaves the package, or whose file is not certain, and
    :class:`PackageError` for one that cannot be read.
    """
    package = header.parent
    waiting = [(header, text)]
    seen = {header}
    while waiting:
        including, text = waiting.pop()
        for name, what, is_quoted in _included(text, including):
            for folder in dict.fromkeys((including.parent, package) if is_quoted else (package,)):
                found = confined(package, str(folder / name), f"{including}: #include")
                if not found.exists():
                    continue
                if found not in seen:
                    if len(seen) == _MOST_FILES:
                        raise PackageError(f"its headers include more than {_MOST_FILES} files", where=str(header))
                    seen.add(found)
                    try:
                        waiting.append((found, files.read_file(found).decode("utf-8", "replace")))
                    except OSError as error:
                        message = f"the included file {name} cannot be read: {error.strerror or error}"
                        raise PackageError(message, where=str(including)) from None
                if not what.endswith("_next"):
                    break  # as a compiler does


def _included(text: str, header: Path) -> Iterator[tuple[str, str, bool]]:
    """The files that a text names, also where a compiler may skip them: by which directive, and whether in quotes."""
    text = _CONTINUED.sub("", text.replace("\r\n", "\n"))
    # Only where nothing can hide its end is it certain that compilers skip the TOML.
    is_hidden = any(mark in text for mark in _HIDING_MARKS) or any(each.search(text) for each in _HIDING)
    seen = None if is_hidden else outside_toml(text)
    for match in _DIRECTIVE.finditer(text.replace("\r", "\n") if seen is None else seen):
        what = match["name"] or match["question"]
        if not what or not what.startswith(("include", "import", "embed", "__has")):
            raise _untrusted(header, f"`{' '.join(match.group().split())[:80]}`")
        named = _FILE.match(match["rest"] or match["asked"] or "")
        if named is None:
            if match["question"] and re.match(r"\s*(?:\)|$|&&|\|\|)", match["asked"]):
                continue  # as in defined(__has_include)
            raise _untrusted(header, f"an {what} without the name of a file")
        name = named["quoted"] or named["angled"]
        if "\\" in name or (named["angled"] and (".." in Path(name).parts or Path(name).is_absolute())):
            raise _untrusted(header, f"an {what} of {name}")
        yield name, what, named["quoted"] is not None


def check_assembler(preprocessed: str, own: Collection[Path], where: str) -> None:
    """Check preprocessed code, as far as it comes from the folders ``own``, for assembler.

    Raises :class:`OutsideError`.
    """
    is_own, in_attribute = True, False
    for token in _TOKEN.finditer(preprocessed):
        if token["file"] is not None:
            file = Path(token["file"].replace("\\\\", "\\")).absolute()
            is_own = any(file.is_relative_to(folder) for folder in own)
        elif token["end"]:
            in_attribute = False
        elif is_own and token["word"]:
            if token["word"] in _ASSEMBLER:
                raise _untrusted(where, "assembler")
            in_attribute = in_attribute or token["word"] in _ATTRIBUTES or not token["word"].isidentifier()
        elif is_own and in_attribute and token["text"] and not _NAME.fullmatch(token["text"]):
            raise _untrusted(where, f"an attribute with the text {token['text']}")


def _untrusted(where: str | Path, what: str) -> OutsideError:
    return OutsideError(
        f"its C code has {what}, by which a compiler could read files outside the package",
        where=str(where),
        hint="if you trust the package, pass --allow-outside (allow_outside=True in Python)",
    )
