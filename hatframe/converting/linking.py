"""Linking the dynamic library of a static package, and checking what came out."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from hatframe.backends import Linker, SharedLibrary
from hatframe.binary.libraries import LibraryKind, extract_objects
from hatframe.binary.symbols import Symbols, read_symbols
from hatframe.c.headers import only_aliases
from hatframe.converting.header_code import check_assembler, check_includes
from hatframe.converting.plan import LinkPlan
from hatframe.errors import CompileError, LinkError, SymbolError, listed
from hatframe.machine import Platform
from hatframe.packages.dependencies import Dependency
from hatframe.toolchain.linker import in_job
from hatframe.toolchain.tool import Job

# Other characters have a meaning in the linker's list of exports.
_SYMBOL = re.compile(r"[A-Za-z_.$][A-Za-z0-9_.$]*")


def link(
    plan: LinkPlan,
    linker: Linker,
    output: Path,
    folder: Path,
    *,
    home: Path | None = None,
    import_library: Path | None = None,
) -> tuple[Symbols, tuple[str, ...]]:
    """Link the whole library of a package, with the definitions of its .hat files, and export its functions.

    Intermediate files go to ``folder``. ``home`` is the final folder of the library, if the files that it needs move
    with it. Returns the symbols of the library, and those that it exports beside the functions.
    """
    where = str(plan.library.path)
    platform = plan.platform
    if not any(target.fits(platform) for target in linker.platforms()):
        targets = ", ".join(sorted(map(str, linker.platforms()))) or "no platform here"
        raise LinkError(
            f"the library is {plan.library}, but linker {linker.name} supports {targets}",
            where=where,
            hint="choose another linker, or build the package for this machine",
        )
    dependencies = plan.dependencies
    archives: list[Path] = []
    if plan.library.kind is LibraryKind.OBJECT:
        objects = [plan.library.path]
    elif plan.library.others:
        # Linkers refuse whole archives with members that are not objects, such as notes about libraries.
        objects = extract_objects(plan.library, folder / "members")
    else:
        objects, archives = [], [plan.library.path]
    files = [dependency.file for dependency in dependencies if dependency.file]
    objects += [file.path for file in files if file.kind is LibraryKind.OBJECT]
    symbols = [read_symbols(path) for path in (*archives, *objects)]
    symbols += [read_symbols(file.path) for file in files if file.kind is LibraryKind.ARCHIVE]
    try:
        if _definitions_needed(plan, symbols) and (definitions := _compile_definitions(plan, linker, platform, folder)):
            objects.insert(0, definitions)
            if not _defined(symbols).issuperset(plan.exports):
                symbols.append(read_symbols(definitions))
        check_defined(plan, symbols)
        shared = SharedLibrary(
            output=output,
            platform=platform,
            objects=tuple(objects),
            archives=tuple(archives),
            exports=plan.exports,
            libraries=tuple(library for dependency in dependencies for library in dependency.libraries),
            library_folders=(*plan.library_folders, *(path for each in dependencies for path in each.folders)),
            run_folders=run_folders(plan.library_folders, dependencies, home),
            flags=tuple(flag for dependency in dependencies for flag in dependency.flags),
            import_library=import_library,
        )
        return link_checked(shared, linker)
    except LinkError as error:
        # The linker knows only intermediate files.
        message = error.message.replace(f"{folder}{os.sep}", "")
        raise type(error)(message, where=str(plan.package.path), hint=error.hint) from None


def link_checked(shared: SharedLibrary, linker: Linker, where: str = "") -> tuple[Symbols, tuple[str, ...]]:
    """Link a shared library and check its exports; returns its symbols, and the exports that were not requested."""
    linker.link_shared(shared)
    linked = read_symbols(shared.output)
    if missing := [name for name in shared.exports if name not in linked.defined]:
        raise LinkError(
            f"{linker.name} linked the library, but it does not export {listed(missing)}",
            where=where,
            hint="are they hidden (-fvisibility=hidden, a pragma) or inline? "
            "hatframe build --functions chooses what to export",
        )
    return linked, tuple(sorted(linked.defined - set(shared.exports)))


def check_defined(plan: LinkPlan, found: Sequence[Symbols]) -> None:
    """Raise :class:`SymbolError` for a function that no input defines, before a linker fails without naming it."""
    where = str(plan.package.path or "")
    if invalid := next((name for name in plan.exports if not _SYMBOL.fullmatch(name)), None):
        raise SymbolError(f"{invalid!r} is not a valid name of a C function", where=where)
    defined = _defined(found)
    missing = [name for name in plan.exports if name not in defined]
    if missing and all(symbols.complete for symbols in found):
        close = difflib.get_close_matches(missing[0], defined, n=1)
        raise SymbolError(
            f"the library {plan.library.path.name} does not define {listed(missing)}",
            where=where,
            hint=f"did you mean {close[0]}?" if close else "is link_target the library of these functions?",
        )


def run_folders(
    library_folders: Sequence[Path], dependencies: Iterable[Dependency], home: Path | None
) -> tuple[Path, ...]:
    """Where a library looks for its dependencies: relative to ``home``, its folder, for those that move with it."""
    folders = [*library_folders]
    for dependency in dependencies:
        folders += (*dependency.folders, *dependency.run_folders)
    real = home and home.resolve()
    return tuple(
        folder.resolve().relative_to(real) if real and folder.resolve().is_relative_to(real) else folder.absolute()
        for folder in folders
    )


def _definitions_needed(plan: LinkPlan, found: Sequence[Symbols]) -> bool:
    """Whether to compile the .hat files: most define only pointers to functions, which no library uses."""
    # What a dependency by name uses is unknown.
    by_name = any(each.flags or (each.libraries and not each.file) for each in plan.dependencies)
    if by_name or not all(symbols.complete for symbols in found):
        return True
    defined = _defined(found)
    if not defined.issuperset(plan.exports):
        return True
    used = defined.union(*(symbols.undefined | symbols.weak for symbols in found))
    aliases = (only_aliases(source.text, source.path.parent) for source in plan.sources)
    return any(names is None or used & names for names in aliases)


def _compile_definitions(plan: LinkPlan, linker: Linker, platform: Platform, folder: Path) -> Path | None:
    """Compile all .hat files to one object, since definitions that several of them share are guarded in each."""
    defining = [source for source in plan.sources if source.hat.declaration.code.strip()]
    if not defining:
        return None
    includes = []
    for index, source in enumerate(defining):
        if not plan.trust.allow_outside:
            check_includes(source.text, source.path)
        # A copy, because #include cannot name all paths.
        copy = folder / f"{index}-{re.sub(r'[^A-Za-z0-9_.-]', '_', source.path.name)}"
        copy.write_bytes(source.text.encode("utf-8"))
        includes.append(f'#include "{copy.name}"\n')
    source_file, compiled = folder / "definitions.c", folder / "definitions.o"
    source_file.write_text("".join(includes), encoding="utf-8")
    # A .hat file may include others of its folder.
    folders = list(dict.fromkeys(source.path.parent for source in defining))
    job = Job()
    linker = in_job(linker, job)

    def check() -> None:
        code = linker.preprocess(source_file, platform=platform, include_folders=folders)
        check_assembler(code, [folder, *folders], str(plan.package.path))

    def compile_() -> None:
        linker.compile(source_file, compiled, platform=platform, include_folders=folders, flags=("-O2",))

    try:
        # What is compiled meanwhile is dropped, and its compiler killed, if the check fails.
        job.map(lambda work: work(), [compile_] if plan.trust.allow_outside else [check, compile_])
    except LinkError as error:
        # The hints of the compiler are for sources of the user's, such as to give the folder of a header.
        hint = "correct declaration.code, and put the headers that it includes beside the .hat file"
        raise CompileError(error.message, where=error.where, hint=hint) from None
    return compiled


def _defined(found: Iterable[Symbols]) -> frozenset[str]:
    return frozenset[str]().union(*(symbols.defined for symbols in found))
