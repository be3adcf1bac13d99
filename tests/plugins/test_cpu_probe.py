"""The probe ``cpu``: this machine, and what other machines' systems were seen to tell."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from hatframe_builtin.probes import cpu, cpu_linux, cpu_macos, cpu_windows
from hatframe_builtin.probes.common import known_extensions, largest, names
from hatframe_builtin.probes.cpu import CpuProbe

from hatframe.calling.requirements import unmet
from hatframe.format.model import Required, RequiredCpu
from hatframe.machine import Cache, Facts, Machine, Platform

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads this machine's files of Linux")

# What Accera 1.2.29 writes into its packages on an Emerald Rapids processor.
ACCERA_EXTENSIONS = (
    "-avx512pf +tsxldtrk +cx16 +sahf -tbm +avx512ifma +sha +crc32 -fma4 +vpclmulqdq +prfchw +bmi2 +cldemote"
    " +fsgsbase -ptwrite +amx-tile -uintr +gfni +popcnt -widekl +aes +avx512bitalg +movdiri +xsaves"
    " -avx512er +avxvnni +avx512fp16 +avx512vnni +amx-bf16 +avx512vpopcntdq -pconfig +clwb +avx512f +xsavec"
    " -clzero +pku +mmx -lwp +rdpid -xop +rdseed -waitpkg -kl +movdir64b -sse4a +avx512bw +clflushopt +xsave"
    " +avx512vbmi2 +64bit +avx512vl +serialize -hreset +invpcid +avx512cd +avx +vaes +avx512bf16 +cx8 +fma"
    " -rtm +bmi -enqcmd +rdrnd -mwaitx +sse4.1 +sse4.2 +avx2 +fxsr +wbnoinvd +sse +lzcnt +pclmul"
    " -prefetchwt1 +f16c +ssse3 -sgx +shstk +cmov +avx512vbmi +amx-int8 +movbe -avx512vp2intersect +xsaveopt"
    " +avx512dq +sse2 +adx +sse"
)

EMERALD_RAPIDS_FLAGS = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ss"
    " ht syscall nx pdpe1gb rdtscp lm constant_tsc rep_good nopl xtopology nonstop_tsc cpuid tsc_known_freq"
    " pni pclmulqdq ssse3 fma cx16 pcid sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave avx"
    " f16c rdrand hypervisor lahf_lm abm 3dnowprefetch cpuid_fault ssbd ibrs ibpb stibp ibrs_enhanced"
    " fsgsbase tsc_adjust bmi1 avx2 smep bmi2 erms invpcid avx512f avx512dq rdseed adx smap avx512ifma"
    " clflushopt clwb avx512cd sha_ni avx512bw avx512vl xsaveopt xsavec xgetbv1 xsaves avx_vnni avx512_bf16"
    " wbnoinvd arat avx512vbmi umip pku ospke avx512_vbmi2 gfni vaes vpclmulqdq avx512_vnni avx512_bitalg"
    " avx512_vpopcntdq rdpid bus_lock_detect cldemote movdiri movdir64b fsrm md_clear serialize tsxldtrk ibt"
    " amx_bf16 avx512_fp16 amx_tile amx_int8 flush_l1d arch_capabilities"
)
XEON_2013_FLAGS = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush dts acpi mmx fxsr sse"
    " sse2 ss ht tm pbe syscall nx pdpe1gb rdtscp lm constant_tsc pni pclmulqdq ssse3 cx16 sse4_1 sse4_2"
    " x2apic popcnt aes xsave avx f16c rdrand lahf_lm fsgsbase smep erms xsaveopt"
)
GRAVITON2_FEATURES = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs"
)


# ------------------------------------------------------------------------------------------------ made files


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def x86_cpuinfo(root: Path, *flags: str, kernel: str = "6.18.44") -> None:
    blocks = [
        f"processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 207\n"
        "model name\t: Intel(R) Xeon(R) Processor\ncache size\t: 307200 KB\nphysical id\t: 0\n"
        f"flags\t\t: {each}\nbugs\t\t: spectre_v1\npower management:\n"
        for number, each in enumerate(flags)
    ]
    write(root / "proc/cpuinfo", "\n".join(blocks))
    write(root / "proc/sys/kernel/osrelease", kernel)


def cpu_folder(root: Path, number: int, siblings: str, caches: Iterable[tuple[int, str, str, str]]) -> None:
    """A logical core in sysfs, with caches of (level, type, size, shared_cpu_list)."""
    folder = root / f"sys/devices/system/cpu/cpu{number}"
    write(folder / "topology/thread_siblings_list", siblings)
    for index, (level, kind, size, shared) in enumerate(caches):
        cache = folder / f"cache/index{index}"
        for name, value in (
            ("level", level),
            ("type", kind),
            ("size", size),
            ("shared_cpu_list", shared),
            ("coherency_line_size", 64),
        ):
            if value:
                write(cache / name, value)


def online(root: Path, cpus: str) -> None:
    write(root / "sys/devices/system/cpu/online", cpus)


def by_level(facts: Facts) -> dict[tuple[int, str], int]:
    return {(cache.level, cache.kind): cache.size for cache in facts.caches}


# --------------------------------------------------------------------------------------------------- this one


def test_the_module_gives_the_probe() -> None:
    (probe,) = cpu.hatframe_probes()
    assert probe.name == "cpu"
    assert probe.availability()


@ON_LINUX
def test_this_machine_is_as_lscpu_reports_it() -> None:
    facts = CpuProbe().facts()
    try:
        text = subprocess.run(["lscpu", "-p=CPU,CORE,SOCKET,ONLINE"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no lscpu on this machine")
    cores = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    cores = [core for core in cores if core[3] == "Y"]
    assert facts.details["logical_cores"] == len(cores)
    if "physical_cores" in facts.details:
        assert facts.details["physical_cores"] == len({(core[1], core[2]) for core in cores})


@ON_LINUX
def test_caches_of_this_machine_are_those_of_sysfs() -> None:
    indexes = list(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cache/index*/size"))
    if not indexes:
        pytest.skip("this machine's sysfs has no caches")
    facts = CpuProbe().facts()
    assert len(facts.caches) == len({(cache.level, cache.kind) for cache in facts.caches})
    assert max(cache.size for cache in facts.caches) == max(
        int(index.read_text().strip().removesuffix("K")) * 1024 for index in indexes
    )
    levels = [cache.level for cache in facts.caches]
    assert levels == sorted(levels)
    assert all(cache.line_size in (32, 64, 128, 256) for cache in facts.caches)


@ON_LINUX
def test_code_compiled_for_this_machine_is_not_refused_on_it() -> None:
    gcc = shutil.which("gcc")
    if not gcc or Platform.host().architecture != "x86_64":
        pytest.skip("needs gcc on x86-64")
    text = subprocess.run(
        [gcc, "-march=native", "-Q", "--help=target"], capture_output=True, text=True, check=True
    ).stdout
    enabled = [
        words[0].removeprefix("-m")
        for words in map(str.split, text.splitlines())
        if len(words) == 2 and words[1] == "[enabled]"
    ]
    machine = Machine.of([("cpu", CpuProbe().facts())])
    assert "sse2" in enabled
    assert unmet(Required(cpu=RequiredCpu(extensions=tuple(enabled))), machine) == []


# ------------------------------------------------------------------------------------------------------ Linux


def test_a_server_of_two_cores(tmp_path: Path) -> None:
    x86_cpuinfo(tmp_path, EMERALD_RAPIDS_FLAGS, EMERALD_RAPIDS_FLAGS)
    online(tmp_path, "0-1")
    for number in (0, 1):
        own = str(number)
        cpu_folder(
            tmp_path,
            number,
            own,
            [
                (1, "Data", "48K", own),
                (1, "Instruction", "32K", own),
                (2, "Unified", "2048K", own),
                (3, "Unified", "307200K", "0-1"),
            ],
        )
    facts = cpu_linux.facts(tmp_path, "x86_64")
    assert facts.caches == (
        Cache(level=1, kind="data", size=48 << 10, line_size=64),
        Cache(level=1, kind="instruction", size=32 << 10, line_size=64),
        Cache(level=2, kind="unified", size=2 << 20, line_size=64),
        Cache(level=3, kind="unified", size=300 << 20, line_size=64, shared_by=2),
    )
    assert facts.details == {
        "model": "Intel(R) Xeon(R) Processor",
        "vendor": "GenuineIntel",
        "logical_cores": 2,
        "physical_cores": 2,
    }


def test_every_name_of_an_accera_package_comes_out_right(tmp_path: Path) -> None:
    x86_cpuinfo(tmp_path, EMERALD_RAPIDS_FLAGS)
    extensions = cpu_linux.facts(tmp_path, "x86_64").extensions
    plus = {name[1:] for name in ACCERA_EXTENSIONS.split() if name[0] == "+"}
    minus = {name[1:] for name in ACCERA_EXTENSIONS.split() if name[0] == "-"}
    # The kernel of that machine hides its shadow stack.
    assert {name for name in plus if not extensions.get(name)} == {"shstk"}
    assert "shstk" not in extensions
    assert not any(extensions.get(name) for name in minus)


def test_an_older_processor_is_known_to_lack_what_a_newer_one_has(tmp_path: Path) -> None:
    x86_cpuinfo(tmp_path, XEON_2013_FLAGS)
    machine = Machine(platform=Platform("linux", "x86_64"), extensions=cpu_linux.facts(tmp_path, "x86_64").extensions)
    required = Required(os="linux", cpu=RequiredCpu(architecture="x86_64", extensions=tuple(ACCERA_EXTENSIONS.split())))
    (sentence,) = unmet(required, machine)
    for missing in ("avx2", "fma", "bmi2", "lzcnt", "avx512f", "amx-tile", "avx512fp16"):
        assert f" {missing}," in sentence
    for present in ("avx", "sse4.2", "popcnt", "rdrnd", "pclmul", "f16c"):
        assert f" {present}," not in sentence


def test_what_linux_may_hide_is_never_false(tmp_path: Path) -> None:
    x86_cpuinfo(tmp_path, XEON_2013_FLAGS)
    extensions = cpu_linux.facts(tmp_path, "x86_64").extensions
    hidden = {
        *(
            "shstk",
            "ibt",
            "sgx",
            "pconfig",
            "uintr",
            "kl",
            "widekl",
            "ptwrite",
            "hreset",
            "enqcmd",
            "tsxldtrk",
        ),
        *("xsaves", "rtm", "invpcid", "wbnoinvd", "cldemote", "prefetchwt1"),
    }
    assert not hidden & extensions.keys()


@pytest.mark.parametrize(
    ("kernel", "avx512f", "amx"),
    [
        ("3.10.0-1160.el7", None, None),
        ("4.18.0-553.el8", False, None),
        ("5.16.0", False, False),
        ("", None, None),
    ],
)
def test_a_kernel_too_old_for_a_flag_does_not_prove_it_absent(
    tmp_path: Path, kernel: str, avx512f: bool | None, amx: bool | None
) -> None:
    x86_cpuinfo(tmp_path, XEON_2013_FLAGS, kernel=kernel)
    extensions = cpu_linux.facts(tmp_path, "x86_64").extensions
    assert extensions.get("avx512f") is avx512f
    assert extensions.get("amx-tile") is amx
    assert extensions["avx2"] is False
    assert extensions["avx"] is True


def test_of_cores_that_differ_the_largest_caches_and_the_common_extensions_count(tmp_path: Path) -> None:
    x86_cpuinfo(tmp_path, "sse avx avx2 avx512f", "sse avx avx2", "sse avx avx2")
    online(tmp_path, "0-2")
    third = (3, "Unified", "30M", "0-2")
    performance = [
        (1, "Data", "48K", "0"),
        (1, "Instruction", "32K", "0"),
        (2, "Unified", "1280K", "0"),
        third,
    ]
    cpu_folder(tmp_path, 0, "0", performance)
    for number in (1, 2):
        own = str(number)
        efficient = [
            (1, "Data", "32K", own),
            (1, "Instruction", "64K", own),
            (2, "Unified", "2048K", "1-2"),
            third,
        ]
        cpu_folder(tmp_path, number, own, efficient)
    facts = cpu_linux.facts(tmp_path, "x86_64")
    assert by_level(facts) == {
        (1, "data"): 48 << 10,
        (1, "instruction"): 64 << 10,
        (2, "unified"): 2 << 20,
        (3, "unified"): 30 << 20,
    }
    assert [cache.shared_by for cache in facts.caches] == [1, 1, 2, 3]
    assert facts.extensions["avx2"] is True
    assert facts.extensions["avx512f"] is False


def test_cores_that_are_off_do_not_count(tmp_path: Path) -> None:
    x86_cpuinfo(tmp_path, "sse", "sse")
    online(tmp_path, "0,2")
    cpu_folder(tmp_path, 0, "0,2", [(2, "Unified", "1M", "0,2")])
    cpu_folder(tmp_path, 2, "0,2", [(2, "Unified", "1M", "0,2")])
    # A core that is off has neither caches nor a topology; here it was off-lined with stale files.
    cpu_folder(tmp_path, 1, "1", [(2, "Unified", "8M", "1")])
    write(tmp_path / "sys/devices/system/cpu/cpu3/online", 0)
    facts = cpu_linux.facts(tmp_path, "x86_64")
    assert facts.details["logical_cores"] == 2
    assert facts.details["physical_cores"] == 1
    assert by_level(facts) == {(2, "unified"): 1 << 20}


def test_a_container_without_sysfs_has_the_facts_of_cpuinfo(tmp_path: Path) -> None:
    x86_cpuinfo(tmp_path, "sse avx", "sse avx", "sse avx")
    facts = cpu_linux.facts(tmp_path, "x86_64")
    assert facts.caches == ()
    assert facts.details["logical_cores"] == 3
    assert "physical_cores" not in facts.details
    assert facts.extensions["avx"] is True


def test_without_files_there_are_no_facts(tmp_path: Path) -> None:
    assert cpu_linux.facts(tmp_path, "x86_64") == Facts()


def test_arm_names_its_features_and_no_model(tmp_path: Path) -> None:
    block = (
        "processor\t: {}\nBogoMIPS\t: 243.75\nFeatures\t: {}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
        "CPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n"
    )
    write(tmp_path / "proc/cpuinfo", "\n".join(block.format(number, GRAVITON2_FEATURES) for number in range(2)))
    write(tmp_path / "proc/sys/kernel/osrelease", "6.1.0")
    online(tmp_path, "0-1")
    # Firmware that tells the levels of its caches but not their sizes.
    for number in (0, 1):
        cpu_folder(tmp_path, number, str(number), [(1, "Data", "", str(number)), (2, "Unified", "", "0-1")])
    facts = cpu_linux.facts(tmp_path, "aarch64")
    assert facts.caches == ()
    assert facts.details == {"implementer": "0x41", "part": "0xd0c", "logical_cores": 2, "physical_cores": 2}
    for name in ("neon", "fp-armv8", "fullfp16", "dotprod", "lse", "crc", "rdm", "rcpc"):
        assert facts.extensions[name] is True
    for name in ("sve", "bf16", "i8mm", "sve2", "jsconv"):
        assert facts.extensions[name] is False
    assert not {"pauth", "bti", "mte", "sme"} & facts.extensions.keys()


@pytest.mark.parametrize(("text", "size"), [("48K", 48 << 10), ("1M", 1 << 20), ("512", 512), ("2G", 2 << 30)])
def test_sizes_in_any_unit(tmp_path: Path, text: str, size: int) -> None:
    online(tmp_path, "0")
    cpu_folder(tmp_path, 0, "0", [(1, "Data", text, "0")])
    assert by_level(cpu_linux.facts(tmp_path, "x86_64")) == {(1, "data"): size}


@pytest.mark.parametrize("text", ["-1K", "unknown", "48 kB"])
def test_a_size_that_is_none_is_left_out(tmp_path: Path, text: str) -> None:
    online(tmp_path, "0")
    cpu_folder(tmp_path, 0, "0", [(1, "Data", text, "0")])
    assert cpu_linux.facts(tmp_path, "x86_64").caches == ()


# ------------------------------------------------------------------------------------------------------ macOS


def sysctl(values: Mapping[str, str | int | list[int]]) -> cpu_macos.Sysctl:
    raw: dict[str, bytes] = {}
    for name, value in values.items():
        if isinstance(value, str):
            raw[name] = value.encode() + b"\0"
        elif isinstance(value, list):
            raw[name] = struct.pack(f"<{len(value)}Q", *value)
        else:
            raw[name] = value.to_bytes(8 if "size" in name else 4, "little")
    return raw.get


M1 = {
    "machdep.cpu.brand_string": "Apple M1",
    "hw.logicalcpu": 8,
    "hw.physicalcpu": 8,
    "hw.cachelinesize": 128,
    "hw.cacheconfig": [8, 1, 4, 0, 0, 0, 0, 0, 0, 0],
    "hw.l1icachesize": 131072,
    "hw.l1dcachesize": 65536,
    "hw.l2cachesize": 4194304,
    "hw.nperflevels": 2,
    "hw.perflevel0.l1icachesize": 196608,
    "hw.perflevel0.l1dcachesize": 131072,
    "hw.perflevel0.l2cachesize": 12582912,
    "hw.perflevel0.cpusperl2": 4,
    "hw.perflevel1.l1icachesize": 131072,
    "hw.perflevel1.l1dcachesize": 65536,
    "hw.perflevel1.l2cachesize": 4194304,
    "hw.perflevel1.cpusperl2": 4,
    "hw.optional.floatingpoint": 1,
    "hw.optional.neon": 1,
    "hw.optional.armv8_crc32": 1,
    "hw.optional.arm.FEAT_FP16": 1,
    "hw.optional.arm.FEAT_DotProd": 1,
    "hw.optional.arm.FEAT_LSE": 1,
    "hw.optional.arm.FEAT_BF16": 0,
    "hw.optional.arm.FEAT_I8MM": 0,
}
I7_8750H = {
    "machdep.cpu.brand_string": "Intel(R) Core(TM) i7-8750H CPU @ 2.20GHz",
    "machdep.cpu.vendor": "GenuineIntel",
    "machdep.cpu.features": (
        "FPU VME DE PSE TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH DS ACPI MMX FXSR SSE"
        " SSE2 SS HTT TM PBE SSE3 PCLMULQDQ DTES64 MON DSCPL VMX EST TM2 SSSE3 FMA CX16 TPR PDCM SSE4.1"
        " SSE4.2 x2APIC MOVBE POPCNT AES PCID XSAVE OSXSAVE SEGLIM64 TSCTMR AVX1.0 RDRAND F16C"
    ),
    "machdep.cpu.leaf7_features": (
        "RDWRFSGS TSC_THREAD_OFFSET SGX BMI1 AVX2 SMEP BMI2 ERMS INVPCID FPU_CSDS MPX RDSEED ADX SMAP"
        " CLFSOPT IPT SGXLC MDCLEAR TSXFA IBRS STIBP L1DF SSBD"
    ),
    "machdep.cpu.extfeatures": "SYSCALL XD 1GBPAGE EM64T LAHF LZCNT PREFETCHW RDTSCP TSCI",
    "hw.logicalcpu": 12,
    "hw.physicalcpu": 6,
    "hw.cachelinesize": 64,
    "hw.cacheconfig": [12, 2, 2, 12, 0, 0, 0, 0, 0, 0],
    "hw.l1icachesize": 32768,
    "hw.l1dcachesize": 32768,
    "hw.l2cachesize": 262144,
    "hw.l3cachesize": 9437184,
    "hw.optional.avx2_0": 1,
    "hw.optional.avx512f": 0,
}


def test_macos_on_arm_has_the_caches_of_its_fast_cores() -> None:
    facts = cpu_macos.facts(sysctl(M1))
    assert facts.caches == (
        Cache(level=1, kind="data", size=128 << 10, line_size=128),
        Cache(level=1, kind="instruction", size=192 << 10, line_size=128),
        Cache(level=2, kind="unified", size=12 << 20, line_size=128, shared_by=4),
    )
    assert facts.details == {"model": "Apple M1", "logical_cores": 8, "physical_cores": 8}
    expected = {
        "neon": True,
        "fullfp16": True,
        "dotprod": True,
        "lse": True,
        "crc": True,
        "bf16": False,
        "i8mm": False,
    }
    assert expected.items() <= facts.extensions.items()
    assert "avx2" not in facts.extensions


def test_macos_on_x86_has_llvms_names() -> None:
    facts = cpu_macos.facts(sysctl(I7_8750H))
    assert by_level(facts)[3, "unified"] == 9 << 20
    assert [cache.shared_by for cache in facts.caches] == [2, 2, 2, 12]
    assert facts.details["physical_cores"] == 6
    assert facts.details["vendor"] == "GenuineIntel"
    for name in (
        "avx",
        "avx2",
        "fma",
        "sse4.2",
        "pclmul",
        "lzcnt",
        "sahf",
        "rdrnd",
        "64bit",
        "bmi",
        "fsgsbase",
    ):
        assert facts.extensions[name] is True
    assert facts.extensions["avx512f"] is False
    assert not {"avx512vnni", "sha", "rtm", "neon"} & facts.extensions.keys()


def test_macos_words_that_it_does_not_give_prove_nothing() -> None:
    rosetta = {name: value for name, value in I7_8750H.items() if "leaf7" not in name and "optional" not in name}
    extensions = cpu_macos.facts(sysctl(rosetta)).extensions
    assert extensions["avx"] is True
    assert "avx2" not in extensions


def test_macos_without_answers_has_no_facts() -> None:
    assert cpu_macos.facts(sysctl({})) == Facts()


# ---------------------------------------------------------------------------------------------------- Windows


def affinity(mask: int, pointer: int, group: int = 0) -> bytes:
    return mask.to_bytes(pointer, "little") + struct.pack("<H6x", group)


def record(relationship: int, body: bytes) -> bytes:
    return struct.pack("<II", relationship, 8 + len(body)) + body


def core_record(pointer: int, *masks: int) -> bytes:
    head = struct.pack("<BB20xH", 1, 0, len(masks))
    return record(0, head + b"".join(affinity(mask, pointer, group) for group, mask in enumerate(masks)))


def cache_record(level: int, kind: int, size: int, mask: int, pointer: int, count: int = 1) -> bytes:
    head = struct.pack("<BBHII18xH", level, 8, 64, size, kind, count)
    return record(2, head + affinity(mask, pointer))


@pytest.mark.parametrize("pointer", [4, 8])
@pytest.mark.parametrize("count", [0, 1])
def test_windows_records_of_four_cores_with_two_threads_each(pointer: int, count: int) -> None:
    masks = [0b11 << 2 * core for core in range(4)]
    buffer = b"".join(
        [
            record(3, struct.pack("<BB20xH", 0, 0, 1) + affinity(0xFF, pointer)),
            *(core_record(pointer, mask) for mask in masks),
            *(cache_record(1, 2, 32 << 10, mask, pointer, count) for mask in masks),
            *(cache_record(1, 1, 32 << 10, mask, pointer, count) for mask in masks),
            *(cache_record(2, 0, 256 << 10, mask, pointer, count) for mask in masks),
            cache_record(1, 3, 12 << 10, masks[0], pointer, count),
            cache_record(3, 0, 8 << 20, 0xFF, pointer, count),
            record(1, struct.pack("<I20xH", 0, 1) + affinity(0xFF, pointer)),
        ]
    )
    found = cpu_windows.topology(buffer, pointer)
    assert (found.logical_cores, found.physical_cores) == (8, 4)
    assert largest(found.caches) == (
        Cache(level=1, kind="data", size=32 << 10, line_size=64, shared_by=2),
        Cache(level=1, kind="instruction", size=32 << 10, line_size=64, shared_by=2),
        Cache(level=2, kind="unified", size=256 << 10, line_size=64, shared_by=2),
        Cache(level=3, kind="unified", size=8 << 20, line_size=64, shared_by=8),
    )


def test_windows_groups_of_processors_are_counted_together() -> None:
    buffer = b"".join(core_record(8, 1 << core, 1 << core) for core in range(64))
    found = cpu_windows.topology(buffer, 8)
    assert (found.logical_cores, found.physical_cores) == (128, 64)


@pytest.mark.parametrize("buffer", [b"", b"\0" * 16, b"\x02\0\0\0"])
def test_windows_buffers_without_records_tell_nothing(buffer: bytes) -> None:
    assert cpu_windows.topology(buffer, 8) == cpu_windows.Topology(0, 0, ())


def test_windows_features_count_as_absent_only_where_that_windows_knows_them() -> None:
    present = {2, 3, 6, 10, 13, 14, 17}.__contains__
    new = cpu_windows.extensions(present, 26100, "x86_64")
    assert (new["sse2"], new["avx2"], new["avx512f"], new["bmi2"]) == (True, False, False, False)
    old = cpu_windows.extensions(present, 14393, "x86_64")
    assert old["sse2"] is True
    assert not {"avx", "avx2", "avx512f", "bmi2"} & old.keys()
    assert cpu_windows.extensions({40}.__contains__, 14393, "x86_64")["avx2"] is True
    assert cpu_windows.extensions({19}.__contains__, 26100, "aarch64")["neon"] is True
    assert cpu_windows.extensions(present, 26100, "riscv64") == {}


# ----------------------------------------------------------------------------------------------------- common


def test_names_of_both_sides() -> None:
    assert names("avx2 lzcnt=abm") == {"avx2": "avx2", "lzcnt": "abm"}
    assert known_extensions(names("avx2 lzcnt=abm"), {"abm"}, absence_counts=True) == {"avx2": False, "lzcnt": True}
    assert known_extensions(names("avx2 lzcnt=abm"), {"abm"}, absence_counts=False) == {"lzcnt": True}


def test_the_first_of_caches_of_one_size_stays() -> None:
    first = Cache(level=2, kind="unified", size=1024, line_size=64, shared_by=2)
    second = Cache(level=2, kind="unified", size=1024, line_size=64, shared_by=4)
    assert largest([first, second]) == (first,)
