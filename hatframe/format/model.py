"""The typed, frozen model of a .hat file, one class for each table of the schema.

Reading is tolerant: what real files leave out or spell otherwise has a default or stays the text that it is.
``hatframe validate`` tells each deviation; what would make a call go wrong is refused when a function is bound.
The keys are described in ``schema/hat.tosd``.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import msgspec


class LogicalType(str, enum.Enum):
    """What a parameter means, whatever its C type says."""

    AFFINE_ARRAY = "affine_array"
    RUNTIME_ARRAY = "runtime_array"
    ELEMENT = "element"
    VOID = "void"

    def __str__(self) -> str:
        return self.value


class Usage(str, enum.Enum):
    """Whether a function reads a parameter, writes it, or both."""

    INPUT = "input"
    OUTPUT = "output"
    INPUT_OUTPUT = "input_output"

    def __str__(self) -> str:
        return self.value


class Table(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The base of every table; unknown keys are kept in :attr:`HatFile.document`."""


class Parameter(Table, frozen=True, kw_only=True, gc=False):
    """An argument of a function, or what it returns.

    ``shape``, ``affine_map`` (strides) and ``affine_offset`` count elements, not bytes, and belong to an
    ``affine_array``; ``size`` counts elements too, as an expression over other parameters, and belongs to a
    ``runtime_array``.
    """

    logical_type: LogicalType
    name: str = ""
    description: str = ""
    declared_type: str = ""
    element_type: str = ""
    usage: Usage = Usage.INPUT
    shape: tuple[int, ...] | None = None
    affine_map: tuple[int, ...] | None = None
    affine_offset: int = 0
    size: str | None = None


VOID = Parameter(logical_type=LogicalType.VOID, declared_type="void", element_type="void", usage=Usage.OUTPUT)


class Function(Table, frozen=True, kw_only=True, gc=False):
    """One compiled C function: how it is called, and what its arguments look like.

    ``launch_parameters`` (``[grid x, y, z, block x, y, z]``), ``provider`` (the source file) and
    ``dynamic_shared_mem_bytes`` belong to device functions; ``launches`` names the device function that a host
    function launches, and ``runtime`` is empty for host functions.
    """

    name: str = ""
    description: str = ""
    calling_convention: str = "cdecl"
    arguments: tuple[Parameter, ...]
    return_value: Parameter = msgspec.field(name="return", default=VOID)
    launches: str = ""
    launch_parameters: tuple[int, ...] = ()
    dynamic_shared_mem_bytes: int = 0
    provider: str = ""
    runtime: str = ""
    auxiliary: dict[str, Any] = {}


class Description(Table, frozen=True, kw_only=True, gc=False):
    """Who made the package, which version it is, and its licence."""

    comment: str = ""
    author: str = ""
    version: str = ""
    license_url: str = ""
    auxiliary: dict[str, Any] = {}


class RequiredCpu(Table, frozen=True, kw_only=True, gc=False):
    """The processor that the code needs. An ``extension`` with a minus sign is not required."""

    architecture: str = ""
    extensions: tuple[str, ...] = ()
    runtime: str = ""
    auxiliary: dict[str, Any] = {}


class RequiredGpu(Table, frozen=True, kw_only=True, gc=False):
    """The graphics processor that the device functions need. Memory sizes are in KB."""

    runtime: str = ""
    model: str = ""
    blocks: int = 0
    instruction_set_version: str = ""
    min_threads: int = 0
    min_global_memory_KB: int = 0  # noqa: N815 - the key of the format
    min_shared_memory_KB: int = 0  # noqa: N815
    min_texture_memory_KB: int = 0  # noqa: N815
    auxiliary: dict[str, Any] = {}


class Required(Table, frozen=True, kw_only=True, gc=False):
    """What a machine must have for the functions to work at all."""

    os: str = ""
    cpu: RequiredCpu = msgspec.field(name="CPU", default=RequiredCpu())
    gpu: RequiredGpu | None = msgspec.field(name="GPU", default=None)
    auxiliary: dict[str, Any] = {}


class OptimizedCache(Table, frozen=True, kw_only=True, gc=False):
    """Cache sizes (in KB) and the line size (in bytes) that the code was tuned for."""

    cache_line: int = 0
    instruction_KB: int = 0  # noqa: N815
    l1_KB: int = 0  # noqa: N815
    l2_KB: int = 0  # noqa: N815
    l3_KB: int = 0  # noqa: N815


class OptimizedCpu(Table, frozen=True, kw_only=True, gc=False):
    """The processor that the code was tuned for."""

    name: str = ""
    family: str = ""
    clock_frequency: float = 0.0
    cores: int = 0
    threads: int = 0
    architecture: str = ""
    extensions: tuple[str, ...] = ()
    cache: OptimizedCache | None = None
    auxiliary: dict[str, Any] = {}


class OptimizedGpu(Table, frozen=True, kw_only=True, gc=False):
    """The graphics processor that the code was tuned for."""

    name: str = ""
    family: str = ""
    cores: int = 0
    threads: int = 0
    instruction_set_version: str = ""
    auxiliary: dict[str, Any] = {}


class OptimizedFor(Table, frozen=True, kw_only=True, gc=False):
    """What the functions were tuned for; they work elsewhere too."""

    os: str = ""
    cpu: OptimizedCpu | None = msgspec.field(name="CPU", default=None)
    gpu: OptimizedGpu | None = msgspec.field(name="GPU", default=None)
    auxiliary: dict[str, Any] = {}


class Target(Table, frozen=True, kw_only=True, gc=False):
    """The machine: what it must have, and what the code was tuned for."""

    required: Required = Required()
    optimized_for: OptimizedFor | None = None
    auxiliary: dict[str, Any] = {}


class LibraryReference(Table, frozen=True, kw_only=True, gc=False):
    """Another library: a name and version for people, and what to give to the linker."""

    name: str = ""
    version: str = ""
    target_file: str = ""


class Dependencies(Table, frozen=True, kw_only=True, gc=False):
    """The package's own library (``link_target``), what goes along with it, and what it needs."""

    link_target: str = ""
    deploy_files: tuple[str, ...] = ()
    dynamic: tuple[LibraryReference, ...] = ()
    auxiliary: dict[str, Any] = {}


class CompiledWith(Table, frozen=True, kw_only=True, gc=False):
    """How the library was built."""

    compiler: str = ""
    flags: str = ""
    crt: str = ""
    libraries: tuple[LibraryReference, ...] = ()
    auxiliary: dict[str, Any] = {}


class Declaration(Table, frozen=True, kw_only=True, gc=False):
    """The C code of the header; it may hold definitions that must be compiled."""

    code: str = ""


class HatFile(Table, frozen=True, kw_only=True, gc=False):
    """A whole .hat file.

    ``document`` is the parsed TOML as plain dicts, with every key, also those that the model does not know;
    treat it as read-only. ``path`` is where it was read from, or None.
    """

    description: Description = Description()
    functions: dict[str, Function] = {}
    device_functions: dict[str, Function] = {}
    target: Target = Target()
    dependencies: Dependencies = Dependencies()
    compiled_with: CompiledWith = CompiledWith()
    declaration: Declaration = Declaration()
    path: Path | None = None
    document: dict[str, Any] = {}

    @property
    def folder(self) -> Path:
        """The folder of the package, which ``link_target`` and the other paths are relative to."""
        return self.path.parent if self.path else Path()

    @property
    def library(self) -> Path | None:
        """The path of the package's library file, or None where ``link_target`` is empty."""
        return self.folder / self.dependencies.link_target if self.dependencies.link_target else None
