"""The contract of a plugin as a whole: what the kernel makes of it."""

from __future__ import annotations

import json
import subprocess
import types
from typing import Any

from hatframe.backends import Linker, Loader, Meter, Probe, Sink
from hatframe.kernel import Kernel
from hatframe.testing.contract import Contract, check_backend
from hatframe.testing.loaders import check_runtimes
from hatframe.testing.observers import check_observer
from hatframe.worker.process import isolated_python

HEAVY = ("cffi", "lief", "ml_dtypes", "numpy", "pandas")
"""Modules that take long to import, and that ``hatframe --help`` must not: plugins are imported at each start."""

_IMPORT = """
import importlib
importlib.import_module(sys.argv[1])
print(json.dumps(sorted(set(json.loads(sys.argv[2])) & set(sys.modules))))
"""


def check_plugin(plugin: Any) -> Kernel:
    """Hold a plugin module or object against the contract of plugins, in a kernel that has no other.

    Its hooks are called and what they return is looked at: backends, observers, and commands; its module is
    imported by another process to see that this is cheap. Gives the kernel, whose registry has the plugin's
    backends, for the checks of each kind; one that cannot work here counts as well.

    Raises :class:`AssertionError` with the clause that does not hold.
    """
    name = getattr(plugin, "__name__", None) or type(plugin).__name__
    contract = Contract(f"plugin {name}")
    if isinstance(plugin, types.ModuleType):
        _check_import(contract, plugin)
    kernel = Kernel([plugin], entry_points=False)
    registry = kernel.registry
    observers = registry.observers()
    _check_status(contract, kernel)
    for report in registry.backends:
        same = [other for other in registry.backends if (other.kind, other.name) == (report.kind, report.name)]
        contract.require(len(same) == 1, "its backends of one kind have names of their own", report.name)
    for loader in registry.loaders.all():
        check_runtimes(check_backend(loader, Loader), loader)
    for kind, backends in (
        (Linker, registry.linkers.all()),
        (Sink, registry.sinks.all()),
        (Probe, registry.probes.all()),
        (Meter, registry.meters.all()),
    ):
        for backend in backends:
            check_backend(backend, kind)
    for observer in observers:
        check_observer(observer)
    _check_command_line(contract, kernel)
    _check_status(contract, kernel)
    return kernel


def _check_status(contract: Contract, kernel: Kernel) -> None:
    for report in kernel.registry.plugins:
        contract.require(report.status == "loaded", "the kernel takes it", report.reason)


def _check_import(contract: Contract, module: types.ModuleType) -> None:
    if module.__spec__ is None or not module.__spec__.has_location:
        return  # made by hand, and there is nothing to import
    command = isolated_python(_IMPORT, module.__spec__.name, json.dumps(HEAVY))
    done = subprocess.run(command, capture_output=True, text=True)
    last = done.stderr.strip().rpartition("\n")[2]
    contract.require(done.returncode == 0, "its module can be imported by any process", last)
    heavy = json.loads(done.stdout.splitlines()[-1])
    contract.require(not heavy, "importing it is cheap: heavy modules are imported in the methods", ", ".join(heavy))


def _check_command_line(contract: Contract, kernel: Kernel) -> None:
    commands = _command_line(Kernel(entry_points=False))[0].commands
    own = commands["bench"].params
    names = {parameter.name for parameter in own}
    spellings = {spelling for parameter in own for spelling in parameter.opts}
    for option in (option for kind in kernel.registry.kinds for backend in kind.all() for option in backend.options):
        taken = sorted({*spellings.intersection(option.names), *names.intersection([option.key])})
        contract.require(not taken, "its options differ from those that hatframe bench has already", ", ".join(taken))
    command, added = contract.works("its commands can be added", _command_line, kernel)
    names_shown = ", ".join(command.commands)
    contract.require(
        len(command.commands) == len(commands) + added, "no command of it has the name of another", names_shown
    )


def _command_line(kernel: Kernel) -> tuple[Any, int]:
    """The command line over ``kernel``, and how many commands its plugins added."""
    import typer.main

    from hatframe.cli.main import build_app

    app = build_app(kernel)
    return typer.main.get_command(app), len(app.registered_commands) + len(app.registered_groups)
