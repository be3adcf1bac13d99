"""What the operations return, apart from results and loaded packages: plain data that imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from hatframe.errors import printable

Severity = Literal["error", "warning", "note"]


class Converted(msgspec.Struct, frozen=True, kw_only=True):
    """The files that a conversion wrote: a .hat file, its library, and the other .hat files of that library.

    ``library`` is the file to link programs with. For Windows, the library that is loaded at run time is the first of
    ``deploy_files``. ``linker`` is the name of the linker that made it, and ``extra_exports`` are symbols that it
    exports beside the functions, because the linker cannot leave them out.
    """

    hat: Path
    library: Path
    linker: str
    deploy_files: tuple[Path, ...] = ()
    other_hats: tuple[Path, ...] = ()
    extra_exports: tuple[str, ...] = ()


class UnsupportedFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function that other files can call, but that metadata cannot describe, and why."""

    name: str
    reason: str
    file: str
    line: int


class Built(msgspec.Struct, frozen=True):
    """The files that a build wrote, the functions that they describe, and those left out, each with the reason.

    ``dropped_results`` are the functions of the package in its place until then that had stored results.
    """

    written: Converted
    functions: tuple[str, ...]
    unsupported: tuple[UnsupportedFunction, ...]
    dropped_results: tuple[str, ...] = ()


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """The folder or .zip file that was written, the files in it, and those .hat files in which paths changed."""

    path: Path
    files: tuple[str, ...]
    edited: tuple[str, ...] = ()


class Deviation(msgspec.Struct, frozen=True):
    """A deviation of a .hat file: from the format, from its C code, or from its library.

    An ``error`` breaks its use, a ``warning`` does not, and a ``note`` is only worth knowing.

    ``table`` and ``key`` say where it is in the document, such as ``functions.f.arguments[2]`` and ``usage``, and
    ``line`` where in the text, counted from 1; for a missing key, that of the table around it.
    """

    severity: Severity
    table: str
    key: str
    line: int
    message: str
    hint: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a function: what ``check`` found, in which ``argument`` (empty if in none, ``return``).

    ``index`` is that of an element of the argument, and ``byte_offset`` is from the pointer that the function is given;
    both may lie outside of it. ``sizes`` and ``seed`` are those of the call, and ``reproduce`` is the command that
    makes it again.
    """

    function: str
    argument: str = ""
    check: str
    message: str
    reproduce: str = ""
    index: tuple[int, ...] | None = None
    byte_offset: int | None = None
    sizes: dict[str, int] = {}
    seed: int = 0
    hat_file: str = ""

    def __str__(self) -> str:
        return printable(f"{self.function}: {self.check}: {self.message}")


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification says of a function that is not wrong, such as the alignment that it needs."""

    function: str
    message: str
    sizes: dict[str, int] = {}
    hat_file: str = ""


VERIFICATION_FORMAT = "hatframe-verification"
VERIFICATION_VERSION = 1


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What :meth:`hatframe.Kernel.verify` found: ``findings`` of functions that are wrong, and ``notes`` of others.

    ``functions`` are those that were verified, with ``checks``; ``hat_files`` has the .hat files of each: several if
    packages share the name. ``skipped`` are the functions that were not verified, with the reason. ``compared`` says
    what the results of each function were compared with: a reference, or other functions.
    """

    format: str = VERIFICATION_FORMAT
    format_version: int = VERIFICATION_VERSION
    hatframe_version: str = ""
    findings: tuple[Finding, ...] = ()
    notes: tuple[Remark, ...] = ()
    functions: tuple[str, ...] = ()
    hat_files: dict[str, tuple[str, ...]] = {}
    checks: tuple[str, ...] = ()
    compared: dict[str, str] = {}
    skipped: dict[str, str] = {}
    seed: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __repr__(self) -> str:
        wrong = len({finding.function for finding in self.findings})
        return f"<Verification of {len(self.functions)} functions: {f'{wrong} wrong' if wrong else 'ok'}>"
