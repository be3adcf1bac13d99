"""What a user can get wrong, each kind with where it happened and what to do about it."""

from __future__ import annotations

from typing import Any


class HatError(Exception):
    """The base of every error that hatframe raises on purpose.

    Parameters
    ----------
    message
        What was wrong, in one sentence without a full stop.
    where
        The file, table and key (or the function and argument) that it was found in.
    hint
        What to do about it.
    """

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}; {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[Any, ...]:
        # An error may cross from a worker process: keyword arguments are lost by the default.
        return (_rebuild, (type(self), self.message, self.where, self.hint))


def _rebuild(kind: type[HatError], message: str, where: str, hint: str) -> HatError:
    return kind(message, where=where, hint=hint)


class UsageError(HatError):
    """The request itself makes no sense: options that contradict each other, a malformed value."""


class FormatError(HatError):
    """A .hat file cannot be read: not there, not text, not TOML, or a value of the wrong type."""


class PackageError(HatError):
    """A package as a whole cannot be used: no functions, no library, a library that is none."""


class OutsideError(PackageError):
    """A path in a package's metadata leaves the package's folder."""


class UnknownFunctionError(PackageError, KeyError, AttributeError):
    """A package has no function of that name; so that a package behaves as a mapping with attributes."""

    __str__ = HatError.__str__


class UnusableFunctionError(PackageError, AttributeError):
    """A package has a function of that name, but it cannot be used as an attribute: ambiguous or broken."""

    __str__ = HatError.__str__


class TargetError(HatError):
    """This machine is known not to meet what the package requires."""


class SymbolError(HatError):
    """A library does not define a function that the metadata describe."""


class CallError(HatError):
    """A call does not fit the metadata; raised before the function is called."""


class LinkError(HatError):
    """A compiler, linker or archiver failed, or made something else than was asked for."""


class PluginError(HatError):
    """A plugin, or a choice of one: unknown, unavailable, ambiguous or broken."""


class SinkError(HatError):
    """Results cannot be written where they were asked for."""


class BenchmarkError(HatError):
    """A benchmark cannot be run as asked."""
