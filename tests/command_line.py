"""Runs ``hatframe`` as a user does, in a process of its own, without paying for the imports each time.

A server imports hatframe once per test process and forks for each command. Tests of start-up, signals and
terminals start ``python -m hatframe`` themselves.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path

_server: subprocess.Popen[str] | None = None


def hatframe(
    *arguments: object,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    status: int | None = None,
    time_limit: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a command line in ``folder``; with ``status``, assert that this is its exit status."""
    words = [str(each) for each in arguments]
    where, variables = Path(folder or Path.cwd()), dict(os.environ if environment is None else environment)
    with tempfile.TemporaryDirectory() as temporary:
        output, errors = Path(temporary, "output"), Path(temporary, "errors")
        if hasattr(os, "fork"):
            code = _ask(words, where, variables, output, errors, time_limit)
        else:
            with output.open("wb") as to_output, errors.open("wb") as to_errors:
                command = [sys.executable, "-m", "hatframe", *words]
                streams = (subprocess.DEVNULL, to_output, to_errors)
                code = subprocess.run(command, -1, None, *streams, cwd=where, env=variables).returncode
        done = subprocess.CompletedProcess(
            ["hatframe", *words], code, output.read_text("utf-8"), errors.read_text("utf-8")
        )
    if status is not None:
        assert done.returncode == status, done.stderr
    return done


def _ask(
    words: list[str], folder: Path, environment: dict[str, str], output: Path, errors: Path, time_limit: float
) -> int:
    global _server
    if _server is None:
        command = [sys.executable, __file__]
        pipe = subprocess.PIPE
        _server = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        atexit.register(_end_server)
    assert _server.stdin
    assert _server.stdout
    _server.stdin.write(json.dumps([words, str(folder), environment, str(output), str(errors)]) + "\n")
    _server.stdin.flush()
    if not select.select([_server.stdout], [], [], time_limit)[0]:
        _end_server()
        raise AssertionError(f"hatframe {' '.join(words)} did not end within {time_limit} s")
    answer = _server.stdout.readline()
    assert answer, "the server of the command line ended"
    return int(answer)


def _end_server() -> None:
    global _server
    if _server is not None:
        os.killpg(_server.pid, 9)
        _server.communicate()
        _server = None
        atexit.unregister(_end_server)


def serve() -> None:
    """Fork for each request on standard input: the child runs the command, this process prints its status."""
    import hatframe
    from hatframe.cli.main import main

    for module in pkgutil.walk_packages(hatframe.__path__, "hatframe."):
        if module.name != "hatframe.__main__":
            importlib.import_module(module.name)
    importlib.import_module("lief")
    # Once here, for all that is imported only when it is needed.
    sys.argv = ["hatframe", "bench", "--help"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        words, folder, environment, output, errors = json.loads(line)
        if child := os.fork():
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            continue
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.path[0:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
        for number, path in enumerate((os.devnull, output, errors)):
            opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            os.dup2(opened, number)
            os.close(opened)
        sys.argv = ["hatframe", *words]
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        except BaseException:
            traceback.print_exc()
            code = 1
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(ValueError, OSError):
                stream.flush()
        # Taking thousands of imported modules apart would cost more than most commands.
        os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    del sys.path[0]  # the modules beside this one are not for the product
    serve()
