"""Totals of the uploads into each dataset, and their headers. Deleted uploads do not count."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Select, Text, case, cast, func, select, tuple_

from contracts.states import ChunkState, UploadState
from uploader.domain.records import UploadOverview
from uploader.store.dataset_filter import in_datasets
from uploader.store.engine import reading
from uploader.store.rows import OVERVIEW_COLUMNS, overview_of
from uploader.store.tables import uploads
from uploader.store.uploads import count_chunks

_COUNTS = uploads.c.state != UploadState.ABORTED.value
MOST_COMPARED = 1_000
"""Number of the newest uploads of a dataset whose headers are compared."""


@dataclass(frozen=True, kw_only=True)
class DatasetTotals:
    """The uploads into one dataset; ``rows`` and ``size_bytes`` are those of the landed ones."""

    name: str
    uploads: int
    landed: int
    failed: int
    rows: int
    size_bytes: int
    last_upload: UploadOverview
    chunk_counts: dict[ChunkState, int]
    """Chunks of the last upload by state."""


@dataclass(frozen=True, kw_only=True)
class UploadHeader:
    """The columns of one upload."""

    upload_id: str
    created_at: datetime
    columns: list[str]


class DatasetStore:
    """Datasets, as far as their uploads tell of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list_page(self, *, limit: int, after: str | None, datasets: Collection[str]) -> list[DatasetTotals]:
        """Return a page of the datasets that match ``datasets`` (patterns), by name, after the one named ``after``."""
        with reading(self._engine) as connection:
            query = _totals().where(in_datasets(connection, datasets))
            if after is not None:
                query = query.where(uploads.c.dataset_name > after)
            return _read_totals(connection, query.order_by(uploads.c.dataset_name).limit(limit))

    def find(self, name: str, *, datasets: Collection[str]) -> DatasetTotals | None:
        """Return one dataset, if it matches ``datasets`` (patterns) and has an upload."""
        with reading(self._engine) as connection:
            query = _totals().where(uploads.c.dataset_name == name, in_datasets(connection, datasets))
            found = _read_totals(connection, query)
        return found[0] if found else None

    def find_last_header(self, name: str) -> UploadHeader | None:
        """Return the columns of the newest upload into a dataset."""
        query = select(uploads.c.upload_id, uploads.c.created_at, uploads.c.headers)
        newest = query.where(uploads.c.dataset_name == name, _COUNTS).order_by(uploads.c.created_at.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(newest).one_or_none()
        return None if row is None else UploadHeader(upload_id=row[0], created_at=row[1], columns=row[2])

    def find_changed_headers(self, name: str, *, limit: int) -> list[tuple[UploadHeader, list[str]]]:
        """Return the uploads whose columns differ from those of the upload before, with the latter; the newest first.

        They are searched among the newest :data:`MOST_COMPARED` uploads.
        """
        columns = cast(uploads.c.headers, Text).label("columns")
        newest = (
            select(uploads.c.upload_id, uploads.c.created_at, columns)
            .where(uploads.c.dataset_name == name, _COUNTS)
            .order_by(uploads.c.created_at.desc())
            .limit(MOST_COMPARED)
            .subquery()
        )
        before = func.lag(newest.c.columns).over(order_by=newest.c.created_at).label("before")
        compared = select(newest, before).subquery()
        changed = select(compared).where(compared.c.before != compared.c.columns)
        with reading(self._engine) as connection:
            rows = connection.execute(changed.order_by(compared.c.created_at.desc()).limit(limit)).all()
        return [
            (UploadHeader(upload_id=row[0], created_at=row[1], columns=json.loads(row[2])), json.loads(row[3]))
            for row in rows
        ]


def _totals() -> Select[Any]:
    has_landed = uploads.c.state == UploadState.LANDED.value
    return (
        select(
            uploads.c.dataset_name,
            func.count().label("uploads"),
            func.sum(case((has_landed, 1), else_=0)).label("landed"),
            func.sum(case((uploads.c.state == UploadState.FAILED.value, 1), else_=0)).label("failed"),
            func.sum(case((has_landed, uploads.c.row_count), else_=0)).label("rows"),
            func.sum(case((has_landed, uploads.c.source_bytes), else_=0)).label("size_bytes"),
            func.max(uploads.c.created_at).label("last_at"),
        )
        .where(_COUNTS)
        .group_by(uploads.c.dataset_name)
    )


def _read_totals(connection: Connection, query: Select[Any]) -> list[DatasetTotals]:
    """Return what ``query`` finds, with the last upload of each dataset: its time is unique in the dataset."""
    totals = connection.execute(query).all()
    place = tuple_(uploads.c.dataset_name, uploads.c.created_at)
    are_last = place.in_([(each.dataset_name, each.last_at) for each in totals])
    last = {row.dataset_name: overview_of(row) for row in connection.execute(select(*OVERVIEW_COLUMNS).where(are_last))}
    counts = count_chunks(connection, [upload.upload_id for upload in last.values()])
    return [
        DatasetTotals(
            name=each.dataset_name,
            uploads=each.uploads,
            landed=int(each.landed),  # PostgreSQL's sums are decimal numbers
            failed=int(each.failed),
            rows=int(each.rows),
            size_bytes=int(each.size_bytes),
            last_upload=last[each.dataset_name],
            chunk_counts=counts.get(last[each.dataset_name].upload_id, {}),
        )
        for each in totals
    ]
