"""Linking the dynamic library of a static package: what goes in, what comes out, and the checks of both."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from hatframe.backends import Linker, SharedLibrary
from hatframe.binary.libraries import LibraryFile, LibraryKind, extract_objects, identify
from hatframe.binary.symbols import Symbols, read_symbols
from hatframe.c.headers import only_aliases
from hatframe.errors import LinkError, PackageError, SymbolError
from hatframe.format.model import HatFile
from hatframe.format.reading import read_text
from hatframe.machine import Platform, normal_architecture, normal_os
from hatframe.packages.confinement import confined
from hatframe.packages.dependencies import UNTRUSTED, Dependency, Trust, read_dependency
from hatframe.packages.package import Package

# A name goes into the linker's list of exports, where other characters have a meaning.
_SYMBOL = re.compile(r"[A-Za-z_.$][A-Za-z0-9_.$]*")


class HatSource(msgspec.Struct, frozen=True):
    """A .hat file with the text that is compiled, and what its own dependencies are."""

    hat: HatFile
    text: str
    dependencies: tuple[Dependency, ...]


class LinkPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All that goes into the library that a static package becomes, read and checked before anything is run."""

    package: Package
    library: LibraryFile
    headers: tuple[HatSource, ...]
    added: tuple[Dependency, ...]
    library_folders: tuple[Path, ...]

    @property
    def exports(self) -> tuple[str, ...]:
        """The functions that the library must define: those of a runtime are compiled by their loader."""
        return tuple(name for name, function in self.package.functions.items() if not function.runtime)

    @property
    def platform(self) -> Platform:
        """The platform of the package."""
        return platform_of(self.package, self.library)

    @property
    def dependencies(self) -> list[Dependency]:
        """The dependencies of all .hat files and those that were added, each once."""
        declared = [dependency for header in self.headers for dependency in header.dependencies]
        return list({dependency.text: dependency for dependency in (*declared, *self.added)}.values())

    @property
    def files(self) -> list[Path]:
        """Every file that it is made from."""
        linked = [dependency.file.path for dependency in self.dependencies if dependency.file]
        return [*(path_of(header.hat) for header in self.headers), self.library.path, *linked]


def plan_link(
    package: Package,
    libraries: Iterable[str] = (),
    library_folders: Iterable[Path] = (),
    trust: Trust = UNTRUSTED,
    option: str = "-l",
) -> LinkPlan:
    """Read all that goes into the library that ``package`` becomes.

    ``libraries`` are names, or paths of object files and libraries, which the user gave by ``option``;
    ``library_folders`` are where names are looked for. Raises :class:`PackageError` where the package has no library,
    or none that is static, of the platform that its metadata say, or one outside of its folder that ``trust`` does not
    take, and :class:`LinkError` for a dependency that cannot be linked.
    """
    where = str(package.path or "")
    if not any(not function.runtime for function in package.functions.values()):
        raise PackageError("it describes no functions of a library", where=where)
    library = static_library(package, trust)
    for hat in package.hat_files:
        for index, name in enumerate(hat.dependencies.deploy_files):
            deployed = f"{hat.path}: dependencies.deploy_files[{index}]"
            confined(hat.folder.absolute(), name, deployed, allow_outside=trust.allow_outside)
    folders = [folder.absolute() for folder in library_folders]
    for folder in folders:
        if not folder.is_dir():
            raise LinkError("there is no such folder of libraries", where=str(folder), hint="check -L")
    # What the user names is not the package's, and may lie anywhere.
    own = msgspec.structs.replace(trust, allow_outside=True)
    headers = tuple(
        HatSource(hat, read_text(path_of(hat)), tuple(_dependencies(hat, trust))) for hat in package.hat_files
    )
    plan = LinkPlan(
        package=package,
        library=library,
        headers=headers,
        added=tuple(read_dependency(text, Path.cwd(), f"{option} {text}", own) for text in libraries),
        library_folders=tuple(folders),
    )
    for dependency in plan.dependencies:
        if dependency.file and not dependency.file.suits(plan.platform):
            raise LinkError(
                f"the dependency {dependency.text} is {dependency.file}, and the package is for {plan.platform}",
                where=where,
            )
    return plan


def package_library(package: Package, trust: Trust = UNTRUSTED) -> LibraryFile:
    """The library file of a package, whatever its kind; :class:`PackageError` where it has none that can be read."""
    where = f"{package.path or ''}: dependencies.link_target"
    link_target = package.hat_files[0].dependencies.link_target
    if not link_target:
        raise PackageError("it has no library", where=str(package.path or ""), hint="its link_target is empty")
    folder = package.hat_files[0].folder.absolute()
    return identify(confined(folder, link_target, where, allow_outside=trust.allow_outside))


