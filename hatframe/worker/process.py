"""A worker: does requests in a process of its own, which this process outlives whatever happens in it."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import IO, Any, ClassVar, Protocol

import msgspec

from hatframe.errors import HatError, UsageError
from hatframe.worker.messages import (
    Calling,
    Done,
    Failed,
    Faulted,
    Message,
    Note,
    Request,
    Returned,
    read_bytes,
    read_message,
    write_message,
)
from hatframe.worker.supervisor import supervise

# Ctrl-C reaches all processes of a terminal; the one that has the results decides, from the start on.
_CODE = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from hatframe.worker.process import serve; serve()"
)

# Beside the paths of the process that starts it, an isolated process keeps its own: one of them may be the current
# folder because a package is installed there. Packages of the user may need what their .pth files do.
_PATHS = (
    "import json, sys; given = json.loads(sys.argv.pop(1)); "
    "sys.path[:] = given + [path for path in sys.path if path not in given]; "
    "import site; user = site.getusersitepackages(); user in given and site.addsitedir(user)\n"
)

# Seconds until a function is called: opening its package may link a library, which takes what the compiler takes.
START_TIMEOUT = 600.0

# Seconds until a process is gone that has closed its output: writing a large core dump takes some.
_END_TIMEOUT = 10.0

_CLOSED = "closed the files of its process"
_CLOSED_CODE = 113


class Service(Protocol):
    """What a worker does; it lives in the worker's process."""

    requests: ClassVar[Any]
    """The union of the requests that it handles."""

    def handle(self, request: Any) -> Any:
        """Do a request, and return what its ``reply`` type says."""

    def close(self) -> None:
        """Release everything; only called if the service lives in this process."""


class Context(Protocol):
    """What a service may send while it works on a request."""

    def calling(self, seconds: float) -> None:
        """Code of a package is about to run, which is known to take ``seconds``; its time limit begins."""

    def returned(self) -> None:
        """The code has returned, and the time limit ends before the request does."""

    def faulted(self, fault: Faulted) -> None:
        """The code made an access that the system refuses, by which this process ends now."""


ServiceFactory = Callable[[Context], Service]
"""Makes a service; picklable, to reach another process."""


