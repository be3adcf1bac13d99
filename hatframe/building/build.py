"""Building a package from C: the sources are compiled, and their declarations become the metadata."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from hatframe.backends import Linker, SharedLibrary
from hatframe.binary.libraries import LibraryKind, identify
from hatframe.building.describing import (
    FunctionDefinition,
    ParsedSource,
    combine,
    package_description,
    read_functions,
)
from hatframe.building.metadata import built_document, reference_table, target_table
from hatframe.c.preprocessed import files_of
from hatframe.converting.conversion import check_not_inputs, output_hat, write_package
from hatframe.converting.plan import link_checked, run_folders
from hatframe.converting.to_dynamic import dynamic_names
from hatframe.converting.to_static import objects_of
from hatframe.errors import FormatError, LinkError, PackageError, UsageError
from hatframe.format.names import matching
from hatframe.format.rendering import render_hat
from hatframe.machine import Platform
from hatframe.outcomes import Built, Converted, UnsupportedFunction
from hatframe.packages.dependencies import KNOWN_FLAGS, Dependency, Trust, read_dependency, statically_linked
from hatframe.toolchain.compiled_for import compiled_for
from hatframe.toolchain.tool import private_folder, run_parallel

# Flags of a compiler that concern linking too: for what it compiles in needs a library, or is only compiled then.
_ALSO_FOR_LINKING = (
    "-fopenmp",
    "/openmp",
    "-pthread",
    "-flto",
    "-fsanitize",
    "-fuse-ld",
    "-static-",
    "--sysroot",
    "-Wl,",
)


_PATH_FLAGS = ("-I", "/I", "-iquote", "-isystem", "-idirafter", "-include", "-imacros")
_UNFIT_FLAG = re.compile(
    r"-funsigned-char|-fshort-wchar|-mabi=ms|-mregparm=.*|-mrtd|-fpcc-struct-return|-freg-struct-return"
    r"|/J|/G[rvz]"
)
_FILE_FLAGS = ("-include", "-imacros")
_PATH_FLAG = re.compile(r"(-I|/I|-iquote|-isystem|-idirafter)(.+)")


class BuildOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a package is built.

    Parameters
    ----------
    static
        Whether the library is a static one.
    optimize, processor
        The level of optimization, from 0 to 3, and the processor that the code may be for; see
        :meth:`hatframe.backends.Linker.optimization`.
    flags, include_folders
        More for the compiler.
    functions
        Names or globs of the functions to describe; all that can be where there are none.
    libraries, library_folders
        Libraries to link, by name or path, and where to look for them.
    """

    static: bool = False
    optimize: int = 3
    processor: str = ""
    flags: tuple[str, ...] = ()
    include_folders: tuple[Path, ...] = ()
    functions: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    library_folders: tuple[Path, ...] = ()


