"""The options that every command has, and those that backends declare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import hatframe
from hatframe_builtin.linkers.gcc import Gcc
from hatframe_builtin.loaders.ctypes_loader import CtypesLoader
from sample_packages import affine, function, make_package
from typer.testing import CliRunner

from hatframe import Kernel, hookimpl
from hatframe.backends import Library, Linker, LoadContext, Loader, Option, Probe
from hatframe.cli.main import build_app
from hatframe.errors import UsageError
from hatframe.machine import Facts
from hatframe.packages.package import Package

NOTE = "rewrote paths"


@pytest.fixture
def packing(tmp_path: Path) -> list[object]:
    """A command line that logs a note, but for its global options."""
    hat = make_package(tmp_path / "in", "void f(float *a) {}", {"f": function(affine("a", [1]))})
    text = hat.read_text()
    (tmp_path / "in" / "lib").mkdir()
    (tmp_path / "in" / "package.so").rename(tmp_path / "in" / "lib" / "package.so")
    hat.write_text(text.replace('"package.so"', f'"{tmp_path}/in/lib/package.so"'))
    return ["pack", hat, "-o", tmp_path / "out.zip"]


def test_quiet_and_log_level_hide_notes(packing: list[object]) -> None:
    assert NOTE in hatframe(*packing, status=0).stderr
    assert hatframe(*packing, "-q", status=0).stderr == ""
    assert hatframe("--quiet", *packing, status=0).stderr == ""
    assert hatframe(*packing, "--log-level", "error", status=0).stderr == ""
    assert NOTE in hatframe(*packing, "--log-level", "debug", status=0).stderr


def test_an_option_of_the_command_overrides_the_one_before_it(packing: list[object]) -> None:
    assert NOTE in hatframe("--quiet", *packing, "-v", status=0).stderr


def test_an_unknown_level_is_wrong_usage(tmp_path: Path) -> None:
    done = hatframe("probe", "--log-level", "loud", status=2)
    assert "'loud'" in done.stderr
    assert "warning" in done.stderr


@pytest.mark.parametrize("before", [True, False])
def test_debug_shows_the_traceback_of_an_error(tmp_path: Path, before: bool) -> None:
    arguments = ["inspect", "missing.hat"]
    done = hatframe(*(["--debug", *arguments] if before else [*arguments, "--debug"]), folder=tmp_path)
    assert "Traceback" in done.stderr
    assert "Traceback" not in hatframe(*arguments, folder=tmp_path, status=1).stderr


# ------------------------------------------------------------------------------------------- of the backends


class Recording:
    """What its backends were configured with, by name."""

    def __init__(self) -> None:
        self.settings: dict[str, dict[str, str]] = {}


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
def run(recording: Recording) -> Callable[..., Any]:
    """Runs a command line with backends that declare options, in this process."""

    class OwnLinker(Gcc):
        name = "own"
        options = (Option(names=("--fold-code",), flag=True, help="Fold identical code."),)

        def archive(self, *arguments: Any, **more: Any) -> None:
            recording.settings[self.name] = dict(self.settings)
            super().archive(*arguments, **more)

    class OwnProbe(Probe):
        name = "own"
        summary = "for a test"
        options = (Option(names=("--detail", "-d"), choices=("few", "all"), help="The facts to show."),)

        def facts(self) -> Facts:
            return Facts(details={"detail": self.settings.get("detail", "none")})

    class OwnLoader(CtypesLoader):
        name = "own"
        options = (*CtypesLoader.options, Option(names=("--device",), metavar="N", help="The device to run on."))

        def open(self, package: Package, context: LoadContext) -> Library:
            recording.settings["loader"] = dict(self.settings)
            return super().open(package, context)

    class Plugin:
        @hookimpl
        def hatframe_linkers(self) -> list[Linker]:
            return [OwnLinker()]

        @hookimpl
        def hatframe_probes(self) -> list[Probe]:
            return [OwnProbe()]

        @hookimpl
        def hatframe_loaders(self) -> list[Loader]:
            return [OwnLoader(), CtypesLoader()]

    app = build_app(Kernel(plugins=[Plugin()], entry_points=False))
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


def test_options_of_linkers_are_on_the_commands_that_link(
    run: Callable[..., Any], recording: Recording, tmp_path: Path
) -> None:
    for command in ("build", "to-dynamic", "to-static"):
        assert "Options of linker own:\n  --fold-code" in run(command, "--help").output
    assert "--fold-code" not in run("inspect", "--help").output
    (tmp_path / "one.c").write_text("int one(void) { return 1; }\n")
    build = ("build", tmp_path / "one.c", "-o", tmp_path / "one.hat", "--static")
    assert run(*build, "--fold-code").exit_code == 0
    assert recording.settings["own"] == {"fold_code": "true"}
    assert run("to-static", tmp_path / "one.hat", tmp_path / "other.hat").exit_code == 0
    assert recording.settings["own"] == {}


def test_options_of_probes_are_on_probe_with_their_choices(run: Callable[..., Any]) -> None:
    assert "-d, --detail few|all" in run("probe", "--help").output
    assert "all" in run("probe", "-d", "all").output
    wrong = run("probe", "--detail", "some")
    assert isinstance(wrong.exception, UsageError)
    assert "'some'" in str(wrong.exception)
    assert "few" in str(wrong.exception)


def test_options_of_loaders_are_on_the_commands_that_measure(
    run: Callable[..., Any], recording: Recording, tmp_path: Path
) -> None:
    for command in ("bench", "compare"):
        shown = run(command, "--help").output
        assert "Options of loader own:\n  --device N" in shown
        assert "Options of loaders ctypes, own:\n  --timer" in shown
    hat = make_package(tmp_path, "void f(float *a) {}", {"f": function(affine("a", [1]))})
    quick = ("--max-time", "0", "--batches", "2", "--cache", "hot")
    assert run("bench", hat, "--loader", "own", "--device", "3", "--timer", "python", *quick).exit_code == 0
    assert recording.settings["loader"] == {"device": "3", "timer": "python"}
