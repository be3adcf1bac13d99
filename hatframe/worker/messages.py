"""The messages between a process and its worker: typed, and encoded with msgspec.

A library that a worker has opened can write anything to the worker's output. Whatever arrives is decoded as the type
that is expected, or the worker counts as ended: nothing in a message can run code in the process that reads it.
"""

from __future__ import annotations

import struct
from typing import IO, Any, ClassVar, NoReturn, TypeVar

import msgspec

from hatframe import errors
from hatframe.errors import DamageError, HatError

MessageT = TypeVar("MessageT")

_LENGTH = struct.Struct("<Q")

# No message of a worker is longer; a forged length must not exhaust the memory.
_LONGEST = 1 << 28


class Request(msgspec.Struct, frozen=True, tag=True):
    """The base of requests; ``reply`` is the type of what a worker answers, None for nothing."""

    reply: ClassVar[Any] = None


class Note(msgspec.Struct, frozen=True, tag=True):
    """Something that the user should know, in one line."""

    text: str


class Calling(msgspec.Struct, frozen=True, tag=True):
    """Code of a package is about to run; it is known to take ``seconds``, 0 if unknown."""

    seconds: float


class Returned(msgspec.Struct, frozen=True, tag=True):
    """The code of a package has returned."""


class Region(msgspec.Struct, frozen=True):
    """Addresses of an argument: its own from ``begin`` to ``end``, and those around it from ``low`` to ``high``.

    Code that goes astray from the argument most likely ends up in these. ``pointer`` is what the function is given.
    """

    name: str
    pointer: int
    begin: int
    end: int
    low: int
    high: int


class Faulted(msgspec.Struct, frozen=True, tag=True):
    """Code of a package made an access that the system refuses; the process is about to end by this ``signal``.

    ``access`` is ``read``, ``write``, or empty if unknown. ``general_protection`` is whether the processor refused the
    instruction itself, without an address: x86 does so for vector accesses that are not aligned. ``registers`` are the
    general registers at the time, if they are known, and ``code`` is the instruction, with what follows it.
    """

    signal: int
    address: int | None
    access: str = ""
    general_protection: bool = False
    registers: tuple[int, ...] = ()
    regions: tuple[Region, ...] = ()
    code: bytes = b""


class Done(msgspec.Struct, frozen=True, tag=True):
    """The answer to the oldest request, encoded."""

    value: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The error that answers the oldest request."""

    kind: str
    message: str
    where: str = ""
    hint: str = ""

    @classmethod
    def of(cls, error: Exception) -> Failed:
        """The message for any error; one that is not a HatError is unexpected, as of memory that is damaged."""
        if isinstance(error, HatError):
            return cls(type(error).__name__, error.message, error.where, error.hint)
        return cls(DamageError.__name__, f"{type(error).__name__}: {error}")

    def raise_error(self) -> NoReturn:
        """Raise the error here, as the kind of :mod:`hatframe.errors` that it was, or else as a HatError."""
        kind = getattr(errors, self.kind, None)
        if not (isinstance(kind, type) and issubclass(kind, HatError)):
            kind = HatError
        raise kind(self.message, where=self.where, hint=self.hint)


Message = Note | Calling | Returned | Faulted | Done | Failed


def write_message(stream: IO[bytes], message: Any) -> None:
    """Write a message with its length before it."""
    data = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_bytes(stream: IO[bytes]) -> bytes:
    """Read the bytes of a message; EOFError if the other side is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length) if length <= _LONGEST else b""
    if len(data) < length:
        raise EOFError
    return data


def read_message(stream: IO[bytes], kind: type[MessageT] | Any) -> MessageT:
    """Read a message of a type; EOFError if the other side is gone, :class:`msgspec.MsgspecError` for another type."""
    message: MessageT = msgspec.msgpack.decode(read_bytes(stream), type=kind)
    return message
