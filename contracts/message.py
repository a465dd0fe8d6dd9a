"""The chunk message on topic ``csv-ingestion``: one chunk that is ready to be fetched from the uploader."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from contracts.download_address import SIGNED_ADDRESS_PATTERN
from contracts.errors import InvalidMessageError
from contracts.faults import describe_invalid
from contracts.names import check_dataset_name

MESSAGE_VERSION: Literal["1.0"] = "1.0"

CHUNK_CONTENT_TYPE = "text/csv"
"""Content type of every chunk and of its object."""

Sha256Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Int64 = Annotated[int, Field(le=2**63 - 1)]
"""The range of databases and MessagePack, which every integer of a message passes through."""
UploadId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="UUID as 32 hex digits")]


class ChunkMessage(BaseModel):
    """A published chunk, as JSON keyed by ``upload_id``. Byte and row ranges refer to the source."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    upload_id: UploadId
    dataset_name: str
    chunk_id: Int64 = Field(ge=1, description="from 1")
    total_chunks: Int64 = Field(ge=1)
    filename: str = Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_.-]+$")
    chunk_size_mb: float = Field(ge=0, description="size_bytes / 1 048 576, rounded to 6 places")
    row_count: Int64 = Field(ge=0, description="data rows, without the header and blank lines")
    row_start: Int64 = Field(ge=1, description="first data row, from 1")
    row_end: Int64 = Field(ge=0, description="last data row; row_start - 1 if the chunk has none")
    file_path: str = Field(description="object of the chunk: s3://{bucket}/{dataset}/{filename}")
    headers: list[str]
    header_count: Int64 = Field(ge=0)
    published_at: datetime
    api_endpoint: str = Field(
        pattern=SIGNED_ADDRESS_PATTERN, description="signed address of the chunk at the uploader, which expires"
    )
    source_system: Literal["fastapi"] = "fastapi"
    version: Literal["1.0"] = MESSAGE_VERSION
    size_bytes: Int64 = Field(ge=0, description="of the chunk file, header included")
    sha256: Sha256Hex = Field(description="of the chunk file, header included")
    byte_start: Int64 = Field(ge=0, description="first byte of the chunk's rows in the source")
    byte_end: Int64 = Field(ge=0, description="one past the last byte")
    content_type: str = CHUNK_CONTENT_TYPE
    encoding: str = "utf-8"

    @field_validator("*")
    @classmethod
    def _no_nul(cls, value: object) -> object:
        # PostgreSQL, and so Airflow's database, cannot store a NUL in text.
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and "\x00" in text for text in texts):
            raise ValueError("contains a NUL")
        return value

    @field_validator("published_at")
    @classmethod
    def _published_at(cls, value: datetime) -> datetime:
        # Times with and without a zone cannot be compared, and messages are.
        return value if value.tzinfo else value.replace(tzinfo=UTC)

    @field_validator("dataset_name")
    @classmethod
    def _dataset_name(cls, value: str) -> str:
        try:
            return check_dataset_name(value)
        except Exception as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        if self.chunk_id > self.total_chunks:
            raise ValueError(f"chunk_id {self.chunk_id} is greater than total_chunks {self.total_chunks}")
        if self.row_end - self.row_start + 1 != self.row_count:
            raise ValueError(f"rows {self.row_start}..{self.row_end} are not row_count {self.row_count}")
        if self.byte_end < self.byte_start:
            raise ValueError(f"byte_end {self.byte_end} is before byte_start {self.byte_start}")
        if self.header_count != len(self.headers):
            raise ValueError(f"header_count {self.header_count} is not the number of headers {len(self.headers)}")
        return self

    def to_bytes(self) -> bytes:
        """Return the message as UTF-8 JSON, the value of its Kafka record."""
        return self.model_dump_json().encode()


def parse_message(value: bytes | None) -> ChunkMessage:
    """Parse the value of a Kafka record.

    Raises:
        InvalidMessageError: not JSON, or not valid; the message names the invalid fields.
    """
    if value is None:
        raise InvalidMessageError("the record has no value")
    try:
        return ChunkMessage.model_validate_json(value)
    except ValidationError as error:
        raise InvalidMessageError(describe_invalid(error, whole="message")) from error
