"""The statements of all programs for an upload."""

from __future__ import annotations

from contracts.reading import Reader, Readers
from uploader.reading.statements.duckdb_sql import duckdb_notes, duckdb_statement
from uploader.reading.statements.polars_script import polars_notes, polars_script
from uploader.reading.statements.spark_script import spark_notes, spark_script
from uploader.reading.statements.trino_sql import trino_notes, trino_statement
from uploader.reading.statements.upload_source import UNKNOWN_ENDPOINT, UploadSource


def readers_of(source: UploadSource) -> Readers:
    """Return how each program reads an upload."""
    return Readers(
        readers=[
            Reader(name="DuckDB", language="sql", statement=duckdb_statement(source), notes=duckdb_notes(source)),
            Reader(name="Polars", language="python", statement=polars_script(source), notes=polars_notes(source)),
            Reader(name="Spark", language="python", statement=spark_script(source), notes=spark_notes(source)),
            Reader(name="Trino", language="sql", statement=trino_statement(source), notes=trino_notes(source)),
        ],
        notes=_notes(source),
    )


def _notes(source: UploadSource) -> list[str]:
    notes = []
    if not source.is_landed:
        notes.append("The upload has not landed: objects are missing.")
    if source.endpoint == UNKNOWN_ENDPOINT:
        notes.append("The uploader does not know the address of the object store (S3_PUBLIC_ENDPOINT or S3_ENDPOINT).")
    if source.is_in_a_cluster:
        notes.append(
            f"{source.endpoint} can be reached in the uploader's Kubernetes cluster only. For an address that readers "
            "can reach, S3_PUBLIC_ENDPOINT of the uploader has to be set."
        )
    if source.encoding is None:
        notes.append(
            "The encoding of the file is unknown, and it is read as Latin-1. If characters are wrong, give another one."
        )
    if not source.start.is_known:
        notes.append(
            "The uploader could not look at the first lines. If any precede the names of the columns, skip them."
        )
    return notes