def build(sources: Sequence[Path], output: Path, options: BuildOptions, linker: Linker, platform: Platform) -> Built:
    """Build a package from C files: ``output`` is its .hat file, and the library lies beside it.

    The functions that the sources define become those of the package, as
    :func:`hatframe.building.describing.read_functions` reads them. What it reads is compiled after each source, so
    that the compiler itself finds where a declaration was misunderstood. Nothing is written where something fails.

    Raises
    ------
    UsageError
        ``output`` is no name for a .hat file or would overwrite a source, or a source is given twice.
    FormatError
        A comment that describes a function has a mistake, or a chosen function cannot be described.
    PackageError
        No function can be described, or two sources describe one.
    LinkError
        The compiler or the linker fails, or the files cannot be written.
    """
    hat = output_hat(output, f"{sources[0].stem}.hat")
    sources = [_source(path) for path in sources]
    if repeated := next((path for path in sources if sources.count(path) > 1), None):
        raise UsageError("this source is given twice", where=str(repeated))
    _check_flags(options.flags)
    flags = (*linker.optimization(options.optimize, options.processor, platform), *options.flags)
    compiler = _Compiler(linker, platform, _with_absolute_paths(flags), options.include_folders)
    readings = run_parallel(compiler.read, sources)
    together = combine(readings)
    chosen, refused = _choose(together, options.functions)
    # Some flags of the compiler stand for libraries that its code then needs.
    texts = dict.fromkeys((*options.libraries, *(flag for flag in options.flags if flag in KNOWN_FLAGS)))
    added = [read_dependency(text, Path.cwd(), f"-l {text}", Trust(allow_outside=True)) for text in texts]
    held = [item.file for item in added if item.file and item.file.kind in (LibraryKind.OBJECT, LibraryKind.ARCHIVE)]
    target = compiled_for(linker, platform, compiler.flags, options.include_folders)
    with private_folder() as folder:
        folders = [folder / str(index) for index in range(len(sources))]
        objects = run_parallel(lambda each: compiler.compile(*each), list(zip(sources, readings, folders, strict=True)))
        names = _names(objects[0], hat.stem, options.static, platform)
        inputs = [*sources, *(item.file.path for item in added if item.file)]
        check_not_inputs([hat, *(hat.parent / name for name in names)], inputs)
        made = [folder / name for name in names]
        extra: tuple[str, ...] = ()
        gone: set[str] = set()
        if options.static:
            objects += objects_of(held, folder / "libraries")
            linker.archive(objects, made[0], platform=platform)
            gone = {item.text for item in added if item.file in held}
        else:
            exports = [described.function.name for described in chosen]
            shared = _shared(objects, exports, made, platform, added, options, hat.parent)
            linked, extra = link_checked(shared, linker, str(hat))
            gone = statically_linked(added, linked.needed)
        document = built_document(
            chosen,
            names,
            description=package_description(together.package),
            target=target_table(platform, target),
            dynamic=[reference_table(item, hat.parent) for item in added if item.text not in gone],
            compiled_with={
                "compiler": linker.version(),
                "flags": shlex.join(flags),
                "crt": target.crt,
                "libraries": [reference_table(item, hat.parent) for item in added],
            },
        )
        contents = {hat.parent / path.name: path.read_bytes() for path in made}
    contents[hat] = render_hat(document, hat.stem).encode("utf-8")
    write_package(contents)
    written = Converted(
        hat=hat,
        library=hat.parent / names[0],
        linker=linker.name,
        deploy_files=tuple(hat.parent / name for name in names[1:]),
        extra_exports=extra,
    )
    return Built(written, tuple(described.function.name for described in chosen), refused)


# ------------------------------------------------------------------------------------------------ the sources


def _source(path: Path) -> Path:
    path = path.absolute()
    if not path.is_file():
        raise UsageError("there is no such source", where=str(path))
    if path.suffix.lower() != ".c":
        raise UsageError("this is no C source: its name does not end in .c", where=str(path))
    return path


def _check_flags(flags: Sequence[str]) -> None:
    """Raise :class:`UsageError` for a flag by which functions are called, or types are, otherwise than is described."""
    if unfit := next((flag for flag in flags if _UNFIT_FLAG.fullmatch(flag)), None):
        raise UsageError(
            f"{unfit} changes what types are or how functions are called, which a package cannot tell",
            hint="leave it out, and write such types in the code: unsigned char for char",
        )


def _with_absolute_paths(flags: Sequence[str]) -> list[str]:
    """The flags with paths that hold wherever the compiler runs."""
    words: list[str] = []
    for flag in flags:
        joined = _PATH_FLAG.fullmatch(flag)
        if words and words[-1] in _PATH_FLAGS:
            # A file to include that is not here is looked for where headers are.
            is_searched = words[-1] in _FILE_FLAGS and not Path(flag).exists()
            words.append(flag if is_searched else str(Path(flag).absolute()))
        elif joined and joined[2]:
            words.append(f"{joined[1]}{Path(joined[2]).absolute()}")
        else:
            words.append(flag)
    return words


class _Compiler(NamedTuple):
    """A linker, with all that its compiler is to do for every source."""

    linker: Linker
    platform: Platform
    flags: Sequence[str]
    include_folders: Sequence[Path]

    def read(self, source: Path) -> ParsedSource:
        """What a source defines."""
        text = self.linker.preprocess(
            source, platform=self.platform, include_folders=self.include_folders, flags=self.flags
        )
        # A function may be defined in a file that the source includes for it; a header of the system's defines none.
        homes = [folder.resolve() for folder in (source.parent, *self.include_folders)]
        files = [name for name in files_of(text) if any(Path(name).resolve().is_relative_to(home) for home in homes)]
        originals = {
            name: Path(name).read_text(encoding="utf-8", errors="replace") for name in files if Path(name).is_file()
        }
        return read_functions(text, [str(source), *files], originals, self.platform)

    def compile(self, source: Path, reading: ParsedSource, folder: Path) -> Path:
        """Compile a source, with what was read of it after it: a compiler takes no second declaration that differs."""
        folder.mkdir()
        output = folder / f"{source.stem}.o"
        checked = source
        # No #include can name the others.
        if self.platform.os == "windows" or not any(character in str(source) for character in '"\n\\'):
            checked = folder / f"{source.stem}.c"
            check = f'#include "{source}"\n#line 1 "what was read of {source.name}"\n{_check_code(reading)}'
            checked.write_text(check, encoding="utf-8")
        self.linker.compile(
            checked, output, platform=self.platform, include_folders=self.include_folders, flags=self.flags
        )
        return output


