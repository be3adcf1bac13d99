"""Writing new .hat texts, which are valid TOML and a C and C++ header without compiler warnings.

A compiler splits even the skipped lines in ``#ifdef TOML`` into tokens, and warns about unpaired quotes, trigraphs and
invisible characters. So each string is on one line between double quotes, and the quotes around the C code pair up for
C too: ``'''//'`` is an empty and a full character constant to C, and opens a literal string in TOML; ``//'''`` is a
comment to C, and closes the string.
"""

from __future__ import annotations

import datetime
import enum
import functools
import operator
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from hatframe.errors import FormatError
from hatframe.format.model import HatFile
from hatframe.format.positions import Keys
from hatframe.format.reading import parse_document
from hatframe.format.schema import ViolationKind, check

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
_SAFE_TEXT = re.compile(r"[\w .,:;/*+()<>=&|%!@^~\[\]{}-]*", re.ASCII)
_INT64 = range(-(2**63), 2**63)
# Characters that no TOML string contains unescaped; some are white space in C.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_OPENING = re.compile(r"\s*(?://['\"]?\n[ \t]*)?#[ \t]*endif\b[^\n]*(?:\n|\Z)")
_CLOSING = re.compile(r"(?:\A|(?<=\n))[ \t]*#[ \t]*ifdef[ \t]+TOML[ \t]*(?:\n(?://)?\s*)?\Z")


