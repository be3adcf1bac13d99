"""The errors that hatframe raises for what a user can correct: what is wrong, where, and what to do."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import Any, TypeVar

_Class = TypeVar("_Class")

# Control characters, which terminals obey; line separators; and invisible characters, some of which change the order
# in which a line is read (Boucher and Anderson, "Trojan Source: Invisible Vulnerabilities", 2021). Bytes of a file name
# that are not text are surrogates. Joiners (U+200C and U+200D) are part of words and emoji.
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)

# What Python raises for paths, instead of an OSError.
_OF_PATHS = re.compile(r"embedded null|.*null (?:byte|character)|Symlink loop|lstat: |stat: ")


def printable(text: str) -> str:
    r"""Text of unknown origin as one line that is safe to show: control characters become escapes such as ``\x1b``."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class HatError(Exception):
    """The base class of all errors that hatframe raises.

    Parameters
    ----------
    message
        What is wrong, in one sentence without a full stop.
    where
        The file, table and key, or the function and argument.
    hint
        How to correct it.
    """

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return printable(f"{text}; {self.hint}" if self.hint else text)

    def __reduce__(self) -> tuple[Any, ...]:
        # By default, pickling loses keyword arguments.
        return (_rebuild, (type(self), self.message, self.where, self.hint))


def _rebuild(kind: type[HatError], message: str, where: str, hint: str) -> HatError:
    return kind(message, where=where, hint=hint)


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names in one line, cut where there are many: ``a, b, c and 12 more``."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


class UsageError(HatError):
    """The request is invalid: contradictory options, or a malformed value."""


class FormatError(HatError):
    """A .hat file cannot be read: it is missing, not text, not TOML, or has a value of the wrong type."""


class PackageError(HatError):
    """A package cannot be used: it has no functions, or no valid library."""


class OutsideError(PackageError):
    """A path in a package's metadata leads outside the package's folder."""


class UnknownFunctionError(PackageError, KeyError, AttributeError):
    """A package has no function of this name; also a KeyError and AttributeError, as packages are mappings."""

    __str__ = HatError.__str__


class UnusableFunctionError(PackageError, AttributeError):
    """A package has a function of that name, but it cannot be used as an attribute: ambiguous or broken."""

    __str__ = HatError.__str__


class TargetError(HatError):
    """This machine does not meet the requirements of the package."""


class SymbolError(HatError):
    """A library does not define a function that the metadata describe."""


class CallError(HatError):
    """A call does not fit the metadata; raised before the function runs."""


class LinkError(HatError):
    """A compiler, linker or archiver failed, or its output is not as requested."""


class CompileError(LinkError):
    """The C code in a .hat file does not compile."""


class PluginError(HatError):
    """A plugin or backend is unknown, unavailable, ambiguous or broken."""


class SinkError(HatError):
    """Results cannot be written. ``results`` has the document of a run that is complete but for its sinks."""

    results: Any = None


class BenchmarkError(HatError):
    """A benchmark cannot run as requested."""


class DamageError(BenchmarkError):
    """Memory of a process is damaged, or may be: something came out that cannot be."""


@contextlib.contextmanager
def system_errors_named() -> Iterator[None]:
    """Raise a :class:`HatError` that names the file for an error of the system that nothing else explains.

    Such are names that are too long or have a NUL, loops of links, and a full disk. Also a decorator.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = os.fspath(error.filename) if isinstance(error.filename, (str, os.PathLike)) else ""
        raise HatError((error.strerror or str(error)).lower(), where=where) from error
    except RecursionError as error:
        raise HatError("something is nested too deeply") from error
    except MemoryError as error:
        raise HatError(f"out of memory: {error}".removesuffix(": ")) from error
    except UnicodeEncodeError as error:
        raise HatError(f"{error.object[:100]!r} is not valid text") from error
    except (ValueError, RuntimeError) as error:
        if not _OF_PATHS.match(str(error)):
            raise
        raise HatError(f"invalid path: {error}") from error


def methods_naming_system_errors(kind: type[_Class]) -> type[_Class]:
    """A class with :func:`system_errors_named` around each public method that it defines."""
    for name, method in list(vars(kind).items()):
        if isinstance(method, FunctionType) and not name.startswith("_"):
            setattr(kind, name, system_errors_named()(method))
    return kind
