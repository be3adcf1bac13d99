"""Selecting backends: by name, or the first that works here and can do what is needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from hatframe.backends import Linker, Loader, Meter
from hatframe.calling.loaded import LoadedPackage
from hatframe.errors import PluginError
from hatframe.machine import Machine, Platform
from hatframe.packages.package import Package

if TYPE_CHECKING:
    from hatframe.bench.options import BenchOptions
    from hatframe.kernel import Kernel
    from hatframe.registry import Registry
    from hatframe.verifying.options import VerifyOptions

_log = logging.getLogger(__name__)


class BackendSelection:
    """The plugins of a kernel, and which of their backends it uses. The parameters are those of :class:`Kernel`."""

    def __init__(
        self, plugins: Iterable[Any] = (), *, entry_points: bool = True, disabled: Collection[str] = ()
    ) -> None:
        self._plugins = tuple(plugins)
        self._entry_points = entry_points
        self._disabled = frozenset(disabled)

    @cached_property
    def registry(self) -> Registry:
        """The plugins, and their backends by kind."""
        from hatframe.registry import Registry

        return Registry(self._plugins, entry_points=self._entry_points, disabled=self._disabled)

    @cached_property
    def machine(self) -> Machine:
        """The facts of this machine, from all probes that work here."""
        return self.probed({})

    def probed(self, settings: Mapping[str, str]) -> Machine:
        """The facts of this machine, from probes with ``settings``; a probe that fails is left out with a warning."""
        found = []
        for probe in self.registry.probes.all():
            try:
                found.append((probe.name, probe.configured(settings).facts()))
            except Exception as error:
                _log.warning("probe %s failed: %s: %s", probe.name, type(error).__name__, error)
        return Machine.of(found)

    def loader(
        self, name: str | None = None, runtime: str = "", suitability: Callable[[Loader], int] = lambda loader: 0
    ) -> Loader:
        """The loader called ``name``, or the most suitable that works here; with ``runtime``, the one that serves it.

        Raises :class:`PluginError` if there is none.
        """
        installed = self.registry.loaders
        if runtime:
            serving = [loader for loader in installed.all() if runtime.lower() in loader.runtimes]
            if len(serving) == 1:
                return serving[0]
            if serving:
                names = ", ".join(loader.name for loader in serving)
                raise PluginError(f"several loaders serve runtime {runtime}: {names}", hint="disable all but one")
            raise PluginError(
                f"no installed loader serves runtime {runtime}",
                hint="install a plugin that does; hatframe plugins lists those installed and whether they work here",
            )
        if name is not None:
            loader = installed.get(name)
            if loader.runtimes:
                raise PluginError(
                    f"loader {name!r} serves {', '.join(sorted(loader.runtimes))}, not host functions",
                    hint="hatframe selects it for functions of that runtime; choose another for host functions",
                )
            return loader
        # Those that suit equally well keep the order of their priorities.
        if able := [loader for loader in installed.all() if not loader.runtimes]:
            return max(able, key=suitability)
        raise PluginError("no loader for host functions is available", hint="see: hatframe plugins")

    def linker(self, name: str | None = None, platform: Platform | None = None) -> Linker:
        """The linker called ``name``, or the first that works here and produces for ``platform`` (this machine).

        Raises :class:`PluginError` if there is none, with what to install.
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
        raise PluginError(f"no available linker can produce for {wanted}", hint=self._missing_linkers(serves))

    def _missing_linkers(self, serves: Callable[[Linker], bool]) -> str:
        return " or ".join(self.registry.linkers.installs(serves)) or "no installed plugin has one that could"


class RunBackends(NamedTuple):
    """What the kernel provides in the process that measures or verifies: ``Backends`` of its session."""

    kernel: Kernel
    options: BenchOptions | VerifyOptions

    def open_package(self, package: Package, opening: Callable[[], None]) -> LoadedPackage:
        """Open a package as the run asks for it; ``opening`` is called before the system opens its library."""
        known = {option.key for loader in self.kernel.registry.loaders.all() for option in loader.options}
        return self.kernel.open_package(
            package,
            loader=self.options.loader,
            force=self.options.force,
            allow_outside=self.options.allow_outside,
            options={key: value for key, value in self.options.backend_options.items() if key in known},
            opening=opening,
        )

    def meters(self) -> list[Meter]:
        """The meters of the run: those that were chosen, or else all that work here."""
        meters = self.kernel.registry.meters
        names = self.options.meters
        chosen = [meters.get(name) for name in names if name != "none"] if names else meters.all()
        return [meter.configured(self.options.backend_options) for meter in chosen]
