"""The entry of the command line: the commands, the options that all have, and how errors end."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from hatframe import __version__
from hatframe.cli import (
    bench,
    build,
    cache,
    compare,
    inspect,
    pack,
    plugins,
    probe,
    schema,
    show,
    store,
    to_dynamic,
    to_static,
    validate,
    verify,
)
from hatframe.cli.commands import Definition, definition, group_of
from hatframe.cli.common import TerminatedError, log
from hatframe.cli.configuration import NO_CONFIG_VARIABLE, defaults, disabled_plugins, find_tables
from hatframe.cli.help import Command, Group
from hatframe.cli.options import Reporting, with_backend_options, with_global_options
from hatframe.errors import HatError, UsageError, system_errors_named
from hatframe.kernel import Kernel

if TYPE_CHECKING:
    from hatframe.registry import BackendSet

HELP = """Load, check, benchmark and convert HAT packages: compiled C functions that carry their own metadata.

Start with:

    hatframe build functions.c -o pkg.hat
    hatframe inspect pkg.hat
    hatframe bench pkg.hat
"""


def build_app(kernel: Kernel, reporting: Reporting | None = None) -> typer.Typer:
    """The typer application over ``kernel``, with the commands of its plugins and the options of its backends."""
    reporting = reporting or Reporting()
    app = typer.Typer(
        name="hatframe",
        cls=group_of(_definitions(kernel, reporting)),
        help=HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={
            "obj": kernel,
            "auto_envvar_prefix": "HATFRAME",
            "help_option_names": ["-h", "--help"],
            "max_content_width": 100,
        },
    )

    def options(
        disable_plugin: Annotated[
            list[str] | None,
            typer.Option(
                metavar="NAME",
                help="Leave out a plugin, by its name or distribution. Repeatable.",
                allow_from_autoenv=False,
            ),
        ] = None,
        no_config: Annotated[
            bool, typer.Option("--no-config", help="Ignore pyproject.toml and hatframe.toml.", allow_from_autoenv=False)
        ] = False,
        version: Annotated[
            bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
        ] = False,
    ) -> None:
        pass

    app.callback()(with_global_options(options, reporting))
    _add_plugin_commands(app, kernel)
    _finish(app, reporting)
    return app


def _definitions(kernel: Kernel, reporting: Reporting) -> dict[str, Definition]:
    """The commands of hatframe, with the kinds of backends whose options they have."""
    found = kernel.registry
    commands: tuple[tuple[Callable[..., Any], tuple[BackendSet[Any], ...]], ...] = (
        (bench.bench, (found.loaders, found.sinks, found.meters)),
        (compare.compare, (found.loaders, found.meters)),
        (show.show, ()),
        (store.store, (found.sinks,)),
        (build.build, (found.linkers,)),
        (to_dynamic.to_dynamic, (found.linkers,)),
        (to_static.to_static, (found.linkers,)),
        (pack.pack, ()),
        (inspect.inspect, ()),
        (validate.validate, ()),
        (verify.verify, (found.loaders,)),
        (schema.schema, ()),
        (probe.probe, (found.probes,)),
        (plugins.plugins, ()),
    )

    def made(command: Callable[..., Any], kinds: tuple[BackendSet[Any], ...]) -> Any:
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(_name(command))(with_backend_options(command, kinds))
        return finished(app)

    def finished(app: typer.Typer) -> Any:
        _finish(app, reporting)
        return typer.main.get_command(app)

    return {
        **{_name(command): definition(command, functools.partial(made, command, kinds)) for command, kinds in commands},
        "cache": Definition(cache.HELP, lambda: finished(cache.commands())),
    }


def _name(command: Callable[..., Any]) -> str:
    return command.__name__.replace("_", "-")


def _finish(app: typer.Typer, reporting: Reporting) -> None:
    """Give every command, also those of plugins, the global options and the help in panels."""
    for command in app.registered_commands:
        if command.cls in (None, TyperCommand):
            command.cls = Command
        assert command.callback
        command.callback = with_global_options(command.callback, reporting)
    for group in app.registered_groups:
        if group.typer_instance:
            if getattr(group.cls, "value", group.cls) in (None, TyperGroup):  # typer wraps its defaults
                group.cls = Group
            _finish(group.typer_instance, reporting)


def _add_plugin_commands(app: typer.Typer, kernel: Kernel) -> None:
    commands, groups = list(app.registered_commands), list(app.registered_groups)

    def check() -> None:
        # typer looks at a command's signature only here: a broken one would end every command line.
        typer.main.get_command(app)
        commands[:], groups[:] = app.registered_commands, app.registered_groups

    def undo() -> None:
        app.registered_commands[:], app.registered_groups[:] = commands, groups

    kernel.registry.add_commands(app, check, undo)


_TERMINATING = [signal.SIGTERM] if sys.platform == "win32" else [signal.SIGTERM, signal.SIGHUP]


def main() -> NoReturn:
    """Run the command line of this process, and exit: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    try:
        _run_and_end()
    except KeyboardInterrupt:
        _end(130, "hatframe: interrupted")
    except TerminatedError as error:
        _end(128 + error.number, "hatframe: terminated by a signal")


