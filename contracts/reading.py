"""The bodies of the uploader's HTTP API that help to read what was uploaded, for the uploader and its clients."""

from __future__ import annotations

from pydantic import BaseModel, Field

MAX_FIRST_ROWS = 100
"""Most rows in one response."""
MAX_CELL_CHARS = 200
"""Characters of a cell; the rest is cut off."""


class FirstRows(BaseModel):
    """The first rows of an upload."""

    header: list[str]
    rows: list[list[str]] = Field(
        description=f"as many as were asked for, as far as they are in the first chunk and in its first MiB; cells are "
        f"cut at {MAX_CELL_CHARS} characters. A first row that is longer than that ends where the MiB ends"
    )
    row_count: int = Field(description="of the whole upload")
