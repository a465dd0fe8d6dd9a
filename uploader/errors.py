"""The uploader's errors, each with its stable code and HTTP status."""

from __future__ import annotations

from contracts.errors import CsvPipeError
from contracts.exit_codes import ExitCode


class BucketUnavailableError(CsvPipeError):
    """The object store does not answer, or refuses.

    Landed chunks' files are kept in the meantime, which is in the log only. A request for the first rows of an upload
    fails if its files have been removed.
    """

    code = "bucket_unavailable"
    status = 503
    title = "Bucket unavailable"


class FileTooLargeError(CsvPipeError):
    """The file is larger than ``MAX_FILE_SIZE_MB``, or than the limit of the key."""

    code = "file_too_large"
    status = 413
    title = "File too large"


class InvalidCsvError(CsvPipeError):
    """The content is not valid CSV; ``row`` and ``byte`` locate the fault, ``expected`` and ``found`` describe it."""

    code = "invalid_csv"
    status = 400
    title = "Invalid CSV"


class InvalidCompressionError(CsvPipeError):
    """The gzip or Zstandard data is truncated, damaged, not what was declared, or other data follows it (``reason``).

    The fault is at or after ``byte`` of the compressed file.
    """

    code = "invalid_compression"
    status = 400
    title = "Invalid compressed file"


class CompressionRatioExceededError(CsvPipeError):
    """The compressed file unpacks to more than ``MAX_COMPRESSION_RATIO`` times its size."""

    code = "compression_ratio_exceeded"
    status = 413
    title = "Compression ratio exceeded"


class HeaderRepeatedError(CsvPipeError):
    """The headers of all chunks are out of proportion to the file; up to ``max_chunks`` chunks are accepted."""

    code = "header_repeated"
    status = 400
    title = "Header repeated too often"


class MalformedMultipartError(CsvPipeError):
    """The body is not multipart/form-data (RFC 7578), or is truncated."""

    code = "malformed_multipart"
    status = 400
    title = "Malformed multipart body"


class UnsupportedMediaTypeError(CsvPipeError):
    """The body, or a part of it, has an unsupported type or encoding."""

    code = "unsupported_media_type"
    status = 415
    title = "Unsupported media type"


class InvalidFieldError(CsvPipeError):
    """A form field or query parameter is missing or invalid; ``field`` names it."""

    code = "invalid_field"
    status = 422
    title = "Invalid field"


class TooManyChunksError(CsvPipeError):
    """The requested chunk size results in more than ``MAX_CHUNKS`` chunks."""

    code = "too_many_chunks"
    status = 422
    title = "Too many chunks"


class UploadStalledError(CsvPipeError):
    """The client sent less than the minimum rate over ``idle_s`` seconds."""

    code = "upload_stalled"
    status = 408
    title = "Upload stalled"


class UploadAbortedError(CsvPipeError):
    """The client disconnected during the upload; the error appears in the log only."""

    code = "upload_aborted"
    status = 499
    title = "Upload aborted by the client"

    def __init__(
        self,
        detail: str = "the client disconnected before the file was complete; nothing of it was kept",
        **extra: object,
    ) -> None:
        super().__init__(detail, **extra)


class TooManyUploadsError(CsvPipeError):
    """The process is receiving its maximum number of uploads; retry after ``retry_after_s`` seconds."""

    code = "too_many_uploads"
    status = 503
    title = "Too many uploads"


class TooManyPreviewsError(CsvPipeError):
    """The process is receiving its maximum number of previews; retry after ``retry_after_s`` seconds."""

    code = "too_many_previews"
    status = 503
    title = "Too many previews"


class TooManyStreamsError(CsvPipeError):
    """The process has its maximum number of streams of events open; retry after ``retry_after_s`` seconds."""

    code = "too_many_streams"
    status = 503
    title = "Too many streams"


class UploadRateExceededError(CsvPipeError):
    """The key has started its uploads of this minute; retry after ``retry_after_s`` seconds."""

    code = "upload_rate_exceeded"
    status = 429
    title = "Upload rate exceeded"


class TooManyUploadsOfKeyError(CsvPipeError):
    """The key has its maximum number of uploads running; retry after ``retry_after_s`` seconds."""

    code = "too_many_uploads_of_key"
    status = 429
    title = "Too many uploads of the key"


class DiskFullError(CsvPipeError):
    """The volume of ``TEMP_DIR`` does not have enough space for the upload."""

    code = "disk_full"
    status = 507
    title = "Disk full"


class DiskFailedError(CsvPipeError):
    """The volume of ``TEMP_DIR`` is read-only, or reading or writing it fails."""

    code = "disk_failed"
    status = 507
    title = "Disk failed"


