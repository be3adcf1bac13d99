"""All extension points. A plugin implements any of these with ``@hatframe.hookimpl``.

A plugin is a module or an object. It is found by an entry point of the group ``hatframe``, or passed to
:class:`hatframe.Kernel`. The backends that it returns are subclasses of those in :mod:`hatframe.plugin`. Each hook is
called once for each kernel. A plugin that raises here is reported by ``hatframe plugins`` and skipped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

from hatframe.backends import Linker, Loader, Meter, Observer, Probe, Sink

if TYPE_CHECKING:
    from typer import Typer
else:
    Typer = Any  # only the command line imports it

PROJECT = "hatframe"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def hatframe_loaders() -> Iterable[Loader]:
    """Return the loaders of this plugin: they open packages, call their functions and make workloads of them."""
    return ()


@hookspec
def hatframe_linkers() -> Iterable[Linker]:
    """Return the linkers of this plugin: they compile C, link shared libraries and make archives."""
    return ()


@hookspec
def hatframe_sinks() -> Iterable[Sink]:
    """Return the sinks of this plugin: they write results somewhere."""
    return ()


@hookspec
def hatframe_probes() -> Iterable[Probe]:
    """Return the probes of this plugin: they report facts and readings of the machine."""
    return ()


@hookspec
def hatframe_meters() -> Iterable[Meter]:
    """Return the meters of this plugin: they measure beside the clock while a batch runs."""
    return ()


@hookspec
def hatframe_observers() -> Iterable[Observer]:
    """Return new observers; called at the start of each run, which then notifies them of its progress."""
    return ()


@hookspec
def hatframe_commands(app: Typer) -> Any:
    """Add commands to the command line; ``app`` is the typer application of ``hatframe``."""
