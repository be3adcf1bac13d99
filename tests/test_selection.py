"""Selecting backends for a runtime, a platform and a run."""

from __future__ import annotations

from typing import Any

import pytest

from hatframe import Kernel, hookimpl
from hatframe.backends import Library, Linker, LoadContext, Loader, Meter, MeterSession
from hatframe.bench.options import BenchOptions
from hatframe.errors import PluginError
from hatframe.machine import Platform
from hatframe.packages.package import Package
from hatframe.selection import RunBackends


class DeviceLoader(Loader):
    name = "device"
    summary = "for a test"
    runtimes = frozenset({"toy"})

    def open(self, package: Package, context: LoadContext) -> Library:
        raise NotImplementedError


class OtherDeviceLoader(DeviceLoader):
    name = "other"


class HostLoader(DeviceLoader):
    name = "host"
    runtimes = frozenset()


class ToyMeter(Meter):
    name = "toy"
    summary = "for a test"

    def open(self) -> MeterSession:
        raise NotImplementedError


class Plugin:
    def __init__(self, *backends: Any) -> None:
        self.backends = backends

    @hookimpl
    def hatframe_loaders(self) -> list[Any]:
        return [backend for backend in self.backends if isinstance(backend, Loader)]

    @hookimpl
    def hatframe_meters(self) -> list[Any]:
        return [backend for backend in self.backends if isinstance(backend, Meter)]


def kernel_of(*backends: Any) -> Kernel:
    return Kernel([Plugin(*backends)], entry_points=False)


def test_a_loader_is_selected_by_the_runtime_that_it_serves_in_any_case() -> None:
    kernel = kernel_of(HostLoader(), DeviceLoader())
    assert kernel.loader(runtime="TOY").name == "device"
    assert kernel.loader().name == "host"
    assert kernel.loader("host", "toy").name == "device"


def test_a_kernel_may_have_no_loader_for_host_functions() -> None:
    kernel = kernel_of(DeviceLoader())
    assert kernel.loader(runtime="toy").name == "device"
    with pytest.raises(PluginError):
        kernel.loader()


def test_two_loaders_of_one_runtime_are_an_error_that_names_both() -> None:
    with pytest.raises(PluginError, match=r"device, other"):
        kernel_of(DeviceLoader(), OtherDeviceLoader()).loader(runtime="toy")


def test_a_linker_that_is_missing_is_an_error_with_what_to_install() -> None:
    with pytest.raises(PluginError) as caught:
        kernel_of().linker(platform=Platform("plan9", "mips"))
    assert "mips-plan9" in caught.value.message
    assert caught.value.hint


def test_a_linker_by_name_must_produce_for_the_platform() -> None:
    with pytest.raises(PluginError, match="mips-plan9"):
        Kernel().linker("gcc", Platform("plan9", "mips"))
    assert isinstance(Kernel().linker(), Linker)


@pytest.mark.parametrize(("chosen", "names"), [((), ["toy"]), (("toy",), ["toy"]), (("none",), [])])
def test_a_run_uses_the_chosen_meters_or_else_all(chosen: tuple[str, ...], names: list[str]) -> None:
    backends = RunBackends(kernel_of(ToyMeter()), BenchOptions(meters=chosen))
    assert [meter.name for meter in backends.meters()] == names