class TooManyOpenFilesError(CsvPipeError):
    """The process or the machine has no file handles left; retry after ``retry_after_s`` seconds."""

    code = "too_many_open_files"
    status = 503
    title = "Too many open files"


class BodyTooLargeError(CsvPipeError):
    """The body of a request other than an upload exceeds ``max_body_bytes``."""

    code = "body_too_large"
    status = 413
    title = "Body too large"


class BodyTimeoutError(CsvPipeError):
    """The body of a request other than an upload was not received in time."""

    code = "body_timeout"
    status = 408
    title = "Body timeout"


class UploadNotFoundError(CsvPipeError):
    """There is no upload with this id."""

    code = "upload_not_found"
    status = 404
    title = "Upload not found"


class DatasetNotFoundError(CsvPipeError):
    """There is no upload into this dataset that was not deleted."""

    code = "dataset_not_found"
    status = 404
    title = "Dataset not found"


class ChunkNotFoundError(CsvPipeError):
    """The upload has no chunk with this number."""

    code = "chunk_not_found"
    status = 404
    title = "Chunk not found"


class UploadGoneError(CsvPipeError):
    """The upload was deleted."""

    code = "upload_gone"
    status = 410
    title = "Upload deleted"


class ChunkGoneError(CsvPipeError):
    """The chunk's file no longer exists: it was cleaned up after landing, or lost."""

    code = "chunk_gone"
    status = 410
    title = "Chunk gone"


class ChunkOnOtherReplicaError(CsvPipeError):
    """The chunk's file is on another ``replica``, and its address is unknown."""

    code = "chunk_on_other_replica"
    status = 421
    title = "Chunk on another replica"


class ChunkRedirectedError(CsvPipeError):
    """The chunk's file is on another ``replica``, at ``location``: a redirect, not a failure."""

    code = "chunk_redirected"
    status = 307
    title = "Chunk redirected to another replica"


class ReplicaUnavailableError(CsvPipeError):
    """The chunk's file is on another ``replica``, which has not checked in recently."""

    code = "replica_unavailable"
    status = 503
    title = "Replica unavailable"


class DigestMismatchError(CsvPipeError):
    """The file differs from the SHA-256 that its sender gave; nothing was kept."""

    code = "digest_mismatch"
    status = 400
    title = "Digest mismatch"


class InvalidDigestError(CsvPipeError):
    """A ``Repr-Digest`` or ``Content-Digest`` is malformed; ``field`` names it."""

    code = "invalid_digest"
    status = 400
    title = "Invalid digest"


class IdempotencyConflictError(CsvPipeError):
    """The Idempotency-Key was used for different content or options."""

    code = "idempotency_conflict"
    status = 409
    title = "Idempotency-Key conflict"


class EvidenceMismatchError(CsvPipeError):
    """The object reported as landed is not the announced chunk."""

    code = "evidence_mismatch"
    status = 409
    title = "Evidence does not match the chunk"


class UploadInProgressError(CsvPipeError):
    """Chunks of the upload were announced and have neither landed nor failed."""

    code = "upload_in_progress"
    status = 409
    title = "Upload in progress"


class ProcessExhaustedError(CsvPipeError):
    """The process cannot start a thread: it has reached its thread or memory limit and must be restarted."""

    code = "process_exhausted"
    status = 503
    title = "Process exhausted"


class RangeNotSatisfiableError(CsvPipeError):
    """The requested range is outside the chunk, whose size is ``size_bytes``."""

    code = "range_not_satisfiable"
    status = 416
    title = "Range not satisfiable"


class ManifestUnavailableError(CsvPipeError):
    """The manifest database does not answer."""

    code = "manifest_unavailable"
    status = 503
    exit_code = ExitCode.UNAVAILABLE
    title = "Manifest database unavailable"


class DatabaseFullError(ManifestUnavailableError):
    """The disk of the manifest database is full; the transaction was rolled back."""

    code = "database_full"
    status = 507
    title = "Database disk full"


class DatabaseConstraintError(CsvPipeError):
    """A constraint of the manifest database that the uploader does not know refuses a row; nothing was stored."""

    code = "database_constraint"
    status = 500
    title = "Refused by a constraint of the database"


class AuditChainError(ManifestUnavailableError):
    """The audit chain of the replica has a record that its head does not know: somebody has changed the database."""

    code = "audit_chain_broken"
    title = "Audit chain broken"


class ManifestLostError(ManifestUnavailableError):
    """The manifest database is missing, damaged or replaced; the text states which, and what to do."""

    code = "manifest_lost"
    title = "Manifest database lost"


class PublishError(CsvPipeError):
    """Kafka did not acknowledge every message."""

    code = "kafka_unavailable"
    status = 503
    exit_code = ExitCode.UNAVAILABLE
    title = "Kafka unavailable"
