"""Fixtures for all tests: own user folders for each, and what all processes of a run make once and share."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock
from hatframe_builtin.linkers.clang import Clang
from hatframe_builtin.linkers.gcc import Gcc
from hatframe_builtin.linkers.zig import Zig
from hatframe_builtin.loaders import compiled_loader

from hatframe.backends import Linker, LoadContext
from hatframe.packages.package import Package

sys.path.insert(0, str(Path(__file__).parent))

# How long an example takes says more about what else the machine does.
hypothesis.settings.register_profile("hatframe", deadline=None)
hypothesis.settings.load_profile("hatframe")

# A shell starts what runs in its background deaf to Ctrl-C, and so would be the commands that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Name a folder for what the processes of this run share; the one that starts the others makes and removes it."""
    if "HATFRAME_TEST_SHARED" not in os.environ:
        folder = tempfile.mkdtemp(prefix="hatframe-tests-")
        os.environ["HATFRAME_TEST_SHARED"] = folder
        config.add_cleanup(lambda: _remove_shared(Path(folder)))


def _remove_shared(folder: Path) -> None:
    del os.environ["HATFRAME_TEST_SHARED"]
    server = shutil.which("wineserver") or shutil.which("wineserver64", path="/usr/lib/wine")
    if server and (folder / "wine").exists():
        environment = {**os.environ, "WINEPREFIX": str(folder / "wine")}
        subprocess.run([server, "-k"], env=environment, capture_output=True, timeout=60)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _own_user_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("HATFRAME_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("HATFRAME_STATE_DIR", str(folder / "state"))


@pytest.fixture(autouse=True)
def _commands_do_not_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `bench` verifies first takes another process; tests of that remove the variables."""
    for command in ("BENCH", "COMPARE"):
        monkeypatch.setenv(f"HATFRAME_{command}_VERIFY", "0")


@pytest.fixture(scope="session", autouse=True)
def _zig_cache() -> Iterator[None]:
    """zig takes up to a minute to compile a target's C library: once, not anew for the cache folder of every test."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        if "ZIG_GLOBAL_CACHE_DIR" not in os.environ:
            monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(Path(__file__).parent.parent / "build" / "zig"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _callers_made_once() -> Iterator[None]:
    """The callers of a package take a second to compile: once, not anew for the cache folder of every test."""
    make, made = compiled_loader._compile, dict[bytes, bytes]()

    @functools.wraps(make)
    def remembered(package: Package, context: LoadContext) -> bytes:
        key = b"".join(compiled_loader._parts(package))
        if key not in made:
            made[key] = make(package, context)
        return made[key]

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(compiled_loader, "_compile", remembered)
        yield


@pytest.fixture(scope="session")
def wine() -> Callable[..., str]:
    """Runs a program for Windows, with arguments, in a folder, and gives what it prints."""
    program = shutil.which("wine64") or shutil.which("wine64", path="/usr/lib/wine") or shutil.which("wine")
    if not program:
        pytest.skip("no wine on this machine")
    shared = Path(os.environ["HATFRAME_TEST_SHARED"])
    prefix = shared / "wine"
    # The overrides stop it from offering to install what it would need for .NET and for HTML.
    own = {"WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    environment = {**os.environ, **own}
    environment.pop("DISPLAY", None)

    def run(*command: str | Path, folder: Path, time_limit: float = 60) -> str:
        done = subprocess.run(
            [program, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=time_limit
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout} {done.stderr}"
        return done.stdout

    with FileLock(shared / "wine.lock"):
        if not prefix.exists():
            # The first start makes the prefix.
            run("cmd.exe", "/c", "exit", "0", folder=shared, time_limit=300)
    return run


@pytest.fixture(
    params=[Gcc, pytest.param(Clang, marks=pytest.mark.slow), pytest.param(Zig, marks=pytest.mark.slow)],
    ids=["gcc", "clang", "zig"],
)
def linker(request: pytest.FixtureRequest) -> Linker:
    chosen: Linker = request.param()
    if not (availability := chosen.availability()):
        pytest.skip(availability.reason)
    return chosen


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With HATFRAME_TEST_NO_SKIPS a skipped test is a failure: where all tools are to be there, none may be missing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("HATFRAME_TEST_NO_SKIPS") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