class WorkerEndedError(HatError):
    """The worker ended, or was killed, while it worked on a request. ``status`` is that of a result.

    ``fault`` is what its service reported of the access that ended it, if it did.
    """

    def __init__(
        self,
        message: str,
        status: str = "crashed",
        *,
        where: str = "",
        hint: str = "",
        fault: Faulted | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.status = status
        self.fault = fault


class Worker(Protocol):
    """Does requests one after another, in this process or in another."""

    def submit(self, request: Request) -> None:
        """Queue a request."""

    def result(self, timeout: float) -> Any:
        """The reply to the oldest request; raises its HatError, or :class:`WorkerEndedError`.

        ``timeout`` is for the function itself, in seconds from the moment that it is called.
        """

    def close(self) -> None:
        """End the worker."""


class LocalWorker:
    """A service in this process, for plugins that cannot be sent to another."""

    def __init__(self, make_service: ServiceFactory) -> None:
        self._service = make_service(_LocalContext())
        self._requests: deque[Request] = deque()

    def submit(self, request: Request) -> None:
        self._requests.append(request)

    def result(self, timeout: float) -> Any:
        return self._service.handle(self._requests.popleft())

    def close(self) -> None:
        self._requests.clear()
        self._service.close()


class _LocalContext:
    def calling(self, seconds: float) -> None:
        """Nobody can stop a function in this process."""

    def returned(self) -> None:
        """See :meth:`calling`."""

    def faulted(self, fault: Faulted) -> None:
        """Nobody is left to report it to."""


class ProcessWorker:
    """A service in a process of its own."""

    def __init__(
        self, make_service: ServiceFactory, notify: Callable[[str], None], environment: dict[str, str]
    ) -> None:
        self._notify = notify
        self._messages: queue.SimpleQueue[Message | HatError | None] = queue.SimpleQueue()
        self._expected: deque[Any] = deque()
        self._fault: Faulted | None = None
        self._process = subprocess.Popen(
            isolated_python(_CODE),
            # A function can do anything to the files of its process: none is shared with this one.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        assert isinstance(self._process.stdin, io.BufferedWriter)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._requests = self._process.stdin
        threading.Thread(target=receive, args=(self._process.stdout, self._messages), daemon=True).start()
        self._printing = threading.Thread(target=_forward, args=(self._process.stderr,), daemon=True)
        self._printing.start()
        # What this process sends is trusted there; what comes back is not trusted here.
        self._send(pickle.dumps(make_service))

    def submit(self, request: Request) -> None:
        self._expected.append(type(request).reply)
        self._send(request)

    def result(self, timeout: float) -> Any:
        # Until the function is called, a library may be linked and inputs be made.
        limit, end = START_TIMEOUT, monotonic() + START_TIMEOUT
        while True:
            try:
                message = self._messages.get(timeout=max(0.0, end - monotonic()))
            except queue.Empty:
                self.close()
                raise WorkerEndedError(f"did not return within {limit:g} s", "timeout") from None
            match message:
                case Calling(seconds):
                    # The limit is for one call; a batch of many may also take twice as long as before.
                    limit, end = timeout, monotonic() + timeout + 2 * seconds
                case Returned():
                    limit, end = START_TIMEOUT, monotonic() + START_TIMEOUT
                case Faulted():
                    self._fault = message
                case Note(text):
                    self._notify(text)
                case Failed():
                    self._expected.popleft()
                    message.raise_error()
                case Done(value):
                    try:
                        return msgspec.msgpack.decode(value, type=self._expected.popleft())
                    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                        self.close()
                        raise WorkerEndedError(f"sent an invalid reply: {error}") from None
                case HatError():
                    self.close()
                    raise message
                case None:
                    raise self._ended()

    def close(self) -> None:
        if sys.platform == "win32":
            self._process.kill()
        # Its supervisor ends it, and all that it started. What is not yet written would be written to it first.
        _close(self._requests.raw)
        try:
            self._process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._printing.join(1.0)

    def _send(self, request: Request | bytes) -> None:
        with contextlib.suppress(OSError):  # if it has ended, the next result says so
            write_message(self._requests, request)

    def _ended(self) -> WorkerEndedError:
        try:
            code = self._process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.close()
            return WorkerEndedError(_CLOSED)
        self.close()
        if code == _CLOSED_CODE:
            return WorkerEndedError(_CLOSED)
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            return WorkerEndedError(name, "crashed", fault=self._fault)
        if sys.platform == "win32" and code >= 0x80000000:
            return WorkerEndedError(f"exception 0x{code:08X}", "crashed")
        return WorkerEndedError(f"called exit({code})", "exited")


def isolated_python(code: str, *arguments: str) -> list[str]:
    """The command for Python code that can import what this process can, except from the current folder.

    A folder of downloads may hold a ``json.py``, or anything else that code imports.
    """
    try:
        current = os.path.realpath(os.curdir)
        paths = [path for path in sys.path if os.path.realpath(path) != current]
    except FileNotFoundError:  # the current folder was removed
        paths = [path for path in sys.path if Path(path).is_absolute()]
    options = ["-I", "-X", f"utf8={sys.flags.utf8_mode}", *(["-B"] if sys.dont_write_bytecode else [])]
    return [sys.executable, *options, "-c", _PATHS + code, json.dumps(paths), *arguments]


def _close(stream: io.IOBase | IO[bytes]) -> None:
    """Close a pipe whose other end may be gone already."""
    with contextlib.suppress(OSError):
        stream.close()


def receive(stream: IO[bytes], messages: queue.SimpleQueue[Message | HatError | None]) -> None:
    """Put all messages of a worker into a queue, and None at their end; an invalid one is an error and the last."""
    try:
        while True:
            messages.put(read_message(stream, Message))
    except (EOFError, OSError):
        pass
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        messages.put(WorkerEndedError(f"sent an invalid message: {error}"))
    messages.put(None)
    _close(stream)


def _forward(stream: IO[bytes]) -> None:
    """Copy what a worker prints to the standard error of this process."""
    with contextlib.suppress(OSError, ValueError), stream:
        while data := stream.read1(1 << 16):  # type: ignore[attr-defined]
            with contextlib.suppress(OSError):
                os.write(2, data)


class _Forwarding(logging.Handler):
    """Sends what is logged here to the process that has the log of the user."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        write_message(self._stream, Note(record.getMessage()))


class _RemoteContext:
    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def calling(self, seconds: float) -> None:
        write_message(self._stream, Calling(seconds))

    def returned(self) -> None:
        write_message(self._stream, Returned())

    def faulted(self, fault: Faulted) -> None:
        write_message(self._stream, fault)


class _Pipe(io.FileIO):
    """The pipe to the process that asks. A function may close it, or open another file in its place."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb")
        self._is = _identity(descriptor)

    def write(self, data: Any) -> int:
        try:
            if _identity(self.fileno()) == self._is:
                return super().write(data)
        except OSError:
            pass
        os._exit(_CLOSED_CODE)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def serve() -> None:
    """Serve requests until the other side is gone: the main function of the worker's process."""
    supervise(0)
    # What the functions themselves read or print must not mix with the messages.
    requests = os.fdopen(os.dup(0), "rb")
    replies = io.BufferedWriter(_Pipe(os.dup(1)))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    _print_lines()
    log = logging.getLogger("hatframe")
    log.setLevel(logging.INFO)
    log.addHandler(_Forwarding(replies))
    start = read_bytes(requests)
    service, problem = None, None
    try:
        service = pickle.loads(start)(_RemoteContext(replies))
    except Exception as error:
        problem = Failed.of(error)
    kind = service.requests if service else Any
    while True:
        try:
            request = read_message(requests, kind)
        except EOFError:
            # Not by returning: what functions left behind in this process must not run at its end.
            os._exit(0)
        except OSError:
            os._exit(_CLOSED_CODE)
        try:
            answer = problem or Done(msgspec.Raw(msgspec.msgpack.encode(service.handle(request))))  # type: ignore[union-attr]
        except Exception as error:
            answer = Failed.of(error)
        write_message(replies, answer)


def _print_lines() -> None:
    """Have C print line by line, as to a terminal: what it buffers is lost if a function ends the process."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        with contextlib.suppress(ValueError):
            library.setvbuf(ctypes.c_void_p.in_dll(library, "stdout"), None, 1, ctypes.c_size_t(0))  # _IOLBF


def pin(cpu: int) -> None:
    """Let this process run on one logical core only: this thread, and all that it starts from now on."""
    import psutil

    process = psutil.Process()
    if not hasattr(process, "cpu_affinity"):
        raise UsageError(f"{sys.platform} cannot pin a process to a core", where="--cpu", hint="omit the option")
    allowed = process.cpu_affinity()
    if cpu not in allowed:
        raise UsageError(f"no core {cpu}", where="--cpu", hint=f"choose one of {', '.join(map(str, allowed))}")
    try:
        process.cpu_affinity([cpu])
    except (OSError, psutil.Error) as error:
        raise UsageError(f"the system refuses core {cpu}: {error}", where="--cpu") from None
