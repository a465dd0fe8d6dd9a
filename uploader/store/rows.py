"""Conversion between records and database rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import Column, Row

from contracts.states import ChunkState, UploadState
from uploader.domain.cutting import ChunkType
from uploader.domain.records import ChunkRecord, UploadOverview, UploadRecord
from uploader.store.tables import chunks, uploads

_Id = TypeVar("_Id", int, str)
_IDS_AT_ONCE = 500
"""Ids in one statement; SQLite has a limit, and PostgreSQL plans better below it."""
OVERVIEW_COLUMNS: list[Column[Any]] = [uploads.c[field.name] for field in fields(UploadOverview)]
UPLOAD_COLUMNS: list[Column[Any]] = [uploads.c[field.name] for field in fields(UploadRecord)]
CHUNK_COLUMNS: list[Column[Any]] = [chunks.c[field.name] for field in fields(ChunkRecord)]


def upload_of(row: Row[Any]) -> UploadRecord:
    """Return the upload of a ``row`` of :data:`UPLOAD_COLUMNS`."""
    return UploadRecord(**_typed(row))


def overview_of(row: Row[Any]) -> UploadOverview:
    """Return the overview of a ``row`` of :data:`OVERVIEW_COLUMNS`."""
    return UploadOverview(**_typed(row))


def _typed(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)
    return values | {"state": UploadState(values["state"]), "chunk_type": ChunkType(values["chunk_type"])}


def chunk_of(row: Row[Any]) -> ChunkRecord:
    """Return the chunk of a ``row`` of :data:`CHUNK_COLUMNS`."""
    values = dict(row._mapping)
    return ChunkRecord(**{**values, "state": ChunkState(values["state"])})


def values_of(record: UploadOverview | ChunkRecord) -> dict[str, Any]:
    """Return the columns of ``record`` with their values."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    values["state"] = record.state.value
    if isinstance(record, UploadOverview):
        values["chunk_type"] = record.chunk_type.value
    return values


def changes(old: UploadOverview | ChunkRecord, new: UploadOverview | ChunkRecord) -> dict[str, Any]:
    """Return the columns that differ, with their new values."""
    before, after = values_of(old), values_of(new)
    return {name: value for name, value in after.items() if before[name] != value}


def id_batches(ids: Sequence[_Id]) -> list[Sequence[_Id]]:
    """Split ``ids`` into groups that fit one statement."""
    return [ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE)]
