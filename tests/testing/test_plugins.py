"""The check of whole plugins: modules and objects, with what the kernel, the command line and a new process say."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from hatframe import hookimpl
from hatframe.backends import Availability, Observer, Option, Probe, Sink, SinkRun
from hatframe.cli.main import build_app
from hatframe.machine import Facts
from hatframe.results.model import RunInfo
from hatframe.testing import check_plugin


class ToyProbe(Probe):
    name = "toy"
    summary = "for a test"

    def facts(self) -> Facts:
        return Facts()


class Absent(ToyProbe):
    name = "absent"

    def availability(self) -> Availability:
        return Availability(False, "there is no device")


class ToySink(Sink):
    name = "toy"
    summary = "for a test"

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        raise NotImplementedError


def plugin(**hooks: Callable[..., Any]) -> types.ModuleType:
    module = types.ModuleType("toy")
    for name, hook in hooks.items():
        setattr(module, f"hatframe_{name}", hookimpl(hook))
    return module


def returning(*values: Any) -> Callable[[], Any]:
    def hook() -> Any:
        return values

    return hook


def taking(*names: str) -> Callable[[], Any]:
    """A hook for a sink with options of these names."""
    options = tuple(Option(names=(name,), help="for a test") for name in names)
    return returning(type("Optional", (ToySink,), {"options": options})())


def say_hello(app: typer.Typer) -> None:
    @app.command()
    def hello() -> None:
        """Say hello."""


def take_bench(app: typer.Typer) -> None:
    @app.command("bench")
    def mine() -> None:
        """Measure otherwise."""


def no_such_attribute(app: typer.Typer) -> None:
    app.add_command(print)  # type: ignore[attr-defined]


def test_a_plugin_that_keeps_the_contract_passes_and_its_backends_come_back() -> None:
    kernel = check_plugin(
        plugin(
            probes=returning(ToyProbe(), Absent()),
            sinks=taking("--toy-title"),
            observers=returning(Observer()),
            commands=say_hello,
        )
    )
    assert [report.name for report in kernel.registry.backends] == ["toy", "absent", "toy"]


def test_an_object_is_a_plugin_too() -> None:
    class Toy:
        @hookimpl
        def hatframe_probes(self) -> list[Probe]:
            return [ToyProbe()]

    assert [probe.name for probe in check_plugin(Toy()).registry.probes.all()] == ["toy"]


def test_its_commands_are_on_the_command_line() -> None:
    class Polite:
        @hookimpl
        def hatframe_commands(self, app: typer.Typer) -> None:
            @app.command()
            def greet(name: str) -> None:
                typer.echo(f"hello {name}")

    done = CliRunner().invoke(build_app(check_plugin(Polite())), ["greet", "you"])
    assert (done.exit_code, done.stdout) == (0, "hello you\n")


@pytest.mark.parametrize(
    ("hooks", "clause"),
    [
        ({"probe": returning()}, "the kernel takes it; found: .*hooks: hatframe_probe"),
        ({"probes": returning("cpu")}, "the kernel takes it; found: a str is not a Probe"),
        ({"probes": returning(ToyProbe)}, r"the kernel takes it; found: ToyProbe \(a class\) is not a Probe"),
        ({"probes": lambda: 1 / 0}, "the kernel takes it; found: hatframe_probes raised ZeroDivisionError"),
        ({"probes": returning(ToyProbe(), ToyProbe())}, "backends of one kind have names of their own; found: toy"),
        ({"observers": returning("x")}, "the kernel takes it; found: hatframe_observers returned a str"),
        ({"sinks": taking("--Title")}, "sink 'toy' breaks its contract: .* key in snake case"),
        (
            {"sinks": taking("--loader")},
            "its options differ from those that hatframe bench has already; found: --loader",
        ),
        (
            {"sinks": taking("--packages")},
            "its options differ from those that hatframe bench has already; found: packages",
        ),
        ({"commands": no_such_attribute}, "the kernel takes it; found: hatframe_commands raised AttributeError"),
        ({"commands": take_bench}, "no command of it has the name of another"),
    ],
)
def test_a_fault_of_a_plugin_breaks_the_clause_that_names_it(hooks: dict[str, Any], clause: str) -> None:
    with pytest.raises(AssertionError, match=clause):
        check_plugin(plugin(**hooks))


def test_runtimes_in_upper_case_break_a_clause() -> None:
    from hatframe.backends import Library, LoadContext, Loader
    from hatframe.packages.package import Package

    class Device(Loader):
        name = "device"
        summary = "for a test"
        runtimes = frozenset({"CUDA"})

        def open(self, package: Package, context: LoadContext) -> Library:
            raise NotImplementedError

    with pytest.raises(AssertionError, match="loader 'device' breaks its contract: its runtimes"):
        check_plugin(plugin(loaders=returning(Device())))


@pytest.mark.parametrize(
    ("code", "clause"),
    [
        ("import numpy", "importing it is cheap: heavy modules are imported in the methods; found: numpy"),
        ("import sys\nassert 'pytest' in sys.modules", "its module can be imported by any process; .*AssertionError"),
    ],
)
def test_the_import_of_a_module_is_checked_in_a_process_of_its_own(
    code: str, clause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_plugin_of_a_test.py").write_text(f"{code}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "a_plugin_of_a_test", raising=False)
    module = importlib.import_module("a_plugin_of_a_test")
    with pytest.raises(AssertionError, match=clause):
        check_plugin(module)


def test_no_test_runner_is_needed() -> None:
    code = "import sys, hatframe.testing; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
