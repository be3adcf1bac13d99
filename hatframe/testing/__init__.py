"""The contract tests that a plugin author runs: each check holds a backend against its contract.

>>> from hatframe.testing import check_sink
>>> def test_my_sink_keeps_the_contract(tmp_path):  # doctest: +SKIP
...     check_sink(MySink(), tmp_path)

The contracts are in :mod:`hatframe.backends`. A check returns when all of a contract holds, and raises
:class:`AssertionError` with a sentence that says which clause does not. They use the backend for real: a linker
compiles, a loader calls C functions. A backend that says that it cannot work here cannot be checked here either:
:class:`hatframe.errors.PluginError`, so that no test passes without having looked. No test runner is needed.
"""

from __future__ import annotations

from hatframe.testing.functions import check_function
from hatframe.testing.linkers import check_linker
from hatframe.testing.loaders import Case, check_loader
from hatframe.testing.meters import check_meter
from hatframe.testing.observers import check_observer
from hatframe.testing.plugins import check_plugin
from hatframe.testing.probes import check_probe
from hatframe.testing.sinks import check_sink

__all__ = [
    "Case",
    "check_function",
    "check_linker",
    "check_loader",
    "check_meter",
    "check_observer",
    "check_plugin",
    "check_probe",
    "check_sink",
]
