"""``csvpipe verify``: verify an upload from the bucket."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table

from contracts.exit_codes import ExitCode
from contracts.faults import describe_invalid
from contracts.manifest import Manifest
from contracts.names import check_dataset_name, manifest_key
from contracts.number_text import counted
from csvpipe.console import byte_progress, format_bytes, messages, output, print_table, shown
from csvpipe.errors import CommandError
from csvpipe.json_output import JsonOption, print_json
from csvpipe.service import ProfileOption, UrlOption, client_of
from csvpipe.settings import load_settings
from csvpipe.upload_id import check_upload_id
from csvpipe.verify.report import UploadReport
from csvpipe.verify.report_document import report_document
from csvpipe.verify.s3_objects import S3Objects, connect
from csvpipe.verify.source_file import check_source_file
from csvpipe.verify.upload_check import verify_upload

_POLL_INTERVAL_S = 0.5


class ManifestNotFoundError(CommandError):
    """The bucket has no manifest of the upload."""

    code = "manifest_not_found"
    title = "Manifest not found"


def command(
    *,
    upload_id: Annotated[str, typer.Argument(help="Id of the upload.")],
    dataset: Annotated[
        str | None, typer.Option(help="Dataset of the upload; default: search the whole bucket.")
    ] = None,
    from_uploader: Annotated[
        bool, typer.Option("--from-uploader", help="Read the manifest from the uploader, not from the bucket.")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            help="Compare this file, too, plain or compressed, with the uploaded one.", exists=True, dir_okay=False
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the manifest, which is written last.")] = 60.0,
    as_json: JsonOption = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Verify that the bucket holds every byte of an upload, once and in order.

    Reads the manifest, then every object: its size, SHA-256, header and rows. Rebuilds the source and compares its
    SHA-256 and its number of rows with those of the uploaded file (of its content, if it was compressed). Needs no
    service but the object store. Exit code 0: verified. 1: mismatch; up to eleven differences are listed, and all of
    them with --json.
    """
    check_upload_id(upload_id)
    settings = load_settings(csvpipe_url=url, csvpipe_profile=profile)
    objects = connect(settings)
    if from_uploader:
        with client_of(settings) as client:
            manifest = client.manifest(upload_id)
    else:
        manifest = wait_for_manifest(objects, upload_id, dataset=dataset, timeout_s=timeout)
    if not verify_and_print(manifest, objects, source=source, as_json=as_json):
        raise typer.Exit(ExitCode.CHECK_FAILED)


def verify_and_print(
    manifest: Manifest, objects: S3Objects, *, source: Path | None = None, as_json: bool = False
) -> bool:
    """Verify with a progress bar, print the report, and return whether the upload is verified.

    If ``source`` is given, its content must be the uploaded one, too.
    """
    with byte_progress(messages()) as bar:
        task = bar.add_task("verifying", total=sum(chunk.size_bytes for chunk in manifest.chunks))
        report = verify_upload(manifest, objects, on_bytes=lambda count: bar.advance(task, count))
    if source is not None:
        report.differences.extend(check_source_file(source, manifest))
    if as_json:
        print_json(report_document(report))
    else:
        print_table(_table(report))
        output().print(conclusion(report))
    return report.is_verified


def wait_for_manifest(objects: S3Objects, upload_id: str, *, dataset: str | None, timeout_s: float) -> Manifest:
    """Return the manifest of an upload once it is in the bucket: seconds after the last chunk has landed.

    Raises:
        ManifestNotFoundError: it was not written within ``timeout_s``.
        CommandError: the object is not a manifest of this upload.
    """
    deadline_s = time.monotonic() + timeout_s
    with messages().status("waiting for the manifest"):
        while (manifest := find_manifest(objects, upload_id, dataset=dataset)) is None:
            if time.monotonic() >= deadline_s:
                where = f"dataset {dataset!r}" if dataset else "any dataset of the bucket"
                raise ManifestNotFoundError(
                    f"upload {upload_id} has no manifest in {where}. It is written after the last chunk has landed. "
                    f"See csvpipe status {upload_id}, or verify the landed chunks with --from-uploader",
                    upload_id=upload_id,
                )
            time.sleep(_POLL_INTERVAL_S)
    return manifest


def find_manifest(objects: S3Objects, upload_id: str, *, dataset: str | None) -> Manifest | None:
    """Return the manifest of an upload from the bucket, or None if there is none.

    Raises:
        CommandError: the object is not a manifest of this upload.
    """
    datasets = [check_dataset_name(dataset)] if dataset else [name.rstrip("/") for name in objects.folders()]
    keys = [manifest_key(name, upload_id) for name in datasets]
    key = next((key for key in keys if objects.stat(key) is not None), None)
    if key is None:
        return None
    try:
        manifest = Manifest.model_validate_json(b"".join(objects.read(key)))
    except ValidationError as error:
        raise CommandError(
            f"{key} is not a manifest: {describe_invalid(error, whole='the object')}", key=key
        ) from error
    if manifest.upload_id != upload_id:
        raise CommandError(f"{key} is the manifest of upload {manifest.upload_id}", key=key)
    return manifest


def conclusion(report: UploadReport) -> str:
    """Return the result as rich markup: the checksums, or the first differences and the number of others."""
    manifest = report.manifest
    if report.is_verified:
        rows, size = counted(manifest.row_count, "row"), format_bytes(manifest.source_bytes)
        name = shown(manifest.source_filename)
        unpacked = f"sha256 of its unpacked content     {manifest.content_sha256}\n" if manifest.compression else ""
        return (
            f"[green]VERIFIED[/] {name}: {rows}, {size} in {counted(manifest.total_chunks, 'chunk')}\n"
            f"sha256 of the source as uploaded  {manifest.source_sha256}\n"
            f"{unpacked}"
            f"sha256 rebuilt from the bucket    {report.source.sha256 if report.source else ''}"
        )
    more = len(report.differences) - 1
    rest = "".join(f"\n  {shown(difference)}" for difference in report.differences[1:11])
    unnamed = f"\n  ... and {more - 10} more" if more > 10 else ""
    return f"[red]MISMATCH[/] {shown(report.differences[0])}{rest}{unnamed}"


def _table(report: UploadReport) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("chunk", "rows", "bytes of the source", "size", "sha256", "object", ""):
        table.add_column(name, justify="right" if name in {"chunk", "rows", "size"} else "left")
    for found in report.chunks:
        chunk = found.chunk
        table.add_row(
            str(chunk.chunk_id),
            f"{chunk.row_start}-{chunk.row_end}",
            f"{chunk.byte_start}-{chunk.byte_end}",
            format_bytes(chunk.size_bytes),
            chunk.sha256[:12],
            shown(chunk.key),
            "[red]mismatch[/]" if found.differences else "[green]ok[/]",
        )
    return table
