"""The kernel: runs the operations with the backends that it selects by name. It names no backend.

>>> from hatframe import Kernel
>>> kernel = Kernel()  # all installed plugins; Kernel(plugins=[...], entry_points=False) uses only those given
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from hatframe import files
from hatframe.arguments import as_flags, as_sizes, as_tuple, as_values, backend_options, chosen_sinks
from hatframe.backends import Linker, LoadContext, Loader, Observer
from hatframe.calling.loaded import LoadedPackage
from hatframe.calling.requirements import check_target, unmet
from hatframe.errors import PackageError, UsageError, methods_naming_system_errors
from hatframe.machine import Machine, Platform
from hatframe.outcomes import Built, Converted, Deviation, Packed, Verification
from hatframe.packages.package import Package, protect_unpacked, read_package, read_packages, same_library
from hatframe.packages.pairing import check_libraries
from hatframe.results.compared import Comparison
from hatframe.results.model import ResultsDocument
from hatframe.selection import BackendSelection, RunBackends

_log = logging.getLogger(__name__)


@methods_naming_system_errors
class Kernel(BackendSelection):
    """Everything that hatframe does, with plugins of its own.

    The functions of the module ``hatframe``, such as :func:`hatframe.load`, are the methods of one default kernel that
    uses all installed plugins.

    Parameters
    ----------
    plugins
        Plugin modules or objects to use in addition to the installed ones.
    entry_points
        Whether to use the installed plugins, hatframe's own among them.
    disabled
        Plugins to leave out, by the name of their entry point or distribution, in addition to those in the environment
        variable ``HATFRAME_DISABLE_PLUGINS`` (separated by commas).

    Notes for the user, such as that a library was linked, go to Python's ``logging``, to loggers below ``hatframe``.

    Examples
    --------
    >>> import hatframe
    >>> kernel = hatframe.Kernel(disabled=["cffi"])
    >>> kernel.loader().name
    'ctypes'
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process makes the same kernel of the same plugins.
        if self is default_kernel():
            return default_kernel, ()
        from hatframe.registry import portable

        return _kernel_of, ([portable(plugin) for plugin in self._plugins], self._entry_points, self._disabled)

    def load(
        self,
        *paths: str | Path,
        loader: str | None = None,
        force: bool = False,
        allow_outside: bool = False,
        **options: str,
    ) -> LoadedPackage:
        """Open a package and return its functions, ready to be called.

        Parameters
        ----------
        *paths
            The .hat file or files of one library, or a .zip file.
        loader
            The loader for host functions; the default is the most suitable that works here. Functions with a
            ``runtime`` are loaded by the loader that serves it.
        force
            Open the package even if this machine does not meet its requirements, or its library is not the one that its
            metadata were written with.
        allow_outside
            Accept libraries and dependencies outside the package's folder.
        **options
            Options of loaders; ``hatframe plugins`` lists them.

        Returns
        -------
        LoadedPackage
            A mapping of functions by name. Use it in a ``with`` statement, or call ``close()``, to unload the library.

        Raises
        ------
        HatError
            The files cannot be read, this machine does not meet the requirements, or the library cannot be opened.

        Examples
        --------
        >>> import hatframe, numpy
        >>> with hatframe.load("gemm.hat") as package:  # doctest: +SKIP
        ...     C = numpy.zeros((128, 256), "float32")
        ...     package.gemm(A, B, C)
        """
        return self.open_package(
            read_package(*paths), loader=loader, force=force, allow_outside=allow_outside, options=options
        )

    def open_package(
        self,
        package: Package,
        *,
        loader: str | None = None,
        force: bool = False,
        allow_outside: bool = False,
        options: Mapping[str, str] | None = None,
        opening: Callable[[], None] | None = None,
    ) -> LoadedPackage:
        """Open a package that was read already; see :meth:`load`.

        ``opening`` is called when its library is found or linked, and about to be opened, which runs code of it.
        """
        if not package.functions:
            raise PackageError("it describes no functions", where=str(package.path or ""))
        if not force:
            check_libraries(package)
        check_target(package.hat_files, functools.partial(unmet, machine=self.machine), force)
        settings = backend_options(options or {}, self.registry.loaders, operation=self.load)

        @functools.cache
        def select(runtime: str) -> Loader:
            chosen = self.loader(loader, runtime, lambda able: able.suitability(package, context)).configured(settings)
            check_target(package.hat_files, chosen.unmet_requirements, force)
            return chosen

        def dynamic_library(package: Package) -> Path:
            from hatframe.converting.cached import LIBRARIES, cached_dynamic_library
            from hatframe.packages.dependencies import Trust

            folder, trust = LIBRARIES.folder, Trust(allow_outside=allow_outside)
            path = cached_dynamic_library(package, self.linker, folder, trust)
            if opening:
                opening()
            return path

        context = LoadContext(
            machine=self.machine,
            cache_folder=files.cache_folder(),
            dynamic_library=dynamic_library,
            linker=self.linker,
        )
        same: dict[str, Any] = {"loader": loader, "force": force, "allow_outside": allow_outside, **settings}
        reopen = functools.partial(self.load, *_sources(package), **same)
        return LoadedPackage(package, select=select, context=context, reopen=reopen)

    def build(
        self,
        sources: str | Path | Sequence[str | Path],
        output: str | Path,
        *,
        functions: str | Sequence[str] = (),
        static: bool = False,
        linker: str | None = None,
        target: str | None = None,
        optimize: int = 3,
        processor: str | None = None,
        cflags: str | Sequence[str] = (),
        include: str | Path | Sequence[str | Path] = (),
        define: str | Sequence[str] = (),
        library: str | Sequence[str] = (),
        library_folder: str | Path | Sequence[str | Path] = (),
        strict: bool = False,
        **options: str | bool,
    ) -> Built:
        """Build a package from C files.

        Parameters
        ----------
        sources, output
            The C files, and the .hat file to write, or a folder to write it to. The library is written beside it.
        functions
            Names or globs of the functions to describe; the default is all that can be described.
        static
            Build a static library rather than a dynamic one.
        linker, target
            The linker, and the platform to build for, such as ``"x86_64-windows"``. The defaults are the first linker
            that can produce for the platform, and this machine.
        optimize, processor
            The level of optimization, from 0 to 3, and the processor whose instructions may be used: ``"native"`` (the
            default without ``target``), ``"none"`` for any (the default with it), or a name that the compiler knows.
        cflags
            More flags for the compiler: a text that is split as by a shell, or a sequence of single flags.
        include, define
            Folders with headers, and macros to define (``"NAME"`` or ``"NAME=VALUE"``).
        library, library_folder
            Libraries to link, by name or path, and folders to search for them.
        strict
            Raise :class:`HatError`, and write nothing, if a function is left out.
        **options
            Options of linkers; ``hatframe build --help`` lists them.

        Returns
        -------
        Built
            The files written, the functions described, the functions left out, each with the reason, and those whose
            stored results the former package lost.

        Raises
        ------
        HatError
            The code does not compile, does not link, or the files cannot be written.

        Examples
        --------
        >>> import hatframe
        >>> built = hatframe.build("gemm.c", "gemm.hat", cflags="-std=c11")  # doctest: +SKIP
        >>> built.functions  # doctest: +SKIP
        ('gemm',)
        """
        from hatframe.building.build import build

        wanted = Platform.parse(target) if target else Platform.host()
        settings = backend_options(options, self.registry.linkers, operation=self.build)
        chosen = self.linker(linker, wanted).configured(settings)
        # The linker knows which C library it makes this for.
        platform = min(made for made in chosen.platforms() if made.fits(wanted))
        processor = processor or ("none" if target else "native")
        return build(
            list(map(Path, as_tuple(sources))),
            Path(output),
            linker=chosen,
            platform=platform,
            functions=as_tuple(functions),
            static=static,
            optimize=optimize,
            processor="" if processor == "none" else processor,
            cflags=(*(f"-D{macro}" for macro in as_tuple(define)), *as_flags(cflags)),
            include=tuple(map(Path, as_tuple(include))),
            library=as_tuple(library),
            library_folder=tuple(map(Path, as_tuple(library_folder))),
            strict=strict,
        )

    def to_dynamic(
        self,
        package: str | Path,
        output: str | Path,
        *,
        linker: str | None = None,
        library: str | Sequence[str] = (),
        library_folder: str | Path | Sequence[str | Path] = (),
        all_hats: bool = False,
        allow_outside: bool = False,
        allow_link_flag: str | Sequence[str] = (),
        **options: str | bool,
    ) -> Converted:
        """Convert a static package to a dynamic one.

        Parameters
        ----------
        package, output
            The .hat file of the static package, and the one to write, or a folder to write it to. The library is
            written beside it.
        linker
            The linker; the default is the first that can produce for the package's platform.
        library, library_folder
            Libraries to link, by name or path, and folders to search for them.
        all_hats
            Convert every .hat file of the same library in the folder.
        allow_outside, allow_link_flag
            Accept files outside the package's folder, and these linker flags, in the package's metadata.
        **options
            Options of linkers; ``hatframe to-dynamic --help`` lists them.

        Returns
        -------
        Converted
            The files written, and the linker that made the library.

        Raises
        ------
        HatError
            The package cannot be read, a path or flag in it is not allowed, or the library does not link.

        Examples
        --------
        >>> import hatframe
        >>> hatframe.to_dynamic("gemm_static.hat", "gemm.hat").library.name  # doctest: +SKIP
        'libgemm.so'
        """
        from hatframe.converting.to_dynamic import to_dynamic

        static, trust, chosen = self._to_convert(package, linker, all_hats, allow_outside, allow_link_flag, options)
        return to_dynamic(
            static,
            Path(output),
            linker=chosen,
            libraries=as_tuple(library),
            library_folders=list(map(Path, as_tuple(library_folder))),
            trust=trust,
        )

    def to_static(
        self,
        package: str | Path,
        output: str | Path,
        *,
        linker: str | None = None,
        add: str | Path | Sequence[str | Path] = (),
        all_hats: bool = False,
        allow_outside: bool = False,
        allow_link_flag: str | Sequence[str] = (),
        **options: str | bool,
    ) -> Converted:
        """Convert a package of object files to one with a static library.

        Parameters
        ----------
        package, output, linker
            As for :meth:`to_dynamic`.
        add
            More object files and static libraries to put into the library.
        all_hats, allow_outside, allow_link_flag, **options
            As for :meth:`to_dynamic`.

        Returns
        -------
        Converted
            The files written, and the linker that made the library.

        Raises
        ------
        HatError
            The package cannot be read, a path or flag in it is not allowed, or the archive cannot be made.

        Examples
        --------
        >>> import hatframe
        >>> hatframe.to_static("objects.hat", "package.hat", add="helpers.o")  # doctest: +SKIP
        """
        from hatframe.converting.to_static import to_static

        objects, trust, chosen = self._to_convert(package, linker, all_hats, allow_outside, allow_link_flag, options)
        added = [str(Path(path).absolute()) for path in as_tuple(add)]
        return to_static(objects, Path(output), linker=chosen, objects=added, trust=trust)

    def _to_convert(
        self,
        path: str | Path,
        linker: str | None,
        all_hats: bool,
        allow_outside: bool,
        allow_link_flag: Any,
        options: Mapping[str, Any],
    ) -> tuple[Package, Any, Linker]:
        """The package to convert, how far its metadata are trusted, and the linker."""
        from hatframe.converting.plan import platform_of, static_library
        from hatframe.packages.dependencies import Trust

        package = same_library(Path(path)) if all_hats else read_package(path)
        trust = Trust(allow_outside=allow_outside, link_flags=as_tuple(allow_link_flag))
        chosen = self.linker(linker, platform_of(package, static_library(package, trust)))
        settings = backend_options(options, self.registry.linkers, operation=self.to_dynamic)
        return package, trust, chosen.configured(settings)

    def pack(self, package: str | Path, output: str | Path, *, allow_outside: bool = False) -> Packed:
        """Gather a package in a folder or a .zip file, so that it can be moved. No code of the package runs.

        Parameters
        ----------
        package, output
            A .hat file of the package, and a new or empty folder, or a .zip file, which is replaced.
        allow_outside
            Include files from outside the package's folder.

        Returns
        -------
        Packed
            The path, the files in it, and the .hat files in which paths changed.

        Raises
        ------
        HatError
            A file is missing or lies outside the package's folder, or the output cannot be written.

        Examples
        --------
        >>> import hatframe
        >>> hatframe.pack("gemm.hat", "gemm.zip").files  # doctest: +SKIP
        ('gemm.hat', 'libgemm.so')
        """
        from hatframe.packages.packing import pack

        return pack(Path(package), Path(output), allow_outside=allow_outside)

    def validate(self, path: str | Path, *, deep: bool = False) -> list[Deviation]:
        """All deviations of a .hat file from the format, its C code and its library, in the order of its lines.

        No code of the package runs.

        Parameters
        ----------
        path
            The .hat file.
        deep
            Also decode the machine code of the library, and report instruction sets that it uses but the metadata do
            not require. This needs ``hatframe[deep]``.

        Returns
        -------
        list of Deviation
            Errors break use, warnings do not, and notes are worth knowing.

        Raises
        ------
        FormatError
            The file cannot be read as text.
        HatError
            The code cannot be decoded, because iced-x86 is not installed.

        Examples
        --------
        >>> import hatframe
        >>> hatframe.validate("gemm.hat")  # doctest: +SKIP
        []
        """
        from hatframe.validating.validation import validate

        runtimes = {runtime for loader in self.registry.loaders.all() for runtime in loader.runtimes}
        return validate(Path(path), runtimes, deep, functools.partial(unmet, machine=self.machine))

    def bench(
        self,
        *paths: str | Path,
        functions: str | Sequence[str] = (),
        loader: str | None = None,
        sink: str | Sequence[str] = (),
        meter: str | Sequence[str] = (),
        min_time: float | None = None,
        batches: int | None = None,
        min_iterations: int = 1,
        precision: float = 0.01,
        max_time: float | None = None,
        race: bool = True,
        cache: str = "cold",
        input_data: str | Path = "random",
        input_sets_size: int | None = None,
        restore: str = "auto",
        seed: int = 0,
        size: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] = (),
        value: str | Mapping[str, float] | Sequence[str | Mapping[str, float]] = (),
        threads: int | None = None,
        timeout: float = 60.0,
        cpu: int | None = None,
        processes: int = 2,
        resume: bool = False,
        verify: bool = True,
        force: bool = False,
        allow_outside: bool = False,
        observers: Observer | Sequence[Observer] = (),
        **options: str | bool,
    ) -> ResultsDocument:
        """Measure functions, write each result to the sinks as soon as it is final, and return all results.

        The functions run in a worker process; one that crashes or hangs gets a result that says so, and the others are
        measured all the same.

        Parameters
        ----------
        *paths
            .hat files, folders of them, or .zip files. Functions of all with the same parameters and sizes, or the same
            ``auxiliary.group``, are ranked together.
        functions
            Names, base names or globs of the functions to measure; the default is all.
        loader
            The loader for host functions; the default is the first that works here.
        sink
            Where to write results: ``"NAME"`` or ``"NAME=PATH"``, such as ``"json=run.json"``.
        meter
            Meters that measure beside the clock; the default is all that work here, and ``"none"`` disables them.
        min_time, batches, min_iterations
            Measure each function for at least this time (seconds) and number of batches, of at least this number of
            calls each. The defaults adapt to slow functions and to those that are clearly slower than others.
        precision, max_time
            Measure each function until its mean is known within this fraction (the half-width of the 95 % interval),
            but no longer than this time (seconds). By default, all functions share 45 s, 0.1 to 2 s for each.
        race
            Measure functions less that are clearly slower than the fastest.
        cache
            ``"cold"`` for input sets of twice the last-level cache, ``"hot"`` for a single one.
        input_data
            ``"random"``, ``"zeros"``, ``"ones"``, or an .npz file with an array for each parameter, by name.
        input_sets_size
            The least size of all input sets together, in bytes.
        restore
            When inputs that functions change get their first values back: ``"auto"`` after each use of an input set if
            that makes a difference to the time, and otherwise if they drift out of the normal numbers; ``"always"``
            after each use; or ``"never"``.
        seed
            Seeds the random inputs and the order of the functions.
        size
            Dimensions of runtime-sized functions: ``"M=256,N=1024"`` or ``{"M": 256, "N": 1024}``. Several give one
            result each: ``"n=1000,10000"``, ``"n=2^10..2^20"``, ``{"n": [1000, 10000]}``. Dimensions that are not given
            are those of the package's examples, or 256.
        value
            The values of scalars: ``"limit=1000"`` or ``{"limit": 1000}``. Integers that are not given are those of the
            package's examples, or 1; other numbers are random.
        threads
            The number of threads of OpenMP and similar runtimes; the default is theirs.
        timeout
            Kill a function that runs longer than this (seconds).
        cpu
            The processor to run the functions on; the default is any.
        processes
            The number of worker processes that measure in turn: what differs between them, such as the places of code
            and data in memory, then counts in the intervals.
        resume
            Continue an interrupted run of the same packages and options.
        verify
            Verify each function before it is measured, for 0.1 s: ``bounds``, ``usage`` and ``agreement`` of
            :meth:`verify`. One that is wrong is not measured, and its result has the status ``wrong``.
        force, allow_outside
            As for :meth:`load`.
        observers
            Observers of this run, in addition to those of plugins.
        **options
            Options of loaders, sinks and meters; ``hatframe bench --help`` lists them.

        Returns
        -------
        ResultsDocument
            All results, with their rankings: ``.fastest``, ``.winners``, iteration, ``.to_dataframe()``.

        Raises
        ------
        HatError
            The packages cannot be read, or an option is invalid. After a complete run that a sink could not write, it
            is a :class:`SinkError` with the ``results``.

        Examples
        --------
        >>> import hatframe
        >>> results = hatframe.bench("gemm.hat", functions="gemm_*", max_time=0.5)  # doctest: +SKIP
        >>> results.fastest.function_name, results.fastest.time  # doctest: +SKIP
        ('gemm_v25', 0.000137)
        """
        from hatframe.bench.options import BenchOptions
        from hatframe.bench.run import run_benchmark

        registry = self.registry
        settings = backend_options(options, registry.loaders, registry.sinks, registry.meters, operation=self.bench)
        sinks = chosen_sinks(as_tuple(sink), settings, registry.sinks)
        # Where results go does not change them.
        settings = {key: settings[key] for key in settings if not any(key in sink.settings for sink, _ in sinks)}
        run_options = BenchOptions(
            functions=as_tuple(functions),
            loader=loader,
            sinks=as_tuple(sink),
            meters=as_tuple(meter),
            min_time=min_time,
            batches=batches,
            min_iterations=min_iterations,
            precision=precision,
            max_time=max_time,
            race=race,
            cache=cache,
            input_data=str(input_data),
            input_sets_size=input_sets_size,
            restore=restore,
            seed=seed,
            sizes=as_sizes(size),
            values=as_values(value),
            threads=threads,
            timeout=timeout,
            cpu=cpu,
            processes=processes,
            resume=resume,
            verify=verify,
            force=force,
            allow_outside=allow_outside,
            backend_options=settings,
        )
        with protect_unpacked(read_packages(paths)) as packages:
            for package in () if force else packages:
                check_libraries(package)
            return run_benchmark(
                packages,
                run_options,
                machine=self.machine,
                probes=registry.probes.all(),
                backends=RunBackends(self, run_options),
                isolated=self._is_portable(),
                sinks=sinks,
                observers=[*registry.observers(), *as_tuple(observers)],
            )

    def verify(
        self,
        *paths: str | Path,
        functions: str | Sequence[str] = (),
        only: str | Sequence[str] = (),
        skip: str | Sequence[str] = (),
        reference: str = "",
        same: str | Sequence[str] = (),
        rtol: float | None = None,
        atol: float | None = None,
        loader: str | None = None,
        size: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] = (),
        value: str | Mapping[str, float] | Sequence[str | Mapping[str, float]] = (),
        seed: int = 0,
        timeout: float = 60.0,
        junit: str | Path | None = None,
        force: bool = False,
        allow_outside: bool = False,
        observers: Observer | Sequence[Observer] = (),
        **options: str | bool,
    ) -> Verification:
        """Check what functions do against what their metadata say.

        The functions run in a worker process, with inputs that are made from their metadata. One that crashes or hangs
        is a finding, and the others are checked all the same.

        Parameters
        ----------
        *paths
            .hat files, folders of them, or .zip files.
        functions
            Names, base names or globs of the functions to verify; the default is all.
        only, skip
            The checks to make, or to leave out: ``bounds``, ``usage``, ``determinism``, ``values``, ``shapes``,
            ``agreement``, ``crash`` and ``timeout``.
        reference
            A function of your own that computes what the functions should, with numpy: ``"FILE.py:FUNCTION"``.
        same
            Names or globs of functions that compute the right results; the others are compared with them.
        rtol, atol
            Accept results that differ by ``atol + rtol * abs(expected)``, instead of by the bound for their type.
        loader
            The loader for host functions; the default is the first that works here.
        size, value
            As for :meth:`bench`. Functions are called with these dimensions only, instead of those of ``shapes``.
        seed
            Seeds the random inputs.
        timeout
            Kill a function that runs longer than this (seconds).
        junit
            A file to write a test case for each function to, in the JUnit format of CI servers.
        force, allow_outside
            As for :meth:`load`.
        observers
            Observers of this run: ``function_started``, ``progress`` and ``message`` are called.
        **options
            Options of loaders; ``hatframe verify --help`` lists them.

        Returns
        -------
        Verification
            ``.ok``, and ``.findings``, each with the function, the argument, the check, what is wrong, and the command
            that reproduces it.

        Raises
        ------
        HatError
            The packages cannot be read, or an option is invalid.

        Examples
        --------
        >>> import hatframe
        >>> verification = hatframe.verify("gemm.hat")  # doctest: +SKIP
        >>> [(finding.function, finding.check, finding.message) for finding in verification.findings]  # doctest: +SKIP
        [('gemm_v2', 'bounds', "writes past the end of 'C'")]
        """
        from hatframe.bench.reporting import Observers
        from hatframe.verifying.junit import JUnitFile
        from hatframe.verifying.options import VerifyOptions, chosen_checks
        from hatframe.verifying.run import verify_packages

        if loader is not None:
            self.loader(loader)  # an unknown one is an error now, rather than a finding of each function
        run_options = VerifyOptions(
            functions=as_tuple(functions),
            checks=chosen_checks(as_tuple(only), as_tuple(skip)),
            reference=str(reference),
            same=as_tuple(same),
            rtol=rtol,
            atol=atol,
            loader=loader,
            sizes=as_sizes(size),
            values=as_values(value),
            seed=seed,
            timeout=timeout,
            force=force,
            allow_outside=allow_outside,
            backend_options=backend_options(options, self.registry.loaders, operation=self.verify),
        )
        file = None if junit is None else JUnitFile(Path(junit))
        with protect_unpacked(read_packages(paths)) as packages:
            for package in () if force else packages:
                check_libraries(package)
            found = verify_packages(
                packages,
                run_options,
                backends=RunBackends(self, run_options),
                isolated=self._is_portable(),
                observer=Observers([*self.registry.observers(), *as_tuple(observers)]),
            )
        if file:
            file.write(found)
        return found

    def store(
        self, results: str | Path | ResultsDocument, sink: str | Sequence[str] = (), **options: str | bool
    ) -> ResultsDocument:
        """Write the results of an earlier run to sinks, such as those that failed during the run.

        Parameters
        ----------
        results
            Results of :meth:`bench`, or the path of a document that the sink ``json`` wrote.
        sink, **options
            Where to write them, as for :meth:`bench`; ``hatframe store --help`` lists the options.

        Returns
        -------
        ResultsDocument
            The results.

        Raises
        ------
        HatError
            The results cannot be read, or a sink cannot write them.

        Examples
        --------
        >>> import hatframe
        >>> hatframe.store("run.json", sink=["csv=results.csv", "hat"])  # doctest: +SKIP
        """
        from hatframe.bench.reporting import store
        from hatframe.results.reading import read_results

        document = results if isinstance(results, ResultsDocument) else read_results(results)
        settings = backend_options(options, self.registry.sinks, operation=self.store)
        sinks = chosen_sinks(as_tuple(sink), settings, self.registry.sinks)
        if not sinks:
            names = ", ".join(sink.name for sink in self.registry.sinks.all())
            raise UsageError("no sink to write to", hint=f"choose one with --sink: {names}")
        store(document, sinks, _log.info)
        return document

    def compare(
        self,
        *sources: str | Path | ResultsDocument,
        functions: str | Sequence[str] = (),
        size: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] = (),
        value: str | Mapping[str, float] | Sequence[str | Mapping[str, float]] = (),
        max_time: float | None = None,
        fail_slower: float | None = None,
        fail_missing: bool = False,
        verify: bool = True,
        allow_outside: bool = False,
        **options: str | bool,
    ) -> Comparison:
        """Compare results, or packages measured now, with the first of them.

        Parameters
        ----------
        *sources
            At least two: results of :meth:`bench`, files that the sinks ``json`` and ``csv`` wrote, or packages (.hat
            files, folders, .zip files), which are measured together, round by round.
        functions
            Names, base names or globs of the functions to compare; the default is all.
        size, value, max_time
            As for :meth:`bench`, for packages that are measured. Without ``size``, they are measured with the sizes of
            the results that they are compared with.
        fail_slower
            Functions that are slower than in the first source by more than this fraction (0.05), with the whole 95 %
            interval, or that two sources share but one has no figures of, are in the result's ``failed``.
        fail_missing
            So are functions of the first source that another lacks, or has no figures of.
        verify
            Verify packages before they are measured, as :meth:`bench` does.
        allow_outside
            As for :meth:`load`.
        **options
            Options of loaders, for packages that are measured.

        Returns
        -------
        Comparison
            For each function its results and ratios: iteration, ``.failed``, ``.to_dataframe()``.

        Raises
        ------
        HatError
            A source cannot be read, or no function is in the first source and another.

        Examples
        --------
        >>> import hatframe
        >>> comparison = hatframe.compare("before.json", "after.json", fail_slower=0.05)  # doctest: +SKIP
        >>> [(row.function_name, row.ratios[0].ratio) for row in comparison]  # doctest: +SKIP
        [('gemm', 1.02)]
        """
        from hatframe.results.matching import compare_sets
        from hatframe.results.sources import result_sets

        if len(sources) < 2:
            raise UsageError("only one source", hint="name at least two: hatframe compare A B")

        def measure(
            packages: Sequence[str], sizes: Sequence[Mapping[str, int]], values: Mapping[str, int | float]
        ) -> ResultsDocument:
            return self.bench(
                *packages,
                functions=functions,
                size=size or sizes,
                value=value or values,
                max_time=max_time,
                verify=verify,
                race=False,  # slow functions are compared as exactly as fast ones
                allow_outside=allow_outside,
                **options,  # type: ignore[arg-type]
            )

        return compare_sets(result_sets(sources, measure), as_tuple(functions), fail_slower, fail_missing)

    def show(
        self,
        *files: str | Path,
        functions: str | Sequence[str] = (),
        last: bool = False,
        plot: str | Path | None = None,
    ) -> tuple[ResultsDocument, ...]:
        """Read stored results, and draw them on request. No code of a package runs.

        Parameters
        ----------
        *files
            What the sinks ``json``, ``csv`` and ``hat`` wrote: files of results, .hat files, folders of them, .zip
            files.
        functions
            Names, base names or globs of the functions to show; the default is all.
        last
            Only the last run of each file.
        plot
            A picture to write, in the format of its suffix (.svg, .png, .pdf): the 95 % interval of each function, or
            a curve for each over several sizes. This needs matplotlib: ``pip install 'hatframe[plot]'``.

        Returns
        -------
        tuple of ResultsDocument
            One for each run, in the order of the files. Results from CSV and .hat files have no batches.

        Raises
        ------
        HatError
            A file cannot be read or has no results, or the picture cannot be drawn.

        Examples
        --------
        >>> import hatframe
        >>> (run,) = hatframe.show("run.json", plot="run.svg")  # doctest: +SKIP
        >>> run.run.started, run.fastest.function_name  # doctest: +SKIP
        ('2026-11-28T02:17:46+00:00', 'gemm_v25')
        """
        from hatframe.results.sources import stored_results

        found = stored_results(files, as_tuple(functions), last)
        if plot is not None:
            from hatframe.results.plotting import plot_results

            plot_results(found, Path(plot))
        return tuple(document for _, document in found)

    def probe(self, **options: str | bool) -> Machine:
        """This machine as hatframe sees it: its platform, caches, instruction sets, and what else probes report.

        ``options`` are those of probes; ``hatframe probe --help`` lists them.

        Examples
        --------
        >>> import hatframe
        >>> hatframe.probe().last_level_cache.size  # doctest: +SKIP
        33554432
        """
        return self.probed(backend_options(options, self.registry.probes, operation=self.probe))

    def _is_portable(self) -> bool:
        """Whether another process can make the same kernel."""
        import pickle

        try:
            pickle.dumps(self)
        except (pickle.PicklingError, AttributeError, TypeError):
            return False
        return True


def _sources(package: Package) -> list[Path]:
    """The files that a package was read from."""
    if package.unpacked:
        return [package.unpacked.archive.absolute()]
    return [hat.path.absolute() for hat in package.hat_files if hat.path]


def _kernel_of(
    plugins: Sequence[tuple[bytes | str, list[str]]], entry_points: bool, disabled: Collection[str]
) -> Kernel:
    from hatframe.registry import restored

    return Kernel(itertools.starmap(restored, plugins), entry_points=entry_points, disabled=disabled)


@functools.cache
def default_kernel() -> Kernel:
    """The kernel behind the functions of the module ``hatframe``."""
    return Kernel()
