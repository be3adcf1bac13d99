"""``hatframe probe`` as a user sees it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import msgspec
import pytest
from hatframe_builtin.probes import cpu
from typer.testing import CliRunner

from hatframe.backends import Probe
from hatframe.cli.main import build_app
from hatframe.hookspecs import hookimpl
from hatframe.kernel import Kernel
from hatframe.machine import Cache, Facts, Machine


class BoardProbe(Probe):
    """A probe of a small board, with a processor that is known to the last byte."""

    name = "board"
    summary = "a small board"

    def facts(self) -> Facts:
        return Facts(
            caches=(
                Cache(level=1, kind="data", size=48 << 10, line_size=64),
                Cache(level=1, kind="instruction", size=512, line_size=0),
                Cache(level=2, kind="unified", size=1280 << 10, line_size=64, shared_by=2),
                Cache(level=3, kind="unified", size=300 << 20, line_size=64, shared_by=12),
            ),
            extensions={"neon": True, "aes": True, "sve": False},
            details={"model": "Board [1]", "logical_cores": 12},
        )


class BoardPlugin:
    @hookimpl
    def hatframe_probes(self) -> Iterable[Probe]:
        return (BoardProbe(),)


def run(kernel: Kernel, arguments: Sequence[str] = ()) -> str:
    outcome = CliRunner().invoke(build_app(kernel), ["probe", *arguments], catch_exceptions=False)
    assert outcome.exit_code == 0
    return outcome.stdout


@pytest.fixture
def board() -> Kernel:
    return Kernel(plugins=[BoardPlugin()], entry_points=False)


def test_sizes_are_shown_in_binary_units(board: Kernel) -> None:
    text = run(board)
    for expected in (
        "48 KiB, lines of 64 bytes",
        "512 bytes",
        "1.25 MiB, lines of 64 bytes, shared by 2 logical cores",
        "300 MiB, lines of 64 bytes, shared by 12 logical cores",
        "board model",
        "Board [1]",
        "board logical cores",
    ):
        assert expected in text
    assert "lines of 0" not in text


def test_only_present_extensions_are_shown(board: Kernel) -> None:
    (line,) = [line for line in run(board).splitlines() if line.startswith("extensions")]
    assert line.split()[1:] == ["aes", "neon"]


def test_json_is_the_machine_itself(board: Kernel) -> None:
    text = run(board, ["--json"])
    assert msgspec.json.decode(text, type=Machine) == board.machine
    assert json.loads(text)["extensions"]["sve"] is False


def test_without_probes_there_is_the_platform() -> None:
    kernel = Kernel(entry_points=False)
    assert str(kernel.machine.platform) in run(kernel)


def test_this_machine_is_shown_by_the_probe_that_ships_with_hatframe() -> None:
    kernel = Kernel(plugins=[cpu], entry_points=False)
    shown = [line.split() for line in run(kernel).splitlines()]
    assert ["platform", str(kernel.machine.platform)] in shown
    assert ["cpu", "logical", "cores", str(kernel.machine.details["cpu"]["logical_cores"])] in shown
