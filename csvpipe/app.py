"""The tree of commands. Only the called command is imported; the others are one line of help each."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib.metadata import version
from types import ModuleType
from typing import Annotated

import typer

from contracts.exit_codes import INTERRUPTED, ExitCode
from csvpipe.extras import import_with_hint, require_checkout, require_packages

EXIT_CODES = {
    ExitCode.OK: "success",
    ExitCode.CHECK_FAILED: "check failed (a chunk failed, verify found a mismatch, a step failed)",
    ExitCode.USAGE: "usage error",
    ExitCode.INVALID_INPUT: "invalid input (a file, row or field is not accepted)",
    ExitCode.SOURCE_MISSING: "the source is missing or changed",
    ExitCode.UNAVAILABLE: "service unavailable",
    ExitCode.INTERNAL: "internal error",
    ExitCode.TOPIC_MISSING: "no such topic or partition",
    ExitCode.DATA_LOST: "data lost in Kafka",
    ExitCode.TEMPORARY_FAILURE: "temporary failure, retry",
    ExitCode.PROTOCOL: "unexpected data from the object store or from another writer",
    ExitCode.PERMISSION_DENIED: "permission denied",
    ExitCode.CONFIGURATION: "invalid setting or missing package",
    INTERRUPTED: "stopped by Ctrl-C",
}
"""What the exit codes mean, for people."""
_EXIT_CODES_HELP = "Exit codes:\n" + "\n".join(f"{code:>5}  {meaning}" for code, meaning in EXIT_CODES.items())


@dataclass(frozen=True)
class CommandSpec:
    """A command that is not imported yet.

    Attributes:
        name: as typed.
        module: holds ``command`` (a function) or ``app`` (a group).
        help: one line.
        extra: the extra with its packages; empty if the base install is enough.
        late: packages that it imports only while it runs.
        in_checkout: whether it needs the files of a checkout.
    """

    name: str
    module: str
    help: str
    extra: str = ""
    late: tuple[str, ...] = ()
    in_checkout: bool = False


COMMANDS = (
    CommandSpec("upload", "csvpipe.commands.upload", "Send CSV files, and wait until they have landed if asked to."),
    CommandSpec("check", "csvpipe.commands.check", "Check a CSV for faults, and for what other readers misread."),
    CommandSpec("status", "csvpipe.commands.status", "Show the state of an upload and of each of its chunks."),
    CommandSpec("list", "csvpipe.commands.list_uploads", "List uploads, the newest first."),
    CommandSpec("head", "csvpipe.commands.head", "Show the first rows of an upload."),
    CommandSpec("readers", "csvpipe.commands.readers", "Print statements that read an upload in other programs."),
    CommandSpec("announce", "csvpipe.commands.announce", "Publish again what has not landed of an upload."),
    CommandSpec("verify", "csvpipe.commands.verify", "Verify that the bucket holds every byte of an upload."),
    CommandSpec("audit", "csvpipe.commands.audit", "List audit records, and verify that none was changed."),
    CommandSpec("keys", "csvpipe.commands.keys", "Create, show, revoke and rotate keys of the uploader."),
    CommandSpec("login", "csvpipe.commands.login", "Check a key at the uploader and store it in a profile."),
    CommandSpec("logout", "csvpipe.commands.logout", "Remove a profile with its key from this machine."),
    CommandSpec("doctor", "csvpipe.commands.doctor", "Ask every service whether it can be used from here."),
    CommandSpec("bucket", "csvpipe.commands.bucket", "Create the bucket if it does not exist."),
    CommandSpec(
        "sequence",
        "csvpipe.commands.sequence",
        "Stream a CSV into one Kafka partition, in order, exactly once.",
        extra="sequencer",
        late=("confluent_kafka", "polars"),
    ),
    CommandSpec(
        "verify-topic",
        "csvpipe.commands.verify_topic",
        "Verify that a Kafka topic holds every row, once and in order.",
        extra="sequencer",
        late=("confluent_kafka", "polars"),
    ),
    CommandSpec(
        "recover",
        "csvpipe.commands.recover",
        "Rebuild the uploader's database from the files on its disk.",
        extra="uploader",
        late=("fastapi", "sqlalchemy"),
    ),
    CommandSpec("serve", "csvpipe.commands.serve", "Run the uploader service.", extra="uploader", late=("fastapi",)),
    CommandSpec(
        "openapi",
        "csvpipe.commands.openapi",
        "Print the uploader's OpenAPI document.",
        extra="uploader",
        late=("fastapi", "sqlalchemy"),
    ),
    CommandSpec(
        "stack",
        "csvpipe.commands.stack",
        "Run Kafka, MinIO, NiFi, Airflow and the uploader on this machine.",
        extra="stack",
        late=("airflow", "confluent_kafka", "fastapi"),
        in_checkout=True,
    ),
    CommandSpec(
        "nifi", "csvpipe.commands.nifi", "Deploy, export and inspect the NiFi flow.", extra="nifi", late=("nipyapi",)
    ),
    CommandSpec(
        "demo",
        "csvpipe.commands.demo",
        "Start the stack, send a real CSV file through it and verify the result.",
        extra="stack",
        late=("airflow", "confluent_kafka", "fastapi"),
        in_checkout=True,
    ),
)


def build_app(*, wanted: str | None) -> typer.Typer:
    """Return the application: the command ``wanted`` in full, every other one as a line of help.

    Raises:
        MissingPackageError: the command needs a package that is not installed.
        NoCheckoutError: the command works in a checkout only.
    """
    app = typer.Typer(
        help="Huge CSV files in; complete, ordered and verified objects out.",
        epilog=_EXIT_CODES_HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for spec in COMMANDS:
        if spec.name == wanted:
            _add(app, spec, _load(spec))
        else:
            app.command(spec.name, help=spec.help)(_not_loaded)
    return app


def _load(spec: CommandSpec) -> ModuleType:
    what = f"csvpipe {spec.name}"
    if spec.in_checkout:
        require_checkout(what=what)
    require_packages(spec.late, extra=spec.extra, what=what)
    return import_with_hint(spec.module, extra=spec.extra, what=what)


def _add(app: typer.Typer, spec: CommandSpec, module: ModuleType) -> None:
    if hasattr(module, "app"):
        for each in module.app.registered_commands:
            each.help = _reflowed(each.help or each.callback.__doc__)
        app.add_typer(module.app, name=spec.name, help=spec.help)
    else:
        app.command(spec.name, help=_reflowed(module.command.__doc__))(module.command)


def _reflowed(text: str | None) -> str:
    """Return a docstring with one line for each paragraph, so that the terminal wraps it and not the source."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def _not_loaded() -> None:
    raise AssertionError("a called command is always loaded")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"csvpipe {version('csvpipe')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Do nothing: the callbacks of the options act."""
