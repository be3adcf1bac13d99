"""The readings of the processor: what may disturb a measurement.

psutil reads what it knows on every system; on Linux the rest comes from ``/proc``, ``/sys/devices/system/cpu``
(Documentation/admin-guide/pm, Documentation/ABI/testing/sysfs-devices-system-cpu), ``/sys/kernel/mm`` and
``/sys/fs/cgroup``. What a system does not report is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from hatframe_builtin.probes.common import file_text

# The ticks of processor times are 10 ms long: less than ten of them show nothing.
_LEAST_SECONDS = 0.1

# A run that loses a hundredth of its time cannot distinguish functions that differ by as much.
_STEAL_SHARE = 0.01

# Programs that take a twentieth of a machine without an idle core take it from the functions that are measured.
_OTHERS_SHARE = 0.05
_IDLE_SHARE = 0.05

# With these drivers the processor chooses its frequency itself, and `powersave` is the name of the ordinary setting;
# with all others it holds the lowest frequency (Documentation/admin-guide/pm/intel_pstate.rst, amd-pstate.rst).
_SELF_GOVERNED = frozenset(["intel_pstate", "amd-pstate-epp"])


def readings(root: Path = Path("/")) -> dict[str, Any]:
    """The readings now, with Linux's files below ``root``.

    ``busy_seconds``, ``idle_seconds`` and ``stolen_seconds`` are of all logical cores together since start-up;
    ``own_seconds`` are those of this process and of the child processes that it has waited for. ``throttle_count``
    counts how often cores slowed down for heat, and ``quota_seconds`` how long a control group's quota stopped this
    process. Frequencies are in Hz, temperatures in °C.
    """
    return {name: value for name, value in {**_everywhere(), **_linux(root)}.items() if value not in (None, "", [])}


def disturbances(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What disturbed a run between two readings of one process.

    A governor that raises the frequency under load, turbo and SMT are recorded but not reported: warm-up and
    interleaving deal with them, and nearly every machine has them.
    """

    def passed(name: str) -> float:
        return max(0.0, float(after.get(name, 0.0)) - float(before.get(name, 0.0)))

    found = []
    busy, idle, stolen = passed("busy_seconds"), passed("idle_seconds"), passed("stolen_seconds")
    if stolen >= _LEAST_SECONDS and stolen > _STEAL_SHARE * (busy + stolen):
        found.append(
            f"other virtual machines took {stolen / (busy + stolen):.1%} of its processor time "
            "(measure at a quieter time, or on a machine that is not shared)"
        )
    whole, cores = busy + idle + stolen, before.get("logical_cores", 1)
    others = busy - passed("own_seconds")
    if others >= _LEAST_SECONDS * cores and others > _OTHERS_SHARE * whole and idle < _IDLE_SHARE * whole:
        found.append(f"other programs took {others / whole:.0%} of its cores and left none idle (stop them)")
    if throttled := round(passed("throttle_count")):
        found.append(f"it slowed down for heat {throttled} times (cool it, or switch turbo off)")
    if (quota := passed("quota_seconds")) >= _LEAST_SECONDS:
        found.append(
            f"its quota of processor time stopped the run for {quota:.1f} s "
            "(raise the quota of the container, or use fewer threads)"
        )
    ranges = before.get("frequency_min", 0) < before.get("frequency_max", 0)
    if "powersave" in before.get("governors", ()) and not _SELF_GOVERNED.issuperset(before["drivers"]) and ranges:
        found.append("the governor powersave holds its lowest frequency (choose the governor performance)")
    return found


def _everywhere() -> dict[str, Any]:
    import psutil

    times = psutil.cpu_times()
    stolen = getattr(times, "steal", 0.0)
    idle = times.idle + getattr(times, "iowait", 0.0)
    # Linux counts the time of guests in user time too.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    process = psutil.Process()
    found: dict[str, Any] = {
        "logical_cores": psutil.cpu_count(),
        "busy_seconds": round(sum(times) - idle - stolen - guests, 2),
        "idle_seconds": round(idle, 2),
        "stolen_seconds": round(stolen, 2),
        "own_seconds": round(sum(process.cpu_times()[:4]), 2),
        "load": list(psutil.getloadavg()),
    }
    if hasattr(process, "cpu_affinity"):
        found["affinity"] = process.cpu_affinity()
    frequencies: list[Any] = psutil.cpu_freq(percpu=True) if hasattr(psutil, "cpu_freq") else []
    if frequencies:
        found["frequency"] = 1e6 * sum(each.current for each in frequencies) / len(frequencies)
        found["frequency_min"] = 1e6 * min(each.min for each in frequencies) or None
        found["frequency_max"] = 1e6 * max(each.max for each in frequencies) or None
    sensors: dict[str, Any] = psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}
    found["temperature"] = max((each.current for group in sensors.values() for each in group), default=None)
    return found


def _linux(root: Path) -> dict[str, Any]:
    folder = root / "sys/devices/system/cpu"
    policies = sorted((folder / "cpufreq").glob("policy*"))
    counts = [file_text(path) for path in folder.glob("cpu[0-9]*/thermal_throttle/*_throttle_count")]
    throttled = [int(text) for text in counts if text.isdigit()]
    huge_pages = re.search(r"\[(\w+)\]", file_text(root / "sys/kernel/mm/transparent_hugepage/enabled"))
    turbo_off = _switch(folder / "intel_pstate/no_turbo")
    return {
        "governors": sorted({file_text(policy / "scaling_governor") for policy in policies} - {""}),
        "drivers": sorted({file_text(policy / "scaling_driver") for policy in policies} - {""}),
        "turbo": _switch(folder / "cpufreq/boost") if turbo_off is None else not turbo_off,
        "smt": _switch(folder / "smt/active"),
        "virtual": _virtual(root),
        "transparent_huge_pages": huge_pages[1] if huge_pages else "",
        "throttle_count": sum(throttled) if throttled else None,
        "quota_seconds": _quota(root),
    }


def _quota(root: Path) -> float | None:
    """The seconds of all quotas that apply: those of the process's control group and of the groups around it."""
    group = re.search(r"^0::(/.*)$", file_text(root / "proc/self/cgroup"), re.MULTILINE)
    if not group:
        return None
    inner = root / "sys/fs/cgroup" / PurePosixPath(group[1]).relative_to("/")
    around = [inner, *inner.parents][: len(PurePosixPath(group[1]).parts)]
    found = [re.search(r"^throttled_usec (\d+)$", file_text(path / "cpu.stat"), re.MULTILINE) for path in around]
    times = [int(match[1]) / 1e6 for match in found if match]
    return sum(times) if times else None


def _virtual(root: Path) -> bool | None:
    """x86 processors show a flag to the guests of hypervisors; Xen and others report in sysfs."""
    if file_text(root / "sys/hypervisor/type"):
        return True
    flags = re.search(r"^flags\s*:(.*)$", file_text(root / "proc/cpuinfo"), re.MULTILINE)
    return "hypervisor" in flags[1].split() if flags else None


def _switch(path: Path) -> bool | None:
    return {"0": False, "1": True}.get(file_text(path))
