"""The kernel: finds plugins, picks backends by name, and runs the operations. It names no backend.

>>> from hatframe import Kernel
>>> kernel = Kernel()  # all installed plugins; Kernel(plugins=[...], entry_points=False) uses only what it is given
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import logging
import os
import pickle
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hatframe import files
from hatframe.backends import BoundFunction, Library, Linker, LoadContext, Loader, Observer
from hatframe.errors import PackageError, PluginError
from hatframe.machine import Machine, Platform
from hatframe.packages.package import Package, in_use, read_package, read_packages, same_library
from hatframe.registry import Registry

if TYPE_CHECKING:
    from hatframe.bench.options import BenchOptions
    from hatframe.building.build import Built
    from hatframe.calling.loaded import LoadedPackage
    from hatframe.converting.conversion import Converted
    from hatframe.format.model import Function
    from hatframe.packages.dependencies import Trust
    from hatframe.packages.packing import Packed
    from hatframe.results.model import ResultsDocument
    from hatframe.validating.validation import Deviation

_log = logging.getLogger(__name__)

DISABLE_VARIABLE = "HATFRAME_DISABLE_PLUGINS"


class Kernel:
    """Everything that hatframe does, with a set of plugins of its own; two kernels share no state.

    Parameters
    ----------
    plugins
        Plugin modules or objects to use, beside those that are installed.
    entry_points
        Whether to find the installed plugins, hatframe's own among them.
    disabled
        Plugins to leave out, by the name of their entry point or distribution; those in the environment variable
        ``HATFRAME_DISABLE_PLUGINS`` (separated by commas) are left out as well.

    What the user should know, such as that a library was linked, goes to Python's ``logging``, to loggers below
    ``hatframe``.
    """

    def __init__(
        self,
        plugins: Iterable[Any] = (),
        *,
        entry_points: bool = True,
        disabled: Collection[str] = (),
    ) -> None:
        by_environment = (name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(","))
        self._plugins = tuple(plugins)
        self._entry_points = entry_points
        self._disabled = frozenset((*disabled, *filter(None, by_environment)))
        self.registry = Registry(self._plugins, entry_points=entry_points, disabled=self._disabled)

    # ------------------------------------------------------------------------------------------------ picking

    @cached_property
    def machine(self) -> Machine:
        """The facts of this machine, from all probes that can work here."""
        found = []
        for probe in self.registry.probes.all():
            try:
                found.append((probe.name, probe.facts()))
            except Exception as error:
                _log.warning("probe %s failed: %s: %s", probe.name, type(error).__name__, error)
        return Machine.of(found)

    def loader(self, name: str | None = None, runtime: str = "") -> Loader:
        """The loader of that name, or the first that can work here; with ``runtime`` the one that claims it.

        Raises :class:`PluginError` where there is none.
        """
        if runtime:
            return self._runtime_loader(runtime)
        if name is not None:
            loader = self.registry.loaders.get(name)
            if loader.runtimes:
                raise PluginError(
                    f"loader {name!r} serves {', '.join(sorted(loader.runtimes))}, not host functions",
                    hint="it is used by itself for functions of that runtime; choose another for the rest",
                )
            return loader
        for loader in self.registry.loaders.all():
            if not loader.runtimes:
                return loader
        raise PluginError("no loader for host functions can work here", hint="see: hatframe plugins")

    def _runtime_loader(self, runtime: str) -> Loader:
        claiming = [loader for loader in self.registry.loaders.all() if runtime.lower() in loader.runtimes]
        if len(claiming) > 1:
            names = ", ".join(loader.name for loader in claiming)
            raise PluginError(f"several loaders claim runtime {runtime}: {names}", hint="leave all but one out")
        if claiming:
            return claiming[0]
        raise PluginError(
            f"no installed loader serves runtime {runtime}",
            hint="install a plugin that does; hatframe plugins shows what is here and whether it can work",
        )

    def linker(self, name: str | None = None, platform: Platform | None = None) -> Linker:
        """The linker of that name, or the first that can work here and produce for ``platform`` (this machine).

        Raises :class:`PluginError` where there is none, with what to install.
        """
        wanted = platform or Platform.host()

        def serves(linker: Linker) -> bool:
            return any(made.fits(wanted) for made in linker.platforms())

        if name is not None:
            linker = self.registry.linkers.get(name)
            if not serves(linker):
                able = [other.name for other in self.registry.linkers.all() if serves(other)]
                hint = f"linkers that can: {', '.join(able)}" if able else self._missing_linkers(serves)
                raise PluginError(f"linker {name!r} cannot produce for {wanted}", hint=hint)
            return linker
        if first := self.registry.linkers.first(serves):
            return first
        raise PluginError(f"no linker can produce for {wanted} here", hint=self._missing_linkers(serves))

    def _missing_linkers(self, serves: Callable[[Linker], bool]) -> str:
        return " or ".join(self.registry.linkers.installs(serves)) or "no plugin that is installed has one that would"

    # --------------------------------------------------------------------------------------------- operations

    def load(
        self,
        *paths: str | Path,
        loader: str | None = None,
        force: bool = False,
        allow_outside: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> LoadedPackage:
        """Open a package by its .hat file or files, or a .zip file, as a mapping of functions that can be called.

        Parameters
        ----------
        loader
            The loader for host functions; functions with a ``runtime`` go to the one that claims it.
        force
            Open it even where this machine is known not to meet what it requires.
        allow_outside
            Take a library or a dependency that lies outside of the package's folder.
        options
            Options for the loader.
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
    ) -> LoadedPackage:
        """Open a package that was read already; as :meth:`load`."""
        from hatframe.calling.loaded import LoadedPackage
        from hatframe.calling.requirements import check_target

        if not package.functions:
            raise PackageError("it describes no functions", where=str(package.path or ""))
        check_target(package.hat_files, self.machine, force)
        context = self._load_context(options or {}, allow_outside)
        opened: dict[str, Library] = {}
        host = self.loader(loader)
        # What came in a .zip file lies in the cache, which another process may clear.
        marks = contextlib.ExitStack()
        marks.enter_context(in_use([package]))

        def bind(function: Function) -> BoundFunction:
            chosen = self.loader(runtime=function.runtime) if function.runtime else host
            if chosen.name not in opened:
                opened[chosen.name] = chosen.open(package, context)
            bound = opened[chosen.name].bind(function)
            bound.loader = chosen.name
            return bound

        def close() -> None:
            for library in opened.values():
                library.close()
            marks.close()

        loaded = LoadedPackage(package, bind, close=close)
        if any(not function.runtime for function in package.functions.values()):
            # A library that is missing or broken is told now, not at the first call.
            opened[host.name] = host.open(package, context)
        return loaded

    def _load_context(self, options: Mapping[str, str], allow_outside: bool) -> LoadContext:
        def dynamic_library(package: Package) -> Path:
            from hatframe.converting.cached import cached_dynamic_library
            from hatframe.packages.dependencies import Trust

            folder, trust = files.cache_folder() / "libraries", Trust(allow_outside=allow_outside)
            return cached_dynamic_library(package, self.linker, folder, trust)

        return LoadContext(
            machine=self.machine,
            cache_folder=files.cache_folder(),
            dynamic_library=dynamic_library,
            linker=self.linker,
            notify=_log.info,
            options=options,
        )

    def build(
        self,
        sources: Sequence[str | Path],
        output: str | Path,
        *,
        linker: str | None = None,
        target: str | None = None,
        static: bool = False,
        optimize: int = 3,
        processor: str | None = None,
        flags: Sequence[str] = (),
        include_folders: Sequence[str | Path] = (),
        functions: Sequence[str] = (),
        libraries: Sequence[str] = (),
        library_folders: Sequence[str | Path] = (),
    ) -> Built:
        """Build a package from C files; tells what was written, and what could not be described.

        Parameters
        ----------
        sources, output
            The C files, and the .hat file to write; the library is put beside it.
        linker, target
            The linker to use, and the platform to build for (``x86_64-windows``); without them the first that can
            produce for it, and this machine.
        static, optimize, flags, include_folders, functions, libraries, library_folders
            As :class:`hatframe.building.build.BuildOptions` tells.
        processor
            The processor that the code may be for; None is this machine's, or any with a ``target``.
        """
        from hatframe.building.build import BuildOptions, build

        wanted = Platform.parse(target) if target else Platform.host()
        chosen = self.linker(linker, wanted)
        # The linker knows which C library it makes this for.
        platform = min(made for made in chosen.platforms() if made.fits(wanted))
        options = BuildOptions(
            static=static,
            optimize=optimize,
            processor=("" if target else "native") if processor is None else processor,
            flags=tuple(flags),
            include_folders=tuple(map(Path, include_folders)),
            functions=tuple(functions),
            libraries=tuple(libraries),
            library_folders=tuple(map(Path, library_folders)),
        )
        return build([Path(source) for source in sources], Path(output), options, chosen, platform)

    def to_dynamic(
        self,
        path: str | Path,
        output: str | Path,
        *,
        linker: str | None = None,
        libraries: Sequence[str] = (),
        library_folders: Sequence[str | Path] = (),
        all_hats: bool = False,
        allow_outside: bool = False,
        allow_link_flags: Sequence[str] = (),
    ) -> Converted:
        """Convert a static package to a dynamic one; tells what was written.

        Parameters
        ----------
        path, output
            The .hat file of the static package, and the one to write; the library is put beside it.
        linker
            The linker to use; without it the first that can produce for the package's platform.
        libraries, library_folders
            Libraries to link, and where to look for them.
        all_hats
            Convert every .hat file of the same library in the folder.
        allow_outside, allow_link_flags
            Take paths in the package's metadata that leave its folder, and these flags for the linker.
        """
        from hatframe.converting.to_dynamic import to_dynamic

        package, trust, chosen = self._to_convert(path, linker, all_hats, allow_outside, allow_link_flags)
        return to_dynamic(
            package,
            Path(output),
            linker=chosen,
            libraries=libraries,
            library_folders=[Path(folder) for folder in library_folders],
            trust=trust,
        )

    def to_static(
        self,
        path: str | Path,
        output: str | Path,
        *,
        linker: str | None = None,
        objects: Sequence[str] = (),
        all_hats: bool = False,
        allow_outside: bool = False,
        allow_link_flags: Sequence[str] = (),
    ) -> Converted:
        """Convert a package of objects to one with a static library; tells what was written.

        ``objects`` are paths of more object files and static libraries to put in; the rest is as for
        :meth:`to_dynamic`.
        """
        from hatframe.converting.to_static import to_static

        package, trust, chosen = self._to_convert(path, linker, all_hats, allow_outside, allow_link_flags)
        return to_static(package, Path(output), linker=chosen, objects=objects, trust=trust)

    def _to_convert(
        self,
        path: str | Path,
        linker: str | None,
        all_hats: bool,
        allow_outside: bool,
        allow_link_flags: Sequence[str],
    ) -> tuple[Package, Trust, Linker]:
        """What is converted, how far its metadata are trusted, and by which linker."""
        from hatframe.converting.plan import platform_of, static_library
        from hatframe.packages.dependencies import Trust

        package = same_library(Path(path)) if all_hats else read_package(path)
        trust = Trust(allow_outside=allow_outside, link_flags=tuple(allow_link_flags))
        platform = platform_of(package, static_library(package, trust))
        return package, trust, self.linker(linker, platform)

    def pack(self, path: str | Path, output: str | Path, *, allow_outside: bool = False) -> Packed:
        """Gather the package of a .hat file into a folder or a .zip file, so that it can be moved.

        Raises as :func:`hatframe.packages.packing.pack`, which tells more. No code of the package is run.
        """
        from hatframe.packages.packing import pack

        return pack(Path(path), Path(output), allow_outside=allow_outside)

    def validate(self, path: str | Path) -> list[Deviation]:
        """Every deviation of a .hat file from the format. No code of the package is run."""
        from hatframe.validating.validation import validate

        runtimes = {runtime for loader in self.registry.loaders.all() for runtime in loader.runtimes}
        return validate(Path(path), runtimes)

    def bench(
        self,
        paths: Iterable[str | Path],
        options: BenchOptions,
        observers: Iterable[Observer] = (),
    ) -> ResultsDocument:
        """Measure the functions of packages, write each result to the sinks, and return all of them.

        Parameters
        ----------
        paths
            .hat files, folders of them, or .zip files of packed packages; all functions are ranked together.
        observers
            Are told how it goes on, beside those of the plugins.
        """
        from hatframe.bench.run import run_benchmark

        recipe = self._recipe()
        opening = {
            "loader": options.loader,
            "force": options.force,
            "allow_outside": options.allow_outside,
            "options": {"timer": options.timer},
        }
        with in_use(read_packages(paths)) as packages:
            return run_benchmark(
                packages,
                options,
                machine=self.machine,
                opener=functools.partial(_opener, recipe or self, opening),
                isolated=recipe is not None,
                sinks=[(self.registry.sinks.get(choice.name), choice) for choice in options.sinks],
                observers=[*self.registry.observers(), *observers],
            )

    def _recipe(self) -> _Recipe | None:
        """How to make the same kernel in another process; None where a given plugin cannot be sent there."""
        try:
            plugins = tuple(_sent(plugin) for plugin in self._plugins)
        except (pickle.PicklingError, AttributeError, TypeError):
            return None
        return _Recipe(plugins, self._entry_points, self._disabled)


