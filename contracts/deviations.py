"""What ``strict=lenient`` has accepted of an upload."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AcceptedDeviations(BaseModel):
    """Deviations from the rules of CSV that were accepted with ``strict=lenient``. The chunks contain them verbatim."""

    model_config = ConfigDict(frozen=True)

    surplus_empty_cells: int = Field(
        ge=0, description="rows with more cells than the header, all surplus ones empty and unquoted"
    )
    blank_last_lines: int = Field(ge=0, description="blank lines after the last row")
