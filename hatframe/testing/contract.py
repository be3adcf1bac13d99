"""Reporting a broken clause, and the clauses that all kinds of backends share."""

from __future__ import annotations

import math
import re
import timeit
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from hatframe.backends import Availability, Backend, Option
from hatframe.errors import HatError, PluginError

P = ParamSpec("P")
T = TypeVar("T")

# What follows --sink ends at the first "=", and names are listed with commas between them.
_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]*")

# Asked for every backend at each start of the command line; to look for a program on the PATH takes microseconds.
_CHEAP = 0.5

_SPELLING = re.compile(r"--?[A-Za-z][A-Za-z0-9_-]*")


class Contract:
    """The contract of one subject, such as ``sink 'csv'``: each clause is a sentence that must hold."""

    def __init__(self, subject: str) -> None:
        self.subject = subject

    def require(self, holds: object, clause: str, found: object = "") -> None:
        """Raise :class:`AssertionError` with ``clause``, and with what was found instead, unless it ``holds``."""
        if not holds:
            raise self.broken(clause, found)

    def broken(self, clause: str, found: object = "") -> AssertionError:
        """The error for a clause that does not hold."""
        instead = f"; found: {found}" if found != "" else ""
        return AssertionError(f"{self.subject} breaks its contract: {clause}{instead}")

    def works(self, clause: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``call`` returns; an error that it raises breaks ``clause``."""
        try:
            return call(*args, **kwargs)
        except Exception as error:
            raise self.broken(clause, _raised(error)) from error

    def refuses(
        self, clause: str, kind: type[HatError], call: Callable[P, Any], *args: P.args, **kwargs: P.kwargs
    ) -> HatError:
        """The error of ``kind`` that ``call`` must raise."""
        try:
            returned = call(*args, **kwargs)
        except kind as error:
            return error
        except Exception as error:
            raise self.broken(clause, _raised(error)) from error
        raise self.broken(clause, f"no error, and {returned!r} was returned")


def require_finite(contract: Contract, clause: str, figures: Mapping[str, float]) -> None:
    """Require that ``figures`` are finite numbers by name."""
    for name, value in figures.items():
        finite = isinstance(name, str) and name and isinstance(value, (int, float)) and math.isfinite(value)
        contract.require(finite, clause, f"{name!r}: {value!r}")


def _raised(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def check_backend(backend: Any, kind: type[Backend]) -> Contract:
    """Check what all backends share, and return the contract for the clauses of ``kind``.

    Raises :class:`PluginError` if the backend is not available here.
    """
    label = kind.__name__.lower()
    unnamed = Contract(f"{label} {type(backend).__name__}")
    unnamed.require(isinstance(backend, kind), f"it is an instance of a subclass of {kind.__name__}", repr(backend))
    name = getattr(backend, "name", None)
    clause = "its name is lower case, of letters, digits and . _ + -, without spaces"
    unnamed.require(isinstance(name, str) and _NAME.fullmatch(name), clause, repr(name))
    contract = Contract(f"{label} {name!r}")
    summary = getattr(backend, "summary", None)
    is_line = isinstance(summary, str) and summary.strip() and "\n" not in summary
    contract.require(is_line, "its summary is one line that says what it does", repr(summary))
    contract.require(type(backend.priority) is int, "its priority is an integer", repr(backend.priority))
    _check_options(contract, backend)
    availability = _availability(contract, backend)
    if not availability:
        problem = f"{contract.subject} cannot be checked here: {availability.reason}"
        raise PluginError(problem, hint=availability.install)
    return contract


def _check_options(contract: Contract, backend: Backend) -> None:
    contract.require(isinstance(backend.options, tuple), "its options are a tuple", repr(backend.options))
    spellings: list[str] = []
    for option in backend.options:
        contract.require(isinstance(option, Option), "every option is an Option", repr(option))
        contract.require(
            isinstance(option.names, tuple)
            and option.names
            and all(isinstance(name, str) and _SPELLING.fullmatch(name) for name in option.names)
            and option.names[0].startswith("--"),
            "an option is spelled as --store-in-hat is, its main name first",
            option.names,
        )
        in_snake_case = option.key.isidentifier() and option.key == option.key.lower()
        contract.require(in_snake_case, "the main name of an option makes a key in snake case", repr(option.key))
        contract.require(option.help.strip(), f"option {option.names[0]} has a help text")
        contract.require(option.metavar.strip(), f"option {option.names[0]} has a metavar")
        spellings += option.names
    twice = sorted({name for name in spellings if spellings.count(name) > 1})
    contract.require(not twice, "its options are spelled differently", ", ".join(twice))


def _availability(contract: Contract, backend: Backend) -> Availability:
    availability = contract.works("availability() raises nothing", backend.availability)
    is_one = isinstance(availability, Availability)
    contract.require(is_one, "availability() returns an Availability", repr(availability))
    # The first call may have found the machine busy.
    seconds = min(timeit.repeat(backend.availability, repeat=2, number=1))
    contract.require(seconds < _CHEAP, f"availability() is cheap, under {_CHEAP} s", f"{seconds:.2f} s")
    reason = availability.reason
    is_line = reason and "\n" not in reason
    contract.require(availability or is_line, "a backend that is not available says why in one line", repr(reason))
    return availability
