"""The conditions of a run: what of the machine may disturb a measurement, and what a worker process asks of the OS.

Everything is read from the operating system's own interfaces: on Linux ``/proc``, ``/sys/devices/system/cpu``
(Documentation/admin-guide/pm, Documentation/ABI/testing/sysfs-devices-system-cpu), ``/sys/kernel/mm`` and
``/sys/fs/cgroup``. What a system does not tell is left out.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import mmap
import os
import platform
import re
import signal
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from hatframe import __version__
from hatframe.errors import UsageError

# The ticks of /proc/stat are 10 ms long: less than ten of them tell nothing.
_LEAST_SECONDS = 0.1

# A run that loses a hundredth of its time cannot tell functions apart that differ by as much.
_STEAL_SHARE = 0.01

# Somebody who takes a twentieth of a machine that has no idle core takes it from the functions that are measured.
_OTHERS_SHARE = 0.05
_IDLE_SHARE = 0.05

# With these drivers the processor chooses its frequency itself, and `powersave` is the name of the ordinary setting;
# with all others it holds the lowest frequency (Documentation/admin-guide/pm/intel_pstate.rst, amd-pstate.rst).
_SELF_GOVERNED = frozenset(["intel_pstate", "amd-pstate-epp"])


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What the system counts from its start on; the difference of two readings tells of the time between.

    ``busy``, ``idle`` and ``stolen`` are seconds of all logical cores together, and ``own`` those of processor
    time that this process took, and those child processes of it that it has waited for. ``hot`` counts how often cores
    slowed themselves down for their heat, and ``quota`` the seconds for which a control group's quota of processor
    time stopped this process.
    """

    busy: float | None = None
    idle: float | None = None
    stolen: float | None = None
    own: float = 0.0
    hot: int | None = None
    quota: float | None = None


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What may disturb a measurement, as it was at one moment. None, and empty, is what the system does not tell.

    ``governors`` and ``drivers`` set the frequency of the cores; frequencies are in Hz, the limits those that the
    governors keep, and ``frequency`` the mean over the cores at the moment. ``load`` has the mean numbers of runnable
    tasks over 1, 5 and 15 minutes. ``affinity`` lists the logical cores that this process may use, as in ``0-3,8``, of
    the ``logical_cores`` of the machine. ``page_size`` is in bytes. ``versions`` are those of Python, of hatframe, and
    of the distributions that give it plugins, with all that they require.
    """

    governors: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    frequency_min: float | None = None
    frequency_max: float | None = None
    frequency: float | None = None
    turbo: bool | None = None
    smt: bool | None = None
    virtual: bool | None = None
    load: tuple[float, float, float] | None = None
    affinity: str = ""
    logical_cores: int | None = None
    page_size: int
    transparent_huge_pages: str = ""
    os: str
    versions: dict[str, str]
    counts: Counts = Counts()

    def recorded(self, after: Conditions | None = None) -> dict[str, Any]:
        """These conditions as plain JSON, for :attr:`hatframe.results.model.RunInfo.conditions`.

        With the conditions ``after`` the run there is ``during_run`` too; see :class:`During`.
        """
        table = msgspec.to_builtins(self)
        del table["counts"]
        if after:
            table["during_run"] = msgspec.to_builtins(During.of(self, after))
        return _without_unknown(table)


class During(msgspec.Struct, frozen=True, kw_only=True):
    """What happened between two readings; None where the system does not tell.

    ``steal`` is the share of the processor time that was wanted, and went to other virtual machines; ``others`` the
    share of all cores' time that other programs took, and ``idle`` that in which nothing ran. ``hot`` and
    ``quota_seconds`` are differences of :class:`Counts`. ``load`` and ``frequency`` are those at the end.
    """

    steal: float | None = None
    stolen_seconds: float | None = None
    others: float | None = None
    others_seconds: float | None = None
    idle: float | None = None
    hot: int | None = None
    quota_seconds: float | None = None
    load: tuple[float, float, float] | None = None
    frequency: float | None = None

    @classmethod
    def of(cls, before: Conditions, after: Conditions) -> During:
        """The difference of two readings by one process.

        For the work of child processes not to count as that of others, they must have been waited for before the
        second reading.
        """
        first, last = before.counts, after.counts
        busy, idle = _difference(first.busy, last.busy), _difference(first.idle, last.idle)
        stolen = _difference(first.stolen, last.stolen)
        hot = _difference(first.hot, last.hot)
        during = cls(
            stolen_seconds=stolen,
            hot=None if hot is None else round(hot),
            quota_seconds=_difference(first.quota, last.quota),
            load=after.load,
            frequency=after.frequency,
        )
        if busy is None or idle is None or stolen is None or busy + idle + stolen <= 0:
            return during
        others = max(0.0, busy - (last.own - first.own))
        whole = busy + idle + stolen
        return msgspec.structs.replace(
            during,
            steal=stolen / (busy + stolen) if busy + stolen else 0.0,
            others=others / whole,
            others_seconds=others,
            idle=idle / whole,
        )


def warnings(before: Conditions, after: Conditions) -> list[str]:
    """What to tell the user about a machine that was noisy or throttled during a run: one line, or none.

    A governor that raises the frequency under load, turbo, and SMT are recorded but not told: warm-up and
    interleaving deal with them, and nearly every machine has them.
    """
    during = During.of(before, after)
    found = []
    if (during.steal or 0) > _STEAL_SHARE and (during.stolen_seconds or 0) >= _LEAST_SECONDS:
        found.append(
            f"other virtual machines took {during.steal:.1%} of its processor time "
            "(measure at a quieter time, or on a machine that is not shared)"
        )
    if during.others is None or during.idle is None:
        # All that is told is the load, which holds the run itself at its end, but not at its start.
        if before.load and before.logical_cores and before.load[0] > before.logical_cores:
            found.append(f"{before.load[0]:.1f} tasks wanted {before.logical_cores} cores (end other programs)")
    elif (
        during.others > _OTHERS_SHARE
        and during.idle < _IDLE_SHARE
        and (during.others_seconds or 0) >= _LEAST_SECONDS * (before.logical_cores or 1)
    ):
        found.append(f"other programs took {during.others:.0%} of its cores and left none idle (end them)")
    if during.hot:
        found.append(f"it slowed down for heat {during.hot} times (cool it, or switch turbo off)")
    if (during.quota_seconds or 0) >= _LEAST_SECONDS:
        found.append(
            f"its quota of processor time stopped the run for {during.quota_seconds:.1f} s "
            "(raise the quota of the container, or use fewer threads)"
        )
    if "powersave" in before.governors and not _SELF_GOVERNED.issuperset(before.drivers) and _has_range(before):
        found.append("the governor powersave holds its lowest frequency (choose the governor performance)")
    return [f"the machine disturbs these figures: {'; '.join(found)}"] if found else []


def conditions(root: Path = Path("/")) -> Conditions:
    """The conditions now, by the files below ``root``."""
    folder = root / "sys/devices/system/cpu"
    policies = sorted((folder / "cpufreq").glob("policy*"))
    cpuinfo = _text(root / "proc/cpuinfo")
    return Conditions(
        governors=_distinct(_text(policy / "scaling_governor") for policy in policies),
        drivers=_distinct(_text(policy / "scaling_driver") for policy in policies),
        frequency_min=min(_hertz(policies, "scaling_min_freq"), default=None),
        frequency_max=max(_hertz(policies, "scaling_max_freq"), default=None),
        frequency=_mean(_hertz(policies, "scaling_cur_freq"))
        or _mean([1e6 * float(value) for value in re.findall(r"^cpu MHz\s*:\s*([\d.]+)$", cpuinfo, re.MULTILINE)]),
        turbo=_turbo(folder),
        smt=_switch(folder / "smt/active"),
        virtual=_virtual(root, cpuinfo),
        load=_load(root),
        affinity=_cpu_list(_allowed_cpus()),
        logical_cores=os.cpu_count(),
        page_size=mmap.PAGESIZE,
        transparent_huge_pages=_chosen(_text(root / "sys/kernel/mm/transparent_hugepage/enabled")),
        os=platform.platform(),
        versions=_versions(),
        counts=_counts(root),
    )


def pin(cpu: int) -> None:
    """Let this process run on one logical core only: this thread, and all that it starts from now on.

    Raises :class:`UsageError` where the process may not use such a core, or the system cannot pin it.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise UsageError(f"{platform.system()} cannot pin a process to a core", where="--cpu", hint="leave it out")
    allowed = _allowed_cpus()
    if cpu not in allowed:
        raise UsageError(f"there is no core {cpu}", where="--cpu", hint=f"there are {_cpu_list(allowed)}")
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError as error:
        raise UsageError(f"the system refuses core {cpu}: {error.strerror}", where="--cpu") from None


