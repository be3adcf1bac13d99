"""The extension points, all of them. A plugin implements any of these with ``@hatframe.hookimpl``.

A plugin is a module or an object. It comes in by an entry point of the group ``hatframe``, or is given to
:class:`hatframe.kernel.Kernel`. The backends that it returns subclass those of :mod:`hatframe.backends`. Each
hook is called once for each kernel, when that kind is first needed; a plugin that raises here is reported
by ``hatframe plugins`` and left out, and the others work on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import typer

    from hatframe.backends import Linker, Loader, Observer, Probe, Sink

PROJECT = "hatframe"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def hatframe_loaders() -> Iterable[Loader]:
    """Return the loaders of this plugin: what opens packages and calls their functions."""
    return ()


@hookspec
def hatframe_linkers() -> Iterable[Linker]:
    """Return the linkers of this plugin: what compiles C, links shared libraries and makes archives."""
    return ()


@hookspec
def hatframe_sinks() -> Iterable[Sink]:
    """Return the sinks of this plugin: what writes results somewhere."""
    return ()


@hookspec
def hatframe_probes() -> Iterable[Probe]:
    """Return the probes of this plugin: what tells facts of the machine."""
    return ()


@hookspec
def hatframe_observers() -> Iterable[Observer]:
    """Return observers: what is told how a benchmark goes on. Called at the start of each run."""
    return ()


@hookspec
def hatframe_commands(app: typer.Typer) -> Any:
    """Add commands to the command line: ``app`` is the typer application of ``hatframe``."""
