"""Which library a .hat file was written with: its digest is in the file, so that files of two builds are noticed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hatframe.errors import PackageError
from hatframe.files import sha256_of
from hatframe.format.model import HatFile
from hatframe.packages.package import Package

KEY = "sha256"
"""The key in ``dependencies.auxiliary``: a table of the SHA-256 of each library file, by its name."""

HINT = (
    "build or convert the package again; if another tool changed the library on purpose, such as strip, remove "
    "dependencies.auxiliary.sha256 from the .hat file"
)


def digests(libraries: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
    """The ``dependencies.auxiliary`` of a .hat file that is written with library files of these contents."""
    import hashlib

    return {KEY: {name: hashlib.sha256(content).hexdigest() for name, content in libraries.items()}}


def changed_libraries(hat: HatFile) -> list[str]:
    """The library files beside a .hat file that are not those that it was written with."""
    known: Any = hat.dependencies.auxiliary.get(KEY)
    if not isinstance(known, dict):
        return []
    named = {hat.dependencies.link_target, *hat.dependencies.deploy_files}
    return [
        name
        for name, digest in known.items()
        if name in named and (path := hat.folder / name).is_file() and sha256_of(path) != digest
    ]


def check_libraries(package: Package) -> None:
    """Raise :class:`PackageError` if a library is not the one that the metadata were written with."""
    for hat in package.hat_files:
        for name in changed_libraries(hat):
            raise PackageError(
                f"{name} is not the library that this file was written with", where=str(hat.path), hint=HINT
            )
