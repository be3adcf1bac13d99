"""Running compilers, linkers and archivers: without a shell, within a time limit, in parallel."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from hatframe.errors import LinkError

TIME_LIMIT = 600.0
"""Seconds that a tool may run. The largest package takes a few, so a tool that takes longer hangs."""

# Of private folders; seconds within which a new one is surely locked.
_PREFIX = "hatframe-run-"
_LOCKED_BY_NOW = 10.0

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool left when it ended: its name, its exit code, and all its output."""

    tool: str
    code: int
    output: str


class Job:
    """The tools of one operation: they run one after another or in parallel, and :meth:`stop` kills them all.

    :func:`hatframe.toolchain.linker.in_job` gives a linker the job for its tools. ``meanwhile`` is work to do in this
    thread while the first tool runs; :meth:`finish` does it if no tool ran.
    """

    def __init__(self, meanwhile: Callable[[], None] | None = None) -> None:
        self._meanwhile = meanwhile
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(
        self,
        command: Sequence[str | Path],
        folder: Path,
        *,
        time_limit: float = TIME_LIMIT,
        environment: Mapping[str, str] | None = None,
    ) -> ToolResult:
        """Run a tool without a shell; the caller judges its exit code (see :func:`failure`).

        Paths in ``command`` should be absolute: ``folder`` is the working directory, and takes temporary files.
        """
        arguments = [str(argument) for argument in command]
        tool = Path(arguments[0]).name
        temporary = {name: str(folder) for name in ("TMPDIR", "TMP", "TEMP")}
        process = self._start(arguments, folder, {**os.environ, **(environment or {}), **temporary, "LC_ALL": "C"})
        try:
            self.finish()
            output, _ = process.communicate(timeout=time_limit)
        except subprocess.TimeoutExpired:
            raise LinkError(f"{tool} was killed after {time_limit:g} s") from None
        finally:
            # Also after Ctrl-C: waits for the tool, and closes its pipe.
            with process, self._lock:
                _kill(process)
                self._running.discard(process)
        return ToolResult(tool, process.returncode, output.replace(f"{folder}{os.sep}", ""))

    def finish(self) -> None:
        """Do the work for the meantime unless it is done."""
        if work := self._meanwhile:
            self._meanwhile = None
            work()

    def map(self, work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        """Do ``work`` for all items in parallel; after the first item's error, or Ctrl-C, stop the job and raise it."""
        from concurrent.futures import ThreadPoolExecutor

        if len(items) < 2:
            return [work(item) for item in items]
        with ThreadPoolExecutor(processors()) as pool:
            try:
                # Ctrl-C may come as soon as the first has started, and leaving the pool waits for it.
                futures = [pool.submit(work, item) for item in items]
                return [future.result() for future in futures]
            except BaseException:
                self.stop()
                pool.shutdown(cancel_futures=True)
                raise

    def stop(self) -> None:
        """Kill the tools that run, with the processes that they started; no other starts."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _kill(process)

    def _start(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise LinkError(f"{Path(arguments[0]).name} did not start: its job was stopped")
            try:
                process = subprocess.Popen(
                    arguments,
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    encoding="utf-8",
                    errors="replace",
                    # In a group of its own, the compiler driver is killed together with what it starts.
                    start_new_session=True,
                )
            except OSError as error:
                message = f"{Path(arguments[0]).name} cannot run: {error.strerror or error}"
                raise LinkError(message, hint="install it") from None
            self._running.add(process)
            return process


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder that only this user can enter, removed at the end with all its content.

    It is removed also if SIGTERM or SIGHUP ends this process; after SIGKILL, the next process that makes one does it.
    """
    import tempfile

    _remove_abandoned(Path(tempfile.gettempdir()))
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ending_after())
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True))
        stack.enter_context(locked_folder(Path(name)))
        yield Path(name).resolve()


class _SignalError(BaseException):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def _ending_after() -> Iterator[None]:
    """Let signals that would end this process at once end it after the block, which they leave by an exception."""

    def leave(number: int, frame: object) -> None:
        raise _SignalError(number)

    changed: list[int] = []
    if os.name == "posix" and threading.current_thread() is threading.main_thread():
        changed = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    if not changed:  # a block around this one has done it, or the program does something else then
        yield
        return
    try:
        for number in changed:
            signal.signal(number, leave)
        yield
    except _SignalError as error:
        signal.signal(error.number, signal.SIG_DFL)
        os.kill(os.getpid(), error.number)
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Show other processes that the owner of a folder lives, until the block or this process ends."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@functools.cache
def _remove_abandoned(parent: Path) -> None:
    """Remove the private folders of processes that were killed."""
    for folder in parent.glob(f"{_PREFIX}*") if os.name == "posix" else ():
        with contextlib.suppress(OSError):  # that one is another's, or its owner lives
            status = folder.lstat()
            if status.st_uid == os.geteuid() and time.time() - status.st_mtime > _LOCKED_BY_NOW:
                with locked_folder(folder):
                    shutil.rmtree(folder)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a tool and what it started, unless it has ended: then its number may be another process's."""
    if process.returncode is not None:
        return
    if os.name == "posix":
        # macOS does not permit it if all of the group have ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


_REASON = re.compile(
    r"\b(error|undefined|cannot|can't|multiple definition|duplicate symbol|no such file|not an object|"
    r"not recognized|unknown|relocation)\b",
    re.IGNORECASE,
)
# What the compiler driver says about the linker, and the source lines below an error.
_NOISE = re.compile(
    r"^\d+ (?:error|warning)s?\b.* generated|ld returned \d+ exit status|linker command failed|^\s*\d*\s*\||^\s*\^"
)
_HINTS = (
    (r"recompile with -fPIC|can ?not be used (against|when making)", "compile the library with -fPIC"),
    (
        r"cannot find -l|unable to find library -l|library '?-?l?[\w.+-]+'? not found"
        r"|unable to find dynamic system library|could not open '[^'\n]+\.lib'|LNK1104: cannot open file '.+\.lib'",
        "install the library, or give its folder with -L",
    ),
    (
        r"\.h\w*'?:? (No such file or directory|file not found)|C1083:",
        "give the folder of the header with -I of hatframe build",
    ),
    (
        r"multiple definition|duplicate symbol",
        "two members of the library, or the library and the .hat file, define the same symbol",
    ),
)


def failure(result: ToolResult, where: str = "", most_lines: int = 3) -> LinkError:
    """The error for a tool that failed: in one line, those lines of its output that give the reason."""
    lines = [line.strip() for line in result.output.splitlines() if line.strip()]
    lines = [line for line in dict.fromkeys(lines) if not _NOISE.search(line)]
    reasons = [line for line in lines if _REASON.search(line)] or lines[-most_lines:]
    reason = "; ".join(line if len(line) <= 300 else f"{line[:299]}…" for line in reasons[:most_lines])
    if len(reasons) > most_lines:
        reason += f"; and {len(reasons) - most_lines} more lines"
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, result.output, re.IGNORECASE)), "")
    ending = f"was killed by signal {-result.code}" if result.code < 0 else "failed"
    return LinkError(f"{result.tool} {ending}" + (f": {reason}" if reason else ""), where=where, hint=hint)
