"""Opens the files of a job, as its settings name them."""

from __future__ import annotations

from collections.abc import Sequence

from aws.client import ClientOptions, open_client
from contracts.errors import SettingsError
from sequencer.input.dialects import FileDialect
from sequencer.input.job_input import JobInput, open_input
from sequencer.model.schema import Schema, load_schema, parse_schema
from sequencer.settings import JobSettings
from sequencer.source.open_sources import open_sources
from sequencer.source.s3_object import S3Options
from sequencer.source.source_file import SourceFile


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
    options = ClientOptions(
        region=settings.aws_region,
        endpoint=settings.s3_endpoint,
        verify=settings.s3_ca_file or None,
        read_timeout_s=30,
    )
    s3 = S3Options(
        connect=lambda: open_client("s3", options), retries=settings.retries, payer=settings.s3_request_payer
    )
    return open_sources(names, s3=s3)
