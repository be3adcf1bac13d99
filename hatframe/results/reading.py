"""Reading a results document that some run wrote."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hatframe.errors import HatError
from hatframe.results.model import FORMAT, FORMAT_VERSION, ResultsDocument


class _Header(msgspec.Struct, frozen=True):
    """What every version of the format begins with."""

    format: str = ""
    format_version: int = 0


def read_results(path: str | Path) -> ResultsDocument:
    """Read a results document; keys that this version does not know are passed over.

    Raises :class:`HatError` where the file cannot be read, is no results document, or is of a newer version
    of the format.
    """
    where = str(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise HatError(f"the results cannot be read: {error.strerror or error}", where=where) from None
    try:
        header = msgspec.json.decode(data, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        header = _Header()
    if header.format != FORMAT:
        raise HatError("this is no results document of hatframe", where=where, hint="name one of: --sink json=PATH")
    if header.format_version > FORMAT_VERSION:
        raise HatError(
            f"its format is version {header.format_version}, and this hatframe knows {FORMAT_VERSION}",
            where=where,
            hint="use a newer hatframe",
        )
    try:
        return msgspec.json.decode(data, type=ResultsDocument)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = str(error)
        raise HatError(f"this results document is broken: {message[:1].lower()}{message[1:]}", where=where) from None
