"""Finds plugins and gathers their backends; broken ones are reported and left out, and the rest works."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import itertools
import os
import sys
import types
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import pluggy

from hatframe import __version__, hookspecs
from hatframe.backends import Availability, Backend, Linker, Loader, Meter, Observer, Probe, Sink
from hatframe.errors import PluginError
from hatframe.machine import Platform

GROUP = "hatframe"
"""The group of entry points that plugins register under."""

DISABLE_VARIABLE = "HATFRAME_DISABLE_PLUGINS"
"""The environment variable that lists plugins to leave out, separated by commas."""

BackendT = TypeVar("BackendT", bound=Backend)


class PluginReport(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one plugin: ``loaded``, ``disabled`` or ``failed``, with the ``reason``."""

    name: str
    distribution: str = ""
    version: str = ""
    status: str = "loaded"
    reason: str = ""


class BackendReport(msgspec.Struct, frozen=True, kw_only=True):
    """One backend, its plugin, and whether it works here; if not, why, and what to install."""

    kind: str
    name: str
    summary: str
    plugin: str
    distribution: str = ""
    version: str = ""
    available: bool = True
    reason: str = ""
    install: str = ""


class Registry:
    """The plugins of one kernel, given or found by their entry points, and their backends by kind."""

    def __init__(self, plugins: Iterable[Any], *, entry_points: bool, disabled: Collection[str]) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._plugins: dict[str, PluginReport] = {}
        by_environment = map(str.strip, os.environ.get(DISABLE_VARIABLE, "").split(","))
        disabled = {*disabled, *filter(None, by_environment)}
        if entry_points:
            # One distribution may have many plugins, and each look at its metadata parses them.
            described = functools.cache(_describe)
            for entry in importlib.metadata.entry_points(group=GROUP):
                self._add_entry_point(entry, described(entry.dist), disabled)
        for plugin in plugins:
            name = getattr(plugin, "__name__", None) or type(plugin).__name__
            self._register(plugin, PluginReport(name=name))
        found = {name for report in self._plugins.values() for name in (report.name, report.distribution)}
        self.not_found = sorted(disabled - found)
        """Names to disable that no plugin has."""
        self.linkers: BackendSet[Linker] = BackendSet("linker", Linker, self._gather("hatframe_linkers"), self._fail)
        self.loaders: BackendSet[Loader] = BackendSet(
            "loader", Loader, self._gather("hatframe_loaders"), self._fail, self._loader_availability
        )
        self.sinks: BackendSet[Sink] = BackendSet("sink", Sink, self._gather("hatframe_sinks"), self._fail)
        self.probes: BackendSet[Probe] = BackendSet("probe", Probe, self._gather("hatframe_probes"), self._fail)
        self.meters: BackendSet[Meter] = BackendSet("meter", Meter, self._gather("hatframe_meters"), self._fail)

    @property
    def plugins(self) -> Sequence[PluginReport]:
        """All plugins, installed or given, ordered by name."""
        return sorted(self._plugins.values(), key=lambda report: (report.distribution, report.name))

    @property
    def kinds(self) -> tuple[BackendSet[Any], ...]:
        """The backends of every kind."""
        return (self.loaders, self.linkers, self.sinks, self.probes, self.meters)

    @property
    def backends(self) -> list[BackendReport]:
        """All backends by kind and name, including those that do not work here."""
        return [report for kind in self.kinds for report in kind.reports()]

    def observers(self) -> list[Observer]:
        """New observers for a run, from all plugins."""
        found = []
        for plugin, observers in self._gather("hatframe_observers"):
            for observer in observers:
                if isinstance(observer, Observer):
                    found.append(observer)
                else:
                    reason = f"hatframe_observers returned {_described(observer)}, which is not an Observer"
                    self._fail(plugin.name, reason)
        return found

    def add_commands(self, app: Any, check: Callable[[], Any], undo: Callable[[], Any]) -> None:
        """Let the plugins add their commands to the typer application ``app``, one plugin after another.

        ``check`` raises if a command that was added cannot be used; ``undo`` then removes it.
        """
        for plugin, function in self._implementations("hatframe_commands"):
            try:
                function(app=app)
                check()
            except Exception as error:
                self._raised(plugin, "hatframe_commands", error)
                undo()

    def _loader_availability(self, loader: Loader) -> Availability:
        availability = _availability(loader)
        if not availability or not loader.needs_linker:
            return availability

        def serves(linker: Linker) -> bool:
            return any(made.fits(Platform.host()) for made in linker.platforms())

        if self.linkers.first(serves):
            return availability
        return Availability(False, "it needs a C compiler", " or ".join(self.linkers.installs(serves)))

    def _add_entry_point(
        self, entry: importlib.metadata.EntryPoint, owner: _Distribution, disabled: Collection[str]
    ) -> None:
        report = PluginReport(name=entry.name, distribution=owner.name, version=owner.version)
        if entry.name in disabled or owner.name in disabled:
            self._report(report, status="disabled", reason="disabled by the user")
        elif owner.incompatibility:
            self._report(report, status="failed", reason=owner.incompatibility)
        else:
            try:
                plugin = entry.load()
            except (Exception, SystemExit) as error:
                self._report(report, status="failed", reason=f"cannot be imported: {_cause(error)}")
            else:
                self._register(plugin, report)

    def _register(self, plugin: Any, report: PluginReport) -> None:
        name = self._report(report)
        try:
            self._manager.register(plugin, name)
            unknown = [hook.name for hook in self._manager.get_hookcallers(plugin) or () if not hook.has_spec()]
            if unknown:
                self._manager.unregister(plugin)
                raise PluginError(f"implements unknown hooks: {', '.join(unknown)}")
        except (pluggy.PluginValidationError, PluginError, ValueError) as error:
            self._fail(name, _cause(error))

    def _report(self, report: PluginReport, **changes: str) -> str:
        """Keep a report under a unique name; returns the name."""
        owned = f"{report.distribution or 'given'}:{report.name}"
        names = itertools.chain((report.name, owned), (f"{owned}:{number}" for number in itertools.count(2)))
        name = next(name for name in names if name not in self._plugins)
        self._plugins[name] = msgspec.structs.replace(report, name=name, **changes)
        return name

    def _fail(self, plugin: str, reason: str) -> PluginReport:
        self._plugins[plugin] = msgspec.structs.replace(self._plugins[plugin], status="failed", reason=reason)
        return self._plugins[plugin]

    def _implementations(self, hook: str) -> list[tuple[str, Callable[..., Any]]]:
        # Called one by one: in pluggy's own loop, one that raises would end all.
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        return [(impl.plugin_name, impl.function) for impl in caller.get_hookimpls()]

    def _gather(self, hook: str) -> list[tuple[PluginReport, list[Any]]]:
        gathered = []
        for plugin, function in self._implementations(hook):
            try:
                found = list(function())  # the errors of a generator are the plugin's too
            except Exception as error:
                self._raised(plugin, hook, error)
                found = []
            gathered.append((self._plugins[plugin], found))
        return gathered

    def _raised(self, plugin: str, hook: str, error: Exception) -> None:
        self._fail(plugin, f"{hook} raised {_cause(error)}")


