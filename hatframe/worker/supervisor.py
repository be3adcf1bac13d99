"""The supervisor: a process between a worker and the one that asks it, which ends all that the worker started.

A function may fork, and a compiler may run, when a worker crashes or is killed. The supervisor outlives the worker,
adopts what it leaves behind, and ends it; it removes the worker's temporary folder, and ends as the worker did. It also
notices when nobody asks any more, even after ``kill -9``.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import tempfile
from time import monotonic, sleep

from hatframe.toolchain.tool import private_folder

# Seconds until processes are gone that were killed.
_KILL_TIMEOUT = 5.0

_kept: list[contextlib.ExitStack] = []


def supervise(requests: int) -> None:
    """Fork: the child returns, with a temporary folder of its own, and is the worker; the parent is its supervisor.

    ``requests`` is a pipe, whose writer is the process that asks. Systems without fork have no supervisor.
    """
    if sys.platform == "win32":
        return
    _prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(private_folder())
        supervisor = os.getpid()
        worker = os.fork()
        if worker == 0:
            # The folder is the supervisor's to remove.
            _kept.append(stack.pop_all())
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            # A function that signals its process group reaches the worker only.
            os.setpgid(0, 0)
            set_parent_death_signal(supervisor)
            tempfile.tempdir = str(folder)
            return
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        status = _wait(worker, requests)
        _end_descendants()
    _end_as(status)


def _wait(worker: int, requests: int) -> int:
    """The status with which the worker ended, or 0 once nobody asks any more."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    poll = select.poll()
    # Hanging up is reported without asking, and no request is read here.
    poll.register(requests, 0)
    poll.register(woken, select.POLLIN)
    while True:
        for pid, status in _ended():
            if pid == worker:
                return status
        for descriptor, _ in poll.poll():
            if descriptor == requests or {signal.SIGTERM, signal.SIGHUP}.intersection(os.read(woken, 512)):
                os.kill(worker, signal.SIGKILL)
                return 0


def _ended() -> list[tuple[int, int]]:
    """The children that have ended, with their statuses, and those that were adopted."""
    found = []
    with contextlib.suppress(ChildProcessError):
        while (entry := os.waitpid(-1, os.WNOHANG))[0]:
            found.append(entry)
    return found


def _end_descendants() -> None:
    """Kill all that descends from this process; on Linux it is the parent of what its descendants leave behind."""
    end = monotonic() + _KILL_TIMEOUT
    while monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            import psutil

            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    process.kill()
            sleep(0.001)
            continue
        return


def _end_as(status: int) -> None:
    """End this process as another ended."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError, ValueError):  # of SIGKILL
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 1)


def set_parent_death_signal(parent: int) -> None:
    """On Linux, have this process killed when the process ``parent`` ends."""
    _prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    # A parent that ended before the call sends no signal; the process has another parent then.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        call = ctypes.CDLL(None).prctl
        call.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
        call(option, value, 0, 0, 0)
