"""The seam between calls and what makes them: all that differs between ctypes, cffi and devices."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Sequence
from typing import Any

from hatframe.calling.plans import CallPlan

POINTER = "void *"
"""How a pointer argument is named in the signatures below; numbers have their C type, such as ``int64_t``."""


def address_of(array: Any) -> int:
    """The address of the first element of a numpy array."""
    address: int = array.__array_interface__["data"][0]
    return address


def unchanged(value: Any) -> Any:
    """The conversion of a number that is passed as it is."""
    return value


class Conversions(abc.ABC):
    """Turns arrays and numbers, checked before, into what a call takes."""

    readable: Callable[[Any], Any]
    """Returns a pointer to the first byte of a row-major numpy array, which it keeps alive.

    Raises BufferError, TypeError or ValueError if that takes a slower way.
    """
    writable: Callable[[Any], Any]
    """As :attr:`readable`, for an array that the function writes to: it is not read-only."""

    @abc.abstractmethod
    def pointer(self, array: Any, before: int, writable: bool) -> Any:
        """A pointer to ``before`` bytes before the first element of any numpy array, which the caller keeps alive.

        ``writable`` is whether the function writes to the array.
        """

    def number(self, c_type: str) -> Callable[[Any], Any]:
        """A function that turns a Python number into an argument of ``c_type``."""
        return unchanged

    def whole_call(
        self, plan: CallPlan, function: Callable[..., Any], slow: Callable[..., Any]
    ) -> Callable[..., Any] | None:
        """A callable that checks the arguments of a call, converts them and calls ``function``; None for Python code.

        It passes what it does not make itself to ``slow``: the arguments of a call that does not fit, for an error that
        explains it. Nothing may be checked less than by ``slow``.
        """
        return None

    def prepared_call(
        self, plan: CallPlan, function: Callable[..., Any], arguments: Sequence[Any], keeps_alive: object
    ) -> Callable[[], Any]:
        """A callable that makes the same call of ``function`` again and again, with converted arguments.

        It holds ``keeps_alive``.
        """
        prepared = functools.partial(function, *arguments)
        prepared.keeps_alive = keeps_alive  # type: ignore[attr-defined]
        return prepared


class ForeignInterface(Conversions):
    """Opens libraries and finds their functions, which take what its conversions make."""

    @abc.abstractmethod
    def open(self, path: str) -> Any:
        """Open a dynamic library; raises :class:`OSError` with the system's reason."""

    @abc.abstractmethod
    def close(self, library: Any) -> None:
        """Undo :meth:`open`; no function of the library is used afterwards."""

    @abc.abstractmethod
    def function(
        self, library: Any, name: str, result: str | None, arguments: Sequence[str]
    ) -> Callable[..., Any] | None:
        """The C function of that name, or None if it is missing.

        ``result`` and ``arguments`` are C types of fixed width, or :data:`POINTER`; a result is a Python number.
        """

    @abc.abstractmethod
    def noop_function(self, result: str | None, arguments: Sequence[str]) -> Callable[..., Any]:
        """A C function of that signature that does next to nothing: it costs what any call costs."""

    @abc.abstractmethod
    def address_of(self, function: Callable[..., Any]) -> int:
        """The address of a C function that :meth:`function` or :meth:`noop_function` returned."""
