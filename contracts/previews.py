"""The body of ``POST /preview``: what an upload of a file would find in its first bytes."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from contracts.compression import Compression
from contracts.deviations import AcceptedDeviations

MAX_PREVIEW_BYTES = 1024 * 1024
"""Largest body of a preview."""
MAX_PREVIEW_ROWS = 20
MAX_CELL_CHARS = 200
MAX_ROW_CELLS = 1_000

LineEnding = Literal["LF", "CRLF", "CR", "mixed"]


class PreviewDialect(BaseModel):
    """How the content is read."""

    delimiter: str
    encoding: str = Field(description="declared or detected; `unknown-8bit` if it is neither UTF-8 nor declared")
    line_ending: LineEnding | None = Field(description="null if no line has ended")
    bom: bool = Field(description="whether the file starts with a byte order mark")
    quoted: bool = Field(description="whether any field has quotes")


class PreviewFault(BaseModel):
    """A place at which the upload would be refused."""

    row: int = Field(description="0 is the header")
    byte: int = Field(description="offset in the unpacked content; in the file if its compression is at fault")
    code: str = Field(description="stable")
    reason: str = Field(description="what is wrong, and what to do")


class SchemaChange(BaseModel):
    """How the columns of an upload differ from those of the one before."""

    upload_id: str
    created_at: datetime
    added: list[str]
    removed: list[str]
    reordered: bool = Field(description="whether the columns that both have are in another order")


class Preview(BaseModel):
    """The first rows of a file, and what an upload would say of them."""

    dialect: PreviewDialect | None = Field(description="null if the header could not be read")
    compression: Compression | None
    header: list[str] = Field(description="names of the columns")
    rows: list[list[str]] = Field(
        description=f"the first {MAX_PREVIEW_ROWS} rows, with at most {MAX_ROW_CELLS:,} cells of {MAX_CELL_CHARS} "
        "characters each"
    )
    row_count: int = Field(description="complete rows that were examined")
    complete: bool = Field(description="whether the whole file was examined")
    faults: list[PreviewFault] = Field(description="the first 20")
    fault_counts: dict[str, int] = Field(description="number of faults by code")
    deviations: AcceptedDeviations | None = Field(description="what `strict=lenient` accepts; null without it")
    drift: SchemaChange | None = Field(
        description="how the columns differ from those of the dataset's last upload, which `upload_id` and "
        "`created_at` name; null if they do not, or if there is none that the caller may read"
    )
