"""A device loader from outside: own memory, own cache, drift in its memory, an option of its own, no host loader."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simulated_device
import typer.main
from sample_packages import affine, element, function, runtime
from simulated_device import SimulatedLoader, write_package
from simulated_device.device import DEVICES

from hatframe import HatError, Kernel
from hatframe.cli.main import build_app
from hatframe.plugin import TargetError, UsageError, WorkloadSpec
from hatframe.testing import Case, check_loader, check_plugin

PROGRAM = "scale: y = 2.5 * x\ngrow: x = 1e30 * x\nmany: y = 3 * x\n"
FUNCTIONS = {
    "scale": function(affine("x", [256]), affine("y", [256], usage="output")),
    "grow": function(affine("x", [256], usage="input_output")),
    "many": function(element("n"), runtime("x", "n"), runtime("y", "n", usage="output")),
}
QUICK: dict[str, Any] = {"verify": False, "max_time": 0.05, "batches": 3, "min_time": 0.0}


@pytest.fixture
def hat(tmp_path: Path) -> Path:
    return write_package(tmp_path, PROGRAM, FUNCTIONS)


@pytest.fixture
def kernel() -> Kernel:
    """A kernel with nothing but the device loader."""
    return Kernel([simulated_device], entry_points=False)


def test_the_plugin_keeps_its_contract() -> None:
    check_plugin(simulated_device)


def test_the_loader_keeps_its_contract(hat: Path) -> None:
    x = np.arange(256, dtype=np.float32)
    cases = {
        "scale": Case(arguments=[x, np.zeros(256, np.float32)], expected={"y": 2.5 * x}),
        "grow": Case(arguments=[np.ones(256, np.float32)], expected={"x": np.full(256, 1e30)}),
        "many": Case(arguments=[5, x[:5].copy(), np.zeros(5, np.float32)], expected={"y": 3 * x[:5]}, sizes={"n": 5}),
    }
    check_loader(SimulatedLoader(), Kernel().linker(), package=hat, cases=cases)


def test_functions_are_called_and_checked_as_host_functions_are(hat: Path, kernel: Kernel) -> None:
    package = kernel.load(hat)
    x = np.arange(256, dtype=np.float32)
    y = np.zeros(256, np.float32)
    package.scale(x, y)
    assert np.array_equal(y, 2.5 * x)
    many = np.zeros(3, np.float32)
    package.many(x[:3].copy(), y=many)
    assert np.array_equal(many, 3 * x[:3])
    with pytest.raises(HatError, match="float64"):
        package.scale(x.astype(np.float64), y)


def test_a_benchmark_measures_in_the_memory_of_the_device(hat: Path, kernel: Kernel) -> None:
    results = kernel.bench(hat, **QUICK)
    assert results.run.isolated
    for result in results:
        assert (result.status, result.loader, result.timer) == ("ok", "simulated", "simulated"), result.message
        assert result.counters["launches"] == 1
    (scale,) = (result for result in results if result.function_name == "scale")
    assert scale.cache == "cold"
    assert scale.input_set_bytes == 2048
    assert scale.input_sets == 2 * DEVICES[0].cache_size // 2048, "twice the cache of the device, not of the host"


def test_values_that_drift_in_the_memory_of_the_device_are_restored(hat: Path, kernel: Kernel) -> None:
    (grow,) = kernel.bench(hat, functions="grow", **QUICK)
    assert grow.restored == grow.batches
    workload = kernel.load(hat)["grow"].workload(WorkloadSpec(input_data="ones"))
    workload.allocate(2)
    workload.run(4)
    assert np.isinf(workload.values(1)[0]).all()
    assert workload.restore()
    assert (workload.values(0)[0] == 1).all()
    assert (workload.values(1)[0] == 1).all()
    before = DEVICES[0].available()
    workload.release()
    assert DEVICES[0].available() == before + 2 * 1024


def test_the_device_is_an_option_of_the_commands_that_use_loaders(kernel: Kernel) -> None:
    commands = typer.main.get_command(build_app(kernel)).commands  # type: ignore[attr-defined]
    shown = {name for name, command in commands.items() if any("--device" in p.opts for p in command.params)}
    assert shown == {"bench", "compare", "verify"}


def test_the_chosen_device_is_used(hat: Path, kernel: Kernel) -> None:
    (scale,) = kernel.bench(hat, functions="scale", device=1, **QUICK)
    assert scale.status == "ok"
    assert scale.input_sets == 1, "2 KiB are twice the cache of that device"
    with pytest.raises(UsageError, match="7"):
        kernel.load(hat, device=7)["scale"]


def test_what_does_not_fit_in_the_memory_of_the_device_is_not_measured(hat: Path, kernel: Kernel) -> None:
    (many,) = kernel.bench(hat, functions="many", size="n=1000000", **QUICK)
    assert many.status == "failed"
    assert DEVICES[0].name in many.message


def test_a_requirement_that_the_device_does_not_meet_is_refused_unless_forced(tmp_path: Path, kernel: Kernel) -> None:
    hat = write_package(tmp_path, PROGRAM, FUNCTIONS, memory_kb=64)
    assert kernel.load(hat)["scale"]
    with pytest.raises(TargetError, match=DEVICES[1].name):
        kernel.load(hat, device=1)["scale"]
    assert kernel.load(hat, device=1, force=True)["scale"]


@pytest.mark.slow
def test_an_edited_program_is_not_resumed(hat: Path, kernel: Kernel, caplog: pytest.LogCaptureFixture) -> None:
    from hatframe.plugin import Observer

    class Impatient(Observer):
        def __init__(self) -> None:
            self.messages: list[str] = []

        def function_finished(self, result: Any) -> None:
            raise KeyboardInterrupt

        def message(self, text: str) -> None:
            self.messages.append(text)

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            kernel.bench(hat, observers=Impatient(), **QUICK)

    def resumed() -> list[str]:
        observer = Impatient()
        observer.function_finished = lambda result: None  # type: ignore[method-assign, assignment]
        kernel.bench(hat, observers=observer, resume=True, **QUICK)
        return [text for text in observer.messages if "resume" in text]

    interrupted()
    assert resumed() == []
    interrupted()
    program = hat.parent / "program.sim"
    program.write_text(program.read_text().replace("2.5", "4.5"))
    assert len(resumed()) == 1


def test_the_plugin_imports_only_public_modules() -> None:
    texts = [path.read_text() for path in Path(simulated_device.__file__).parent.glob("*.py")]
    imported = {
        name for text in texts for name in re.findall(r"^\s*(?:from|import) (hatframe[\w.]*)", text, re.MULTILINE)
    }
    assert imported == {"hatframe", "hatframe.plugin"}
