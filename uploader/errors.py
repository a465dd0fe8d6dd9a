"""The errors of the uploader: what a client may get to see, each with its stable code and HTTP status."""

from __future__ import annotations

from contracts.errors import CsvPipeError
from contracts.exit_codes import ExitCode


class FileTooLargeError(CsvPipeError):
    """The file is larger than ``MAX_FILE_SIZE_MB``."""

    code = "file_too_large"
    status = 413
    title = "File too large"


class InvalidCsvError(CsvPipeError):
    """The content is not a valid CSV; ``row`` and ``byte`` say where, ``expected`` and ``found`` what."""

    code = "invalid_csv"
    status = 400
    title = "Invalid CSV"


class HeaderRepeatedError(CsvPipeError):
    """The headers of all chunks together are out of proportion to the file; ``max_chunks`` would be accepted."""

    code = "header_repeated"
    status = 400
    title = "Header repeated too often"


class MalformedMultipartError(CsvPipeError):
    """The body is not multipart/form-data as RFC 7578 has it, or it was cut off."""

    code = "malformed_multipart"
    status = 400
    title = "Malformed multipart body"


class UnsupportedMediaTypeError(CsvPipeError):
    """The body, or a part of it, is of a type or encoding that is not taken."""

    code = "unsupported_media_type"
    status = 415
    title = "Unsupported media type"


class InvalidFieldError(CsvPipeError):
    """A form field or query parameter is missing or breaks its rule; ``field`` names it."""

    code = "invalid_field"
    status = 422
    title = "Invalid field"


class TooManyChunksError(CsvPipeError):
    """The chunk size asked for gives more than ``MAX_CHUNKS`` chunks."""

    code = "too_many_chunks"
    status = 422
    title = "Too many chunks"


class UploadStalledError(CsvPipeError):
    """The client has sent nothing, or too little, for too long; ``idle_s`` says how long that is."""

    code = "upload_stalled"
    status = 408
    title = "Upload stalled"


class UploadAbortedError(CsvPipeError):
    """The client broke off; nobody reads this answer, but the log does."""

    code = "upload_aborted"
    status = 499
    title = "Upload aborted by the client"

    def __init__(
        self, detail: str = "the client broke off before the file was complete; nothing of it was kept", **extra: object
    ) -> None:
        super().__init__(detail, **extra)


class TooManyUploadsError(CsvPipeError):
    """As many uploads as this process takes are running; ``retry_after_s`` says when to come again."""

    code = "too_many_uploads"
    status = 503
    title = "Too many uploads"


class TimestampCollisionError(CsvPipeError):
    """Another upload of the dataset began in the same microsecond: the chunks of both would have the same names."""

    code = "timestamp_collision"
    status = 503
    title = "Another upload at the same moment"


class DiskFullError(CsvPipeError):
    """The volume of ``TEMP_DIR`` has not enough room for the upload."""

    code = "disk_full"
    status = 507
    title = "Disk full"


class DiskFailedError(CsvPipeError):
    """The volume of ``TEMP_DIR`` is read-only, or reading and writing it fail."""

    code = "disk_failed"
    status = 507
    title = "Disk failed"


class TooManyOpenFilesError(CsvPipeError):
    """The process, or the machine, has no file handle left; ``retry_after_s`` says when to come again."""

    code = "too_many_open_files"
    status = 503
    title = "Too many open files"


class BodyTooLargeError(CsvPipeError):
    """The body of a request other than an upload is larger than ``max_body_bytes``."""

    code = "body_too_large"
    status = 413
    title = "Body too large"


class BodyTimeoutError(CsvPipeError):
    """The body of a request other than an upload did not come in time."""

    code = "body_timeout"
    status = 408
    title = "Body not complete in time"


class UploadNotFoundError(CsvPipeError):
    """No upload has this id."""

    code = "upload_not_found"
    status = 404
    title = "Upload not found"


class ChunkNotFoundError(CsvPipeError):
    """The upload has no chunk of this number."""

    code = "chunk_not_found"
    status = 404
    title = "Chunk not found"


