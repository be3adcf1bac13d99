"""Reading a .hat file into the model, without running any code of the package."""

from __future__ import annotations

import contextlib
import datetime
import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hatframe import files
from hatframe.errors import FormatError
from hatframe.format.model import Function, HatFile

_OFFSET_TIME = re.compile(r":\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:)")


def read_text(path: Path) -> str:
    """The text of a .hat file, with its line endings; raises :class:`FormatError` if it cannot be read as UTF-8."""
    try:
        data = files.read_file(path)
    except FileNotFoundError:
        raise FormatError("this file does not exist", where=str(path), hint="check the path") from None
    except IsADirectoryError:
        raise FormatError("this is a folder", where=str(path), hint="give a .hat file in it") from None
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    if data.startswith(b"PK\3\4"):
        raise FormatError("this is a .zip file", where=str(path), hint="unpack it first, and give the .hat file in it")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"this is not a text file: byte {error.start} is not UTF-8",
            where=str(path),
            hint="give the .hat file, not the library",
        ) from None


def parse_document(text: str, where: str = "") -> dict[str, Any]:
    """Parse a .hat text as TOML into plain dicts and lists; raises :class:`FormatError` if it is not valid TOML."""
    # tomli takes three times as long, and toml-rs crashes on deeply nested values.
    import rtoml

    # Some editors on Windows write a byte order mark, and C compilers accept it.
    toml = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        document = rtoml.loads(toml)
    except rtoml.TomlParsingError as error:
        raise FormatError(f"not valid TOML: {error}", where=where, hint="is it a .hat file?") from None
    try:
        if _may_have_long_integers(document):
            _check_integers(document, "", where)
        return _with_standard_timezones(document) if _OFFSET_TIME.search(toml) else document
    except RecursionError:
        raise FormatError("its tables are nested too deeply", where=where) from None


def _may_have_long_integers(document: dict[str, Any]) -> bool:
    """Whether an integer may need more than 64 bits, in a thousandth of a second.

    MessagePack has the byte 0xcf before integers from 2^32 on; few texts have it.
    """
    try:
        return b"\xcf" in msgspec.msgpack.encode(document)
    except OverflowError:
        return True


def _check_integers(value: Any, path: str, where: str) -> None:
    """Raise :class:`FormatError` for an integer that does not fit in 64 bits, which nothing else could store."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check_integers(item, f"{path}.{key}" if path else key, where)
    elif isinstance(value, list):
        for item in value:
            _check_integers(item, path, where)
    elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise FormatError(f"{path}: an integer does not fit in 64 bits", where=where)


def _with_standard_timezones(value: Any) -> Any:
    """The value with time zones of Python's own, which unlike rtoml's can be copied and pickled."""
    if isinstance(value, dict):
        return {key: _with_standard_timezones(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_standard_timezones(item) for item in value]
    if isinstance(value, datetime.datetime) and (offset := value.utcoffset()) is not None:
        return value.replace(tzinfo=datetime.timezone(offset))
    return value


def parse_hat(text: str, path: Path | None = None) -> HatFile:
    """Parse a .hat text into the model; raises :class:`FormatError` with the path of a value that does not fit."""
    with _without_garbage_collection():
        return to_model(parse_document(text, str(path) if path else ""), path)


def to_model(document: dict[str, Any], path: Path | None = None) -> HatFile:
    """The model of a parsed document; raises :class:`FormatError` as :func:`parse_hat` does."""
    where = str(path) if path else ""
    try:
        hat = msgspec.convert(document, HatFile)
    except RecursionError:
        raise FormatError("its tables are nested too deeply", where=where) from None
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `")
        key = place.rstrip("`").removeprefix("$").lstrip(".")
        raise FormatError(
            _locate_key(message[:1].lower() + message[1:], key, document),
            where=where,
            hint="hatframe validate lists all deviations",
        ) from None
    return msgspec.structs.replace(
        hat,
        path=path,
        document=document,
        functions=_named(hat.functions),
        device_functions=_named(hat.device_functions),
    )


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Keep Python from looking for garbage, which takes a third of the time of a large file and finds none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_hat(path: str | Path) -> HatFile:
    """Read a .hat file into the model; raises :class:`FormatError` as :func:`parse_hat` and :func:`read_text` do."""
    path = Path(path)
    return parse_hat(read_text(path), path)


def _named(functions: dict[str, Function]) -> dict[str, Function]:
    """Name functions without a ``name`` by their key."""
    if all(function.name for function in functions.values()):
        return functions
    return {
        key: function if function.name else msgspec.structs.replace(function, name=key)
        for key, function in functions.items()
    }


def _locate_key(message: str, key: str, document: dict[str, Any]) -> str:
    """Name the function: msgspec writes ``functions[...]`` for any key of a mapping."""
    table, dots, rest = key.partition("[...]")
    if not dots or not isinstance(document.get(table), dict):
        return f"{key}: {message}" if key else message
    for name, value in document[table].items():
        try:
            msgspec.convert(value, Function)
        except msgspec.ValidationError:
            return f"{table}.{name}{rest}: {message}"
    return f"{key}: {message}"
