"""The conditions of a run: this machine, what other machines' files say, and what is worth a warning."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hatframe import __version__
from hatframe.bench.conditions import Conditions, Counts, During, conditions, pin, warnings
from hatframe.errors import UsageError

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")

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
    told = conditions(tree(tmp_path, LAPTOP))
    assert (told.governors, told.drivers) == (("powersave",), ("intel_pstate",))
    assert (told.frequency_min, told.frequency_max, told.frequency) == (400e6, 4700e6, 2000e6)
    assert (told.turbo, told.smt, told.virtual) == (True, True, False)
    assert told.load == (0.52, 0.58, 0.59)
    assert told.transparent_huge_pages == "madvise"
    assert told.counts.hot == 14
    assert told.counts.quota == 1.25
    if sys.platform == "linux":
        ticks = os.sysconf("SC_CLK_TCK")
        assert told.counts.busy == pytest.approx(1600 / ticks)
        assert told.counts.idle == pytest.approx(50400 / ticks)
        assert told.counts.stolen == 0


def test_a_virtual_machines_files_are_understood(tmp_path: Path) -> None:
    told = conditions(tree(tmp_path, VIRTUAL))
    assert told.virtual is True
    assert told.smt is False
    assert told.turbo is None
    assert told.frequency == 2200e6
    assert told.transparent_huge_pages == "always"
    assert told.counts.hot is told.counts.quota is None
    assert told.counts.stolen == pytest.approx(116 / os.sysconf("SC_CLK_TCK"))


def test_turbo_is_told_by_the_boost_switch_too(tmp_path: Path) -> None:
    for text, turbo in (("1", True), ("0", False)):
        tree(tmp_path, {"sys/devices/system/cpu/cpufreq/boost": text})
        assert conditions(tmp_path).turbo is turbo


def test_what_is_not_told_is_left_out(tmp_path: Path) -> None:
    told = conditions(tmp_path)
    recorded = told.recorded(told)
    own = {"affinity", "logical_cores", "page_size", "os", "versions", "load"}
    assert recorded.keys() <= own | {"during_run"}
    assert None not in recorded.values()
    assert recorded.get("during_run", {}).keys() <= {"load"}
    assert warnings(told, told) == []


def test_strange_files_are_no_error(tmp_path: Path) -> None:
    told = conditions(tree(tmp_path, dict.fromkeys([*LAPTOP, *VIRTUAL], "?\x00\n: nan -")))
    assert told.frequency is told.turbo is told.smt is told.virtual is None
    assert told.counts.busy is told.counts.hot is None


def test_this_machine_is_recorded_as_json() -> None:
    recorded = conditions().recorded()
    assert json.loads(json.dumps(recorded)) == msgspec.json.decode(msgspec.json.encode(recorded))
    assert recorded["logical_cores"] == os.cpu_count()
    assert recorded["page_size"] >= 4096
    assert recorded["versions"]["hatframe"] == __version__
    assert recorded["versions"]["python"] == platform.python_version()
    assert "counts" not in recorded


def test_the_versions_of_the_plugins_requirements_are_recorded() -> None:
    versions = conditions().versions
    import cffi
    import numpy

    assert versions["cffi"] == cffi.__version__
    assert versions["numpy"] == numpy.__version__


@ON_LINUX
def test_this_linux_machine_tells_its_times_and_its_load() -> None:
    before = conditions()
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    after = conditions()
    assert before.load
    assert before.affinity
    during = During.of(before, after)
    assert during.idle is not None
    assert 0 <= during.idle <= 1
    assert during.steal is not None
    assert 0 <= during.steal <= 1
    assert after.counts.own - before.counts.own >= 0.25
    recorded = before.recorded(after)
    assert recorded["during_run"]["steal"] == during.steal


@ON_LINUX
def test_the_work_of_children_and_theirs_counts_as_ones_own_once_they_were_waited_for() -> None:
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    nest = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
    for arguments in ((spin,), (nest, spin)):
        before = conditions()
        subprocess.run([sys.executable, "-c", *arguments], check=True)
        assert conditions().counts.own - before.counts.own >= 0.25


# ---------------------------------------------------------------------------------------------------------- warnings


def quiet(**changes: Any) -> Conditions:
    told = Conditions(
        load=(0.2, 0.2, 0.2),
        logical_cores=4,
        page_size=4096,
        os="Linux",
        versions={},
        counts=Counts(busy=100.0, idle=900.0, stolen=5.0, own=1.0, hot=3, quota=0.5),
    )
    return msgspec.structs.replace(told, **changes)


def later(
    told: Conditions,
    *,
    own: float = 10.0,
    others: float = 0.1,
    idle: float = 30.0,
    stolen: float = 0.0,
    hot: int = 0,
    quota: float = 0.0,
) -> Conditions:
    """The same machine after a run, in which it did so much."""
    first = told.counts
    assert first.busy is not None
    assert first.idle is not None
    assert first.stolen is not None
    assert first.hot is not None
    assert first.quota is not None
    counts = Counts(
        busy=first.busy + own + others,
        idle=first.idle + idle,
        stolen=first.stolen + stolen,
        own=first.own + own,
        hot=first.hot + hot,
        quota=first.quota + quota,
    )
    return msgspec.structs.replace(told, counts=counts)


ORDINARY = {
    "quiet": {},
    "all cores used by the function itself": {"own": 39.9, "idle": 0.0},
    "others beside, on cores of their own": {"others": 15.0, "idle": 15.0},
    "little steal": {"stolen": 0.05},
    "a short run with one tick of steal": {"own": 0.3, "idle": 0.9, "stolen": 0.01},
    "a short run with few ticks of others": {"own": 1.0, "others": 0.1, "idle": 0.0},
}


@pytest.mark.parametrize("during", ORDINARY.values(), ids=ORDINARY)
def test_an_ordinary_machine_is_not_warned_of(during: dict[str, float]) -> None:
    for told in (
        quiet(turbo=True, smt=True, virtual=True),
        quiet(governors=("powersave",), drivers=("intel_pstate",), frequency_min=4e8, frequency_max=4e9),
        quiet(governors=("schedutil",), drivers=("acpi-cpufreq",), frequency_min=4e8, frequency_max=4e9),
        quiet(governors=("powersave",), drivers=("acpi-cpufreq",), frequency_min=4e9, frequency_max=4e9),
    ):
        assert warnings(told, later(told, **during)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("during", "said"),
    [
        ({"stolen": 1.0}, "other virtual machines took 9.0% of its processor time (measure at a quieter time"),
        ({"others": 29.0, "idle": 1.0}, "other programs took 72% of its cores and left none idle (end them)"),
        ({"hot": 7}, "it slowed down for heat 7 times (cool it, or switch turbo off)"),
        ({"quota": 1.5}, "its quota of processor time stopped the run for 1.5 s (raise the quota"),
    ],
)
def test_a_disturbed_machine_is_told_with_what_to_do(during: dict[str, Any], said: str) -> None:
    lines = warnings(quiet(), later(quiet(), **during))
    assert len(lines) == 1
    assert lines[0].startswith(f"the machine disturbs these figures: {said}")


def test_a_governor_that_holds_the_lowest_frequency_is_told() -> None:
    told = quiet(governors=("powersave",), drivers=("acpi-cpufreq",), frequency_min=8e8, frequency_max=4e9)
    assert "governor performance" in warnings(told, later(told))[0]


def test_where_only_the_load_is_told_it_counts() -> None:
    told = quiet(counts=Counts(), load=(6.3, 5.0, 4.0))
    assert "6.3 tasks wanted 4 cores" in warnings(told, told)[0]
    assert warnings(quiet(counts=Counts()), quiet(counts=Counts(), load=(9.0, 9.0, 9.0))) == []


def test_several_disturbances_are_one_line() -> None:
    lines = warnings(quiet(), later(quiet(), stolen=2.0, hot=1, quota=3.0))
    assert len(lines) == 1
    assert lines[0].count("; ") == 2


# ------------------------------------------------------------------------------------------------- the process itself


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@ON_LINUX
def test_a_pinned_process_stays_on_its_core_with_its_threads_and_children() -> None:
    code = (
        "import os, subprocess, sys, threading\n"
        "from hatframe.bench.conditions import conditions, pin\n"
        "pin(int(sys.argv[1]))\n"
        "seen = [os.sched_getaffinity(0)]\n"
        "thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))\n"
        "thread.start(); thread.join()\n"
        "child = [sys.executable, '-c', 'import os; print(*os.sched_getaffinity(0))']\n"
        "print(*seen[0], *seen[1], conditions().affinity, subprocess.check_output(child, text=True))\n"
    )
    core = max(os.sched_getaffinity(0))
    done = run(code, core)
    assert done.stdout.split() == [str(core)] * 4, done.stderr


@pytest.mark.parametrize("core", [-1, 100_000, 1 << 70])
def test_a_core_that_is_not_there_is_an_error_that_tells_those_that_are(core: int) -> None:
    told = f"there is no core {core}; there are 0" if sys.platform == "linux" else "cannot pin"
    if sys.platform == "linux" and 0 not in os.sched_getaffinity(0):
        told = f"there is no core {core}; there are {min(os.sched_getaffinity(0))}"
    with pytest.raises(UsageError, match=f"^--cpu: .*{told}"):
        pin(core)


CHILD = (
    "import os, sys, time\n"
    "from hatframe.bench.conditions import set_parent_death_signal\n"
    "set_parent_death_signal(int(sys.argv[1]))\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)\n"
)


@ON_LINUX
def test_a_worker_does_not_outlive_its_parent() -> None:
    parent = "import os, subprocess, sys\nsubprocess.run([sys.executable, '-c', sys.argv[1], str(os.getpid())])\n"
    with subprocess.Popen([sys.executable, "-c", parent, CHILD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.kill()
        started = time.monotonic()
        # The worker holds the other end of the pipe as long as it lives.
        assert process.stdout.read() == ""
        assert time.monotonic() - started < 10


@ON_LINUX
def test_a_worker_whose_parent_has_gone_before_ends_at_once() -> None:
    done = run(CHILD, 1 << 30)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout == ""
