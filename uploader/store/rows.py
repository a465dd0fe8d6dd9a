"""Records to rows and back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import Column, Row

from contracts.states import ChunkState, UploadState
from uploader.domain.cutting import ChunkType
from uploader.domain.records import ChunkRecord, UploadOverview, UploadRecord
from uploader.store.tables import chunks, uploads

OVERVIEW_COLUMNS: list[Column[Any]] = [uploads.c[field.name] for field in fields(UploadOverview)]
UPLOAD_COLUMNS: list[Column[Any]] = [uploads.c[field.name] for field in fields(UploadRecord)]
CHUNK_COLUMNS: list[Column[Any]] = [chunks.c[field.name] for field in fields(ChunkRecord)]


def upload_of(row: Row[Any]) -> UploadRecord:
    """Return the upload that ``row`` of :data:`UPLOAD_COLUMNS` holds."""
    return UploadRecord(**_typed(row))


def overview_of(row: Row[Any]) -> UploadOverview:
    """Return the overview that ``row`` of :data:`OVERVIEW_COLUMNS` holds."""
    return UploadOverview(**_typed(row))


def _typed(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)
    return values | {"state": UploadState(values["state"]), "chunk_type": ChunkType(values["chunk_type"])}


def chunk_of(row: Row[Any]) -> ChunkRecord:
    """Return the chunk that ``row`` of :data:`CHUNK_COLUMNS` holds."""
    values = dict(row._mapping)
    return ChunkRecord(**{**values, "state": ChunkState(values["state"])})


def values_of(record: UploadOverview | ChunkRecord) -> dict[str, Any]:
    """Return what to write for ``record``."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    values["state"] = record.state.value
    if isinstance(record, UploadOverview):
        values["chunk_type"] = record.chunk_type.value
    return values


def changes(old: UploadOverview | ChunkRecord, new: UploadOverview | ChunkRecord) -> dict[str, Any]:
    """Return the columns that differ, with their new values."""
    before, after = values_of(old), values_of(new)
    return {name: value for name, value in after.items() if before[name] != value}
