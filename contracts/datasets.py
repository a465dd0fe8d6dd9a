"""The bodies of ``/datasets``: what has been uploaded into each."""

from __future__ import annotations

from pydantic import BaseModel, Field

from contracts.api import UploadSummary
from contracts.previews import SchemaChange

MAX_SCHEMA_CHANGES = 20


class DatasetSummary(BaseModel):
    """The uploads into one dataset; deleted ones do not count."""

    name: str
    uploads: int
    landed: int = Field(description="uploads that have landed")
    failed: int = Field(description="uploads that have failed")
    rows: int = Field(description="of the uploads that have landed")
    size_bytes: int = Field(description="of the files of the uploads that have landed")
    last_upload: UploadSummary = Field(description="the newest")


class DatasetList(BaseModel):
    """A page of datasets, by name."""

    datasets: list[DatasetSummary]
    next_cursor: str | None = Field(description="send it as `cursor` for the next page; null on the last")


class DatasetDetail(DatasetSummary):
    """One dataset, with its columns and how they have changed."""

    header: list[str] = Field(description="columns of the newest upload")
    changes: list[SchemaChange] = Field(
        description=f"uploads whose columns differ from those of the one before; the newest first, at most "
        f"{MAX_SCHEMA_CHANGES}, among the newest 1,000 uploads"
    )
