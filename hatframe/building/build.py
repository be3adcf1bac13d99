"""Building a package from C: compile the sources, link them, and describe the functions that they define."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from pathlib import Path

from hatframe.backends import Linker, SharedLibrary
from hatframe.binary.libraries import LibraryKind, identify
from hatframe.building.comments import fail
from hatframe.building.compiling import Compiler, check_flags, check_sources, with_absolute_paths
from hatframe.building.describing import FunctionDefinition, ParsedSource, combine, package_description
from hatframe.building.metadata import built_document, reference_table, target_table
from hatframe.converting.conversion import check_not_inputs, output_hat, write_package
from hatframe.converting.linking import link_checked, run_folders
from hatframe.converting.to_dynamic import dynamic_names
from hatframe.converting.to_static import objects_of
from hatframe.errors import FormatError, HatError, LinkError, PackageError, UsageError, listed
from hatframe.format.names import matching
from hatframe.format.reading import read_hat
from hatframe.format.rendering import render_hat
from hatframe.format.signatures import unnamed_signature
from hatframe.machine import Platform
from hatframe.outcomes import Built, Converted, UnsupportedFunction
from hatframe.packages.dependencies import KNOWN_FLAGS, Trust, read_dependency, statically_linked
from hatframe.packages.pairing import digests
from hatframe.packages.stored import stored_mean
from hatframe.toolchain.compiled_for import compiled_for
from hatframe.toolchain.linker import in_job
from hatframe.toolchain.tool import Job, private_folder

# Flags of the compiler that the linker needs too: they choose libraries, or code that is generated while linking.
_LINKER_FLAGS = ("-fopenmp", "/openmp", "-pthread", "-flto", "-fsanitize", "-fuse-ld", "-static-", "--sysroot", "-Wl,")


def build(
    sources: Sequence[Path],
    output: Path,
    *,
    linker: Linker,
    platform: Platform,
    functions: Sequence[str] = (),
    static: bool = False,
    optimize: int = 3,
    processor: str = "",
    cflags: Sequence[str] = (),
    include: Sequence[Path] = (),
    library: Sequence[str] = (),
    library_folder: Sequence[Path] = (),
    strict: bool = False,
) -> Built:
    """Build a package from C files, as :meth:`hatframe.Kernel.build` describes; a failed build writes nothing."""
    hat = output_hat(output, f"{sources[0].stem}.hat")
    home = hat.parent
    sources = check_sources(sources)
    check_flags(cflags)
    job = Job()
    linker = in_job(linker, job)
    flags = (*linker.optimization(optimize, processor, platform), *cflags)
    compiler = Compiler(linker, platform, with_absolute_paths(flags), include)
    parsed = job.map(compiler.parse, sources)
    contents = combine(parsed)
    definitions, unsupported = _select(contents, functions)
    _check_same_as(definitions)
    if strict and unsupported:
        reasons = "; ".join(f"{each.name} ({each.file}:{each.line}): {each.reason}" for each in unsupported)
        hint = "describe them in comments, or leave them out on purpose with @hat skip"
        raise PackageError(f"cannot describe {reasons}", where=str(hat), hint=hint)
    exports = [definition.function.name for definition in definitions]
    # Some flags of the compiler stand for libraries that the code then needs.
    texts = dict.fromkeys((*library, *(flag for flag in cflags if flag in KNOWN_FLAGS)))
    dependencies = [read_dependency(text, Path.cwd(), f"-l {text}", Trust(allow_outside=True)) for text in texts]
    target = compiled_for(linker, platform, compiler.flags, include)
    with private_folder() as folder:
        folders = [folder / str(index) for index in range(len(sources))]
        objects = job.map(lambda each: compiler.compile(*each), list(zip(sources, parsed, folders, strict=True)))
        names = _library_names(objects[0], hat.stem, static, platform)
        linked_files = [item.file for item in dependencies if item.file]
        inputs = [*sources, *(file.path for file in linked_files)]
        check_not_inputs([hat, *(home / name for name in names)], inputs)
        made = [folder / name for name in names]
        extra_exports: tuple[str, ...] = ()
        if static:
            merged = [file for file in linked_files if file.kind is not LibraryKind.DYNAMIC]
            objects += objects_of(merged, folder / "libraries")
            linker.archive(objects, made[0], platform=platform)
            included = {item.text for item in dependencies if item.file in merged}
        else:
            shared = SharedLibrary(
                output=made[-1],
                import_library=made[0] if len(made) > 1 else None,
                platform=platform,
                objects=(*objects, *(file.path for file in linked_files if file.kind is LibraryKind.OBJECT)),
                exports=tuple(exports),
                libraries=tuple(name for item in dependencies for name in item.libraries),
                library_folders=(
                    *(folder.absolute() for folder in library_folder),
                    *(folder for item in dependencies for folder in item.folders),
                ),
                run_folders=run_folders(library_folder, dependencies, home),
                flags=(
                    *("-fopenmp" if flag == "/openmp" else flag for flag in cflags if flag.startswith(_LINKER_FLAGS)),
                    *(flag for item in dependencies for flag in item.flags),
                ),
            )
            linked, extra_exports = link_checked(shared, linker, str(hat))
            included = statically_linked(dependencies, linked.needed)
        document = built_document(
            definitions,
            names,
            description=package_description(contents.package),
            target=target_table(platform, target),
            dynamic=[reference_table(item, home) for item in dependencies if item.text not in included],
            compiled_with={
                "compiler": linker.version(),
                "flags": shlex.join(flags),
                "crt": target.crt,
                "libraries": [reference_table(item, home) for item in dependencies],
            },
        )
        made_files = {path.name: path.read_bytes() for path in made}
        document["dependencies"]["auxiliary"] = digests(made_files)
        files = {home / name: content for name, content in made_files.items()}
    dropped = _stored_results(hat)
    write_package({**files, hat: render_hat(document, hat.stem).encode("utf-8")})
    written = Converted(
        hat=hat,
        library=home / names[0],
        linker=linker.name,
        deploy_files=tuple(home / name for name in names[1:]),
        extra_exports=extra_exports,
    )
    return Built(written, tuple(exports), unsupported, dropped)


def _stored_results(hat: Path) -> tuple[str, ...]:
    """The functions of an existing .hat file that have stored results; they do not describe new code."""
    try:
        return tuple(name for name, each in read_hat(hat).functions.items() if stored_mean(each) is not None)
    except HatError:
        return ()


def _select(
    contents: ParsedSource, patterns: Sequence[str]
) -> tuple[list[FunctionDefinition], tuple[UnsupportedFunction, ...]]:
    supported: dict[str, FunctionDefinition] = {}
    for definition in contents.functions:
        name = definition.function.name
        first = supported.setdefault(name, definition)
        if first is not definition:
            raise PackageError(
                f"duplicate definition of {name}, also at {first.file}:{first.line}",
                where=f"{definition.file}:{definition.line}",
            )
    unsupported = {function.name: function for function in contents.unsupported}
    if not patterns:
        if not supported:
            if not unsupported:
                raise PackageError(
                    "the sources define no functions that other files can call",
                    hint="static and inline functions cannot be called from other files",
                )
            reasons = "; ".join(f"{function.name}: {function.reason}" for function in contents.unsupported)
            places = dict.fromkeys(function.file for function in contents.unsupported)
            raise PackageError(f"cannot describe any function: {reasons}", where=", ".join(places))
        return list(supported.values()), contents.unsupported
    selected: set[str] = set()
    left_out: set[str] = set()
    for pattern in patterns:
        if function := unsupported.get(pattern):
            where = f"{function.file}:{function.line}"
            raise FormatError(f"cannot describe {pattern}: {function.reason}", where=where)
        names = matching(pattern, list(supported))
        if not names:
            listed = list(dict.fromkeys((*difflib.get_close_matches(pattern, supported, n=3), *supported)))
            more = ", …" if len(listed) > 5 else ""
            hint = f"functions that can be described: {', '.join(listed[:5]) or 'none'}{more}"
            raise UsageError(f"unknown function {pattern!r}", hint=hint)
        selected.update(names)
        left_out.update(matching(pattern, list(unsupported)))
    return (
        [definition for name, definition in supported.items() if name in selected],
        tuple(function for name, function in unsupported.items() if name in left_out),
    )


def _check_same_as(definitions: Sequence[FunctionDefinition]) -> None:
    """Check that each ``@hat same as`` names another function of the package, with the same parameters."""
    functions = {each.function.name: each.function for each in definitions}
    for definition in definitions:
        function, line = definition.function, definition.same_as
        other = functions.get(line.value) if line else None
        if line is None:
            continue
        if other is None or other is function:
            others = listed([name for name in functions if name != function.name])
            problem = f"{line.value!r} is not another function of the package"
            fail(problem, line.place, f"name one of {others}" if others else "remove this line")
        if unnamed_signature(function) != unnamed_signature(other):
            fail(f"{function.name} and {other.name} have different parameters", line.place, "correct one of them")


def _library_names(first_object: Path, stem: str, static: bool, platform: Platform) -> list[str]:
    """The names of the libraries to make, the one that programs link with first."""
    try:
        file = identify(first_object)
    except PackageError as error:
        message = f"the compiler did not write an object file: {error.message}"
        raise LinkError(message, hint="remove flags such as -E and -S") from None
    if file.kind is not LibraryKind.OBJECT or not file.suits(platform):
        hint = "choose the platform with --target, and remove flags that choose another"
        raise LinkError(f"the compiler wrote {file} instead of an object file for {platform}", hint=hint)
    return [file.static_name(stem)] if static else dynamic_names(file, stem)
