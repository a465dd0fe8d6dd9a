"""The bodies of ``/session``: signing in with a key in a browser."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.api import KeyOfCaller


class NewSession(BaseModel):
    """A key to sign in with."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=200, repr=False, description="the whole key: `csvp_<id>_<secret>`")


class SessionLimits(BaseModel):
    """The limits and defaults of the caller's uploads."""

    max_file_size_mb: int = Field(description="largest file in MiB, unpacked: that of the key, or of the service")
    max_chunks: int = Field(description="most chunks of an upload")
    chunk_type: Literal["size", "rows", "count"] = Field(description="how a file is cut by default")
    chunk_size_mb: int = Field(description="default chunk size in MiB, for `chunk_type=size`")
    chunk_rows: int = Field(description="default rows per chunk, for `chunk_type=rows`")
    preview_bytes: int = Field(description="most bytes that `POST /preview` accepts")
    resumable_expiry_hours: float = Field(description="hours without a byte after which a resumable upload is removed")


class Session(BaseModel):
    """Who the caller is, and what the service offers them."""

    access: Literal["open", "keys"] = Field(description="`open` if this caller needs no key")
    key: KeyOfCaller | None = Field(description="the key of the request; null if it has none, or one that is invalid")
    limits: SessionLimits
    version: str = Field(description="of the service")
