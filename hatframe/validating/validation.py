"""Every deviation of a .hat file from the format, its C code and its library, found without running its code."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from hatframe.converting.plan import required_platform
from hatframe.errors import FormatError
from hatframe.format.model import HatFile, Required
from hatframe.format.reading import parse_document, read_text, to_model
from hatframe.machine import Platform
from hatframe.outcomes import Deviation
from hatframe.validating.declarations import check_declarations
from hatframe.validating.instructions import check_instructions
from hatframe.validating.library import check_library
from hatframe.validating.metadata import check_metadata
from hatframe.validating.package_files import check_files, check_pairing
from hatframe.validating.report import Report


def validate(
    path: str | Path,
    runtimes: Collection[str] | None = None,
    deep: bool = False,
    unmet: Callable[[Required], Sequence[str]] = lambda required: (),
) -> list[Deviation]:
    """Every deviation of the .hat file at ``path``, in the order of its lines.

    ``runtimes`` are those that the installed loaders serve; None skips that check. ``deep`` also decodes the code of
    the library, and raises :class:`HatError` if iced-x86 is not installed. ``unmet`` returns what this machine does not
    meet, one sentence each.
    """
    path = Path(path)
    text = read_text(path)
    try:
        document = parse_document(text)
    except FormatError as error:
        found = re.search(r"at line (\d+)", error.message)
        line = int(found[1]) if found else text.count("\n") + (not text.endswith("\n"))
        return [Deviation("error", "", "", line, error.message, error.hint)]
    report = Report(text, document)
    hat, problem = HatFile(), None
    try:
        hat = to_model(document, path)
    except FormatError as error:
        problem = error
    host = check_metadata(report, runtimes)
    needs_library = any(not function.runtime for function in host.values())
    has_library = check_files(report, path.parent, needs_library)
    defined = check_declarations(report, path.parent, host, _platform(hat))
    check_pairing(report, hat)
    library = check_library(report, hat, defined) if needs_library and has_library and hat.functions else None
    if library and deep:
        check_instructions(report, hat, library)
    if hat.functions and (sentences := unmet(hat.target.required)):
        report.note(("target", "required"), f"this package cannot work here: {'; '.join(sentences)}")
    if problem and not report.has_errors:
        report.error((), problem.message, problem.hint)
    return sorted(report.deviations, key=lambda deviation: deviation.line)


def _platform(hat: HatFile) -> Platform:
    """The platform that the metadata require; what they do not say is that of this machine."""
    required, host = required_platform(hat), Platform.host()
    return Platform(os=required.os or host.os, architecture=required.architecture or host.architecture)
