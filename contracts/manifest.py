"""The manifest of an upload: its objects, and how they form the source byte for byte."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.compression import Compression
from contracts.deviations import AcceptedDeviations
from contracts.message import Sha256Hex, UploadId

MANIFEST_VERSION: Literal["1.0"] = "1.0"


class ManifestChunk(BaseModel):
    """A chunk in a manifest. ``key`` is the key of its object; the ranges refer to the content of the source."""

    model_config = ConfigDict(frozen=True)

    chunk_id: int = Field(ge=1)
    filename: str
    key: str
    size_bytes: int = Field(ge=0)
    sha256: Sha256Hex
    row_count: int = Field(ge=0)
    row_start: int = Field(ge=1)
    row_end: int = Field(ge=0)
    byte_start: int = Field(ge=0)
    byte_end: int = Field(ge=0)


class Manifest(BaseModel):
    """Everything needed to verify an upload from the bucket alone.

    Every chunk file is ``prefix + body``: the prefix is the first ``header_bytes`` bytes of the content (a BOM, if
    any, and the header record with its line end), the body is ``content[byte_start:byte_end]``. So the content is
    the prefix once, then every body in the order of ``chunk_id``. The content is the source itself, with two
    exceptions. A compressed source is unpacked (``compression`` is set). UTF-16 is stored as UTF-8 without a BOM
    (``transcoded_from`` is set), and encoding the content again gives the unpacked source. ``source_sha256`` is of the
    bytes as they were uploaded.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal["1.0"] = MANIFEST_VERSION
    upload_id: UploadId
    dataset_name: str
    source_filename: str
    source_bytes: int = Field(ge=0)
    source_sha256: Sha256Hex
    compression: Compression | None = Field(None, description="of the source; the content is unpacked")
    content_bytes: int = Field(ge=0)
    content_sha256: Sha256Hex
    encoding: str = Field(description="of the content: utf-8, the declared one, or unknown-8bit")
    transcoded_from: Literal["utf-16-le", "utf-16-be"] | None = None
    delimiter: str
    headers: list[str]
    header_bytes: int = Field(ge=0)
    row_count: int = Field(ge=0)
    accepted_deviations: AcceptedDeviations | None = Field(
        None, description="what `strict=lenient` accepted; null without it"
    )
    total_chunks: int = Field(ge=1)
    bucket: str
    created_at: datetime
    chunks: list[ManifestChunk]
