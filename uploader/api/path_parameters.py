"""The path parameters that several routes share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from contracts.download_address import SIGNATURE_PATTERN

UploadIdPath = Annotated[str, Path(min_length=1, description="`upload_id` from the response to `POST /upload/csv`")]
ChunkIdPath = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the chunk, starting at 1")]
SignaturePath = Annotated[
    str, Path(pattern=f"^{SIGNATURE_PATTERN}$", description="Signature from `api_endpoint` of the chunk's message")
]
