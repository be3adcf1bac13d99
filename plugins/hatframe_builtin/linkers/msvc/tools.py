"""Finding the tools that make code for Windows: Visual Studio's on Windows, and LLVM's, which take the same options."""

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

from hatframe.errors import LinkError
from hatframe.machine import Platform

ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}
"""The processors, with the names that Visual Studio's folders have for them."""

# LLVM's tools have its version in their names where a system has several, such as clang-14.
_VERSIONS = range(40, 10, -1)
_LLVM = ("clang", "lld-link", "llvm-lib")


class Toolchain(msgspec.Struct, frozen=True):
    """The tools for one processor, and what they need.

    ``microsoft`` tells Visual Studio's own from LLVM's. ``headers`` and ``libraries`` tell whether those of Windows
    and its C library are there to compile and link with.
    """

    compiler: str
    linker: str
    librarian: str
    microsoft: bool
    headers: bool
    libraries: bool
    environment: dict[str, str] = {}


def find(architecture: str) -> Toolchain:
    """The tools for a processor: those of a developer's prompt, of the newest Visual Studio, or of LLVM.

    Raises :class:`LinkError` with what to install where there are none.
    """
    found = from_prompt(architecture, os.environ) or _from_installation(architecture) or from_llvm(os.environ)
    if found is None:
        raise LinkError(f"there is no compiler for Windows: {missing()}", hint=f"install it: {install()}")
    return found


def missing() -> str:
    """What is not there, in a sentence."""
    if sys.platform == "win32":
        return "there is neither Visual Studio's C++ compiler nor LLVM's"
    absent = [name for name in _LLVM if not _which(name)]
    return f"there is no {' and no '.join(absent)} on the PATH"


def install() -> str:
    """What to install."""
    if sys.platform == "win32":
        return "Visual Studio's Build Tools with 'Desktop development with C++', or winget install LLVM.LLVM"
    if sys.platform == "darwin":
        return "brew install llvm lld"
    return "apt install clang lld llvm, or dnf install clang lld llvm"


# -------------------------------------------------------------------------------------------- Visual Studio's


def from_prompt(architecture: str, environment: Mapping[str, str]) -> Toolchain | None:
    """The tools of a developer's prompt, which has them on the PATH, where they are for that processor."""
    compiler = shutil.which("cl", path=environment.get("PATH", ""))
    if not compiler or not (environment.get("INCLUDE") and environment.get("LIB")):
        return None
    folder = Path(compiler).absolute().parent
    # Its folder is named for the processor that it compiles for.
    return _microsoft(folder, {}) if folder.name.lower() == ARCHITECTURES[architecture] else None


def from_folders(tools: Path, kits: Path, architecture: str, host: str) -> Toolchain | None:
    """The tools of an installed version, ``VC/Tools/MSVC/VERSION``, with the newest Windows kit in ``kits``."""
    target = ARCHITECTURES[architecture]
    kit = newest(path.parent for path in kits.glob("Include/*/ucrt"))
    # Those for x64 run on ARM64 as well.
    for own in dict.fromkeys((ARCHITECTURES.get(host, "x64"), "x64")):
        folder = tools / "bin" / f"Host{own}" / target
        if kit and (folder / "cl.exe").is_file():
            include = [tools / "include", *(kit / part for part in ("ucrt", "shared", "um"))]
            libraries = kits / "Lib" / kit.name
            library = [tools / "lib" / target, *(libraries / part / target for part in ("ucrt", "um"))]
            # A compiler for another processor takes some of its own libraries from the one for this.
            path = [folder, folder.with_name(own)]
            variables = {"INCLUDE": include, "LIB": library, "PATH": path}
            environment = {name: ";".join(map(str, folders)) for name, folders in variables.items()}
            environment["PATH"] += f";{os.environ.get('PATH', '')}"
            return _microsoft(folder, environment)
    return None


def newest(folders: Iterable[Path]) -> Path | None:
    """Of folders that are named by versions, such as ``14.38.33130``, the last; numbers count as such."""
    versions = {tuple(map(int, path.name.split("."))): path for path in folders if re.fullmatch(r"[\d.]+\d", path.name)}
    return versions[max(versions)] if versions else None


def _microsoft(folder: Path, environment: dict[str, str]) -> Toolchain:
    return Toolchain(
        compiler=str(folder / "cl.exe"),
        linker=str(folder / "link.exe"),
        librarian=str(folder / "lib.exe"),
        microsoft=True,
        headers=True,
        libraries=True,
        # Messages in English, because they are read.
        environment={**environment, "VSLANG": "1033"},
    )


def newest_installed(installations: Iterable[Path], kits: Path, architecture: str, host: str) -> Toolchain | None:
    """Of the versions in installations of Visual Studio the newest that can compile for a processor."""
    versions = [path for installation in installations for path in installation.glob("VC/Tools/MSVC/*")]
    while version := newest(versions):
        if found := from_folders(version, kits, architecture, host):
            return found
        versions.remove(version)
    return None


def usual_installations(environment: Mapping[str, str]) -> list[Path]:
    """Where Visual Studio's installer puts it unless told otherwise; a look there is quicker than asking."""
    programs = filter(None, (environment.get(name) for name in ("ProgramFiles", "ProgramFiles(x86)")))
    return [path for program in programs for path in Path(program).glob("Microsoft Visual Studio/*/*")]


@functools.cache
def told_installations() -> list[Path]:
    """What Visual Studio's own locator knows, for one in an unusual place."""
    try:
        vswhere = importlib.import_module("vswhere")
    except ImportError:
        return []
    # Without the locator of an installed Visual Studio the package would download one.
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
    return found or newest_installed(told_installations(), kits, architecture, host)


def _kits() -> Path | None:
    """The folder of Windows' own headers and libraries."""
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


# ----------------------------------------------------------------------------------------------------- LLVM's


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
            # The PATH may have relative folders, and the tool runs elsewhere.
            return str(Path(found).absolute())
    return None