class BackendSet(Generic[BackendT]):
    """All backends of one kind (``loader``, ``linker`` …): the usable ones by name, and the rest with reasons."""

    def __init__(
        self,
        kind: str,
        contract: type[Any],
        gathered: Iterable[tuple[PluginReport, list[Any]]],
        fail: Callable[[str, str], PluginReport],
        availability: Callable[[BackendT], Availability] | None = None,
    ) -> None:
        self.kind = kind
        self._availability = availability or _availability
        self._entries: list[tuple[PluginReport, BackendT]] = []
        for plugin, backends in gathered:
            for backend in backends:
                if reason := _breach(backend, contract):
                    fail(plugin.name, reason)
                else:
                    self._entries.append((plugin, backend))
        self._entries.sort(key=lambda entry: (-entry[1].priority, entry[1].name))

    @property
    def names(self) -> list[str]:
        """All names, each once, the default first."""
        return list(dict.fromkeys(backend.name for _, backend in self._entries))

    def all(self) -> list[BackendT]:
        """All that are available and have a unique name, the default first."""
        return [backend for name in self.names if (backend := self._usable(name))]

    def get(self, name: str) -> BackendT:
        """The backend of that name; raises :class:`PluginError` if it is unknown, ambiguous or unavailable."""
        entries = self._named(name)
        if not entries:
            import difflib

            close = difflib.get_close_matches(name, self.names, n=1)
            hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(self.names) or 'none'}"
            raise PluginError(f"unknown {self.kind} {name!r}", hint=hint)
        if reason := self._ambiguity(name):
            raise PluginError(reason, hint="disable one with --disable-plugin")
        backend = entries[0][1]
        availability = self._availability(backend)
        if not availability:
            reason = f"{self.kind} {name!r} is not available: {availability.reason}"
            raise PluginError(reason, hint=availability.install)
        return backend

    def first(self, serves: Callable[[BackendT], bool]) -> BackendT | None:
        """The first available one for which ``serves`` is true, or None."""
        backends = (backend for _, backend in self._entries if serves(backend))
        return next((backend for backend in backends if self._usable(backend.name) is backend), None)

    def installs(self, serves: Callable[[BackendT], bool]) -> list[str]:
        """What to install, for each unavailable one for which ``serves`` is true."""
        states = (self._availability(backend) for _, backend in self._entries if serves(backend))
        return [state.install for state in states if not state and state.install]

    def reports(self) -> list[BackendReport]:
        """What ``hatframe plugins`` shows of each."""
        reports = []
        for plugin, backend in self._entries:
            availability = self._availability(backend)
            ambiguity = self._ambiguity(backend.name)
            reports.append(
                BackendReport(
                    kind=self.kind,
                    name=backend.name,
                    summary=backend.summary,
                    plugin=plugin.name,
                    distribution=plugin.distribution,
                    version=plugin.version,
                    available=bool(availability) and not ambiguity,
                    reason=ambiguity or availability.reason,
                    install="" if ambiguity else availability.install,
                )
            )
        return reports

    def _named(self, name: str) -> list[tuple[PluginReport, BackendT]]:
        return [entry for entry in self._entries if entry[1].name == name]

    def _usable(self, name: str) -> BackendT | None:
        entries = self._named(name)
        return entries[0][1] if len(entries) == 1 and self._availability(entries[0][1]) else None

    def _ambiguity(self, name: str) -> str:
        entries = self._named(name)
        if len(entries) < 2:
            return ""
        owners = (
            f"{plugin.distribution} {plugin.version} (plugin {plugin.name})"
            if plugin.distribution
            else f"the given plugin {plugin.name}"
            for plugin, _ in entries
        )
        return f"{self.kind} {name!r} is provided by {' and '.join(owners)}"


