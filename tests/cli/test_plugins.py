"""``hatframe plugins``: the backends, where they are from, and why one is not there."""

from __future__ import annotations

import json
import os

from command_line import hatframe

from hatframe import Kernel


def test_every_backend_is_a_row_with_its_kind_and_summary() -> None:
    done = hatframe("plugins", status=0)
    lines = done.stdout.splitlines()
    for report in Kernel().registry.backends:
        (line,) = [line for line in lines if line.split()[:2] == [report.kind, report.name]]
        assert report.summary in line


def test_json_has_the_backends_and_the_plugins() -> None:
    found = json.loads(hatframe("plugins", "--json", status=0).stdout)
    assert {"kind": "sink", "name": "csv"}.items() <= next(
        backend for backend in found["backends"] if backend["name"] == "csv"
    ).items()
    assert {plugin["status"] for plugin in found["plugins"]} == {"loaded"}


def test_a_disabled_plugin_is_listed_apart() -> None:
    environment = {**os.environ, "HATFRAME_DISABLE_PLUGINS": "csv"}
    for done in (hatframe("--disable-plugin", "csv", "plugins"), hatframe("plugins", environment=environment)):
        assert done.returncode == 0, done.stderr
        assert not [line for line in done.stdout.splitlines() if line.split()[:2] == ["sink", "csv"]]
        assert "plugin csv" in done.stdout
