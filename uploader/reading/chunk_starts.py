"""The start of an upload's first chunk, wherever it is: on this disk, on another replica's, or in the bucket."""

from __future__ import annotations

from uploader.access.principal import Principal
from uploader.bucket.object_reader import ObjectReader
from uploader.domain.chunk_object import ChunkObject
from uploader.errors import ChunkGoneError, ChunkRedirectedError
from uploader.reading.replica_chunks import ReplicaChunks
from uploader.reading.sample import ChunkStart
from uploader.uploads.service import UploadService


class ChunkStarts:
    """Reads the start of first chunks. Calls block.

    Args:
        service: finds the files.
        objects: reads objects; None if the uploader does not know the object store.
        replica_chunks: reads files on other replicas.
    """

    def __init__(self, *, service: UploadService, objects: ObjectReader | None, replica_chunks: ReplicaChunks) -> None:
        self._service = service
        self._objects = objects
        self._replica_chunks = replica_chunks

    def read(self, wanted: ChunkObject, upload_id: str, principal: Principal, *, size_bytes: int) -> ChunkStart:
        """Return the first ``size_bytes`` bytes of the first chunk of an upload, which becomes the object ``wanted``.

        Raises:
            ChunkGoneError: the file was cleaned up, and the uploader cannot look into the bucket, or finds no object.
            BucketUnavailableError: the object store does not answer, refuses, or has no such bucket.
            ChunkOnOtherReplicaError: the file is on another replica whose address is unknown.
            ReplicaUnavailableError: the file is on another replica, which is unavailable.
        """
        try:
            content = self._read_file(upload_id, principal, size_bytes)
        except ChunkGoneError as gone:
            if self._objects is None:
                raise ChunkGoneError(
                    f"{gone.detail}, and the uploader cannot read its object {wanted.url}: read the object yourself, "
                    "or set S3_ENDPOINT of the uploader"
                ) from gone
            content = self._objects.read_start(wanted, size_bytes)
        return ChunkStart(content=content, is_whole=len(content) == wanted.size_bytes)

    def _read_file(self, upload_id: str, principal: Principal, size_bytes: int) -> bytes:
        try:
            path, _ = self._service.locate_chunk(upload_id, 1, principal)
            with path.open("rb") as file:
                return file.read(size_bytes)
        except ChunkRedirectedError as redirect:
            return self._replica_chunks.read_start(redirect, size_bytes)
        except FileNotFoundError as error:
            raise ChunkGoneError(f"the file of chunk 1 of upload {upload_id} has just been removed") from error