def _choose(
    reading: ParsedSource, patterns: Sequence[str]
) -> tuple[list[FunctionDefinition], tuple[UnsupportedFunction, ...]]:
    """The functions to describe, and those that cannot be."""
    described: dict[str, FunctionDefinition] = {}
    refused = {function.name: function for function in reading.unsupported}
    for function in reading.functions:
        if first := described.get(function.function.name):
            raise PackageError(
                f"{function.function.name} is defined twice, also at {first.file}:{first.line}",
                where=f"{function.file}:{function.line}",
            )
        described[function.function.name] = function
    if patterns:
        names = {name for pattern in patterns for name in _matching(pattern, described, refused)}
        left = {name for pattern in patterns for name in matching(pattern, list(refused))}
        chosen = [described[name] for name in described if name in names]
        return chosen, tuple(function for name, function in refused.items() if name in left)
    if not described:
        reasons = "; ".join(f"{function.name}: {function.reason}" for function in refused.values())
        raise PackageError(
            "no function can be described" + (f": {reasons}" if reasons else ", for none is defined"),
            where=", ".join(dict.fromkeys(function.file for function in refused.values())),
            hint="" if reasons else "functions that are static or inline belong to their file alone",
        )
    return list(described.values()), tuple(refused.values())


def _matching(pattern: str, described: Iterable[str], refused: dict[str, UnsupportedFunction]) -> list[str]:
    if pattern in refused:
        function = refused[pattern]
        raise FormatError(f"{pattern} cannot be described: {function.reason}", where=f"{function.file}:{function.line}")
    names = matching(pattern, list(described))
    if not names:
        known = [*difflib.get_close_matches(pattern, list(described), n=3), *described][:5]
        more = ", …" if len(list(described)) > len(known) else ""
        hint = f"there are: {', '.join(dict.fromkeys(known)) or 'none'}{more}"
        raise UsageError(f"no function {pattern!r} is defined that can be described", hint=hint)
    return list(names)


def _check_code(reading: ParsedSource) -> str:
    """C code that compiles only after a source that was read rightly."""
    functions = [described.function for described in reading.functions]
    names = {name for function in functions for name in (function.name, *(a.name for a in function.arguments)) if name}
    # A macro may have any of these names, and would change what stands below.
    lines = [f"#undef {name}" for name in sorted(names)]
    lines += [described.redeclaration for described in reading.functions]
    sizes = dict.fromkeys(check for described in reading.functions for check in described.sizes)
    # An array of -1 elements is an error in every C.
    lines += [
        f"typedef char hatframe_size_{n}[sizeof({name}) == {size} ? 1 : -1];" for n, (name, size) in enumerate(sizes)
    ]
    return "\n".join(lines) + "\n"


def _names(first_object: Path, stem: str, static: bool, platform: Platform) -> list[str]:
    try:
        library = identify(first_object)
    except PackageError as error:
        message = f"the compiler made no object file: {error.message}"
        raise LinkError(message, hint="leave flags such as -E and -S out") from None
    if library.kind is not LibraryKind.OBJECT or not library.suits(platform):
        hint = "choose the platform with --target, and leave flags that choose another out"
        raise LinkError(f"the compiler made {library}, and no object file for {platform}", hint=hint)
    return [f"{stem}{library.static_suffix}"] if static else dynamic_names(library, stem)


def _shared(
    objects: Sequence[Path],
    exports: Sequence[str],
    made: Sequence[Path],
    platform: Platform,
    added: Sequence[Dependency],
    options: BuildOptions,
    home: Path,
) -> SharedLibrary:
    files = [dependency.file for dependency in added if dependency.file]
    return SharedLibrary(
        output=made[-1],
        import_library=made[0] if len(made) > 1 else None,
        platform=platform,
        objects=(*objects, *(file.path for file in files if file.kind is LibraryKind.OBJECT)),
        exports=tuple(exports),
        libraries=tuple(library for dependency in added for library in dependency.libraries),
        library_folders=(
            *(folder.absolute() for folder in options.library_folders),
            *(folder for dependency in added for folder in dependency.folders),
        ),
        run_folders=run_folders(options.library_folders, added, home),
        flags=(
            *(
                "-fopenmp" if flag == "/openmp" else flag
                for flag in options.flags
                if flag.startswith(_ALSO_FOR_LINKING)
            ),
            *(flag for dependency in added for flag in dependency.flags),
        ),
    )
