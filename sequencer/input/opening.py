"""Opens the files of a job, as its settings name them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from contracts.errors import SettingsError
from sequencer.input.dialects import FileDialect
from sequencer.input.job_input import JobInput, open_input
from sequencer.model.schema import Schema, load_schema, parse_schema
from sequencer.settings import JobSettings
from sequencer.source.files import SourceFile, open_sources

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def open_job_input(settings: JobSettings, dialects: Sequence[FileDialect] = ()) -> JobInput:
    """Open the files of a job and read their headers.

    Args:
        settings: settings of the job.
        dialects: how each file was read before; the settings take precedence.

    Raises:
        CsvPipeError: a file does not exist, may not be read, or is not CSV.
    """
    schema = load_job_schema(settings)
    return open_input(_open_files(settings, settings.sources), settings=settings, schema=schema, dialects=dialects)


def load_job_schema(settings: JobSettings) -> Schema:
    """Read the schema of a job, from a local file or from S3 (``s3://bucket/key``).

    Raises:
        CsvPipeError: it cannot be read, or is not a schema.
    """
    name = settings.schema_file
    if not name.startswith("s3://"):
        return load_schema(name)
    if name.endswith("/"):
        raise SettingsError(f"SCHEMA_FILE {name} is a prefix; specify the key of one object")
    (file,) = _open_files(settings, (name,))
    with file.open() as pieces:
        return parse_schema(b"".join(pieces), name)


def _open_files(settings: JobSettings, names: Sequence[str]) -> list[SourceFile]:
    return open_sources(names, connect=_connector(settings), retries=settings.retries, payer=settings.s3_request_payer)


def _connector(settings: JobSettings) -> Callable[[], S3Client]:
    def connect() -> S3Client:
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            region_name=settings.aws_region,
            endpoint_url=settings.s3_endpoint,
            config=Config(retries={"max_attempts": 3, "mode": "standard"}, connect_timeout=10, read_timeout=30),
        )

    return connect
