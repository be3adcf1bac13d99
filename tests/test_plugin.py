"""What plugins import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hatframe import plugin


def test_every_name_is_there_and_none_twice() -> None:
    assert len(set(plugin.__all__)) == len(plugin.__all__)
    for name in plugin.__all__:
        assert getattr(plugin, name) is not None


def test_any_other_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        plugin.no_such_name  # noqa: B018


def test_importing_it_is_cheap() -> None:
    code = "import sys, hatframe.plugin; print(*sorted({'numpy', 'pandas', 'lief', 'cffi'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