def set_parent_death_signal(parent: int) -> None:
    """On Linux, let this process be killed when the thread that started it ends, in the process ``parent``.

    To be called first by a child process. It ends at once where its parent has already gone. Elsewhere nothing
    happens. The source is prctl(2), ``PR_SET_PDEATHSIG``.
    """
    if sys.platform != "linux":
        return
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    pr_set_pdeathsig = 1
    prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
    # Who ends before the call sends no signal; the process has another parent then.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


# ------------------------------------------------------------------------------------------------------ the readings


def _counts(root: Path) -> Counts:
    times = os.times()
    counts = Counts(
        own=times.user + times.system + times.children_user + times.children_system,
        hot=_hot(root / "sys/devices/system/cpu"),
        quota=_quota(root),
    )
    # proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal; time of guests is in user.
    line = re.match(r"cpu +((?:\d+ ){7}\d+)", _text(root / "proc/stat"))
    if not line:
        return counts
    user, nice, system, idle, iowait, irq, softirq, stolen = (
        int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in line[1].split()
    )
    return msgspec.structs.replace(counts, busy=user + nice + system + irq + softirq, idle=idle + iowait, stolen=stolen)


def _hot(folder: Path) -> int | None:
    found = [_text(path) for path in folder.glob("cpu[0-9]*/thermal_throttle/*_throttle_count")]
    counts = [int(text) for text in found if text.isdigit()]
    return sum(counts) if counts else None


