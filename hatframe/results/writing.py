"""Encoding results documents."""

from __future__ import annotations

import json

import msgspec

from hatframe.results.model import ResultsDocument


def encode_results(document: ResultsDocument) -> bytes:
    """The document as indented JSON; paths become text, with question marks for bytes that are not UTF-8."""
    plain = json.dumps(msgspec.to_builtins(document, enc_hook=str), ensure_ascii=False)
    return msgspec.json.format(plain.encode("utf-8", "replace"), indent=2) + b"\n"
