"""What can go wrong inside the DAGs, by who has to act."""

from __future__ import annotations

from contracts.errors import CsvPipeError


class ConfigurationError(CsvPipeError):
    """A connection or Variable of Airflow is missing or would lose data; an operator has to change it."""

    code = "airflow_configuration"
    status = 500
    title = "Airflow is not configured for the ingestion"


class KafkaReadError(CsvPipeError):
    """The topic could not be read."""

    code = "kafka_unavailable"
    status = 503
    title = "Kafka cannot be read"


class KafkaCommitError(CsvPipeError):
    """The broker refused the offsets, most likely because another member of the group is alive."""

    code = "kafka_commit_refused"
    status = 503
    title = "Kafka did not take the offsets"


class DeadLetterError(CsvPipeError):
    """The broker did not acknowledge a dead letter, so nothing of the batch may be committed."""

    code = "dead_letter_not_written"
    status = 503
    title = "A dead letter was not written"


class NifiError(CsvPipeError):
    """NiFi cannot take chunks; the listener is paused when retries do not help."""

    code = "nifi_unavailable"
    status = 503
    title = "NiFi cannot take chunks"


class NifiUnreachableError(NifiError):
    """NiFi's API or the group's ListenHTTP does not answer."""

    code = "nifi_unreachable"
    title = "NiFi is not reachable"


class NifiNotReadyError(NifiError):
    """The process group is missing, stopped or invalid."""

    code = "nifi_not_ready"
    title = "The NiFi process group is not ready"


class UploaderError(CsvPipeError):
    """The uploader does not answer, or not as agreed."""

    code = "uploader_unavailable"
    status = 503
    title = "The uploader does not answer"


class UploadGoneError(UploaderError):
    """The uploader knows no such upload (any more): it was deleted."""

    code = "upload_gone"
    status = 404
    title = "The upload is gone"


class StateRefusedError(UploaderError):
    """The uploader refused a reported state; ``problem`` is its stable code."""

    code = "state_refused"
    status = 409
    title = "The uploader refused a state"

    def __init__(self, detail: str, *, problem: str) -> None:
        super().__init__(detail, problem=problem)
        self.problem = problem


class StoreError(CsvPipeError):
    """The object store does not answer, or refuses us."""

    code = "object_store_unavailable"
    status = 503
    title = "The object store cannot be read"


class ChunksNotLandedError(CsvPipeError):
    """Chunks that NiFi took are not in the bucket after the deadline."""

    code = "chunks_not_landed"
    status = 504
    title = "Chunks have not landed"


class RunNotStartedError(CsvPipeError):
    """Airflow did not take a chunk run."""

    code = "run_not_started"
    status = 503
    title = "A chunk run was not started"
