"""The typed, frozen model of a .hat file, one class for each table; ``schema/hat.tosd`` describes the keys.

Reading is tolerant, as real files deviate from the schema: keys have defaults, and values with other spellings stay
text. ``hatframe validate`` reports each deviation, and binding a function refuses those that would break a call.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import msgspec


class LogicalType(str, enum.Enum):
    """The meaning of a parameter, independent of its C type."""

    AFFINE_ARRAY = "affine_array"
    RUNTIME_ARRAY = "runtime_array"
    ELEMENT = "element"
    VOID = "void"

    __str__ = str.__str__


class Usage(str, enum.Enum):
    """Whether a function reads a parameter, writes it, or both."""

    INPUT = "input"
    OUTPUT = "output"
    INPUT_OUTPUT = "input_output"

    __str__ = str.__str__


class Table(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The base of every table; :attr:`HatFile.document` keeps unknown keys."""


class Parameter(Table, frozen=True, kw_only=True, gc=False):
    """An argument or the return value of a function.

    ``shape``, ``affine_map`` (strides) and ``affine_offset`` of an ``affine_array`` are in elements, not bytes, and so
    is ``size`` of a ``runtime_array``, an expression over other parameters.
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


EXAMPLES_KEY = "examples"
"""The key of a function's ``auxiliary`` for the values of a typical call, by the names of its scalar parameters."""

INPUTS_KEY = "inputs"
"""The key of a function's ``auxiliary`` for what the values of its arrays are like, by their names."""

VOID = Parameter(logical_type=LogicalType.VOID, declared_type="void", element_type="void", usage=Usage.OUTPUT)


class Function(Table, frozen=True, kw_only=True, gc=False):
    """One compiled C function and its parameters.

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
    """The author, version and license of the package."""

    comment: str = ""
    author: str = ""
    version: str = ""
    license_url: str = ""
    auxiliary: dict[str, Any] = {}


class RequiredCpu(Table, frozen=True, kw_only=True, gc=False):
    """The processor that the code requires. An extension with a minus sign is not required."""

    architecture: str = ""
    extensions: tuple[str, ...] = ()
    runtime: str = ""
    auxiliary: dict[str, Any] = {}


class RequiredGpu(Table, frozen=True, kw_only=True, gc=False):
    """The GPU that the device functions require. Memory sizes are in KB."""

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
    """What a machine must have to run the functions."""

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
    """The GPU that the code was tuned for."""

    name: str = ""
    family: str = ""
    cores: int = 0
    threads: int = 0
    instruction_set_version: str = ""
    auxiliary: dict[str, Any] = {}


class OptimizedFor(Table, frozen=True, kw_only=True, gc=False):
    """What the functions were tuned for; they also run elsewhere."""

    os: str = ""
    cpu: OptimizedCpu | None = msgspec.field(name="CPU", default=None)
    gpu: OptimizedGpu | None = msgspec.field(name="GPU", default=None)
    auxiliary: dict[str, Any] = {}


class Target(Table, frozen=True, kw_only=True, gc=False):
    """The machine that the package requires, and the one that it was tuned for."""

    required: Required = Required()
    optimized_for: OptimizedFor | None = None
    auxiliary: dict[str, Any] = {}


class LibraryReference(Table, frozen=True, kw_only=True, gc=False):
    """Another library: its name and version, and what to pass to the linker."""

    name: str = ""
    version: str = ""
    target_file: str = ""


class Dependencies(Table, frozen=True, kw_only=True, gc=False):
    """The library of the package (``link_target``), the files to deploy with it, and the libraries it needs."""

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
    """The C code of the header; it may contain definitions that must be compiled."""

    code: str = ""


class HatFile(Table, frozen=True, kw_only=True, gc=False):
    """A whole .hat file.

    ``document`` is the parsed TOML as plain dicts, including keys that the model does not know; treat it as read-only.
    ``path`` is the file that it was read from, or None.
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
        """The folder of the package, to which ``link_target`` and other paths are relative."""
        return self.path.parent if self.path else Path()

    @property
    def library(self) -> Path | None:
        """The path of the package's library file, or None where ``link_target`` is empty."""
        return self.folder / self.dependencies.link_target if self.dependencies.link_target else None
