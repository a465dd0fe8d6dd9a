"""What the API says about reading an upload."""

from __future__ import annotations

from contracts.reading import FirstRows
from uploader.access.principal import Principal
from uploader.domain.chunk_object import ChunkObject
from uploader.reading.chunk_starts import ChunkStarts
from uploader.reading.sample import first_rows
from uploader.uploads.service import UploadService

SAMPLE_BYTES = 1024 * 1024
"""Bytes after the header that are read for the first rows."""


class ReadingService:
    """Shows uploads to their readers. Calls block.

    For a principal, the uploads of datasets that are not theirs do not exist (UploadNotFoundError).
    """

    def __init__(self, *, service: UploadService, chunk_starts: ChunkStarts) -> None:
        self._service = service
        self._chunk_starts = chunk_starts

    def first_rows(self, upload_id: str, principal: Principal, *, limit: int) -> FirstRows:
        """Return up to ``limit`` rows of the first chunk.

        Raises:
            UploadNotFoundError: there is no upload with this id.
            UploadGoneError: it was deleted.
            CsvPipeError: the first chunk cannot be read (:meth:`uploader.reading.chunk_starts.ChunkStarts.read`).
        """
        upload, first = self._service.describe(upload_id, principal)
        start = self._chunk_starts.read(
            ChunkObject.of(upload, first), upload_id, principal, size_bytes=upload.header_bytes + SAMPLE_BYTES
        )
        return FirstRows(header=upload.headers, rows=first_rows(upload, start, limit=limit), row_count=upload.row_count)
