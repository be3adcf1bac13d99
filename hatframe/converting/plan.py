"""What a static package becomes another package from: its files, read and checked before any tool runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from hatframe.binary.libraries import LibraryFile, LibraryKind, identify
from hatframe.errors import LinkError, PackageError
from hatframe.format.model import HatFile
from hatframe.format.reading import read_text
from hatframe.machine import Platform, normal_architecture, normal_os
from hatframe.packages.confinement import confined
from hatframe.packages.dependencies import UNTRUSTED, Dependency, Trust, read_dependency
from hatframe.packages.package import Package
from hatframe.packages.pairing import check_libraries


class HatSource(msgspec.Struct, frozen=True):
    """A .hat file as C source: its path, its text, and the dependencies that it declares."""

    hat: HatFile
    path: Path
    text: str
    dependencies: tuple[Dependency, ...]


class LinkPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All inputs of a conversion.

    ``exports`` are the functions that the library must define: loaders compile those of a runtime themselves. ``added``
    are the dependencies that the user adds to those of the package.
    """

    package: Package
    library: LibraryFile
    exports: tuple[str, ...]
    sources: tuple[HatSource, ...]
    added: tuple[Dependency, ...]
    library_folders: tuple[Path, ...]
    trust: Trust = UNTRUSTED

    @property
    def platform(self) -> Platform:
        return platform_of(self.package, self.library)

    @property
    def dependencies(self) -> list[Dependency]:
        declared = [dependency for source in self.sources for dependency in source.dependencies]
        return list({dependency.text: dependency for dependency in (*declared, *self.added)}.values())

    @property
    def files(self) -> list[Path]:
        linked = [dependency.file.path for dependency in self.dependencies if dependency.file]
        return [*(source.path for source in self.sources), self.library.path, *linked]


def plan_link(
    package: Package,
    libraries: Iterable[str] = (),
    library_folders: Iterable[Path] = (),
    trust: Trust = UNTRUSTED,
    option: str = "-l",
) -> LinkPlan:
    """Read and check the inputs of a conversion; ``option`` is the one by which the user added ``libraries``."""
    where = str(package.path or "")
    exports = tuple(name for name, function in package.functions.items() if not function.runtime)
    if not exports:
        raise PackageError("the package has no host functions", where=where)
    library = static_library(package, trust)
    for hat in package.hat_files:
        for index, name in enumerate(hat.dependencies.deploy_files):
            deployed = f"{hat.path}: dependencies.deploy_files[{index}]"
            confined(hat.folder.absolute(), name, deployed, allow_outside=trust.allow_outside)
    folders = [folder.absolute() for folder in library_folders]
    if missing := next((folder for folder in folders if not folder.is_dir()), None):
        raise LinkError("this folder of libraries does not exist", where=str(missing), hint="check -L")
    # Paths that the user gives may lie anywhere.
    own = msgspec.structs.replace(trust, allow_outside=True)
    plan = LinkPlan(
        package=package,
        library=library,
        exports=exports,
        sources=tuple(_source(hat, trust) for hat in package.hat_files),
        added=tuple(read_dependency(text, Path.cwd(), f"{option} {text}", own) for text in libraries),
        library_folders=tuple(folders),
        trust=trust,
    )
    for dependency in plan.dependencies:
        if dependency.file and not dependency.file.suits(plan.platform):
            raise LinkError(
                f"the dependency {dependency.text} is {dependency.file}, but the package is for {plan.platform}",
                where=where,
            )
    return plan


def package_library(package: Package, trust: Trust = UNTRUSTED) -> LibraryFile:
    """The library file of a package, of any kind; raises :class:`PackageError` if it has none or it is unreadable."""
    where = f"{package.path or ''}: dependencies.link_target"
    link_target = package.hat_files[0].dependencies.link_target
    if not link_target:
        raise PackageError("the package has no library", where=str(package.path or ""), hint="its link_target is empty")
    folder = package.hat_files[0].folder.absolute()
    return identify(confined(folder, link_target, where, allow_outside=trust.allow_outside))


def static_library(package: Package, trust: Trust = UNTRUSTED) -> LibraryFile:
    where = str(package.path or "")
    check_libraries(package)
    library = package_library(package, trust)
    if library.kind in (LibraryKind.DYNAMIC, LibraryKind.IMPORT):
        raise PackageError(
            f"the library {library.path.name} is already dynamic",
            where=where,
            hint="use the package as it is: a dynamic library cannot be split into objects",
        )
    if not library.is_static:
        raise PackageError(f"the library {library.path.name} is {library}, not a static library", where=where)
    for hat in package.hat_files:
        # The .hat file of a package's globals has no functions and may name any platform.
        required = required_platform(hat)
        if hat.functions and not library.suits(required):
            raise PackageError(
                f"the library {library.path.name} is {library}, but target.required is {required}",
                where=str(hat.path),
                hint="correct the metadata, or build the library for that platform",
            )
    return library


def platform_of(package: Package, library: LibraryFile) -> Platform:
    """The platform of a package: what its library's content shows, then what its metadata say, then this machine."""
    required = next((required_platform(hat) for hat in package.hat_files if hat.functions), Platform("", ""))
    host = Platform.host()
    architectures = library.architectures or {required.architecture or host.architecture}
    preferred = next((each for each in (required.architecture, host.architecture) if each in architectures), "")
    return Platform(os=required.os or library.os, architecture=preferred or min(architectures), abi=required.abi)


def required_platform(hat: HatFile) -> Platform:
    """The platform in ``target.required`` of a .hat file; missing parts are empty."""
    required = hat.target.required
    abi = required.auxiliary.get("abi", "")
    return Platform(
        os=normal_os(required.os),
        architecture=normal_architecture(required.cpu.architecture),
        abi=abi if isinstance(abi, str) else "",
    )


def _source(hat: HatFile, trust: Trust) -> HatSource:
    if hat.path is None:
        raise PackageError("only packages that were read from files can be linked")
    path = hat.path.absolute()
    text = read_text(path)
    dependencies = []
    for index, reference in enumerate(hat.dependencies.dynamic):
        if reference.target_file.strip():
            where = f"{hat.path}: dependencies.dynamic[{index}].target_file"
            dependencies.append(read_dependency(reference.target_file, hat.folder, where, trust))
    return HatSource(hat, path, text, tuple(dependencies))
