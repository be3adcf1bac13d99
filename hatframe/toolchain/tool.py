"""Running a compiler, linker or archiver: by an argument list, without a shell, within a time limit."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import TypeVar

import msgspec

from hatframe.errors import LinkError

TIME_LIMIT = 600.0
"""Seconds that one run of a tool may take: the largest package takes a few, so this one hangs."""

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")

_TELLING = re.compile(
    r"\b(error|undefined|cannot|can't|multiple definition|duplicate symbol|no such file|not an object|"
    r"not recognized|unknown|relocation)\b",
    re.IGNORECASE,
)
# The compiler driver's last words about the linker, and a source line that it shows below an error.
_NOISE = re.compile(
    r"^\d+ (?:error|warning)s?\b.* generated|ld returned \d+ exit status|linker command failed|^\s*\d*\s*\||^\s*\^"
)
_HINTS = (
    (
        re.compile(r"recompile with -fPIC|can ?not be used (against|when making)", re.IGNORECASE),
        "the library was not compiled for a shared library: compile it anew with -fPIC",
    ),
    (
        re.compile(
            r"cannot find -l|unable to find library -l|library '?-?l?[\w.+-]+'? not found"
            r"|unable to find dynamic system library|could not open '[^'\n]+\.lib'|LNK1104: cannot open file '.+\.lib'"
        ),
        "install that library, or name its folder with -L",
    ),
    (
        re.compile(r"\.h\w*'?:? (No such file or directory|file not found)|C1083:"),
        "name the folder of that header with -I of hatframe build",
    ),
    (
        re.compile(r"multiple definition|duplicate symbol", re.IGNORECASE),
        "two members of the library, or the library and the .hat file, define the same symbol",
    ),
)


_in_the_meantime: ContextVar[Callable[[], None] | None] = ContextVar("_in_the_meantime", default=None)


@contextlib.contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Do ``work`` once, while a tool runs within the block where one does; else at the end of it.

    It is done in this thread, so that Ctrl-C and errors end both. After an exception it may be left undone.
    """
    pending = [work]

    def once() -> None:
        if pending:
            pending.pop()()

    token = _in_the_meantime.set(once)
    try:
        yield
    finally:
        _in_the_meantime.reset(token)
    once()


class _Together:
    """Tools that run at once, and end together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False

    @contextlib.contextmanager
    def joined(self, process: subprocess.Popen[str]) -> Iterator[None]:
        """Count a tool among them within the block; one that comes late is ended."""
        with self._lock:
            if self._ended:
                _kill(process)
            self._running.add(process)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(process)

    def end(self) -> None:
        with self._lock:
            self._ended = True
            for process in self._running:
                _kill(process)


_together: ContextVar[_Together | None] = ContextVar("_together", default=None)


def run_parallel(work: Callable[[_Item], _Made], items: Sequence[_Item]) -> list[_Made]:
    """What ``work`` makes of each item; as many are worked on at once as there are processors, as tools run meanwhile.

    The error of the first item that has one is raised. Then, as after Ctrl-C, the tools of the others are ended.
    """
    if len(items) < 2:
        return [work(item) for item in items]
    together = _Together()

    def one(item: _Item) -> _Made:
        _together.set(together)
        return work(item)

    pool = ThreadPoolExecutor(processors())
    try:
        waiting = [pool.submit(one, item) for item in items]
        for each in waiting:
            # Without a limit a signal in the instant before it waits is seen only after it; on Windows always.
            while wait((each,), timeout=0.2).not_done:
                pass
            each.result()
        return [each.result() for each in waiting]
    finally:
        # A second signal must not keep the tools from being ended.
        with _signals_held_back():
            together.end()
            pool.shutdown(cancel_futures=True)


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Finished(msgspec.Struct, frozen=True):
    """A tool that has ended: its name, its exit code, and all that it wrote."""

    tool: str
    code: int
    output: str


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder that only this user can enter, removed at the end with all that tools left in it."""
    with _signals_held_back():
        folder = tempfile.TemporaryDirectory(prefix="hatframe-", ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name).resolve()


def run(
    command: Sequence[str | Path],
    folder: Path,
    time_limit: float = TIME_LIMIT,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a tool in ``folder``, where its temporary files go too; paths in ``command`` are best absolute.

    ``environment`` has variables that it gets beside those of this process.

    Raises :class:`LinkError` where the tool is not there, cannot be run, or takes longer than ``time_limit``
    seconds; what its exit code means is the caller's to judge (see :func:`failure`).
    """
    arguments = [str(argument) for argument in command]
    tool = Path(arguments[0]).name
    temporary = {name: str(folder) for name in ("TMPDIR", "TMP", "TEMP")}
    process = None
    try:
        try:
            with _signals_held_back():
                process = subprocess.Popen(
                    arguments,
                    cwd=folder,
                    env={**os.environ, **(environment or {}), **temporary, "LC_ALL": "C"},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    encoding="utf-8",
                    errors="replace",
                    # A group of its own, so that what the compiler driver started ends with it.
                    start_new_session=True,
                )
        except OSError as error:
            raise LinkError(f"{tool} cannot be run: {error.strerror or error}", hint="install it") from None
        with together.joined(process) if (together := _together.get()) else contextlib.nullcontext():
            if work := _in_the_meantime.get():
                work()
            output, _ = process.communicate(timeout=time_limit)
    except subprocess.TimeoutExpired:
        raise LinkError(f"{tool} had not ended after {time_limit:g} s, and was stopped") from None
    finally:
        if process is not None and process.returncode is None:
            _kill(process)
            # After Ctrl-C nobody else would wait for it, nor close its pipe.
            with process:
                pass
    return Finished(tool, process.returncode, output.replace(f"{folder}{os.sep}", ""))


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """What handlers of signals raise within the block, such as Ctrl-C, is raised at its end.

    Else it could come when a process was started or a folder made, and nothing knows of it yet. Handlers run in the
    main thread only, so that in another there is nothing to hold back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers: dict[int, Callable[[int, FrameType | None], object]] = {}

    def tell() -> None:
        for number in came:
            handlers[number](number, None)

    # A stack goes on where a handler that is back already raises, so that none is left out.
    with contextlib.ExitStack() as stack:
        stack.callback(tell)
        for each in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(each)):
                handlers[each] = handler
                stack.callback(signal.signal, each, handler)
                signal.signal(each, lambda number, _: came.append(number))
        yield


def failure(finished: Finished, where: str = "", most_lines: int = 3) -> LinkError:
    """The error for a tool that failed: the lines of its output that tell why, in one line."""
    lines = [line.strip() for line in finished.output.splitlines() if line.strip()]
    lines = [line for line in dict.fromkeys(lines) if not _NOISE.search(line)]
    telling = [line for line in lines if _TELLING.search(line)] or lines[-most_lines:]
    said = "; ".join(_trimmed(line) for line in telling[:most_lines])
    if len(telling) > most_lines:
        said += f"; and {len(telling) - most_lines} more lines"
    hint = next((hint for pattern, hint in _HINTS if pattern.search(finished.output)), "")
    ended = f"was ended by signal {-finished.code}" if finished.code < 0 else "failed"
    return LinkError(f"{finished.tool} {ended}" + (f": {said}" if said else ""), where=where, hint=hint)


def _trimmed(line: str, most: int = 300) -> str:
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a tool with all that it started, unless it was waited for: then its number may be another's."""
    if process.returncode is not None:
        return
    if os.name == "posix":
        # macOS says that it may not where all of the group have ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
