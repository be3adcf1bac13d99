"""What plugins import, beside :mod:`hatframe` and :mod:`hatframe.testing`: all other modules are private.

The names here keep their meaning within a major version; see ``docs/plugins.md``. Importing this module is cheap: what
needs numpy is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hatframe.backends import (
    Availability,
    Backend,
    BoundFunction,
    Library,
    Linker,
    LoadContext,
    Loader,
    Measurement,
    Memory,
    Meter,
    MeterSession,
    Observer,
    Option,
    Probe,
    SharedLibrary,
    Sink,
    SinkRun,
    Timer,
    Workload,
    WorkloadSpec,
)
from hatframe.errors import (
    BenchmarkError,
    CallError,
    FormatError,
    HatError,
    LinkError,
    PackageError,
    PluginError,
    SinkError,
    SymbolError,
    TargetError,
    UsageError,
)
from hatframe.format.model import Function, HatFile, LogicalType, Parameter, Required, RequiredGpu, Usage
from hatframe.hookspecs import hookimpl
from hatframe.machine import Cache, Facts, Machine, Platform
from hatframe.packages.package import Package
from hatframe.results.model import FunctionResult, PackageInfo, ResultsDocument, RunInfo, Statistics

if TYPE_CHECKING:
    from hatframe.binary.libraries import content as library_content
    from hatframe.binary.libraries import extract_objects, identify, slices
    from hatframe.c.size_expressions import SizeTree
    from hatframe.calling.bound import Answering, ArrayFunction
    from hatframe.calling.host import HostLoader
    from hatframe.calling.host_function import HostFunction
    from hatframe.calling.interface import POINTER, Conversions, ForeignInterface, address_of, unchanged
    from hatframe.calling.plans import ArgumentPlan, CallPlan, PassingMode, plan_call
    from hatframe.calling.workloads import ArrayWorkload
    from hatframe.files import compiler_cache, locked, write_atomically
    from hatframe.format.editing import store_in_auxiliary
    from hatframe.format.names import python_name
    from hatframe.format.pairs import pairs_text
    from hatframe.junit import JUNIT_START, JUnitCase, JUnitSuite, encode_junit
    from hatframe.outputs import check_file, check_kind, check_replaceable
    from hatframe.packages.store import Bucket, cached_file, is_cached
    from hatframe.packages.stored import STORED_MEAN_KEYS
    from hatframe.results.comparison import short_names
    from hatframe.results.reading import read_results
    from hatframe.results.table import Cell
    from hatframe.results.table import columns as result_columns
    from hatframe.results.table import row as result_row
    from hatframe.results.text import duration as duration_text
    from hatframe.results.text import sized_name
    from hatframe.results.writing import encode_results
    from hatframe.toolchain.linker import ToolLinker
    from hatframe.toolchain.tool import Job, ToolResult, private_folder
    from hatframe.toolchain.tool import failure as tool_failure
    from hatframe.toolchain.undefined import undefined_symbols

# Imported when first used: the module of each, and its name there if that is another.
_LAZY = {
    "Answering": "calling.bound",
    "ArgumentPlan": "calling.plans",
    "ArrayFunction": "calling.bound",
    "ArrayWorkload": "calling.workloads",
    "Bucket": "packages.store",
    "CallPlan": "calling.plans",
    "Cell": "results.table",
    "Conversions": "calling.interface",
    "ForeignInterface": "calling.interface",
    "HostFunction": "calling.host_function",
    "HostLoader": "calling.host",
    "JUNIT_START": "junit",
    "JUnitCase": "junit",
    "JUnitSuite": "junit",
    "Job": "toolchain.tool",
    "POINTER": "calling.interface",
    "PassingMode": "calling.plans",
    "STORED_MEAN_KEYS": "packages.stored",
    "SizeTree": "c.size_expressions",
    "ToolLinker": "toolchain.linker",
    "ToolResult": "toolchain.tool",
    "address_of": "calling.interface",
    "cached_file": "packages.store",
    "check_file": "outputs",
    "check_kind": "outputs",
    "check_replaceable": "outputs",
    "compiler_cache": "files",
    "duration_text": "results.text:duration",
    "encode_junit": "junit",
    "encode_results": "results.writing",
    "extract_objects": "binary.libraries",
    "identify": "binary.libraries",
    "is_cached": "packages.store",
    "library_content": "binary.libraries:content",
    "locked": "files",
    "pairs_text": "format.pairs",
    "plan_call": "calling.plans",
    "private_folder": "toolchain.tool",
    "python_name": "format.names",
    "read_results": "results.reading",
    "result_columns": "results.table:columns",
    "result_row": "results.table:row",
    "short_names": "results.comparison",
    "sized_name": "results.text",
    "slices": "binary.libraries",
    "store_in_auxiliary": "format.editing",
    "tool_failure": "toolchain.tool:failure",
    "unchanged": "calling.interface",
    "undefined_symbols": "toolchain.undefined",
    "write_atomically": "files",
}

__all__ = [
    "JUNIT_START",
    "POINTER",
    "STORED_MEAN_KEYS",
    "Answering",
    "ArgumentPlan",
    "ArrayFunction",
    "ArrayWorkload",
    "Availability",
    "Backend",
    "BenchmarkError",
    "BoundFunction",
    "Bucket",
    "Cache",
    "CallError",
    "CallPlan",
    "Cell",
    "Conversions",
    "Facts",
    "ForeignInterface",
    "FormatError",
    "Function",
    "FunctionResult",
    "HatError",
    "HatFile",
    "HostFunction",
    "HostLoader",
    "JUnitCase",
    "JUnitSuite",
    "Job",
    "Library",
    "LinkError",
    "Linker",
    "LoadContext",
    "Loader",
    "LogicalType",
    "Machine",
    "Measurement",
    "Memory",
    "Meter",
    "MeterSession",
    "Observer",
    "Option",
    "Package",
    "PackageError",
    "PackageInfo",
    "Parameter",
    "PassingMode",
    "Platform",
    "PluginError",
    "Probe",
    "Required",
    "RequiredGpu",
    "ResultsDocument",
    "RunInfo",
    "SharedLibrary",
    "Sink",
    "SinkError",
    "SinkRun",
    "SizeTree",
    "Statistics",
    "SymbolError",
    "TargetError",
    "Timer",
    "ToolLinker",
    "ToolResult",
    "Usage",
    "UsageError",
    "Workload",
    "WorkloadSpec",
    "address_of",
    "cached_file",
    "check_file",
    "check_kind",
    "check_replaceable",
    "compiler_cache",
    "duration_text",
    "encode_junit",
    "encode_results",
    "extract_objects",
    "hookimpl",
    "identify",
    "is_cached",
    "library_content",
    "locked",
    "pairs_text",
    "plan_call",
    "private_folder",
    "python_name",
    "read_results",
    "result_columns",
    "result_row",
    "short_names",
    "sized_name",
    "slices",
    "store_in_auxiliary",
    "tool_failure",
    "unchanged",
    "undefined_symbols",
    "write_atomically",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _LAZY[name].partition(":")
    return getattr(importlib.import_module(f"hatframe.{module}"), attribute or name)