def _breach(backend: Any, contract: type[Backend]) -> str:
    """How ``backend`` breaks the contract of its kind, or an empty string."""
    if not isinstance(backend, contract):
        return f"{_described(backend)} is not a {contract.__name__}"
    for attribute in ("name", "summary"):
        value = getattr(backend, attribute, None)
        if not isinstance(value, str) or not value:
            return f"{contract.__name__} {_described(backend)} has no {attribute}"
    return ""


def _availability(backend: Backend) -> Availability:
    try:
        return backend.availability()
    except Exception as error:
        return Availability(False, f"its availability() raised {_cause(error)}")


class _Distribution(NamedTuple):
    name: str = ""
    version: str = ""
    incompatibility: str = ""


def _describe(distribution: importlib.metadata.Distribution | None) -> _Distribution:
    if distribution is None:
        return _Distribution()
    metadata = distribution.metadata
    name = metadata["Name"]
    # hatframe's own plugins are of this version.
    incompatibility = _incompatibility(distribution.requires or ()) if name != "hatframe" else ""
    return _Distribution(name, metadata["Version"], incompatibility)


def _incompatibility(requires: Iterable[str]) -> str:
    """Why a distribution does not support this version of hatframe, by its ``Requires-Dist``, or an empty string."""
    from packaging.requirements import InvalidRequirement, Requirement

    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        fits = requirement.specifier.contains(__version__, prereleases=True)
        if requirement.name == "hatframe" and applies and not fits:
            return f"requires hatframe{requirement.specifier}, but this is {__version__}"
    return ""


def _described(thing: Any) -> str:
    return f"{thing.__name__} (a class)" if isinstance(thing, type) else f"a {type(thing).__name__}"


def _cause(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def portable(plugin: Any) -> tuple[bytes | str, list[str]]:
    """A given plugin as another process can restore it: the name of a module, or a pickle, and the folders of both."""
    import pickle

    home = plugin.__name__ if isinstance(plugin, types.ModuleType) else type(plugin).__module__
    try:
        importable = home != "__main__" and importlib.util.find_spec(home) is not None
    except ValueError:  # a module made by hand has no spec
        importable = False
    if not importable:
        raise pickle.PicklingError(f"{home} cannot be imported in another process")
    spec = importlib.util.find_spec(home.partition(".")[0])
    assert spec
    files = spec.submodule_search_locations or ([spec.origin] if spec.has_location and spec.origin else [])
    folders = [str(Path(file).absolute().parent) for file in files]
    return home if isinstance(plugin, types.ModuleType) else pickle.dumps(plugin), folders


def restored(plugin: bytes | str, folders: Iterable[str]) -> Any:
    """The plugin that :func:`portable` was called with."""
    import pickle

    # The user gave it, so its folder may be the current one, which other processes leave out.
    sys.path += [folder for folder in folders if folder not in sys.path]
    return importlib.import_module(plugin) if isinstance(plugin, str) else pickle.loads(plugin)