def static_library(package: Package, trust: Trust = UNTRUSTED) -> LibraryFile:
    """The static library, or the object file, of a package; :class:`PackageError` where it has none."""
    where = str(package.path or "")
    library = package_library(package, trust)
    if library.kind in (LibraryKind.DYNAMIC, LibraryKind.IMPORT):
        raise PackageError(
            f"its library {library.path.name} is dynamic already",
            where=where,
            hint="use it as it is; a dynamic library cannot be taken apart into objects",
        )
    if library.kind not in (LibraryKind.ARCHIVE, LibraryKind.OBJECT):
        raise PackageError(f"its library {library.path.name} is {library}, not a static library", where=where)
    for hat in package.hat_files:
        _check_platform(hat, library)
    return library


def platform_of(package: Package, library: LibraryFile) -> Platform:
    """The platform of a package's library: by its content, and by the metadata where that does not tell."""
    said = [said_platform(hat) for hat in package.hat_files if hat.functions]
    first = said[0] if said else Platform("", "")
    host = Platform.host()
    architectures = library.architectures or {first.architecture or host.architecture}
    preferred = next((each for each in (first.architecture, host.architecture) if each in architectures), "")
    return Platform(
        os=first.os or library.os,
        architecture=preferred or min(architectures),
        abi=first.abi,
    )


def said_platform(hat: HatFile) -> Platform:
    """The platform that a .hat file says it requires; what it does not say is empty."""
    required = hat.target.required
    abi = required.auxiliary.get("abi", "")
    return Platform(
        os=normal_os(required.os),
        architecture=normal_architecture(required.cpu.architecture),
        abi=abi if isinstance(abi, str) else "",
    )


def path_of(hat: HatFile) -> Path:
    """The absolute path of a .hat file; :class:`PackageError` for one that was not read from a file."""
    if hat.path is None:
        raise PackageError("a package is linked from its files: read it from one")
    return hat.path.absolute()


def _dependencies(hat: HatFile, trust: Trust) -> Iterable[Dependency]:
    for index, reference in enumerate(hat.dependencies.dynamic):
        if reference.target_file.strip():
            where = f"{hat.path}: dependencies.dynamic[{index}].target_file"
            yield read_dependency(reference.target_file, hat.folder, where, trust)


def _check_platform(hat: HatFile, library: LibraryFile) -> None:
    # The .hat file of a package's globals, which has no functions, may name any platform.
    said = said_platform(hat)
    if hat.functions and not library.suits(said):
        raise PackageError(
            f"the library {library.path.name} is {library}, but target.required says {said}",
            where=str(hat.path),
            hint="correct the metadata, or build the library for that platform",
        )


# ---------------------------------------------------------------------------------------------------- linking


def link(
    plan: LinkPlan,
    linker: Linker,
    output: Path,
    folder: Path,
    *,
    home: Path | None = None,
    import_library: Path | None = None,
) -> tuple[Symbols, tuple[str, ...]]:
    """Link the planned library to ``output``; gives its symbols, and the exports that the linker did not leave out.

    The whole library goes in, with what the .hat files define; the functions are exported. ``folder`` is for
    intermediate files, and ``home`` is where the library will lie, if with the files that it needs. Raises
    :class:`SymbolError` where the library does not define one of the functions, and :class:`LinkError` where the
    linker is for other platforms, fails, or does not export what it was told to.
    """
    where = str(plan.library.path)
    platform = plan.platform
    if not any(made.fits(platform) for made in linker.platforms()):
        made = ", ".join(sorted(map(str, linker.platforms()))) or "nothing here"
        raise LinkError(
            f"it is {plan.library}, but linker {linker.name} makes {made}",
            where=where,
            hint="choose another linker, or build the package for this machine",
        )
    dependencies = plan.dependencies
    own, archives = _own_objects(plan.library, folder)
    files = [dependency.file for dependency in dependencies if dependency.file]
    objects = [*own, *(file.path for file in files if file.kind is LibraryKind.OBJECT)]
    held = [file.path for file in files if file.kind is LibraryKind.ARCHIVE]
    symbols = [read_symbols(path) for path in (*archives, *objects, *held)]
    if _headers_needed(plan, symbols):
        with _naming(plan, folder):
            headers = _compile_headers(plan.headers, linker, platform, folder)
        symbols += [read_symbols(path) for path in headers]
        objects = [*headers, *objects]
    check_defined(plan, symbols)
    shared = SharedLibrary(
        output=output,
        platform=platform,
        objects=tuple(objects),
        archives=tuple(archives),
        exports=plan.exports,
        libraries=tuple(library for dependency in dependencies for library in dependency.libraries),
        library_folders=(
            *plan.library_folders,
            *(path for dependency in dependencies for path in dependency.folders),
        ),
        run_folders=run_folders(plan.library_folders, dependencies, home),
        flags=tuple(flag for dependency in dependencies for flag in dependency.flags),
        import_library=import_library,
    )
    with _naming(plan, folder):
        return link_checked(shared, linker, where)


