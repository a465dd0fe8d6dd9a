"""``csvpipe demo``: one file through the whole local stack, verified at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.table import Table

from contracts.exit_codes import ExitCode
from contracts.names import manifest_key
from csvpipe.commands.stack import Secure, open_stack
from csvpipe.commands.upload import send
from csvpipe.commands.verify import verify_and_print, wait_for_manifest
from csvpipe.console import format_bytes, messages, output
from csvpipe.demo_data import write_flights
from csvpipe.landing import wait_until_landed
from csvpipe.local_stack import client_values
from csvpipe.service import client_of
from csvpipe.settings import load_settings
from csvpipe.verify.s3_objects import S3Objects, connect
from stack.local import DEFAULT_ROOT, LocalStack
from stack.report import NAME_WIDTH

DATASET = "flights"
LANDING_TIMEOUT_S = 600.0
MANIFEST_TIMEOUT_S = 60.0


def command(
    *,
    chunk_size: Annotated[int, typer.Option(min=1, help="Size of a chunk in MiB.")] = 5,
    secure: Secure = None,
) -> None:
    """Start the local stack, send a real CSV file of 336,776 rows through it, and verify that every byte arrived.

    The first time takes some 10 minutes, as MinIO is compiled; after that a minute or two. The stack stays up:
    csvpipe stack down stops it.
    """
    stack = open_stack(secure)
    with _step("The stack: Kafka, MinIO, NiFi, Airflow, uploader"):
        stack.start()
    settings = load_settings(**client_values())
    file = write_flights(DEFAULT_ROOT.parent / "demo")
    with client_of(settings) as client:
        with _step(f"Upload of {file.name} ({format_bytes(file.stat().st_size)}), cut into chunks of {chunk_size} MiB"):
            fields = {"dataset_name": DATASET, "chunk_type": "size", "chunk_size": str(chunk_size)}
            accepted = send(client, file, fields=fields)
        with _step("Kafka, Airflow and NiFi take the chunks to the bucket"):
            wait_until_landed(client, accepted.upload_id, timeout_s=LANDING_TIMEOUT_S, console=messages())
            objects = connect(settings)
            manifest = wait_for_manifest(objects, accepted.upload_id, dataset=DATASET, timeout_s=MANIFEST_TIMEOUT_S)
    with _step(f"Objects in the bucket {settings.s3_bucket!r}"):
        output().print(
            _objects(objects, [*(chunk.key for chunk in manifest.chunks), manifest_key(DATASET, accepted.upload_id)])
        )
    with _step(f"csvpipe verify {accepted.upload_id}"):
        verified = verify_and_print(manifest, objects)
    _print_addresses(stack)
    raise typer.Exit(ExitCode.OK if verified else ExitCode.CHECK_FAILED)


@contextmanager
def _step(title: str) -> Iterator[None]:
    began_s = time.monotonic()
    output().print(f"\n[bold]== {title}[/]")
    yield
    output().print(f"   {time.monotonic() - began_s:.1f} s")


def _objects(objects: S3Objects, keys: list[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("size", justify="right")
    table.add_column("object", overflow="fold")
    for key in keys:
        stored = objects.stat(key)
        table.add_row(format_bytes(stored.size_bytes) if stored else "gone", key)
    return table


def _print_addresses(stack: LocalStack) -> None:
    output().print("\n[bold]== Look around[/]")
    for name, component in stack.components.items():
        for label, address in component.addresses().items():
            output().print(f"   {name:<{NAME_WIDTH}} {label:<10} {address}")
    output().print("   It keeps running; stop it with: make down")
