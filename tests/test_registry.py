"""Plugins found and given, broken ones left out, backends picked by name."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from command_line import hatframe
from facts import assert_names

from hatframe import Kernel, hookimpl
from hatframe.backends import Availability, BoundFunction, Library, LoadContext, Loader, Observer, Probe, Sink
from hatframe.errors import PluginError
from hatframe.machine import Cache, Facts
from hatframe.packages.package import Package
from hatframe.registry import PluginReport


class ToyLoader(Loader):
    name = "toy"
    summary = "for a test"
    runtimes = frozenset({"toy"})

    def open(self, package: Package, context: LoadContext) -> Library:
        raise NotImplementedError


class HostToy(ToyLoader):
    name = "host-toy"
    runtimes = frozenset()


class AbsentLoader(HostToy):
    name = "absent"

    def availability(self) -> Availability:
        return Availability(False, "there is no device", "apt-get install device")


class ToyProbe(Probe):
    name = "toy"
    summary = "for a test"

    def facts(self) -> Facts:
        return Facts(caches=(Cache(level=1, kind="data", size=1024, line_size=64),), details={"who": "toy"})


class BrokenProbe(ToyProbe):
    name = "broken"

    def facts(self) -> Facts:
        raise OSError("no such device")


def _returning(value: list[Any]) -> Any:
    def implementation() -> list[Any]:
        return value

    return implementation


def plugin(name: str = "toy", **hooks: list[Any]) -> types.ModuleType:
    """A plugin module whose hooks return what is given."""
    module = types.ModuleType(name)
    for hook, returned in hooks.items():
        setattr(module, f"hatframe_{hook}", hookimpl(_returning(returned)))
    return module


def given(*plugins: Any, **options: Any) -> Kernel:
    return Kernel(plugins=plugins, entry_points=False, **options)


def report(kernel: Kernel, name: str) -> PluginReport:
    return next(report for report in kernel.registry.plugins if report.name == name)


def test_a_kernel_uses_only_what_it_is_given() -> None:
    kernel = given(plugin(loaders=[HostToy()], probes=[ToyProbe()]))
    assert [backend.name for backend in kernel.registry.backends] == ["host-toy", "toy"]
    assert kernel.loader().name == "host-toy"
    assert kernel.machine.details == {"toy": {"who": "toy"}}
    assert given().registry.backends == []


def test_a_kernel_uses_only_its_own_plugins() -> None:
    first, second = given(plugin(loaders=[HostToy()])), given()
    assert first.registry.loaders.names == ["host-toy"]
    assert second.registry.loaders.names == []
    with pytest.raises(PluginError):
        second.loader()


def test_the_built_in_backends_come_in_by_entry_points() -> None:
    reports = {(backend.kind, backend.name): backend for backend in Kernel().registry.backends}
    for key in [
        ("loader", "ctypes"),
        ("loader", "cffi"),
        ("linker", "gcc"),
        ("linker", "clang"),
        ("sink", "csv"),
        ("sink", "json"),
        ("sink", "hat"),
        ("probe", "cpu"),
    ]:
        assert reports[key].distribution == "hatframe"
        assert reports[key].version == importlib.metadata.version("hatframe")
        assert reports[key].summary


def test_a_plugin_is_left_out_by_option_and_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(disabled=["cffi"])
    assert "cffi" not in kernel.registry.loaders.names
    assert report(kernel, "cffi").status == "disabled"
    monkeypatch.setenv("HATFRAME_DISABLE_PLUGINS", "ctypes, csv")
    kernel = Kernel()
    assert kernel.registry.loaders.names == ["cffi", "compiled"]
    assert "csv" not in kernel.registry.sinks.names
    monkeypatch.setenv("HATFRAME_DISABLE_PLUGINS", "hatframe")
    assert Kernel().registry.backends == []


def test_a_hook_that_raises_leaves_the_others_working() -> None:
    class Broken:
        @hookimpl
        def hatframe_loaders(self) -> list[Loader]:
            raise RuntimeError("no luck\nat all")

    kernel = given(Broken(), plugin(loaders=[HostToy()]))
    assert kernel.loader().name == "host-toy"
    assert report(kernel, "Broken").status == "failed"
    assert_names(report(kernel, "Broken").reason, "hatframe_loaders", "RuntimeError: no luck at all")


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (["cffi"], "a str .* Loader"),
        ([HostToy], r"HostToy \(a class\) .* Loader"),
        ([ToyProbe()], "a ToyProbe .* Loader"),
        ([type("Nameless", (HostToy,), {"name": ""})()], "has no name"),
    ],
)
def test_what_is_not_a_backend_is_reported(returned: list[Any], reason: str) -> None:
    import re

    kernel = given(plugin("odd", loaders=returned), plugin(loaders=[HostToy()]))
    assert re.search(reason, report(kernel, "odd").reason)
    assert kernel.registry.loaders.names == ["host-toy"]


def test_a_hook_that_does_not_exist_is_reported() -> None:
    kernel = given(plugin("misspelt", loader=[]))
    assert report(kernel, "misspelt").status == "failed"
    assert_names(report(kernel, "misspelt").reason, "hatframe_loader")

    class Greedy:
        @hookimpl
        def hatframe_loaders(self, everything: Any) -> list[Loader]:
            return []

    assert "everything" in report(given(Greedy()), "Greedy").reason


def test_two_backends_of_one_name_are_an_error_that_names_both() -> None:
    kernel = given(
        plugin("one", loaders=[HostToy()]),
        plugin("two", loaders=[HostToy()]),
        plugin("three", loaders=[ToyLoader()]),
    )
    with pytest.raises(PluginError) as caught:
        kernel.loader("host-toy")
    assert_names(caught.value, "'host-toy'", "plugin one", "plugin two")
    assert [backend.available for backend in kernel.registry.backends] == [False, False, True]
    assert kernel.loader(runtime="TOY").name == "toy"


def test_two_given_plugins_of_one_name_both_work() -> None:
    kernel = given(plugin("same", loaders=[HostToy()]), plugin("same", loaders=[ToyLoader()]))
    assert sorted(kernel.registry.loaders.names) == ["host-toy", "toy"]


def test_a_backend_is_picked_by_name_with_errors_that_help() -> None:
    kernel = given(plugin(loaders=[HostToy(), AbsentLoader(), ToyLoader()]))
    with pytest.raises(PluginError) as misspelt:
        kernel.loader("host_toy")
    assert_names(misspelt.value, "'host_toy'", "did you mean host-toy")
    with pytest.raises(PluginError) as absent:
        kernel.loader("absent")
    assert_names(absent.value, "there is no device", "apt-get install device")
    with pytest.raises(PluginError, match="toy"):
        kernel.loader("toy")
    with pytest.raises(PluginError, match="CUDA"):
        kernel.loader(runtime="CUDA")
    with pytest.raises(PluginError, match="produce for"):
        kernel.linker()


def test_a_probe_that_fails_is_passed_over_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    kernel = given(plugin(probes=[BrokenProbe(), ToyProbe()]))
    assert kernel.machine.last_level_cache is not None
    (message,) = caplog.messages
    assert "broken" in message
    assert "OSError: no such device" in message


def test_observers_are_gathered_and_others_reported() -> None:
    observer = Observer()
    kernel = given(plugin("watcher", observers=[observer]), plugin("odd", observers=["x"]))
    assert kernel.registry.observers() == [observer]
    assert "not an Observer" in report(kernel, "odd").reason


def test_an_availability_that_raises_is_reported() -> None:
    class Worse(HostToy):
        def availability(self) -> Availability:
            raise ValueError("broken")

    kernel = given(plugin(loaders=[Worse()]))
    assert kernel.registry.backends[0].reason == "its availability() raised ValueError: broken"


# ------------------------------------------------------------------------------------------- installed plugins


def install(folder: Path, name: str, code: str, requires: str = "hatframe", entry: str | None = None) -> None:
    """Lay a distribution into ``folder`` as an installer would: a module, its metadata and its entry point."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code)
    metadata = folder / f"{module}-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\nRequires-Dist: {requires}\n"
    )
    (metadata / "entry_points.txt").write_text(f"[hatframe]\n{entry or name} = {module}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_an_installed_plugin_that_cannot_be_imported_leaves_the_rest_working(site: Path) -> None:
    install(site, "hatframe-broken", "import a_module_that_is_not_there")
    install(site, "hatframe-exits", "raise SystemExit(3)")
    kernel = Kernel()
    broken = report(kernel, "hatframe-broken")
    assert (broken.status, broken.distribution, broken.version) == ("failed", "hatframe-broken", "1.2")
    assert "ModuleNotFoundError: No module named 'a_module_that_is_not_there'" in broken.reason
    assert "SystemExit: 3" in report(kernel, "hatframe-exits").reason
    assert "cffi" in kernel.registry.loaders.names


def test_a_plugin_for_another_version_is_not_even_imported(site: Path) -> None:
    install(site, "hatframe-future", "raise AssertionError('imported')", requires="hatframe>=99")
    assert_names(report(Kernel(), "hatframe-future").reason, "hatframe>=99", importlib.metadata.version("hatframe"))
    assert "hatframe_future" not in sys.modules


def test_a_duplicate_of_a_built_in_backend_names_both_distributions(site: Path) -> None:
    install(
        site,
        "hatframe-other",
        "from hatframe import hookimpl\nfrom hatframe_builtin.sinks.csv_sink import CsvSink\n"
        "@hookimpl\ndef hatframe_sinks():\n    return [CsvSink()]\n",
    )
    kernel = Kernel()
    with pytest.raises(PluginError) as caught:
        kernel.registry.sinks.get("csv")
    assert_names(caught.value, "'csv'", "hatframe-other 1.2", f"hatframe {importlib.metadata.version('hatframe')}")
    assert kernel.registry.sinks.get("json").name == "json"
    assert Kernel(disabled=["hatframe-other"]).registry.sinks.get("csv").name == "csv"


def test_every_kind_of_backend_has_a_contract_that_is_abstract() -> None:
    for contract in (Loader, Library, BoundFunction, Sink, Probe):
        with pytest.raises(TypeError):
            contract()  # type: ignore[abstract]


def test_sinks_whose_options_clash_leave_the_command_line_working(site: Path) -> None:
    code = """
from hatframe import hookimpl
from hatframe.backends import Sink, Option

class Clashing(Sink):
    name = "clashing"
    summary = "for a test"
    options = (
        Option(names=("--loader",), help="x"),
        Option(names=("--results-file",), help="x"),
        Option(names=("--my-own",), help="mine"),
    )
    def open(self, run, path, options):
        raise NotImplementedError

@hookimpl
def hatframe_sinks():
    return [Clashing()]
"""
    install(site, "hatframe-clashing", code)
    done = run_hatframe(site, "bench", "--help")
    assert done.returncode == 0, done.stderr
    assert "--my-own" in done.stdout
    warnings = [line for line in done.stderr.splitlines() if "clashing" in line]
    assert [word for line in warnings for word in ("--loader", "--results-file") if word in line] == [
        "--loader",
        "--results-file",
    ]


def test_a_command_whose_signature_is_broken_is_left_out(site: Path) -> None:
    code = """
from __future__ import annotations
from hatframe import hookimpl

@hookimpl
def hatframe_commands(app):
    @app.command()
    def broken(value: NotThere) -> None:
        pass
"""
    good = """
from hatframe import hookimpl

@hookimpl
def hatframe_commands(app):
    @app.command()
    def greet() -> None:
        print("hello")
"""
    install(site, "hatframe-a-broken", code)
    install(site, "hatframe-greets", good)
    assert run_hatframe(site, "greet").stdout == "hello\n"
    shown = run_hatframe(site, "plugins").stdout
    assert "plugin hatframe-a-broken" in shown
    assert "NameError" in shown


def run_hatframe(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return hatframe(*arguments, environment={**os.environ, "PYTHONPATH": str(site)})


def test_a_plugin_to_disable_that_does_not_exist_is_reported(site: Path) -> None:
    assert Kernel(disabled=["nonesuch", "csv"]).registry.not_found == ["nonesuch"]
    done = run_hatframe(site, "--disable-plugin", "nonesuch", "plugins")
    assert "'nonesuch'" in done.stderr
