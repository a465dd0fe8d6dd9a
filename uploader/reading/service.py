"""What the API says about reading an upload."""

from __future__ import annotations

from contracts.errors import CsvPipeError
from contracts.reading import FirstRows, Links, Readers
from uploader.access.principal import Principal
from uploader.domain.chunk_object import ChunkObject
from uploader.domain.records import ChunkRecord, UploadRecord
from uploader.reading.chunk_starts import ChunkStarts
from uploader.reading.links import links_of
from uploader.reading.sample import ChunkStart, first_rows
from uploader.reading.statements.file_start import FileStart
from uploader.reading.statements.readers import readers_of
from uploader.reading.statements.upload_source import UploadSource
from uploader.settings import Settings
from uploader.uploads.service import UploadService

SAMPLE_BYTES = 1024 * 1024
"""Bytes after the header that are read for the first rows."""


class ReadingService:
    """Shows uploads to their readers. Calls block.

    For a principal, the uploads of datasets that are not theirs do not exist (UploadNotFoundError).
    """

    def __init__(self, *, settings: Settings, service: UploadService, chunk_starts: ChunkStarts) -> None:
        self._settings = settings
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
        start = self._read_start(upload, first, principal, size_bytes=upload.header_bytes + SAMPLE_BYTES)
        return FirstRows(header=upload.headers, rows=first_rows(upload, start, limit=limit), row_count=upload.row_count)

    def readers(self, upload_id: str, principal: Principal) -> Readers:
        """Return how other programs read the objects of an upload.

        Raises:
            UploadNotFoundError: there is no upload with this id.
            UploadGoneError: it was deleted.
        """
        upload, first = self._service.describe(upload_id, principal)
        start = self._find_file_start(upload, first, principal) or FileStart.assumed(upload.headers)
        return readers_of(UploadSource.of(upload, first, start=start, settings=self._settings))

    def links(self, upload_id: str, principal: Principal) -> Links:
        """Return where other services show an upload.

        Raises:
            UploadNotFoundError: there is no upload with this id.
        """
        return links_of(self._service.overview(upload_id, principal), self._settings)

    def _find_file_start(self, upload: UploadRecord, first: ChunkRecord, principal: Principal) -> FileStart | None:
        try:
            start = self._read_start(upload, first, principal, size_bytes=upload.header_bytes)
        except CsvPipeError:  # the statements are right for all but a few files without it
            return None
        return FileStart.of(start.content, delimiter=upload.delimiter)

    def _read_start(
        self, upload: UploadRecord, first: ChunkRecord, principal: Principal, *, size_bytes: int
    ) -> ChunkStart:
        wanted = ChunkObject.of(upload, first)
        return self._chunk_starts.read(wanted, upload.upload_id, principal, size_bytes=size_bytes)
