"""Finding the tools for Windows: Visual Studio's, or LLVM's, which accept the same options."""

from __future__ import annotations

import functools
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from hatframe.plugin import LinkError, Platform

ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}
"""The processors, with their names in Visual Studio's folders."""

# Systems with several versions of LLVM have the version in the names of tools: clang-14.
_VERSIONS = range(40, 10, -1)
_LLVM = ("clang", "lld-link", "llvm-lib")


class Toolchain(msgspec.Struct, frozen=True):
    """The tools for one processor.

    ``microsoft`` is True for Visual Studio's tools, and False for LLVM's. ``headers`` and ``libraries`` say whether
    those of Windows and its C library are available.
    """

    compiler: str
    linker: str
    librarian: str
    microsoft: bool = True
    headers: bool = True
    libraries: bool = True
    environment: dict[str, str] = {}


def find(architecture: str) -> Toolchain:
    """The tools for a processor: of a developer's prompt, of the newest Visual Studio, or of LLVM."""
    found = from_prompt(architecture, os.environ) or _from_installation(architecture) or from_llvm(os.environ)
    if found is None:
        raise LinkError(f"no compiler for Windows: {missing()}", hint=f"install it: {install()}")
    return found


def missing() -> str:
    if sys.platform == "win32":
        return "neither Visual Studio's C++ compiler nor LLVM's is installed"
    absent = [name for name in _LLVM if not _which(name)]
    return f"not on the PATH: {', '.join(absent)}"


def install() -> str:
    if sys.platform == "win32":
        return "Visual Studio's Build Tools with 'Desktop development with C++', or winget install LLVM.LLVM"
    if sys.platform == "darwin":
        return "brew install llvm lld"
    return "apt install clang lld llvm, or dnf install clang lld llvm"


def from_prompt(architecture: str, environment: Mapping[str, str]) -> Toolchain | None:
    """The tools on the PATH of a developer's prompt, if they are for the processor."""
    compiler = shutil.which("cl", path=environment.get("PATH", ""))
    if not compiler or not (environment.get("INCLUDE") and environment.get("LIB")):
        return None
    folder = Path(compiler).absolute().parent
    # The folder has the name of the target processor.
    return _microsoft(folder, {}) if folder.name.lower() == ARCHITECTURES[architecture] else None


def from_folders(tools: Path, kits: Path, architecture: str, host: str) -> Toolchain | None:
    """The tools of an installed version, ``VC/Tools/MSVC/VERSION``, with the newest Windows kit in ``kits``."""
    target = ARCHITECTURES[architecture]
    kit = newest(path.parent for path in kits.glob("Include/*/ucrt"))
    # ARM64 also runs tools for x64.
    for own in dict.fromkeys((ARCHITECTURES.get(host, "x64"), "x64")):
        folder = tools / "bin" / f"Host{own}" / target
        if kit and (folder / "cl.exe").is_file():
            include = [tools / "include", *(kit / part for part in ("ucrt", "shared", "um"))]
            libraries = kits / "Lib" / kit.name
            library = [tools / "lib" / target, *(libraries / part / target for part in ("ucrt", "um"))]
            # A cross-compiler needs libraries of the native compiler.
            path = [folder, folder.with_name(own)]
            variables = {"INCLUDE": include, "LIB": library, "PATH": path}
            environment = {name: ";".join(map(str, folders)) for name, folders in variables.items()}
            environment["PATH"] += f";{os.environ.get('PATH', '')}"
            return _microsoft(folder, environment)
    return None


def newest(folders: Iterable[Path]) -> Path | None:
    """The folder with the highest version as its name, such as ``14.38.33130``."""
    versions = {tuple(map(int, path.name.split("."))): path for path in folders if re.fullmatch(r"[\d.]+\d", path.name)}
    return versions[max(versions)] if versions else None


def _microsoft(folder: Path, environment: dict[str, str]) -> Toolchain:
    return Toolchain(
        compiler=str(folder / "cl.exe"),
        linker=str(folder / "link.exe"),
        librarian=str(folder / "lib.exe"),
        # hatframe reads the messages in English.
        environment={**environment, "VSLANG": "1033"},
    )


def newest_installed(installations: Iterable[Path], kits: Path, architecture: str, host: str) -> Toolchain | None:
    versions = [path for installation in installations for path in installation.glob("VC/Tools/MSVC/*")]
    while version := newest(versions):
        if found := from_folders(version, kits, architecture, host):
            return found
        versions.remove(version)
    return None


def usual_installations(environment: Mapping[str, str]) -> list[Path]:
    """The default folders of Visual Studio's installer, which are quicker to check than its locator is to run."""
    programs = filter(None, (environment.get(name) for name in ("ProgramFiles", "ProgramFiles(x86)")))
    return [path for program in programs for path in Path(program).glob("Microsoft Visual Studio/*/*")]


@functools.cache
def located_installations() -> list[Path]:
    try:
        vswhere = importlib.import_module("vswhere")
    except ImportError:
        return []
    # Without an installed locator the package would download one.
    if not vswhere.DEFAULT_PATH or not Path(vswhere.DEFAULT_PATH).is_file():
        return []
    try:
        return [Path(line) for line in vswhere.find(products="*", prop="installationPath")]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def _from_installation(architecture: str) -> Toolchain | None:
    kits = _kits()
    if kits is None:
        return None
    host = Platform.host().architecture
    found = newest_installed(usual_installations(os.environ), kits, architecture, host)
    return found or newest_installed(located_installations(), kits, architecture, host)


def _kits() -> Path | None:
    if sys.platform == "win32":
        import winreg

        key = r"SOFTWARE\Microsoft\Windows Kits\Installed Roots"
        try:
            with winreg.OpenKey(
                winreg.HKEY_LOCAL_MACHINE, key, access=winreg.KEY_READ | winreg.KEY_WOW64_32KEY
            ) as roots:
                return Path(winreg.QueryValueEx(roots, "KitsRoot10")[0])
        except OSError:
            pass
    return None


def from_llvm(environment: Mapping[str, str]) -> Toolchain | None:
    """LLVM's tools on the PATH; ``INCLUDE`` and ``LIB`` may name folders of headers and libraries for them."""
    compiler, linker, librarian = map(_which, _LLVM)
    if not (compiler and linker and librarian):
        return None
    return Toolchain(
        compiler=compiler,
        linker=linker,
        librarian=librarian,
        microsoft=False,
        headers=bool(environment.get("INCLUDE")),
        libraries=bool(environment.get("LIB")),
    )


def _which(name: str) -> str | None:
    for candidate in (name, *(f"{name}-{version}" for version in _VERSIONS)):
        if found := shutil.which(candidate):
            # The PATH may have relative folders, but the tool runs in another folder.
            return str(Path(found).absolute())
    return None