def run_folders(
    library_folders: Sequence[Path], dependencies: Iterable[Dependency], home: Path | None
) -> tuple[Path, ...]:
    """Where a library looks for those that it needs: from ``home``, where it will lie, if they move along with it."""
    folders = [*library_folders]
    for dependency in dependencies:
        folders += (*dependency.folders, *dependency.run_folders)
    real = home and home.resolve()
    return tuple(
        folder.resolve().relative_to(real) if real and folder.resolve().is_relative_to(real) else folder.absolute()
        for folder in folders
    )


def link_checked(shared: SharedLibrary, linker: Linker, where: str) -> tuple[Symbols, tuple[str, ...]]:
    """Link a shared library, and look at what came out: its symbols, and the exports beyond those asked for.

    Raises :class:`LinkError` where it does not export all that it was to.
    """
    linker.link_shared(shared)
    linked = read_symbols(shared.output)
    if missing := [name for name in shared.exports if name not in linked.defined]:
        raise LinkError(
            f"{linker.name} linked the library, but it does not export {_listed(missing)}",
            where=where,
            hint="was it compiled as hidden (-fvisibility=hidden, a pragma), or as inline? "
            "hatframe build --function chooses what to export",
        )
    return linked, tuple(sorted(linked.defined - set(shared.exports)))


@contextlib.contextmanager
def _naming(plan: LinkPlan, folder: Path) -> Iterator[None]:
    """Name the package in the errors of a linker, which knows only intermediate files in ``folder``."""
    try:
        yield
    except LinkError as error:
        message = error.message.replace(f"{folder}{os.sep}", "")
        raise LinkError(message, where=str(plan.package.path), hint=error.hint) from None


def _own_objects(library: LibraryFile, folder: Path) -> tuple[list[Path], list[Path]]:
    """The objects and the archives that stand for the package's library."""
    if library.kind is LibraryKind.OBJECT:
        return [library.path], []
    if not library.others:
        return [], [library.path]
    # Linkers refuse to take all of an archive where a member is no object, such as a note on libraries.
    return extract_objects(library, folder / "members"), []


def _headers_needed(plan: LinkPlan, found: Sequence[Symbols]) -> bool:
    """Whether what the .hat files define may matter: the pointers to functions that most define do not.

    What is not compiled takes no time, and code that nobody needs is not even looked at by a compiler. ``found`` are
    the symbols of all files that are linked; what is known by name only cannot be looked into.
    """
    aliases = [only_aliases(header.text, path_of(header.hat).parent) for header in plan.headers]
    named = any(dependency.flags or (dependency.libraries and not dependency.file) for dependency in plan.dependencies)
    if named or None in aliases or not all(symbols.complete for symbols in found):
        return True
    defined = frozenset[str]().union(*(symbols.defined for symbols in found))
    used = defined.union(*(symbols.undefined | symbols.weak for symbols in found))
    return not defined.issuperset(plan.exports) or any(used & names for names in aliases if names)


def _compile_headers(headers: Sequence[HatSource], linker: Linker, platform: Platform, folder: Path) -> list[Path]:
    """Compile what the .hat files define, in one object: what several of them define is guarded in each."""
    defining = [header for header in headers if header.hat.declaration.code.strip()]
    if not defining:
        return []
    lines = []
    for index, header in enumerate(defining):
        # A copy, because a path may have characters that an #include cannot name.
        name = f"{index}/{re.sub(r'[^A-Za-z0-9_.-]', '_', path_of(header.hat).name)}"
        copy = folder / "headers" / name
        copy.parent.mkdir(parents=True)
        copy.write_bytes(header.text.encode("utf-8"))
        lines.append(f'#include "{name}"\n')
    source, compiled = folder / "headers" / "definitions.c", folder / "definitions.o"
    source.write_text("".join(lines), encoding="utf-8")
    # A header may include others of its folder.
    folders = list(dict.fromkeys(path_of(header.hat).parent for header in defining))
    linker.compile(source, compiled, platform=platform, include_folders=folders, flags=("-O2",))
    return [compiled]


def check_defined(plan: LinkPlan, found: Sequence[Symbols]) -> None:
    """Tell a function that nothing of what is linked defines before a linker does, in the words of the package."""
    if strange := [name for name in plan.exports if not _SYMBOL.fullmatch(name)]:
        raise SymbolError(f"{strange[0]!r} is no name of a C function", where=str(plan.package.path or ""))
    defined = frozenset[str]().union(*(symbols.defined for symbols in found))
    missing = [name for name in plan.exports if name not in defined]
    if missing and all(symbols.complete for symbols in found):
        close = difflib.get_close_matches(missing[0], defined, n=1)
        raise SymbolError(
            f"the library {plan.library.path.name} does not define {_listed(missing)}",
            where=str(plan.package.path or ""),
            hint=f"it has {close[0]}" if close else "is link_target the library of these functions?",
        )


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
