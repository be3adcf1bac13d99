"""Converting a static package to a dynamic one: the metadata keep all that remains true."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hatframe.backends import Linker
from hatframe.binary.libraries import LibraryFile
from hatframe.converting.conversion import Made, convert
from hatframe.converting.linking import link
from hatframe.converting.plan import plan_link
from hatframe.outcomes import Converted
from hatframe.packages.dependencies import UNTRUSTED, Trust, statically_linked
from hatframe.packages.package import Package


def dynamic_names(library: LibraryFile, stem: str) -> list[str]:
    """The file names of a dynamic library: the file to link with, and the file to deploy if that is another.

    An import library has two suffixes, so that it never replaces a static library.
    """
    name = library.dynamic_name(stem)
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

    The first .hat file becomes ``output``, or a file of the same name in it if it is a folder. Other .hat files keep
    their names beside it, and the library is named after ``output`` as the platform does. If linking fails,
    nothing is written and existing files stay.

    A new .hat file is a copy of the old one except for its ``dependencies`` and the durations in the ``auxiliary`` of
    functions, which were measured with the old library. Programs link with ``link_target``, and for Windows need
    the DLL of ``deploy_files`` beside them. ``dynamic`` loses what the library includes or does not need at run time,
    and other paths in it become relative to the new folder. ``auxiliary``, which names the old libraries, is left out.

    Other files that the metadata name (``deploy_files``, ``provider``) are not copied. ``libraries`` are linked beside
    the declared dependencies; both the linker and the new library look for libraries in ``library_folders``.
    """
    plan = plan_link(package, libraries, library_folders, trust)
    home = output.absolute() if output.is_dir() else output.absolute().parent

    def make(linker: Linker, folder: Path, names: Sequence[str]) -> Made:
        made = {name: folder / name for name in names}
        import_library = made[names[0]] if len(names) > 1 else None
        linked, extra = link(plan, linker, made[names[-1]], folder, home=home, import_library=import_library)
        included = statically_linked(plan.dependencies, linked.needed)
        return Made(libraries=made, included=frozenset(included), extra_exports=extra)

    return convert(plan, output, linker, lambda stem: dynamic_names(plan.library, stem), make)
