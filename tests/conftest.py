"""Fixtures for all tests: the user's folders of hatframe are temporary ones, and zig has one cache for all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _own_user_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("HATFRAME_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("HATFRAME_STATE_DIR", str(folder / "state"))


@pytest.fixture(scope="session", autouse=True)
def _zig_cache() -> Iterator[None]:
    """zig takes up to a minute to compile a target's C library: once, not anew for the cache folder of every test."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        if "ZIG_GLOBAL_CACHE_DIR" not in os.environ:
            monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(Path(__file__).parent.parent / "build" / "zig"))
        yield


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With HATFRAME_TEST_NO_SKIPS a skipped test is a failure: where all tools are to be there, none may be missing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("HATFRAME_TEST_NO_SKIPS") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
