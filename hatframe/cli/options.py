"""Options that several commands share, and those that every command or its backends add."""

from __future__ import annotations

import functools
import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hatframe.cli.common import log
from hatframe.cli.completion import complete_backends, complete_functions
from hatframe.cli.help import GLOBAL_PANEL
from hatframe.errors import UsageError, printable

if TYPE_CHECKING:
    from hatframe.backends import Option
    from hatframe.registry import BackendSet

Packages = Annotated[
    list[Path], typer.Argument(metavar="PKG...", help=".hat files, folders of them, or packed .zip files.")
]
Functions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME...",
        help="Only these functions: names, base names or globs.",
        rich_help_panel="Selection",
        autocompletion=complete_functions,
    ),
]
Size = Annotated[
    list[str] | None,
    typer.Option(
        metavar="M=256,N=1024",
        help="Dimensions of runtime-sized functions. Repeatable, with one result for each; also n=1000,10000 and "
        "n=2^10..2^20.",
        show_default="256 each",
        rich_help_panel="Selection",
    ),
]
Value = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=NUMBER",
        help="The value of a scalar, such as limit=1000. Repeatable.",
        show_default="1 for integers, random for others",
        rich_help_panel="Selection",
    ),
]
MaxTime = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="SECONDS",
        help="Measure each function for at most this long.",
        show_default="45 shared by all functions, 0.1 to 2 each",
        rich_help_panel="Duration",
    ),
]
AllowOutside = Annotated[
    bool, typer.Option("--allow-outside", help="Use libraries and files outside the package's folder.")
]
AllowLinkFlag = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-link-flag",
        metavar="FLAG",
        help="Pass this flag of the package's dependencies to the linker: --allow-link-flag=-Wl,-z,now. Repeatable.",
    ),
]
LinkerName = Annotated[
    str | None,
    typer.Option(
        "--linker",
        metavar="NAME",
        help="The linker to use.",
        show_default="the first that can make it here",
        autocompletion=complete_backends("linker"),
    ),
]
InHat = Annotated[Path, typer.Argument(metavar="IN.hat", help="The .hat file of the package to convert.")]
OutHat = Annotated[
    Path, typer.Argument(metavar="OUT.hat", help="The .hat file to write, or the folder to write it to.")
]
AllHats = Annotated[
    bool, typer.Option("--all-hats", "--all", help="Convert every .hat file of the same library in the folder.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, in seconds and bytes.")]


def extended(
    command: Callable[..., Any], added: Sequence[inspect.Parameter], receive: Callable[[dict[str, Any]], dict[str, Any]]
) -> Callable[..., Any]:
    """``command`` with more parameters, whose values ``receive`` turns into keyword arguments for it."""
    own = inspect.signature(command, eval_str=True)
    parameters = [each for each in own.parameters.values() if each.kind is not each.VAR_KEYWORD]
    names = {each.name for each in added}

    @functools.wraps(command)
    def called(**values: Any) -> Any:
        more = receive({name: values.pop(name) for name in names})
        return command(**values, **more)

    parameters += added
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    called.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return called


def spellings(parameters: Iterable[inspect.Parameter]) -> set[str]:
    """All spellings of options that come of ``parameters``, and their own names."""
    found = set()
    for parameter in parameters:
        infos = getattr(parameter.annotation, "__metadata__", (parameter.default,))
        # typer takes the first spelling in an Annotated option for the default.
        declared = [
            name
            for info in infos
            for name in (getattr(info, "default", None), *(getattr(info, "param_decls", None) or ()))
            if isinstance(name, str)
        ]
        found |= {parameter.name, f"--{parameter.name.replace('_', '-')}"}
        found |= {name for spelling in declared for name in spelling.split("/")}
    return found


def _spellings_of(command: Callable[..., Any]) -> set[str]:
    return spellings(inspect.signature(command, eval_str=True).parameters.values())


