"""Turning a static package into a dynamic one: the metadata keep all that is still true."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hatframe.backends import Linker
from hatframe.binary.libraries import LibraryFile
from hatframe.converting.conversion import Made, convert
from hatframe.converting.plan import link, plan_link
from hatframe.outcomes import Converted
from hatframe.packages.dependencies import UNTRUSTED, Trust, statically_linked
from hatframe.packages.package import Package


def dynamic_names(library: LibraryFile, stem: str) -> list[str]:
    """The names of the files of a dynamic library: what programs link with, and what is deployed beside them.

    An import library has two suffixes, so that it never takes the name of the static library.
    """
    name = f"{stem}{library.dynamic_suffix}"
    return [f"{name}.lib", name] if library.os == "windows" else [name]


def to_dynamic(
    package: Package,
    output: Path,
    *,
    linker: Linker,
    libraries: Sequence[str] = (),
    library_folders: Sequence[Path] = (),
    trust: Trust = UNTRUSTED,
) -> Converted:
    """Convert a static package to a dynamic one.

    The first .hat file becomes ``output``, or the file of the same name in it where ``output`` is a folder;
    others keep their names beside it, and the library has the name of ``output`` with the platform's suffix.
    Each of them appears whole, and none where linking fails: then what was there before stays.

    A new .hat file is the old one byte for byte, except for

    - ``dependencies.link_target``, and for Windows ``deploy_files``: programs link with the import library, and the
      DLL is deployed beside them;
    - the ``dependencies.dynamic`` that are in the library now (object files, static libraries, and what the
      library does not need at run time); paths that stay are relative to the new place;
    - ``dependencies.auxiliary``, where tools name the old libraries, and the durations that were stored in
      the ``auxiliary`` of functions, for they were measured of the old one. What else ``auxiliary`` tables
      tell of the functions, such as the parameters that they were made with, stays.

    Other files that metadata name beside the library (``deploy_files``, ``provider``) are not copied.

    Parameters
    ----------
    libraries
        What to link beside the declared dependencies: names (``m``), or paths of objects and libraries.
    library_folders
        Where libraries are looked for by name, now and when the library is loaded.
    trust
        What the metadata may do beyond what is safe.

    Raises
    ------
    UsageError
        ``output`` is no name for a .hat file, or an input would be overwritten.
    PackageError, SymbolError, LinkError
        As :func:`hatframe.converting.plan.plan_link` and :func:`hatframe.converting.plan.link` say, and where the
        files cannot be written. Nothing has changed then.
    """
    plan = plan_link(package, libraries, library_folders, trust)
    home = output.absolute() if output.is_dir() else output.absolute().parent

    def make(folder: Path, names: Sequence[str]) -> Made:
        made = {name: folder / "linked" / name for name in names}
        (folder / "linked").mkdir()
        import_library = made[names[0]] if len(names) > 1 else None
        linked, extra = link(plan, linker, made[names[-1]], folder, home=home, import_library=import_library)
        return Made(
            libraries=made, gone=frozenset(statically_linked(plan.dependencies, linked.needed)), extra_exports=extra
        )

    return convert(plan, output, linker.name, lambda stem: dynamic_names(plan.library, stem), make)
