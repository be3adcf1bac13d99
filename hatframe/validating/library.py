"""The library of a package against its metadata: kind, platform and symbols."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from hatframe.binary.libraries import LibraryFile, LibraryKind, identify
from hatframe.binary.resolution import process_libraries
from hatframe.binary.symbols import Symbols, read_symbols
from hatframe.c.headers import only_aliases
from hatframe.converting.cached import loaded_library
from hatframe.converting.header_code import check_assembler, check_includes
from hatframe.converting.plan import platform_of, required_platform
from hatframe.errors import HatError, OutsideError, PackageError
from hatframe.format.model import HatFile
from hatframe.format.positions import Keys
from hatframe.format.rendering import bare_code
from hatframe.machine import Platform
from hatframe.packages.confinement import is_flag
from hatframe.packages.dependencies import Dependency, read_dependency
from hatframe.packages.package import Package
from hatframe.toolchain.undefined import known_library, undefined_symbols
from hatframe.validating.needs import check_needs
from hatframe.validating.report import Report

_LINK_TARGET: Keys = ("dependencies", "link_target")
_KINDS = {
    ".o": ("an object file", {LibraryKind.OBJECT}),
    ".obj": ("an object file", {LibraryKind.OBJECT}),
    ".a": ("a static library", {LibraryKind.ARCHIVE, LibraryKind.IMPORT}),
    ".lib": ("a static or import library", {LibraryKind.ARCHIVE, LibraryKind.IMPORT}),
    ".so": ("a dynamic library", {LibraryKind.DYNAMIC}),
    ".dylib": ("a dynamic library", {LibraryKind.DYNAMIC}),
    ".dll": ("a dynamic library", {LibraryKind.DYNAMIC}),
}
"""What the suffixes of libraries say."""

# Reading each may take a second.
_MOST_DEPENDENCIES = 100
_PAIR_HINT = "check that the .hat file and the library belong together"
# Without them, these would be undefined everywhere; the C library of most systems has them.
_IN_C_LIBRARY = ("threads", "dynamic loading", "real-time functions")


def check_library(report: Report, hat: HatFile, defined: Collection[str]) -> LibraryFile | None:
    """Check the library of the host functions; ``defined`` are those that the C code defines.

    Returns the library, or None if it cannot be read.
    """
    package = Package([hat])
    try:
        library = loaded_library(package)
        symbols = read_symbols(library.path)
        if symbols.is_program:
            raise PackageError("this file is a program, not a library", where=str(library.path))
    except OutsideError:
        return None  # reported with the paths
    except HatError as error:
        report.error(_LINK_TARGET, f"{hat.dependencies.link_target}: {error.message}", error.hint)
        return None
    _check_kind(report, hat)
    required = required_platform(hat)
    if not library.suits(required):
        report.error(
            ("target", "required"),
            f"the library {library.path.name} is {library}, but target.required is {required}",
            "correct the metadata, or build the library for that platform",
        )
    if library.kind is LibraryKind.DYNAMIC:
        _check_exports(report, hat, symbols)
        check_needs(report, hat, library, symbols)
    else:
        _check_static(report, hat, library, symbols, defined)
        _check_compiled(report, hat)
    return library


def _check_kind(report: Report, hat: HatFile) -> None:
    target = hat.library
    assert target is not None
    named, kinds = _KINDS.get(target.suffix.lower(), ("", set()))
    library = identify(target)
    if kinds and library.kind not in kinds:
        report.warn(_LINK_TARGET, f"{target.name} has the suffix of {named}, but it is {library}", "rename it")


def _check_exports(report: Report, hat: HatFile, symbols: Symbols) -> None:
    for name, function in hat.functions.items():
        if not function.runtime and name not in symbols.defined:
            report.error(("functions", name), f"the library does not export {name}", _PAIR_HINT)


def _check_static(
    report: Report, hat: HatFile, library: LibraryFile, symbols: Symbols, defined: Collection[str]
) -> None:
    dependencies = list(_dependencies(report, hat, library))
    linked = [symbols, *(defining for _, defining in dependencies)]
    found = frozenset(defined).union(*(each.defined for each in linked))
    if not all(each.complete for each in linked):
        return
    for name, function in hat.functions.items():
        if not function.runtime and name not in found:
            hint = "is link_target the library of these functions?"
            report.error(("functions", name), f"the library {library.path.name} does not define {name}", hint)
    # What libraries define that are given by name is unknown here.
    if any(each.flags or (each.libraries and not (each.file and each.file.is_static)) for each, _ in dependencies):
        return
    undefined = frozenset[str]().union(*(each.undefined for each in linked)) - found
    if missing := sorted(_beyond_system(undefined, library)):
        error = undefined_symbols(missing)
        report.warn(_LINK_TARGET, f"{error.message} in {library.path.name}", error.hint)


def _check_compiled(report: Report, hat: HatFile) -> None:
    """Check C code that linking compiles, for what is refused in code of unknown origin."""
    if hat.path is None or only_aliases(report.text, hat.folder) is not None:
        return
    try:
        check_includes(report.text, hat.path.absolute())
        check_assembler(bare_code(hat.declaration.code), [], "")
    except HatError as error:
        report.warn(("declaration", "code"), error.message, error.hint)


def _beyond_system(undefined: Collection[str], library: LibraryFile) -> Iterator[str]:
    """The symbols that neither the C library nor the compiler's own library defines."""
    system: frozenset[str] = frozenset()
    is_known = False
    host = Platform.host()
    if undefined and host.os == "linux" and library.suits(host):
        libraries = process_libraries()
        system = system.union(*(each.symbols.defined for each in libraries))
        is_known = any(each.symbols.name.startswith("libm.") for each in libraries)
    for name in undefined:
        if name in system:
            continue
        meaning = known_library(name)
        # Names of the compiler's library begin so: __popcountdi2.
        if not meaning.startswith(_IN_C_LIBRARY) if meaning else is_known and not name.startswith("_"):
            yield name


def _dependencies(report: Report, hat: HatFile, library: LibraryFile) -> Iterator[tuple[Dependency, Symbols]]:
    """What linking needs, with the symbols of objects and archives; reports what the linker cannot use."""
    platform = platform_of(Package([hat]), library)
    for index, reference in enumerate(hat.dependencies.dynamic[:_MOST_DEPENDENCIES]):
        text = reference.target_file.strip()
        where = ("dependencies", "dynamic", index, "target_file")
        if not text:
            continue
        try:
            dependency = read_dependency(text, hat.folder, "")
            file = dependency.file
            symbols = read_symbols(file.path) if file and file.is_static else Symbols()
        except HatError as error:
            # The user may allow flags, and files outside the folder.
            may_be_allowed = is_flag(text) or isinstance(error, OutsideError)
            (report.warn if may_be_allowed else report.error)(where, error.message, error.hint)
            continue
        if dependency.file and not dependency.file.suits(platform):
            report.error(where, f"the dependency {text} is {dependency.file}, but the package is for {platform}")
        yield dependency, symbols
