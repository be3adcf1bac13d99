"""The dynamic library of any package: its own, or one that is linked into the cache on first use."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from hatframe import __version__
from hatframe.backends import Linker
from hatframe.binary.libraries import LibraryFile, LibraryKind, content_digest, identify, import_target
from hatframe.converting.plan import LinkPlan, package_library, plan_link
from hatframe.errors import CompileError, LinkError, PackageError, TargetError
from hatframe.machine import Platform
from hatframe.packages.confinement import confined
from hatframe.packages.dependencies import UNTRUSTED, Trust
from hatframe.packages.package import Package
from hatframe.packages.store import KEY, Bucket, cached_file

_log = logging.getLogger(__name__)

LIBRARIES = Bucket(name="libraries", summary="dynamic libraries linked from static packages", pattern=KEY)


def cached_dynamic_library(
    package: Package, linker: Callable[[], Linker], folder: Path, trust: Trust = UNTRUSTED
) -> Path:
    """The path of the dynamic library of ``package``, for this machine.

    A static package is linked into ``folder``, unless that has a library of the same content by the same linker.
    """
    library = loaded_library(package, trust)
    host = Platform.host()
    if not library.suits(host):
        raise TargetError(
            f"this file is {library}, but this machine is {host}",
            where=str(library.path),
            hint="build the package for this machine",
        )
    if library.kind is LibraryKind.DYNAMIC:
        return library.path
    from hatframe.converting.linking import link
    from hatframe.toolchain.tool import TIME_LIMIT, private_folder

    plan = plan_link(package, trust=trust)
    chosen = linker()

    def make() -> bytes:
        with private_folder() as temporary:
            output = temporary / name
            try:
                link(plan, chosen, output, temporary)
            except CompileError:
                raise
            except LinkError as error:
                raise LinkError(
                    error.message,
                    where=error.where or str(package.path),
                    hint=f"{error.hint or 'convert the package'}; hatframe to-dynamic accepts libraries and flags",
                ) from None
            _log.info("linked %s with %s into the cache", package.path, chosen.name)
            return output.read_bytes()

    name = library.dynamic_name(library.path.stem.removeprefix("lib"))
    try:
        # A second process waits while the first links.
        return cached_file(folder, _parts(plan, chosen), name, make, timeout=2 * TIME_LIMIT)
    except OSError as error:
        raise LinkError(
            f"cannot write the cache: {error.strerror or error}",
            where=str(folder),
            hint="set HATFRAME_CACHE_DIR to a writable folder",
        ) from None


def loaded_library(package: Package, trust: Trust = UNTRUSTED) -> LibraryFile:
    """The library file that is loaded, for any machine: the DLL of an import library.

    Raises :class:`PackageError` if the package has none, it cannot be read, or it is a program.
    """
    library = package_library(package, trust)
    if library.kind is LibraryKind.IMPORT:
        library = _deployed(package, library, trust)
    if library.kind is LibraryKind.EXECUTABLE:
        raise PackageError(f"this file is {library}, not a library", where=str(library.path))
    return library


def _deployed(package: Package, library: LibraryFile, trust: Trust) -> LibraryFile:
    target = import_target(library.path).lower()
    for hat in package.hat_files:
        for index, name in enumerate(hat.dependencies.deploy_files):
            if PurePosixPath(name).name.lower() == target:
                where = f"{hat.path}: dependencies.deploy_files[{index}]"
                return identify(confined(hat.folder.absolute(), name, where, allow_outside=trust.allow_outside))
    raise PackageError(
        f"the package has the import library {library.path.name}, but not its {target or 'DLL'}",
        where=str(package.path or ""),
        hint="add the DLL to dependencies.deploy_files",
    )


def _parts(plan: LinkPlan, linker: Linker) -> list[bytes]:
    """What decides the library."""
    # Only the C code of a .hat file counts: results that are stored in it do not change the library.
    texts = [source.hat.declaration.code for source in plan.sources]
    dependencies = [dependency.text for dependency in plan.dependencies]
    given = (__version__, linker.name, linker.version(), *texts, "", *plan.exports, "", *dependencies, "")
    parts = [text.encode("utf-8", "surrogateescape") for text in given]
    # The C code may include headers beside it.
    beside = {path for source in plan.sources for path in source.path.parent.glob("*.h") if path.is_file()}
    for path in (*plan.files[len(texts) :], *sorted(beside)):
        # Paths count because the linked library names those of its dependencies.
        parts += (os.fsencode(path), content_digest(path))
    return parts
