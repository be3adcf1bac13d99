"""The backends that ship with hatframe keep the contracts that plugin authors are held to."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from remembering_linker import RememberingLinker

from hatframe import Kernel
from hatframe.machine import Platform
from hatframe.testing import check_linker, check_loader, check_plugin, check_probe, check_sink

MODULES = sorted(
    entry.value for entry in entry_points(group="hatframe") if entry.dist and entry.dist.name == "hatframe"
)
KERNEL = Kernel([importlib.import_module(module) for module in MODULES], entry_points=False)


def names(kind: str) -> list[str]:
    return [report.name for report in KERNEL.registry.backends if report.kind == kind]


def test_all_kinds_are_here() -> None:
    assert all(names(kind) for kind in ("loader", "linker", "sink", "probe"))


@pytest.mark.parametrize("module", MODULES)
def test_each_plugin_keeps_its_contract(module: str) -> None:
    kernel = check_plugin(importlib.import_module(module))
    assert len(kernel.registry.backends) == 1


def usable(kind: str, name: str) -> None:
    report = next(report for report in KERNEL.registry.backends if (report.kind, report.name) == (kind, name))
    if not report.available:
        pytest.skip(f"{name}: {report.reason}")


@pytest.mark.parametrize("name", names("loader"))
def test_each_loader_keeps_its_contract(name: str) -> None:
    usable("loader", name)
    check_loader(KERNEL.registry.loaders.get(name), RememberingLinker(KERNEL.linker()))


@pytest.mark.parametrize("name", names("linker"))
def test_each_linker_keeps_its_contract(name: str) -> None:
    usable("linker", name)
    linker = KERNEL.registry.linkers.get(name)
    here = any(platform.fits(Platform.host()) for platform in linker.platforms())
    check_linker(linker, Platform.host() if here else max(linker.platforms()))


@pytest.mark.parametrize("name", names("sink"))
def test_each_sink_keeps_its_contract(name: str, tmp_path: Path) -> None:
    usable("sink", name)
    # The results of this one go to the .hat files of the packages.
    check_sink(KERNEL.registry.sinks.get(name), tmp_path, takes_path=name != "hat")


@pytest.mark.parametrize("name", names("probe"))
def test_each_probe_keeps_its_contract(name: str) -> None:
    usable("probe", name)
    check_probe(KERNEL.registry.probes.get(name))
