"""Encoding results documents."""

from __future__ import annotations

import json

import msgspec

from hatframe.results.model import ResultsDocument


def encode_results(document: ResultsDocument) -> bytes:
    """The document as JSON in UTF-8, indented for people; ``read_results`` reads it.

    Values without a form in JSON, such as a path among the options, become text; bytes of a path that are not UTF-8
    become question marks.
    """
    plain = json.dumps(msgspec.to_builtins(document, enc_hook=str), ensure_ascii=False)
    return msgspec.json.format(plain.encode("utf-8", "replace"), indent=2) + b"\n"
