"""Datasets for people: totals, columns, and how they change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from contracts.datasets import MAX_SCHEMA_CHANGES, DatasetDetail, DatasetList, DatasetSummary
from contracts.previews import SchemaChange
from uploader.access.principal import Principal
from uploader.domain.schema_changes import ColumnChanges
from uploader.errors import DatasetNotFoundError
from uploader.store.datasets import DatasetStore, DatasetTotals, UploadHeader
from uploader.uploads.responses import summary_of


class DatasetService:
    """What was uploaded into each dataset. Calls block.

    For a principal, datasets that are not theirs do not exist.
    """

    def __init__(self, store: DatasetStore) -> None:
        self._store = store

    def list_datasets(self, principal: Principal, *, limit: int, cursor: str | None) -> DatasetList:
        """Return a page of datasets, by name; ``cursor`` is the name of the last one of the page before."""
        found = self._store.list_page(limit=limit + 1, after=cursor, datasets=principal.datasets)
        page = [DatasetSummary(**_fields(each)) for each in found[:limit]]
        return DatasetList(datasets=page, next_cursor=page[-1].name if len(found) > limit else None)

    def show(self, name: str, principal: Principal) -> DatasetDetail:
        """Return one dataset.

        Raises:
            DatasetNotFoundError: it has no uploads.
        """
        found = self._store.find(name, datasets=principal.datasets)
        header = None if found is None else self._store.find_last_header(name)
        if found is None or header is None:
            raise DatasetNotFoundError(f"there is no upload into the dataset {name[:128]!r}", dataset=name[:128])
        changed = self._store.find_changed_headers(name, limit=MAX_SCHEMA_CHANGES)
        changes = [_change(upload, ColumnChanges.between(before, upload.columns)) for upload, before in changed]
        return DatasetDetail(**_fields(found), header=header.columns, changes=changes)

    def find_drift(self, name: str, columns: Sequence[str]) -> SchemaChange | None:
        """Return how ``columns`` differ from those of the dataset's last upload, which the result names, or None."""
        last = self._store.find_last_header(name)
        changes = None if last is None else ColumnChanges.between(last.columns, columns)
        return _change(last, changes) if last is not None and changes else None


def _fields(totals: DatasetTotals) -> dict[str, object]:
    return {
        "name": totals.name,
        "uploads": totals.uploads,
        "landed": totals.landed,
        "failed": totals.failed,
        "rows": totals.rows,
        "size_bytes": totals.size_bytes,
        "last_upload": summary_of(totals.last_upload, totals.chunk_counts),
    }


def _change(upload: UploadHeader, changes: ColumnChanges) -> SchemaChange:
    return SchemaChange(upload_id=upload.upload_id, created_at=upload.created_at, **asdict(changes))