class _Recipe(NamedTuple):
    """What another process makes a kernel of."""

    plugins: tuple[bytes | str, ...]
    entry_points: bool
    disabled: frozenset[str]

    def kernel(self) -> Kernel:
        """A kernel of the same plugins."""
        plugins = [
            importlib.import_module(plugin) if isinstance(plugin, str) else pickle.loads(plugin)
            for plugin in self.plugins
        ]
        return Kernel(plugins, entry_points=self.entry_points, disabled=self.disabled)


def _sent(plugin: Any) -> bytes | str:
    """A plugin as another process gets it: the name of a module, or a pickle."""
    home = plugin.__name__ if isinstance(plugin, types.ModuleType) else type(plugin).__module__
    try:
        importable = home != "__main__" and importlib.util.find_spec(home) is not None
    except ValueError:  # a module that was made by hand has no spec
        importable = False
    if not importable:
        raise pickle.PicklingError(f"{home} cannot be imported there")
    return home if isinstance(plugin, types.ModuleType) else pickle.dumps(plugin)


def _opener(source: _Recipe | Kernel, opening: dict[str, Any]) -> Callable[[Package], LoadedPackage]:
    """What opens packages in the process that measures."""
    kernel = source.kernel() if isinstance(source, _Recipe) else source
    return functools.partial(kernel.open_package, **opening)


def load(
    *paths: str | Path,
    loader: str | None = None,
    force: bool = False,
    allow_outside: bool = False,
    options: Mapping[str, str] | None = None,
) -> LoadedPackage:
    """Open a package with all installed plugins; see :meth:`Kernel.load`."""
    return Kernel().load(*paths, loader=loader, force=force, allow_outside=allow_outside, options=options)
