"""The entry of the command line: global options, the commands, and how errors are told."""

from __future__ import annotations

import io
import logging
import signal
import sys
from typing import Annotated, NoReturn

import typer
import typer.main

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
    to_dynamic,
    to_static,
    validate,
)
from hatframe.cli.common import StderrHandler, TerminatedError, log
from hatframe.errors import HatError, UsageError
from hatframe.kernel import Kernel

HELP = """Load, check, benchmark and convert HAT packages: compiled C functions that carry their own metadata.

Start with: hatframe inspect pkg.hat, then hatframe bench pkg.hat.
"""


def build_app(kernel: Kernel) -> typer.Typer:
    """The typer application over ``kernel``, with the commands of its plugins."""
    app = typer.Typer(
        name="hatframe",
        help=HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def options(
        context: typer.Context,
        disable_plugin: Annotated[
            list[str] | None,
            typer.Option(metavar="NAME", help="Leave a plugin out, by its name or distribution; repeatable."),
        ] = None,
        debug: Annotated[
            bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")
        ] = False,
        version: Annotated[
            bool,
            typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version),
        ] = False,
    ) -> None:
        context.obj = kernel

    app.command("bench")(bench.command(kernel))
    app.command("compare")(compare.compare)
    app.command("build")(build.build)
    app.command("to-dynamic")(to_dynamic.to_dynamic)
    app.command("to-static")(to_static.to_static)
    app.command("pack")(pack.pack)
    app.command("inspect")(inspect.inspect)
    app.command("validate")(validate.validate)
    app.command("schema")(schema.schema)
    app.command("probe")(probe.probe)
    app.command("plugins")(plugins.plugins)
    app.add_typer(cache.commands(), name="cache")
    _add_plugin_commands(app, kernel)
    return app


def _add_plugin_commands(app: typer.Typer, kernel: Kernel) -> None:
    commands, groups = list(app.registered_commands), list(app.registered_groups)

    def check() -> None:
        # typer looks at a command's signature only here: a broken one would end every command line.
        typer.main.get_command(app)
        commands[:], groups[:] = app.registered_commands, app.registered_groups

    def undo() -> None:
        app.registered_commands[:], app.registered_groups[:] = commands, groups

    kernel.registry.add_commands(app, check, undo)


def main() -> NoReturn:
    """Run the command line of this process, and exit: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # µ and ± are no reason to fail where only ASCII can be shown
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    root = logging.getLogger("hatframe")
    root.setLevel(logging.INFO)
    if not any(isinstance(handler, StderrHandler) for handler in root.handlers):
        root.addHandler(StderrHandler())
    try:
        # Read before typer does: what the plugins are decides which options and commands there are.
        kernel = Kernel(disabled=_values_of("--disable-plugin", arguments))
        for name in kernel.registry.not_found:
            log.warning(f"there is no plugin {name!r} to disable")
        signal.signal(signal.SIGTERM, _terminate)
        build_app(kernel)(bench.normal_arguments(arguments) if "bench" in arguments else arguments)
    except HatError as error:
        if debug:
            raise
        print(f"hatframe: error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        print("hatframe: interrupted", file=sys.stderr)
        sys.exit(130)
    except TerminatedError as error:
        print("hatframe: ended by a signal", file=sys.stderr)
        sys.exit(128 + error.number)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    sys.exit(0)


def _terminate(number: int, frame: object) -> NoReturn:
    """End as after Ctrl-C: the worker and the compiler are ended, and the sinks keep what they have."""
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
