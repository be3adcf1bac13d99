"""Fixtures for linking: each linker that ships with hatframe, where its tool is on this machine."""

from __future__ import annotations

import pytest
from hatframe_builtin.linkers.clang import Clang
from hatframe_builtin.linkers.gcc import Gcc
from hatframe_builtin.linkers.zig import Zig

from hatframe.backends import Linker


@pytest.fixture(
    params=[Gcc, pytest.param(Clang, marks=pytest.mark.slow), pytest.param(Zig, marks=pytest.mark.slow)],
    ids=["gcc", "clang", "zig"],
)
def linker(request: pytest.FixtureRequest) -> Linker:
    chosen: Linker = request.param()
    if not (availability := chosen.availability()):
        pytest.skip(availability.reason)
    return chosen