def plain(value: Any, where: Keys = ()) -> Any:
    """The value as plain dicts, lists and scalars; raises :class:`FormatError` for other types."""
    if type(value) in (str, bool, float):
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value, where)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise FormatError(f"the key {key!r} is not a string", where=path_text(where))
        return {str(key): plain(item, (*where, key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, (*where, index)) for index, item in enumerate(value)]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        if value not in _INT64:
            raise FormatError(f"the integer {value} does not fit in 64 bits", where=path_text(where))
        return int(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value
    raise FormatError(f"TOML has no type for a {type(value).__name__}", where=path_text(where))


def path_text(path: Iterable[str | int]) -> str:
    """A path as text: ``functions.f.arguments[2]``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{toml_key(key)}" for key in path).removeprefix(".")


def toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else toml_value(key)


def toml_path(path: Iterable[str | int]) -> str:
    """The keys of a path with dots between them, as in a header; without indices."""
    return ".".join(toml_key(key) for key in path if isinstance(key, str))


def toml_value(value: Any) -> str:
    """A plain value as TOML; tables are inline tables, and each table of an array stands on its own line."""
    if isinstance(value, str):
        return f'"{_escaped(value)}"'
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(value)
    return str(_item(value, inline=True).as_string())


def has_section(key: str, value: Any) -> bool:
    """Whether a value gets its own header; the return value of a function goes on one line."""
    return isinstance(value, dict) and key != "return"


def toml_sections(path: Keys, table: dict[str, Any]) -> list[list[str]]:
    """A table as the lines of one section for it and each table in it; an index ends an array's path."""
    header = f"[{toml_path(path)}]"
    if path and isinstance(path[-1], int):
        header = f"[{header}]"
    lines = [header]
    nested = []
    for key, value in table.items():
        if has_section(key, value):
            nested += toml_sections((*path, key), value)
        else:
            lines += toml_statement(key, value)
    return [lines, *nested]


def toml_statement(key: str, value: Any) -> list[str]:
    return f"{toml_key(key)} = {toml_value(value)}".split("\n")


def _escaped(text: str) -> str:
    """The inside of a string between double quotes that is safe in C too."""
    if _SAFE_TEXT.fullmatch(text):
        return text
    written = []
    for character in text:
        if character in _ESCAPES:
            written.append(_ESCAPES[character])
        elif character.isprintable():
            written.append(character)
        elif 0xD800 <= ord(character) <= 0xDFFF:
            raise FormatError(f"the string {text!r} has an unpaired surrogate", hint="it is not valid Unicode")
        else:
            code = ord(character)
            written.append(f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}")
    # In C, two question marks may start a trigraph, which is replaced before the closing quote is looked for.
    return "".join(written).replace("??", "?\\u003F")


def _item(value: Any, *, inline: bool = False) -> Any:
    import tomlkit
    from tomlkit.items import SingleKey, String, StringType, Trivia

    if isinstance(value, str):
        return String(StringType.SLB, value, _escaped(value), Trivia())
    if isinstance(value, list):
        array = tomlkit.array()
        array.extend(_item(item, inline=True) for item in value)
        return array.multiline(bool(value) and all(isinstance(item, dict) for item in value))
    if isinstance(value, dict):
        table = tomlkit.inline_table() if inline else tomlkit.table()
        # The keys of a table come before the tables in it.
        for key, item in value.items() if inline else sorted(value.items(), key=lambda pair: has_section(*pair)):
            table.append(
                SingleKey(key, original=toml_key(key)), _item(item, inline=inline or not has_section(key, item))
            )
        return table
    return tomlkit.item(value)


def bare_code(code: str) -> str:
    """The C code of a declaration without the lines that close ``#ifdef TOML`` and open it again."""
    opening = _OPENING.match(code)
    closing = _CLOSING.search(code, opening.end()) if opening else None
    return code[opening.end() : closing.start()] if opening and closing else code


def wrapped_code(code: str) -> tuple[str, str]:
    """The C code as a rendered file has it in ``declaration.code``, with line feeds, and the TOML quotes around it.

    Raises :class:`FormatError` if no TOML string can contain the code unescaped, as C needs it.
    """
    code = bare_code(code).replace("\r\n", "\n").strip("\n")
    if control := _CONTROL.search(code):
        line = code.count("\n", 0, control.start()) + 1
        raise FormatError(
            f"line {line} of the C code has the control character {control.group()!r}",
            where="declaration.code",
            hint="TOML does not allow it: replace it by a space, or by an escape in a C string",
        )
    quotes = "'''"
    if quotes in code:
        if "\\" in code or '"""' in code:
            raise FormatError(
                "the C code has three single quotes in a row and a backslash or three double quotes, and no TOML "
                "string can contain both",
                where="declaration.code",
                hint="put a space between the quotes",
            )
        quotes = '"""'
    if code.endswith("\\"):
        code += "\n"
    body = f"{code}\n" if code else ""
    return f"//{quotes[0]}\n#endif // TOML\n{body}#ifdef TOML\n//", quotes


def guard_macro(name: str) -> str:
    """The macro for the include guard of a file of this name, which C does not reserve."""
    name = re.sub(r"_{2,}", "_", re.sub(r"[^A-Za-z0-9]+", "_", name)).strip("_").upper()
    return f"HAT_{name}" if name else "HAT_FILE"


def to_document(hat: HatFile) -> dict[str, Any]:
    """The plain document of a model, with defaults only where its ``document`` has them, and unknown keys of that.

    A model without a ``document``, made in Python, also has the keys that the schema requires.
    """
    document = dict(_merged(hat, hat.document))
    while not hat.document:
        # A table that is added may have required keys of its own.
        missing = [each.path for each in check(document) if each.kind is ViolationKind.MISSING]
        found = [(path, value) for path in missing if (value := _value_at(hat, path)) is not None]
        for (*parents, key), value in found:
            functools.reduce(operator.getitem, parents, document)[key] = _merged(value, None)
        if not found:
            break
    return document


def _value_at(model: Any, path: Keys) -> Any:
    """The value of a model at the keys of its document."""
    for key in path:
        if isinstance(model, msgspec.Struct):
            names = {field.encode_name: field.name for field in msgspec.structs.fields(type(model))}
            model = getattr(model, names[key]) if key in names else None
        elif model is not None:
            model = model[key]
    return model


def _merged(model: Any, document: Any) -> Any:
    if isinstance(model, msgspec.Struct):
        known = document if isinstance(document, dict) else {}
        fields = {field.encode_name: field for field in msgspec.structs.fields(type(model))}
        if isinstance(model, HatFile):
            del fields["path"], fields["document"]
        found = {key: value for key, value in known.items() if key not in fields}
        for key, field in fields.items():
            value = getattr(model, field.name)
            has_factory = field.default_factory is not msgspec.NODEFAULT
            default = field.default_factory() if has_factory else field.default
            if value is not None and (key in known or value != default):
                found[key] = _merged(value, known.get(key))
        # In the order of the document, and then of the model.
        return {key: found[key] for key in (*(key for key in known if key in found), *found)}
    if isinstance(model, dict):
        known = document if isinstance(document, dict) else {}
        return {key: _merged(value, known.get(key)) for key, value in model.items()}
    if isinstance(model, tuple):
        known_items = document if isinstance(document, list) else []
        padded = [*known_items, *[None] * len(model)]
        return [_merged(item, other) for item, other in zip(model, padded, strict=False)]
    return plain(model)


def render_hat(document: Mapping[str, Any], guard: str) -> str:
    """A whole .hat text from a plain document; ``guard`` names the include guard, usually after the file.

    The text parses to the same document, except that ``declaration.code`` is as :func:`wrapped_code` returns it. Raises
    :class:`FormatError` for values that TOML does not support.
    """
    from tomlkit.items import String, StringType, Trivia

    tables = plain(document)
    declaration = tables.pop("declaration", {})
    code, quotes = wrapped_code(declaration.get("code", ""))
    tables["declaration"] = {**declaration, "code": code}
    root = _item(tables)
    kind = StringType.MLL if quotes == "'''" else StringType.MLB
    root["declaration"]["code"] = String(kind, code, code, Trivia())
    macro = guard_macro(guard)
    text = f"#ifdef TOML\n{root.as_string().strip()}\n\n#endif // TOML\n"
    return _checked(f"#ifndef {macro}\n#define {macro}\n\n{text}\n#endif // {macro}\n", tables)


def render_toml(document: Mapping[str, Any], comment: str = "") -> str:
    """A new TOML text with the lines of ``comment`` at its top; raises as :func:`render_hat`."""
    tables = plain(document)
    lines = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return _checked(f"{lines}\n{_item(tables).as_string()}".lstrip(), tables)


def _checked(text: str, document: dict[str, Any]) -> str:
    if not same(parse_document(text), document):
        raise FormatError("the document cannot be written as TOML without changing it")
    return text


def same(first: Any, second: Any) -> bool:
    """Whether two plain values are equal in TOML, where 1, 1.0 and true differ, and nan equals nan."""
    if first is second:
        return True
    kind = type(first)
    if kind is not type(second):
        return False
    if kind is dict:
        if first.keys() != second.keys():
            return False
        for key, item in first.items():
            other = second[key]
            # Most are strings, which need no call.
            if item is not other and not (item == other if type(item) is str is type(other) else same(item, other)):
                return False
        return True
    if kind is list:
        return len(first) == len(second) and all(map(same, first, second))
    if kind is float:
        return repr(first) == repr(second)
    return bool(first == second)