def _parameter(name: str, kind: Any, default: Any, panel: str, *names: str, **more: Any) -> inspect.Parameter:
    annotation = Annotated[kind, typer.Option(*names, rich_help_panel=panel, **more)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


LEVELS = ("debug", "info", "warning", "error")


GLOBAL_OPTIONS = (
    _parameter("quiet", bool, False, GLOBAL_PANEL, "-q", "--quiet", help="Show only warnings, errors and results."),
    _parameter("verbose", bool, False, GLOBAL_PANEL, "-v", "--verbose", help="Show more of what hatframe does."),
    _parameter(
        "log_level",
        str | None,
        None,
        GLOBAL_PANEL,
        "--log-level",
        metavar="LEVEL",
        help=f"Show messages from this level on: {', '.join(LEVELS)}.",
        show_default="info",
        autocompletion=lambda: list(LEVELS),
    ),
    _parameter("debug", bool, False, GLOBAL_PANEL, "--debug", help="Show the traceback of an error."),
)


class Reporting:
    """What the command shows beside its output."""

    def __init__(self) -> None:
        self.debug = False

    def show_log(self) -> None:
        """Show on stderr what is logged; for the process of a command line."""
        logger = logging.getLogger("hatframe")
        logger.setLevel(logging.INFO)
        logger.handlers[:] = [_StderrHandler()]

    def receive(self, values: dict[str, Any]) -> dict[str, Any]:
        """Apply the global options: of the command, or of ``hatframe`` itself."""
        level = values.get("log_level")
        if level not in (None, *LEVELS):
            raise UsageError(f"invalid level {level!r}", where="--log-level", hint=f"choose from {', '.join(LEVELS)}")
        if level := level or ("warning" if values.get("quiet") else "debug" if values.get("verbose") else None):
            logging.getLogger("hatframe").setLevel(level.upper())
        self.debug = self.debug or bool(values.get("debug"))
        return {}


class _StderrHandler(logging.Handler):
    """Shows what is logged as ``hatframe: warning: …`` on stderr, whatever that is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        print(f"hatframe: {kind}{printable(record.getMessage())}", file=sys.stderr)


def with_global_options(command: Callable[..., Any], reporting: Reporting) -> Callable[..., Any]:
    """``command`` with the global options, but for those whose spelling is one of its own."""
    taken = _spellings_of(command)
    return extended(command, [each for each in GLOBAL_OPTIONS if not spellings([each]) & taken], reporting.receive)


def with_backend_options(command: Callable[..., Any], kinds: Iterable[BackendSet[Any]]) -> Callable[..., Any]:
    """``command`` with the options that backends of ``kinds`` declare; it receives the given ones as ``**options``."""
    taken = _spellings_of(command) | spellings(GLOBAL_OPTIONS)
    shown: dict[str, tuple[Option, str, list[str]]] = {}
    for kind in kinds:
        for backend in kind.all():
            for option in backend.options:
                if option.key in shown and shown[option.key][:2] == (option, kind.kind):
                    shown[option.key][2].append(backend.name)
                elif clash := sorted({option.key, *option.names} & taken):
                    _warn_once(f"{kind.kind} {backend.name}: {option.names[0]} is ignored, as {clash[0]} is taken")
                else:
                    taken.update((option.key, *option.names))
                    shown[option.key] = (option, kind.kind, [backend.name])
    added = [_parameter_of(option, kind, names) for option, kind, names in shown.values()]

    def given(values: dict[str, Any]) -> dict[str, Any]:
        set_ones = {name: value for name, value in values.items() if value is not None and value is not False}
        return {name: "true" if value is True else str(value) for name, value in set_ones.items()}

    return extended(command, added, given)


@functools.cache
def _warn_once(text: str) -> None:
    """Several commands have the options of the same backends."""
    log.warning(text)


def _parameter_of(option: Option, kind: str, backends: Sequence[str]) -> inspect.Parameter:
    panel = f"Options of {kind}{'s' if len(backends) > 1 else ''} {', '.join(backends)}"
    if option.flag:
        return _parameter(option.key, bool, False, panel, *option.names, help=option.help)
    metavar, choices = "|".join(option.choices) or option.metavar, list(option.choices)
    more: dict[str, Any] = {"help": option.help, "metavar": metavar, "autocompletion": lambda: choices}
    return _parameter(option.key, str | None, None, panel, *option.names, **more)
