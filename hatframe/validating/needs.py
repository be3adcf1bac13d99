"""The libraries that a dynamic library needs: whether the loader finds them, and takes those that the package means."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

from hatframe.binary.libraries import LibraryFile
from hatframe.binary.resolution import Need, resolve
from hatframe.binary.symbols import Symbols
from hatframe.errors import listed
from hatframe.format.model import HatFile
from hatframe.format.positions import Keys
from hatframe.machine import Platform
from hatframe.toolchain.undefined import undefined_symbols
from hatframe.validating.report import Report

_LINK_TARGET: Keys = ("dependencies", "link_target")


def check_needs(report: Report, hat: HatFile, library: LibraryFile, symbols: Symbols) -> None:
    """Check that the dynamic loader finds what the library needs, and that it takes the right files."""
    host = Platform.host()
    if library.format == "Mach-O":
        _check_relative_needs(report, library, symbols)
    elif host.os == "linux" and library.suits(host) and (symbols.needed or symbols.undefined):
        _check_resolution(report, hat, library)


def _check_relative_needs(report: Report, library: LibraryFile, symbols: Symbols) -> None:
    """Check what a library of macOS needs from its own folder, which any machine can check."""
    folder = library.path.parent
    relative = [path for path in symbols.run_folders if path.startswith(("@loader_path", "."))]
    for name in symbols.needed:
        first, _, rest = name.partition("/")
        if first == "@loader_path":
            places = [folder / rest]
        elif first == "@rpath" and len(relative) == len(symbols.run_folders):
            places = [folder / path.partition("/")[2] / rest for path in relative]
        else:
            continue
        if not any(place.is_file() for place in places):
            report.error(_LINK_TARGET, f"{library.path.name} needs {name}, which is not there", _missing_hint(name))


def _missing_hint(name: str) -> str:
    return f"install it, or put {PureWindowsPath(name).name} into the package's folder"


def _check_resolution(report: Report, hat: HatFile, library: LibraryFile) -> None:
    resolution = resolve(library.path)
    folder = library.path.resolve().parent
    listed_files = {Path(name).name: hat.folder / name for name in hat.dependencies.deploy_files}
    known = {each.path: each.symbols.versions for each in (*resolution.process, *resolution.opened)}
    complete = True
    for need in resolution.needs:
        by = need.by.path.name
        if need.found is None:
            complete = False
            beside = folder / PureWindowsPath(need.name).name
            hint = _missing_hint(need.name)
            if beside.is_file():
                hint = f"it lies beside {by}, which does not look there: link {by} with -Wl,-rpath,'$ORIGIN'"
            report.error(_LINK_TARGET, f"{by} needs {need.name}, which the system cannot find", hint)
            continue
        if message := _conflict(need, folder, listed_files):
            report.warn(_LINK_TARGET, message)
        has = known.get(need.found, frozenset())
        wanted = [version for name, version in need.by.symbols.needed_versions if name == need.name]
        # The loader does not check versions in a library that has none.
        if has and (missing := [version for version in wanted if version not in has]):
            message = f"{by} needs {listed(missing)} of {need.name}, which {need.found} lacks"
            report.error(_LINK_TARGET, message, "build it on a system as old as this one, or update this system")
    names: dict[str, Path] = {}
    for opened in resolution.opened:
        name = opened.symbols.name
        if name and names.setdefault(name, opened.path) != opened.path:
            message = f"{names[name]} and {opened.path} have one SONAME, {name}: the loader takes either for the other"
            report.warn(_LINK_TARGET, message, "give them different names, with -Wl,-soname")
    if not complete:
        return
    provided = frozenset[str]().union(*(each.symbols.defined for each in (*resolution.process, *resolution.opened)))
    for opened in resolution.opened:
        # The system's libraries are complete.
        if opened.path.is_relative_to(folder) and (missing := sorted(opened.symbols.undefined - provided)):
            error = undefined_symbols(missing)
            report.error(_LINK_TARGET, f"{error.message}: nothing that {opened.path.name} needs defines them")


def _conflict(need: Need, folder: Path, deployed: dict[str, Path]) -> str:
    """Why the loader takes another file than the package means, or an empty text."""
    by, found = need.by.path.name, need.found
    if found == need.by.path:
        return f"{by} needs {need.name}, which is its own SONAME: the loader takes it for the library that it needs"
    if need.searched and need.searched != found and need.searched.is_relative_to(folder):
        return f"{by} needs {need.name}, for which the loader takes {found}, which is open already"
    own = deployed.get(need.name)
    if own and own.is_file() and found != own.resolve():
        return f"{by} needs {need.name}, for which the loader takes {found}, not that of the package"
    return ""