def _run_and_end() -> NoReturn:
    """Exit with the outcome of the command; a signal may also come while that is reported."""
    _prepare_streams()
    reporting = Reporting()
    reporting.show_log()
    try:
        with system_errors_named():
            _run(reporting)
            sys.stdout.flush()
    except HatError as error:
        if reporting.debug:
            raise
        _end(2 if isinstance(error, UsageError) else 1, f"hatframe: error: {error}")
    except BrokenPipeError:
        _end(1)
    except SystemExit as ended:
        # Not at exit: there, output that cannot be written would be an error of Python's.
        code = ended.code
        _end(code if isinstance(code, int) else 1 if code else 0, code if isinstance(code, str) else "")
    _end(0)


def _prepare_streams() -> None:
    """Give the process all three streams, so that no other file takes their place, and none fails for a character."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - until the end of the process
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # µ and ± must not fail where only ASCII can be shown


def _end(status: int, message: str = "") -> NoReturn:
    """Exit with a message; where output cannot be written, the status says so."""
    for number in (signal.SIGINT, *_TERMINATING):
        if signal.getsignal(number) in (_terminate, signal.default_int_handler):
            signal.signal(number, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is sys.stderr and message:
                print(message, file=stream)
            stream.flush()
        except OSError as error:
            status = status or 1
            if not (message or isinstance(error, BrokenPipeError)):
                message = f"hatframe: error: cannot write the output: {error.strerror}"
            # What is left in the buffer would fail again at exit.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(status)


def _run(reporting: Reporting) -> None:
    """Run the command; click ends it by raising :class:`SystemExit`."""
    # Read before typer does: the plugins decide which options and commands there are.
    arguments = sys.argv[1:]
    no_config = "--no-config" in arguments or os.environ.get(NO_CONFIG_VARIABLE, "") not in ("", "0")
    try:
        tables = [] if no_config else find_tables(Path.cwd())
    except FileNotFoundError:
        raise UsageError("the current folder was removed", hint="change to another folder") from None
    kernel = Kernel(disabled=_values_of("--disable-plugin", arguments) or disabled_plugins(tables))
    for name in kernel.registry.not_found:
        log.warning(f"unknown plugin {name!r} in --disable-plugin or HATFRAME_DISABLE_PLUGINS")
    for number in _TERMINATING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, _terminate)
    command = typer.main.get_command(build_app(kernel, reporting))
    command(prog_name="hatframe", default_map=defaults(command, tables) if tables else None)


def _terminate(number: int, frame: object) -> NoReturn:
    """End as after Ctrl-C: the worker and the compiler are killed, and the sinks keep what they have."""
    raise TerminatedError(number)


def _version(value: bool) -> None:
    if value:
        print(f"hatframe {__version__}")
        raise typer.Exit


def _values_of(option: str, arguments: list[str]) -> list[str]:
    values = []
    for position, argument in enumerate(arguments):
        if argument == option and position + 1 < len(arguments):
            values.append(arguments[position + 1])
        elif argument.startswith(f"{option}="):
            values.append(argument.partition("=")[2])
    return values
