"""The timer of host functions: a loop in C if one can be compiled, or else one in Python."""

from __future__ import annotations

import dataclasses
import logging
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hatframe.backends import Linker, LoadContext, Timer
from hatframe.calling.native import LoopSignature, NativeLoop, NativeTimer, native_loop
from hatframe.errors import HatError, UsageError
from hatframe.format.model import Parameter
from hatframe.packages.store import KEY, Bucket

TIMERS = Bucket(name="timers", summary="timing loops in C, one per signature", pattern=KEY)

_log = logging.getLogger(__name__)

CHOICES = ("auto", "native", "python")


class Timers:
    """The native timers of one library; a loop is compiled and loaded once for each signature."""

    def __init__(self, linker: Callable[[], Linker], folder: Path, required: bool) -> None:
        self._linker = linker
        self._folder = folder
        self._required = required
        self._loops: dict[LoopSignature, NativeLoop] = {}
        # Only those that a timer uses: a table keeps its inputs alive, which are as large as the memory holds.
        self._tables: weakref.WeakSet[_Table] = weakref.WeakSet()
        self._unavailable = False

    @classmethod
    def of(cls, context: LoadContext, choice: str) -> Timers | None:
        """The native timers for a choice of :data:`CHOICES`; None for the loop in Python."""
        if choice not in CHOICES:
            raise UsageError(f"invalid timer {choice!r}", where="--timer", hint=f"choose one of {', '.join(CHOICES)}")
        if choice == "python":
            return None
        return cls(context.linker, context.cache_folder / TIMERS.name, required=choice == "native")

    def native(self, signature: LoopSignature, address: int, nothing: int, arguments: ArgumentTable) -> Timer | None:
        """A native timer; None, after one note, if no loop can be compiled and a native one is not required."""
        if self._unavailable:
            return None
        try:
            if signature not in self._loops:
                self._loops[signature] = native_loop(signature, self._linker(), self._folder)
        except HatError as error:
            if self._required:
                raise
            self._unavailable = True
            _log.info(
                "timing in Python, with the cost of its loop subtracted, since no loop in C can be made: %s", error
            )
            return None
        table = self._table(signature, arguments)
        return NativeTimer(self._loops[signature], address, table.slots, nothing, table)

    def _table(self, signature: LoopSignature, arguments: ArgumentTable) -> _Table:
        """The table of the arguments, which functions with the same parameters and argument sets share."""
        for table in self._tables:
            same = table.arguments.sets is arguments.sets and table.arguments.parameters == arguments.parameters
            if same and table.signature == signature:
                return table
        rows, kept = arguments.rows()
        slots, cells = signature.table(rows)
        table = _Table(signature, arguments, slots, (kept, cells))
        self._tables.add(table)
        return table


class ArgumentTable(NamedTuple):
    """Argument sets, their parameters, and a function that returns them as rows of plain numbers.

    The rows come with what must stay alive while their addresses are used.
    """

    sets: Sequence[Sequence[Any]]
    parameters: tuple[Parameter, ...]
    rows: Callable[[], tuple[list[list[Any]], object]]


@dataclasses.dataclass(frozen=True, eq=False)
class _Table:
    signature: LoopSignature
    arguments: ArgumentTable
    slots: np.ndarray[Any, Any]
    kept: object
