"""The native timer: a loop in C around the function, generated from its types and compiled once for each signature.

The loop takes the address of the function and a table with the arguments of all sets. It goes through the sets in
turn and reads the clock around the whole batch, so that a call costs what it costs in a C program. The cache keeps
it, by the content of its source and the linker that made it.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np

from hatframe.backends import Linker, Measurement, SharedLibrary, Timer
from hatframe.c.elements import ABI_TYPES, element_type
from hatframe.calling.interface import POINTER
from hatframe.errors import LinkError
from hatframe.machine import Platform
from hatframe.packages.store import cached_file

SYMBOL = "hatframe_run"

# Slots have 8 bytes, which hold any argument: a pointer, or a number in the first of them.
SLOT_TYPES = {
    POINTER: np.dtype(np.uintp),
    **{name: element_type(name).dtype for name in ABI_TYPES},
}

# Calls between two readings of the clock if their allocations must be freed: enough to hide the readings …
_FEWEST_RECEIVERS = 64

# … but no more than take this number of nanoseconds, since they may allocate much.
_FREEING_INTERVAL = 50_000

_CLOCK = """\
#ifndef _WIN32
#define _POSIX_C_SOURCE 199309L
#endif
#include <stdint.h>
#include <stdlib.h>
#ifdef _WIN32
#include <windows.h>
static int64_t now(void) {
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return (int64_t)((double)ticks.QuadPart * 1e9 / (double)per_second.QuadPart);
}
#else
#include <time.h>
static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}
#endif
"""

_LOOP = """\
int64_t {symbol}(void *address, const slot *table, int64_t sets, int64_t first, int64_t calls) {{
    const function call = (function)address;
    const slot *const end = table + sets * {width};
    const slot *a = table + first * {width};
    const int64_t start = now();
    while (calls--) {{
        call({arguments});
        a += {width};
        if (a == end) a = table;
    }}
    return now() - start;
}}
"""

# What the function allocated in some calls is freed before the next, outside the clock.
_FREEING_LOOP = """\
int64_t {symbol}(void *address, const slot *table, int64_t sets, int64_t first, int64_t calls) {{
    const function call = (function)address;
    int64_t total = 0, most = 1;
    while (calls > 0) {{
        int64_t round = sets - first < calls ? sets - first : calls;
        if (round > most) round = most;
        const slot *const begin = table + first * {width}, *const end = begin + round * {width};
        const int64_t start = now();
        for (const slot *a = begin; a != end; a += {width}) call({arguments});
        const int64_t taken = now() - start;
        total += taken;
        if (taken * 2 <= {interval} && most < sets) most *= 2;
        else if (taken > {interval} && most > 1) most /= 2;
        for (const slot *a = begin; a != end; a += {width}) {{
{frees}
        }}
        first = (first + round) % sets;
        calls -= round;
    }}
    return total;
}}
"""


class LoopSignature(msgspec.Struct, frozen=True):
    """The types that a loop is generated from, and the positions of pointers that receive allocated arrays."""

    result: str | None
    arguments: tuple[str, ...]
    receivers: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """The slots of one argument set in the table; at least one, so that the sets of no arguments differ."""
        return max(1, len(self.arguments))

    def source(self) -> str:
        """The C source of the loop."""
        members = "; ".join(f"{'void *' if name == POINTER else name} {_member(name)}" for name in SLOT_TYPES)
        types = ", ".join(self.arguments) or "void"
        values = ", ".join(f"a[{position}].{_member(name)}" for position, name in enumerate(self.arguments))
        frees = "\n".join(
            f"            free(*(void **)a[{position}].pointer); *(void **)a[{position}].pointer = 0;"
            for position in self.receivers
        )
        loop = _FREEING_LOOP if self.receivers else _LOOP
        return (
            f"{_CLOCK}typedef union {{ {members}; }} slot;\n"
            f"typedef {self.result or 'void'} (*function)({types});\n"
            + loop.format(symbol=SYMBOL, width=self.width, arguments=values, frees=frees, interval=_FREEING_INTERVAL)
        )

    def table(self, sets: Sequence[Sequence[Any]]) -> tuple[np.ndarray[Any, Any], object]:
        """The arguments of all sets as the loop reads them: pointers as addresses, numbers as they are.

        Pointers that receive allocated arrays get cells of their own, which come back too and must be kept alive;
        few sets are then repeated, so that the loop has several to go through before it stops the clock to free.
        """
        table = np.zeros((len(sets), self.width), np.uint64)
        for position, name in enumerate(self.arguments):
            dtype = SLOT_TYPES[name]
            column = np.array([arguments[position] for arguments in sets], dtype)
            slots = np.zeros((len(sets), 8), np.uint8)
            slots[:, : dtype.itemsize] = column.reshape(-1, 1).view(np.uint8)
            table[:, position] = slots.view(np.uint64)[:, 0]
        if not self.receivers:
            return table, None
        table = np.tile(table, (-(-_FEWEST_RECEIVERS // len(sets)), 1))
        cells = np.zeros((len(table), len(self.receivers)), np.uintp)
        addresses = np.arange(cells.size, dtype=np.uint64).reshape(cells.shape) * np.uint64(cells.itemsize)
        table[:, list(self.receivers)] = addresses + np.uint64(cells.ctypes.data)
        return table, cells


def _member(c_type: str) -> str:
    return "pointer" if c_type == POINTER else f"as_{c_type}"


class NativeLoop:
    """A compiled loop, loaded into this process."""

    def __init__(self, library: Path) -> None:
        self._run = ctypes.CDLL(str(library))[SYMBOL]
        self._run.restype = ctypes.c_int64
        self._run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3]

    def seconds(self, address: int, table: np.ndarray[Any, Any], first: int, calls: int) -> float:
        """The seconds of ``calls`` calls, from argument set ``first`` on."""
        nanoseconds: int = self._run(address, table.ctypes.data, len(table), first, calls)
        return nanoseconds * 1e-9


def native_loop(signature: LoopSignature, linker: Linker, folder: Path) -> NativeLoop:
    """The loop for a signature, compiled into ``folder`` unless it is there, once for all processes.

    Raises :class:`hatframe.errors.LinkError` where the linker cannot make it, or the folder cannot keep it.
    """
    source = signature.source()
    parts = [part.encode() for part in (linker.name, linker.version(), str(Platform.host()), source)]
    try:
        return NativeLoop(cached_file(folder, parts, "loop.so", lambda: _compile(source, linker)))
    except OSError as error:
        raise LinkError(
            f"the timing loop cannot be kept: {error}",
            where=str(folder),
            hint="set HATFRAME_CACHE_DIR to a folder that can be written, and run from",
        ) from None


def _compile(source: str, linker: Linker) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="hatframe-") as name:
        folder = Path(name)
        (folder / "loop.c").write_text(source)
        linker.compile(folder / "loop.c", folder / "loop.o", flags=["-O2"])
        output = folder / "loop.so"
        linker.link_shared(SharedLibrary(output=output, objects=(folder / "loop.o",), exports=(SYMBOL,)))
        return output.read_bytes()


class NativeTimer(Timer):
    """Measures with a loop in C; calling the C function at ``nothing``, which does next to nothing, is its overhead.

    ``table`` is what :meth:`LoopSignature.table` makes, and ``keeps_alive`` what its addresses point into.
    """

    name: ClassVar[str] = "native"

    def __init__(
        self, loop: NativeLoop, address: int, table: np.ndarray[Any, Any], nothing: int, keeps_alive: object
    ) -> None:
        self._loop = loop
        self._address = address
        self._table = table
        self._keeps_alive = keeps_alive
        # Enough calls that the clock's own time does not show; the least of several runs is the undisturbed one.
        self.overhead = min(loop.seconds(nothing, table, 0, 10_000) for _ in range(5)) / 10_000

    def run(self, calls: int) -> Measurement:
        # Functions that share their sets would otherwise follow one another, and the last would find them in a cache.
        first = random.randrange(len(self._table))
        return Measurement(self._loop.seconds(self._address, self._table, first, calls), first=first)
