"""The dynamic library of any package: its own, or one that is linked into the cache on first use."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from hatframe import __version__, files
from hatframe.backends import Linker
from hatframe.binary.libraries import LibraryFile, LibraryKind, content_digest, identify, import_target
from hatframe.converting.plan import LinkPlan, link, package_library, path_of, plan_link
from hatframe.errors import LinkError, PackageError, TargetError
from hatframe.machine import Platform
from hatframe.packages.confinement import confined
from hatframe.packages.dependencies import UNTRUSTED, Trust
from hatframe.packages.package import Package
from hatframe.packages.store import KEY, Bucket
from hatframe.toolchain.tool import TIME_LIMIT, private_folder

_log = logging.getLogger(__name__)

LIBRARIES = Bucket(name="libraries", summary="dynamic libraries linked from static packages", pattern=KEY)


def cached_dynamic_library(
    package: Package,
    linker: Callable[[], Linker],
    folder: Path,
    trust: Trust = UNTRUSTED,
) -> Path:
    """The path of the dynamic library of ``package``, which exists and is one for this machine.

    A static package is linked into ``folder`` by the linker that ``linker`` gives; a library that was made
    there from the same content by the same linker is used again. Two processes that need it at once link it
    once.

    Raises :class:`PackageError` where the package has no library or none that can be used, or one outside of its
    folder that ``trust`` does not take, :class:`TargetError` where it is for another platform, and as
    :func:`hatframe.converting.plan.link`.
    """
    library = package_library(package, trust)
    _check_host(library)
    if library.kind is LibraryKind.IMPORT:
        library = _deployed(package, library, trust)
        _check_host(library)
    if library.kind is LibraryKind.DYNAMIC:
        return library.path
    plan = plan_link(package, trust=trust)
    chosen = linker()
    path = folder / _key(plan, chosen) / f"{library.path.stem}{library.dynamic_suffix}"
    # Whoever comes second waits while the first links.
    with files.locked(path.parent, timeout=2 * TIME_LIMIT):
        if not _is_made(path):
            try:
                _link_into(path, plan, chosen)
            except LinkError as error:
                raise LinkError(
                    error.message,
                    where=error.where or str(package.path),
                    hint=f"{error.hint or 'convert it yourself'}; hatframe to-dynamic takes such options and files",
                ) from None
            _log.info("linked %s with %s into the cache", package.path, chosen.name)
    return path


def _link_into(path: Path, plan: LinkPlan, linker: Linker) -> None:
    with private_folder() as temporary:
        output = temporary / path.name
        link(plan, linker, output, temporary)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_atomically(path, output.read_bytes())
        except OSError as error:
            raise LinkError(
                f"the cache cannot be written: {error.strerror or error}",
                where=str(path.parent),
                hint="set HATFRAME_CACHE_DIR to a folder that can be written",
            ) from None


def _is_made(path: Path) -> bool:
    try:
        return identify(path).kind is LibraryKind.DYNAMIC
    except PackageError:
        return False


def _deployed(package: Package, library: LibraryFile, trust: Trust) -> LibraryFile:
    """The DLL that the import library of a package stands for: it is among the files to deploy."""
    target = import_target(library.path).lower()
    for hat in package.hat_files:
        for index, name in enumerate(hat.dependencies.deploy_files):
            if PurePosixPath(name).name.lower() == target:
                where = f"{hat.path}: dependencies.deploy_files[{index}]"
                return identify(confined(hat.folder.absolute(), name, where, allow_outside=trust.allow_outside))
    raise PackageError(
        f"it names the import library {library.path.name}, and not the {target or 'DLL'} that it is for",
        where=str(package.path or ""),
        hint="name the DLL in dependencies.deploy_files",
    )


def _check_host(library: LibraryFile) -> None:
    host = Platform.host()
    if library.kind is LibraryKind.EXECUTABLE:
        raise PackageError(f"this is {library}, not a library", where=str(library.path))
    if not library.suits(host):
        raise TargetError(
            f"this is {library}, and this machine is {host}",
            where=str(library.path),
            hint="build the package for this machine",
        )


def _key(plan: LinkPlan, linker: Linker) -> str:
    """A name for what comes out: a digest of all that goes in."""
    digest = hashlib.sha256()
    # Of a .hat file the C code counts: results that are stored in it make no other library.
    texts = [header.hat.declaration.code for header in plan.headers]
    dependencies = [dependency.text for dependency in plan.dependencies]
    for text in (__version__, linker.name, linker.version(), *texts, "", *plan.exports, "", *dependencies, ""):
        digest.update(text.encode("utf-8", "surrogateescape") + b"\0")
    # What lies beside a .hat file may be included by it.
    beside = {path for header in plan.headers for path in path_of(header.hat).parent.glob("*.h") if path.is_file()}
    for path in (*plan.files[len(texts) :], *sorted(beside)):
        # The path counts too: where a dynamic library lies is told to the one that needs it.
        digest.update(os.fsencode(path) + b"\0" + content_digest(path))
    return digest.hexdigest()[:32]
