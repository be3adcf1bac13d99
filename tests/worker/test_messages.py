"""Messages between a process and its worker are data, whatever a hostile library writes."""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any

import msgspec
import pytest

from hatframe.errors import HatError, SymbolError
from hatframe.worker.messages import Calling, Done, Failed, Message, Note, read_bytes, read_message, write_message


def sent(message: Any) -> io.BytesIO:
    stream = io.BytesIO()
    write_message(stream, message)
    stream.seek(0)
    return stream


@pytest.mark.parametrize(
    "message", [Note("x"), Calling(0.5), Done(msgspec.Raw(msgspec.msgpack.encode([1, 2]))), Failed("HatError", "x")]
)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    assert read_message(sent(message), Message) == message


def test_messages_follow_one_another_until_the_other_side_is_gone() -> None:
    stream = io.BytesIO()
    write_message(stream, Note("a"))
    write_message(stream, Note("b"))
    stream.seek(0)
    assert [read_message(stream, Note).text for _ in range(2)] == ["a", "b"]
    with pytest.raises(EOFError):
        read_message(stream, Note)


@pytest.mark.parametrize("data", [b"", b"\x01", struct.pack("<Q", 5) + b"1234", struct.pack("<Q", 1 << 60) + b"1234"])
def test_a_message_that_is_cut_off_or_forged_in_length_ends_the_stream(data: bytes) -> None:
    with pytest.raises(EOFError):
        read_bytes(io.BytesIO(data))


@pytest.mark.parametrize("data", [pickle.dumps(print), b"\xff", msgspec.msgpack.encode({"type": "Other"})])
def test_anything_but_a_message_is_refused_and_runs_nothing(data: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        read_message(sent(data), Message)


def test_an_error_is_raised_as_the_kind_that_it_was() -> None:
    failed = Failed.of(SymbolError("no f", where="a.hat", hint="look"))
    with pytest.raises(SymbolError) as caught:
        failed.raise_error()
    assert (caught.value.message, caught.value.where, caught.value.hint) == ("no f", "a.hat", "look")


@pytest.mark.parametrize("kind", ["SystemExit", "Any", "annotations", "NoSuchError"])
def test_no_other_name_is_looked_up(kind: str) -> None:
    with pytest.raises(HatError):
        Failed(kind, "x").raise_error()


def test_any_other_error_keeps_its_type_in_the_text() -> None:
    assert "ValueError: broken" in Failed.of(ValueError("broken")).message
