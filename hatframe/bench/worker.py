"""The worker process: measures on behalf of another process, which outlives whatever the functions do to it.

Requests and replies are pickles on the worker's standard input and output, each after its length. What functions
print goes to standard error.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import IO, Any, Protocol

import msgspec

from hatframe.bench.session import OpenPackage, Session, Setup
from hatframe.errors import HatError

Opener = Callable[[], OpenPackage]
"""Returns what opens packages; it must be picklable to reach another process."""

_LENGTH = struct.Struct("<Q")
# Ctrl-C reaches all processes of a terminal; the one that has the results decides. That holds from the start on.
_CODE = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from hatframe.bench.worker import serve; serve()"
)

# Seconds until a function is called: opening its package may link a library, which takes what the compiler takes.
START_TIMEOUT = 600.0

# Seconds until a process is gone that has closed its output: writing a large core dump takes some.
_END_TIMEOUT = 10.0


class WorkerEndedError(HatError):
    """The worker ended, or was ended, while it worked on a request. ``status`` is that of a result."""

    def __init__(self, message: str, status: str = "crashed", *, where: str = "", hint: str = "") -> None:
        super().__init__(message, where=where, hint=hint)
        self.status = status


class Worker(Protocol):
    """Runs the methods of a :class:`Session`, one after another, here or elsewhere."""

    def submit(self, method: str, *arguments: Any) -> None:
        """Ask for a method to be run, after those that were asked for before."""

    def result(self, timeout: float) -> Any:
        """What the oldest request gave; raises its HatError, or :class:`WorkerEndedError`.

        ``timeout`` is for the function itself, in seconds from when it is called.
        """

    def close(self) -> None:
        """End it."""


class LocalWorker:
    """A session in this process, for plugins that cannot be sent to another."""

    def __init__(self, setup: Setup, opener: Opener) -> None:
        self._session = Session(setup, opener())
        self._requests: deque[tuple[str, tuple[Any, ...]]] = deque()

    def submit(self, method: str, *arguments: Any) -> None:
        self._requests.append((method, arguments))

    def result(self, timeout: float) -> Any:
        method, arguments = self._requests.popleft()
        return getattr(self._session, method)(*arguments)

    def close(self) -> None:
        self._requests.clear()
        self._session.close()


class ProcessWorker:
    """A session in a process of its own, which is started with the first and killed with the last request."""

    def __init__(
        self, setup: Setup, opener: Opener, notify: Callable[[str], None], environment: dict[str, str]
    ) -> None:
        self._notify = notify
        self._replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, msgspec.json.encode(sys.path).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests: IO[bytes] = self._process.stdin
        threading.Thread(target=_receive, args=(self._process.stdout, self._replies), daemon=True).start()
        self._send((setup, opener, os.getpid()))

    def submit(self, method: str, *arguments: Any) -> None:
        self._send((method, arguments))

    def result(self, timeout: float) -> Any:
        # Until the function is called, a library may be linked and inputs be made.
        limit, end = START_TIMEOUT, monotonic() + START_TIMEOUT
        while True:
            try:
                reply = self._replies.get(timeout=max(0.0, end - monotonic()))
            except queue.Empty:
                self.close()
                raise WorkerEndedError(f"did not return within {limit:g} s", "timeout") from None
            if reply is None:
                raise self._ended()
            kind, value = reply
            if kind == "calling":
                # Of many calls each may take its time; twice as long as they took before is no surprise.
                limit, end = timeout, monotonic() + timeout + 2 * value
            elif kind == "note":
                self._notify(value)
            elif kind == "error":
                raise value
            else:
                return value

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        _close(self._requests)

    def _send(self, request: Any) -> None:
        with contextlib.suppress(OSError):  # it has ended, which the next result tells
            write_message(self._requests, request)

    def _ended(self) -> WorkerEndedError:
        try:
            code = self._process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.close()
            return WorkerEndedError("closed the files of its process")
        _close(self._requests)
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            return WorkerEndedError(name, "crashed")
        if sys.platform == "win32" and code >= 0x80000000:
            return WorkerEndedError(f"exception 0x{code:08X}", "crashed")
        return WorkerEndedError(f"called exit({code})", "exited")


def _close(stream: IO[bytes]) -> None:
    """Close a pipe whose other end may be gone already."""
    with contextlib.suppress(OSError):
        stream.close()


def write_message(stream: IO[bytes], message: Any) -> None:
    """Write a message with its length before it."""
    data = pickle.dumps(message)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_message(stream: IO[bytes]) -> Any:
    """Read a message; EOFError where the other side is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)


def _receive(stream: IO[bytes], replies: queue.SimpleQueue[Any]) -> None:
    while True:
        try:
            replies.put(read_message(stream))
        except (EOFError, OSError):
            break
        except Exception as error:  # a plugin's own error, say, which is not known here
            replies.put(("error", HatError(f"the worker's reply cannot be read: {error}")))
    replies.put(None)
    _close(stream)


class _Forwarding(logging.Handler):
    """Sends what is logged here to the process that has the log of the user."""

    def __init__(self, replies: IO[bytes]) -> None:
        super().__init__()
        self._replies = replies

    def emit(self, record: logging.LogRecord) -> None:
        write_message(self._replies, ("note", record.getMessage()))


def serve() -> None:
    """Serve requests until the other side is gone: the main function of the worker process."""
    from hatframe.bench.conditions import set_parent_death_signal

    # What the functions themselves read or print must not mix with the messages.
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    setup, opener, parent = read_message(requests)
    set_parent_death_signal(parent)
    log = logging.getLogger("hatframe")
    log.setLevel(logging.INFO)
    log.addHandler(_Forwarding(replies))
    try:
        session = Session(
            setup,
            opener(),
            calling=lambda seconds: write_message(replies, ("calling", seconds)),
        )
        problem = None
    except Exception as error:
        problem = _as_hat_error(error)
    while True:
        try:
            method, arguments = read_message(requests)
        except EOFError:
            # Not by returning: what functions left behind in this process must not run at its end.
            os._exit(0)
        if problem is not None:
            write_message(replies, ("error", problem))
            continue
        try:
            write_message(replies, ("value", getattr(session, method)(*arguments)))
        except Exception as error:
            write_message(replies, ("error", _as_hat_error(error)))


def _as_hat_error(error: Exception) -> HatError:
    return error if isinstance(error, HatError) else HatError(f"{type(error).__name__}: {error}")