def _quota(root: Path) -> float | None:
    """The seconds of all quotas that apply: those of the process's control group and of the groups around it."""
    group = re.search(r"^0::(/.*)$", _text(root / "proc/self/cgroup"), re.MULTILINE)
    if not group:
        return None
    inner = root / "sys/fs/cgroup" / PurePosixPath(group[1]).relative_to("/")
    around = [inner, *inner.parents][: len(PurePosixPath(group[1]).parts)]
    found = [re.search(r"^throttled_usec (\d+)$", _text(path / "cpu.stat"), re.MULTILINE) for path in around]
    times = [int(match[1]) / 1e6 for match in found if match]
    return sum(times) if times else None


def _turbo(folder: Path) -> bool | None:
    forbidden = _switch(folder / "intel_pstate/no_turbo")
    return _switch(folder / "cpufreq/boost") if forbidden is None else not forbidden


def _virtual(root: Path, cpuinfo: str) -> bool | None:
    """x86 processors show a flag to the guests of hypervisors; Xen and others tell in sysfs."""
    if _text(root / "sys/hypervisor/type"):
        return True
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return "hypervisor" in flags[1].split() if flags else None


def _load(root: Path) -> tuple[float, float, float] | None:
    told = re.match(r"([\d.]+) ([\d.]+) ([\d.]+) ", _text(root / "proc/loadavg"))
    if told:
        return float(told[1]), float(told[2]), float(told[3])
    # macOS has no /proc, and Windows no load.
    return os.getloadavg() if sys.platform not in ("linux", "win32") else None


def _allowed_cpus() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _versions() -> dict[str, str]:
    from packaging.requirements import Requirement

    versions = {"python": platform.python_version(), "hatframe": __version__}
    givers = [entry.dist for entry in importlib.metadata.entry_points(group="hatframe") if entry.dist]
    for distribution in {giver.metadata["Name"]: giver for giver in givers}.values():
        versions[distribution.metadata["Name"]] = distribution.version
        for text in distribution.requires or ():
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            try:
                versions[requirement.name] = importlib.metadata.version(requirement.name)
            except importlib.metadata.PackageNotFoundError:
                continue
    return versions


# ----------------------------------------------------------------------------------------------------------- helpers


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _switch(path: Path) -> bool | None:
    return {"0": False, "1": True}.get(_text(path))


def _chosen(text: str) -> str:
    """The one in brackets of several settings, such as ``always [madvise] never``."""
    found = re.search(r"\[(\w+)\]", text)
    return found[1] if found else ""


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, texts)))


def _hertz(policies: Iterable[Path], name: str) -> list[float]:
    """A frequency of each policy; the files tell kHz."""
    return [1e3 * int(text) for policy in policies if (text := _text(policy / name)).isdigit()]


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _has_range(told: Conditions) -> bool:
    return (told.frequency_min or 0) < (told.frequency_max or 0)


def _difference(first: float | None, last: float | None) -> float | None:
    return None if first is None or last is None else max(0, last - first)


def _cpu_list(cpus: Iterable[int]) -> str:
    """Numbers as Linux lists them: ``0-3,8``."""
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and cpu == ranges[-1][1] + 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _without_unknown(table: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_unknown(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value not in (None, "", [], ())
    }
