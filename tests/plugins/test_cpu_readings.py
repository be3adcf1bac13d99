"""The readings of the probe cpu: of this machine, of other machines' recorded files, and what disturbs a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hatframe_builtin.probes.cpu import CpuProbe
from hatframe_builtin.probes.cpu_readings import disturbances, readings

LAPTOP = {
    "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu vme sse\ncpu MHz\t\t: 800.0\n",
    "proc/loadavg": "0.52 0.58 0.59 1/1337 4242",
    "proc/stat": "cpu  1000 200 300 50000 400 50 50 0 123 0\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n",
    "proc/self/cgroup": "0::/user.slice/app.scope",
    "sys/fs/cgroup/cpu.stat": "usage_usec 1\n",
    "sys/fs/cgroup/user.slice/cpu.stat": "usage_usec 1\nnr_throttled 3\nthrottled_usec 250000\n",
    "sys/fs/cgroup/user.slice/app.scope/cpu.stat": "throttled_usec 1000000\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "sys/devices/system/cpu/smt/active": "1",
    "sys/devices/system/cpu/intel_pstate/no_turbo": "0",
    **{
        f"sys/devices/system/cpu/cpufreq/policy{cpu}/{name}": text
        for cpu, now in ((0, 1_000_000), (1, 3_000_000))
        for name, text in {
            "scaling_governor": "powersave",
            "scaling_driver": "intel_pstate",
            "scaling_min_freq": "400000",
            "scaling_max_freq": "4700000",
            "scaling_cur_freq": str(now),
        }.items()
    },
    **{
        f"sys/devices/system/cpu/cpu{cpu}/thermal_throttle/{kind}_throttle_count": str(count)
        for cpu in (0, 1)
        for kind, count in (("core", 2), ("package", 5))
    },
    "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_total_time_ms": "77",
}

VIRTUAL = {
    "proc/cpuinfo": "cpu MHz\t\t: 2100.000\nflags\t\t: fpu hypervisor\n\nprocessor\t: 1\ncpu MHz\t\t: 2300.0\n",
    "proc/loadavg": "3.00 2.00 1.00 4/103 1869",
    "proc/stat": "cpu  138027 14729 20294 529878 2077 0 716 116 0 0\n",
    "proc/self/cgroup": "9:name=systemd:/\n1:cpu:/\n0::/\n",
    "sys/devices/system/cpu/smt/active": "0",
    "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never",
}


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_laptops_files_are_understood(tmp_path: Path) -> None:
    found = readings(tree(tmp_path, LAPTOP))
    assert (found["governors"], found["drivers"]) == (["powersave"], ["intel_pstate"])
    assert (found["turbo"], found["smt"], found["virtual"]) == (True, True, False)
    assert found["transparent_huge_pages"] == "madvise"
    assert found["throttle_count"] == 14
    assert found["quota_seconds"] == 1.25


def test_a_virtual_machines_files_are_understood(tmp_path: Path) -> None:
    found = readings(tree(tmp_path, VIRTUAL))
    assert found["virtual"] is True
    assert found["smt"] is False
    assert found["transparent_huge_pages"] == "always"
    assert not {"turbo", "throttle_count", "quota_seconds", "governors"} & found.keys()


@pytest.mark.parametrize(("text", "turbo"), [("1", True), ("0", False)])
def test_the_boost_switch_gives_turbo_too(tmp_path: Path, text: str, turbo: bool) -> None:
    tree(tmp_path, {"sys/devices/system/cpu/cpufreq/boost": text})
    assert readings(tmp_path)["turbo"] is turbo


def test_strange_files_are_left_out(tmp_path: Path) -> None:
    found = readings(tree(tmp_path, dict.fromkeys([*LAPTOP, *VIRTUAL], "?\x00\n: nan -")))
    assert not {"turbo", "smt", "virtual", "throttle_count", "quota_seconds"} & found.keys()


def test_this_machine_is_read_as_json() -> None:
    found = CpuProbe().readings()
    assert json.loads(json.dumps(found)) == found
    assert found["logical_cores"] == os.cpu_count()
    assert found["load"]


def test_the_times_of_this_process_and_its_children_are_its_own() -> None:
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    before = readings()
    subprocess.run([sys.executable, "-c", spin], check=True)
    after = readings()
    assert after["own_seconds"] - before["own_seconds"] >= 0.25
    assert after["busy_seconds"] >= before["busy_seconds"]


# ------------------------------------------------------------------------------------------------------ disturbances

QUIET: dict[str, Any] = {
    "logical_cores": 4,
    "busy_seconds": 100.0,
    "idle_seconds": 900.0,
    "stolen_seconds": 5.0,
    "own_seconds": 1.0,
    "throttle_count": 3,
    "quota_seconds": 0.5,
}


def later(
    before: dict[str, Any],
    *,
    own: float = 10.0,
    others: float = 0.1,
    idle: float = 30.0,
    stolen: float = 0.0,
    throttled: int = 0,
    quota: float = 0.0,
) -> dict[str, Any]:
    """The same machine after a run."""
    passed = {
        "busy_seconds": own + others,
        "idle_seconds": idle,
        "stolen_seconds": stolen,
        "own_seconds": own,
        "throttle_count": throttled,
        "quota_seconds": quota,
    }
    return before | {name: before[name] + change for name, change in passed.items()}


ORDINARY: dict[str, dict[str, Any]] = {
    "quiet": {},
    "all cores used by the function itself": {"own": 39.9, "idle": 0.0},
    "others beside, on cores of their own": {"others": 15.0, "idle": 15.0},
    "little steal": {"stolen": 0.05},
    "a short run with one tick of steal": {"own": 0.3, "idle": 0.9, "stolen": 0.01},
    "a short run with few ticks of others": {"own": 1.0, "others": 0.1, "idle": 0.0},
}
RANGE = {"frequency_min": 4e8, "frequency_max": 4e9}


@pytest.mark.parametrize("during", ORDINARY.values(), ids=ORDINARY)
@pytest.mark.parametrize(
    "more",
    [
        {"turbo": True, "smt": True, "virtual": True},
        {"governors": ["powersave"], "drivers": ["intel_pstate"], **RANGE},
        {"governors": ["schedutil"], "drivers": ["acpi-cpufreq"], **RANGE},
        {"governors": ["powersave"], "drivers": ["acpi-cpufreq"], "frequency_min": 4e9, "frequency_max": 4e9},
    ],
)
def test_an_ordinary_machine_disturbs_nothing(during: dict[str, Any], more: dict[str, Any]) -> None:
    before = QUIET | more
    assert disturbances(before, later(before, **during)) == []


@pytest.mark.parametrize(
    ("during", "figure"),
    [
        ({"stolen": 1.0}, "9.0%"),
        ({"others": 29.0, "idle": 1.0}, "72%"),
        ({"throttled": 7}, "7 times"),
        ({"quota": 1.5}, "1.5 s"),
    ],
)
def test_a_disturbance_is_reported_with_its_figure(during: dict[str, Any], figure: str) -> None:
    (found,) = disturbances(QUIET, later(QUIET, **during))
    assert figure in found


def test_a_governor_that_holds_the_lowest_frequency_is_reported() -> None:
    before = QUIET | {"governors": ["powersave"], "drivers": ["acpi-cpufreq"], **RANGE}
    (found,) = disturbances(before, later(before))
    assert "governor" in found


def test_readings_that_lack_everything_disturb_nothing() -> None:
    assert disturbances({}, {}) == []
