"""The tree of commands. Only the command that is called gets imported; the others are a line of help."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from types import ModuleType
from typing import Annotated

import typer

from csvpipe.exits import EXIT_CODES_HELP
from csvpipe.extras import import_with_hint


@dataclass(frozen=True)
class CommandSpec:
    """A command that is not imported yet: its module holds ``command`` (a function) or ``app`` (a group)."""

    name: str
    module: str
    extra: str
    help: str


COMMANDS = (
    CommandSpec("upload", "csvpipe.commands.upload", "cli", "Upload a CSV file, and wait until it has landed."),
    CommandSpec("status", "csvpipe.commands.status", "cli", "Show where an upload and each of its chunks stand."),
    CommandSpec("list", "csvpipe.commands.list_uploads", "cli", "List uploads, the newest first."),
    CommandSpec("verify", "csvpipe.commands.verify", "cli", "Prove from the bucket that every byte arrived."),
    CommandSpec("serve", "csvpipe.commands.serve", "uploader", "Run the uploader service."),
    CommandSpec("openapi", "csvpipe.commands.openapi", "uploader", "Print the uploader's OpenAPI document."),
    CommandSpec("stack", "csvpipe.commands.stack", "cli", "Run Kafka, MinIO, NiFi, Airflow and the uploader here."),
    CommandSpec("nifi", "csvpipe.commands.nifi", "cli", "Deploy, export and inspect the NiFi flow."),
    CommandSpec("demo", "csvpipe.commands.demo", "cli", "Start the stack, send a real CSV through it, and prove it."),
)


def build_app(*, wanted: str | None) -> typer.Typer:
    """Return the application with the command ``wanted`` in full and every other one as a line of help.

    Raises:
        ConfigurationError: the command needs a package that is not installed.
    """
    app = typer.Typer(
        help="Huge CSV files in; complete, ordered and provably intact objects out.",
        epilog=EXIT_CODES_HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for spec in COMMANDS:
        if spec.name == wanted:
            _add(app, spec, import_with_hint(spec.module, extra=spec.extra, what=f"csvpipe {spec.name}"))
        else:
            app.command(spec.name, help=spec.help)(_not_loaded)
    return app


def _add(app: typer.Typer, spec: CommandSpec, module: ModuleType) -> None:
    if hasattr(module, "app"):
        app.add_typer(module.app, name=spec.name, help=spec.help)
    else:
        app.command(spec.name)(module.command)


def _not_loaded() -> None:
    raise AssertionError("a command that is called is always loaded")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"csvpipe {version('csvpipe')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Nothing to do: the options act by themselves."""
