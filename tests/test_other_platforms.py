"""Packages of a sample for other platforms: built here, and used there by a C program whose header they are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_packages import ARCHITECTURE, compiler

from hatframe import Kernel
from hatframe.binary.libraries import LibraryKind, identify
from hatframe.binary.symbols import read_symbols
from hatframe.errors import HatError, PluginError, TargetError
from hatframe.format.reading import read_hat
from hatframe.machine import Platform
from hatframe.outcomes import Deviation

SAMPLES = Path(__file__).parent.parent / "samples"
SAID = "the schedules agree; the last element is 1519\n"
FUNCTIONS = {"gemm_naive", "gemm_reordered", "gemm_tiled", "gemm_registers"}

pytestmark = pytest.mark.slow


def assert_fit_elsewhere(deviations: list[Deviation]) -> None:
    """The package is as it should be, and a note says that this machine is another."""
    assert [(deviation.severity, deviation.key) for deviation in deviations] == [("note", "required")]


def build(folder: Path, linker: str, target: str, static: bool) -> Path:
    """The sample's package for a platform, by way of a static one for a dynamic one that is named converted.hat."""
    kernel = Kernel()
    try:
        kernel.linker(linker)
    except PluginError as error:
        if "not available" in str(error):
            pytest.skip(str(error))
    source = SAMPLES / "gemm.c"
    flags = ["-DUNUSED=1", "-std=c11"]
    built = kernel.build(
        [source], folder / "gemm.hat", linker=linker, target=target, static=static, cflags=flags
    ).written
    assert_fit_elsewhere(kernel.validate(built.hat))
    return built.hat


def require(hat: Path, os: str, architecture: str, abi: str) -> None:
    required = read_hat(hat).target.required
    assert (required.os, required.cpu.architecture, required.auxiliary.get("abi", "")) == (os, architecture, abi)
    with pytest.raises(TargetError):
        Kernel().load(hat)


def zig(folder: Path, target: str, *words: object) -> None:
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-O2",
        "-target",
        target,
        "-I",
        folder,
        SAMPLES / "program.c",
        *words,
    ]
    subprocess.run([*map(str, command), "-o", str(folder / "program")], check=True)


@pytest.mark.parametrize("linker", ["msvc", "zig"])
def test_a_package_for_windows_is_used_there(tmp_path: Path, linker: str, wine: Callable[..., str]) -> None:
    static = build(tmp_path, linker, "x86_64-windows", static=True)
    require(static, "windows", "x86_64", "msvc" if linker == "msvc" else "gnu")
    library = read_hat(static).library
    assert library is not None
    assert (library.name, identify(library).kind) == ("gemm.lib", LibraryKind.ARCHIVE)

    made = Kernel().to_dynamic(static, tmp_path / "converted.hat", linker=linker)
    hat = read_hat(made.hat)
    assert (hat.dependencies.link_target, hat.dependencies.deploy_files) == ("converted.dll.lib", ("converted.dll",))
    assert_fit_elsewhere(Kernel().validate(made.hat))
    assert identify(made.library).kind is LibraryKind.IMPORT
    (dll,) = made.deploy_files
    assert read_symbols(dll).defined == FUNCTIONS
    assert made.extra_exports == ()

    gcc = compiler("x86_64-w64-mingw32-gcc")
    for library in (tmp_path / "gemm.lib", made.library):
        command = [gcc, "-I", tmp_path, SAMPLES / "program.c", library, "-o", tmp_path / "program.exe"]
        subprocess.run(command, check=True)
        assert wine("program.exe", folder=tmp_path).replace("\r", "") == SAID


@pytest.mark.parametrize("linker", ["msvc", "zig"])
def test_a_dynamic_package_for_windows_is_built_directly_and_packed(tmp_path: Path, linker: str) -> None:
    hat = build(tmp_path, linker, "x86_64-windows", static=False)
    assert {path.name for path in tmp_path.iterdir()} == {"gemm.hat", "gemm.dll", "gemm.dll.lib"}
    assert set(Kernel().pack(hat, tmp_path / "moved").files) == {"gemm.hat", "gemm.dll", "gemm.dll.lib"}


@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
def test_a_package_for_linux_on_arm_is_used_there(tmp_path: Path, static: bool) -> None:
    hat = build(tmp_path, "zig", "aarch64-linux", static)
    require(hat, "linux", "aarch64", "gnu")
    library = read_hat(hat).library
    assert library is not None
    zig(tmp_path, "aarch64-linux-gnu", library)
    emulator, system = shutil.which("qemu-aarch64"), Path("/usr/aarch64-linux-gnu")
    if not emulator or not system.is_dir():
        pytest.skip("no qemu-aarch64, or no C library for it, on this machine")
    command = [emulator, "-L", system, "-E", f"LD_LIBRARY_PATH={tmp_path}", tmp_path / "program"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == SAID


def test_another_c_library_than_this_machines_is_another_platform(tmp_path: Path) -> None:
    host = Platform.host()
    if host.abi != "gnu":
        pytest.skip("this machine's own C library is not GNU's")
    target = f"{host.architecture}-linux-musl"
    with pytest.raises(PluginError, match=f"'gcc'.*{target}"):
        Kernel().build([SAMPLES / "gemm.c"], tmp_path / "gemm.hat", linker="gcc", target=target)
    built = Kernel().build([SAMPLES / "select.c"], tmp_path / "select.hat", target=target).written
    assert (built.linker, read_hat(built.hat).target.required.auxiliary) == ("zig", {"abi": "musl"})
    assert read_symbols(built.library).needed == ("libc.so",)
    with pytest.raises(TargetError, match=r"musl.*gnu"):
        Kernel().load(built.hat)


def test_a_package_for_musl_is_used_with_it(tmp_path: Path) -> None:
    hat = build(tmp_path, "zig", f"{ARCHITECTURE}-linux-musl", static=True)
    require(hat, "linux", ARCHITECTURE, "musl")
    loader = Path(f"/lib/ld-musl-{ARCHITECTURE}.so.1")
    if not loader.exists():
        pytest.skip("no musl on this machine")
    # With the machine's own musl: zig would compile one for a static program, which takes a minute.
    zig(tmp_path, f"{ARCHITECTURE}-linux-musl", "-dynamic", tmp_path / "libgemm.a")
    command = [loader, tmp_path / "program"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == SAID


@pytest.mark.parametrize("architecture", ["aarch64", "x86_64"])
def test_a_package_for_macos_is_a_library_of_that_system(tmp_path: Path, architecture: str) -> None:
    hat = build(tmp_path, "zig", f"{architecture}-macos", static=False)
    require(hat, "macos", architecture, "")
    library = identify(tmp_path / "libgemm.dylib")
    assert (library.kind, library.format, library.architectures) == (LibraryKind.DYNAMIC, "Mach-O", {architecture})
    assert read_symbols(library.path).defined >= FUNCTIONS
    # A program links with it, which only a valid library allows.
    zig(tmp_path, f"{architecture}-macos", library.path)
    assert identify(tmp_path / "program").kind is LibraryKind.EXECUTABLE
    assert "@rpath/libgemm.dylib" in read_symbols(tmp_path / "program").needed


def test_a_library_of_another_platform_than_the_metadata_say_is_refused(tmp_path: Path) -> None:
    hat = build(tmp_path, "zig", "aarch64-linux", static=True)
    hat.write_text(hat.read_text().replace('"aarch64"', '"x86_64"'))
    with pytest.raises(HatError, match=r"aarch64.*target\.required.*x86_64-linux"):
        Kernel().to_dynamic(hat, tmp_path / "new.hat")
