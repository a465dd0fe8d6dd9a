"""The bodies of the uploader's HTTP API that help to read what was uploaded, for the uploader and its clients."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from contracts.previews import MAX_CELL_CHARS, MAX_ROW_CELLS

MAX_FIRST_ROWS = 100
"""Most rows in one response."""


class FirstRows(BaseModel):
    """The first rows of an upload."""

    header: list[str]
    rows: list[list[str]] = Field(
        description=f"as many as were asked for, as far as they are in the first chunk and in its first MiB, with "
        f"at most {MAX_ROW_CELLS:,} cells of {MAX_CELL_CHARS} characters each. A first row that is longer than that "
        "ends where the MiB ends"
    )
    row_count: int = Field(description="of the whole upload")


class Reader(BaseModel):
    """How a program reads the objects of an upload."""

    name: Literal["DuckDB", "Polars", "Spark", "Trino"]
    language: Literal["sql", "python"]
    statement: str = Field(
        description="reads every column as text; has placeholders for the credentials, and for the address of the "
        "object store if the uploader does not know it"
    )
    notes: list[str] = Field(description="what this program misreads in this upload, and what to do about it")


class Readers(BaseModel):
    """How to read the objects of an upload."""

    readers: list[Reader]
    notes: list[str] = Field(description="what holds for every program, such as chunks that have not landed yet")


class Link(BaseModel):
    """An address in the user interface of another service."""

    kind: Literal["airflow", "objects", "trace"]
    label: str
    href: str


class Links(BaseModel):
    """Where other services show an upload; only services whose address the uploader was given."""

    links: list[Link]
    notes: list[str] = Field(description="which links are missing, and the setting that each of them needs")