class UploadGoneError(CsvPipeError):
    """The upload was deleted; its row is kept to say so."""

    code = "upload_gone"
    status = 410
    title = "Upload deleted"


class ChunkGoneError(CsvPipeError):
    """The chunk's file is no longer here: it has landed and was cleaned up, or it was lost."""

    code = "chunk_gone"
    status = 410
    title = "Chunk no longer here"


class ChunkOnOtherReplicaError(CsvPipeError):
    """The chunk's file is on another ``replica``, and there is no address to send the client to."""

    code = "chunk_on_other_replica"
    status = 421
    title = "Chunk on another replica"


class ChunkRedirectedError(CsvPipeError):
    """The chunk's file is on another ``replica``, which has it at ``location``: no fault, but a way."""

    code = "chunk_redirected"
    status = 307
    title = "Chunk on another replica"


class ReplicaUnavailableError(CsvPipeError):
    """The chunk's file is on another ``replica``, which has not been heard of for a while."""

    code = "replica_unavailable"
    status = 503
    title = "Replica of the chunk is away"


class IdempotencyConflictError(CsvPipeError):
    """The Idempotency-Key was used for other content or other options."""

    code = "idempotency_conflict"
    status = 409
    title = "Idempotency-Key used for another upload"


class EvidenceMismatchError(CsvPipeError):
    """What is said to have landed is not the chunk that was announced."""

    code = "evidence_mismatch"
    status = 409
    title = "Evidence does not match the chunk"


class UploadInProgressError(CsvPipeError):
    """Chunks of the upload are announced and have neither landed nor failed."""

    code = "upload_in_progress"
    status = 409
    title = "Upload on its way"


class ProcessExhaustedError(CsvPipeError):
    """The process can start no thread: it has reached a limit of threads or memory, and must be restarted."""

    code = "process_exhausted"
    status = 503
    title = "Process exhausted"


class RangeNotSatisfiableError(CsvPipeError):
    """The Range asked for lies outside the chunk; ``size_bytes`` is the chunk's size."""

    code = "range_not_satisfiable"
    status = 416
    title = "Range not satisfiable"


class ManifestUnavailableError(CsvPipeError):
    """The database of manifests does not answer."""

    code = "manifest_unavailable"
    status = 503
    exit_code = ExitCode.UNAVAILABLE
    title = "Manifest not available"


class DatabaseFullError(ManifestUnavailableError):
    """The disk of the database of manifests is full; the transaction was rolled back."""

    code = "database_full"
    status = 507
    title = "Disk of the database full"


class ManifestLostError(ManifestUnavailableError):
    """The database of manifests is gone, damaged, or another than it was; the text says which, and what to do."""

    code = "manifest_lost"
    title = "Manifest database lost"


class PublishError(CsvPipeError):
    """Kafka did not acknowledge every message."""

    code = "kafka_unavailable"
    status = 503
    exit_code = ExitCode.UNAVAILABLE
    title = "Kafka not available"


class MalformedRequestError(CsvPipeError):
    """What came is not HTTP/1.1."""

    code = "malformed_request"
    status = 400
    title = "Malformed request"


class RequestTimeoutError(CsvPipeError):
    """The head of a request does not come to its end."""

    code = "request_timeout"
    status = 408
    title = "Request timeout"


class UriTooLongError(CsvPipeError):
    """The address of a request is too long."""

    code = "uri_too_long"
    status = 414
    title = "URI too long"


class RequestHeadTooLargeError(CsvPipeError):
    """Request line and headers, or trailers, are too long."""

    code = "request_head_too_large"
    status = 431
    title = "Request head too large"


class TunnelRefusedError(CsvPipeError):
    """CONNECT was asked for."""

    code = "not_implemented"
    status = 501
    title = "Not implemented"


class HttpVersionError(CsvPipeError):
    """The request line names another version of HTTP, or none."""

    code = "http_version_not_supported"
    status = 505
    title = "HTTP version not supported"


class TooManyConnectionsError(CsvPipeError):
    """Every connection is busy."""

    code = "too_many_connections"
    status = 503
    title = "Too many connections"
