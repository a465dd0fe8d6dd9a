"""What can go wrong inside the DAGs, by who has to act."""

from __future__ import annotations

from typing import ClassVar

from contracts.errors import CsvPipeError


class DagError(CsvPipeError):
    """Base of the errors of the DAGs. ``transient``: the same may succeed in some seconds, with nothing done for it."""

    transient: ClassVar[bool] = False


class ConfigurationError(DagError):
    """A connection or Variable of Airflow is missing or would lose data; an operator has to change it."""

    code = "airflow_configuration"
    status = 500
    title = "Airflow is not configured for the ingestion"


class KafkaReadError(DagError):
    """The topic could not be read."""

    code = "kafka_unavailable"
    status = 503
    title = "Kafka cannot be read"
    transient = True


class KafkaCommitError(DagError):
    """The broker refused the offsets, most likely because another member of the group is alive."""

    code = "kafka_commit_refused"
    status = 503
    title = "Kafka did not take the offsets"
    transient = True


class DeadLetterError(DagError):
    """The broker did not acknowledge a dead letter, so nothing of the batch may be committed."""

    code = "dead_letter_not_written"
    status = 503
    title = "A dead letter was not written"
    transient = True


class NifiError(DagError):
    """NiFi cannot take chunks; the listener is paused when retries do not help."""

    code = "nifi_unavailable"
    status = 503
    title = "NiFi cannot take chunks"
    transient = True


class NifiUnreachableError(NifiError):
    """NiFi's API or the group's ListenHTTP does not answer."""

    code = "nifi_unreachable"
    title = "NiFi is not reachable"


class NifiNotReadyError(NifiError):
    """The process group is missing, stopped or invalid."""

    code = "nifi_not_ready"
    title = "The NiFi process group is not ready"


class NifiRefusedError(NifiNotReadyError):
    """NiFi's ListenHTTP refuses the message or what sends it."""

    code = "nifi_refused"
    title = "NiFi refused the message"
    transient = False


class NifiLoginError(NifiUnreachableError):
    """NiFi's API does not accept the credentials of the connection."""

    code = "nifi_login_refused"
    title = "NiFi refused the login"
    transient = False


class UploaderError(DagError):
    """The uploader does not answer, or not as agreed."""

    code = "uploader_unavailable"
    status = 503
    title = "The uploader does not answer"
    transient = True


class UploadGoneError(UploaderError):
    """The uploader knows no such upload (any more): it was deleted."""

    code = "upload_gone"
    status = 404
    title = "The upload is gone"
    transient = False


class UploaderAnswerError(UploaderError):
    """The uploader answers, but refuses the request or answers in an unknown form."""

    code = "uploader_answer"
    status = 502
    title = "The uploader does not answer as agreed"
    transient = False


class StateRefusedError(UploaderError):
    """The uploader refused a reported state; ``problem`` is its stable code."""

    code = "state_refused"
    status = 409
    title = "The uploader refused a state"
    transient = False

    def __init__(self, detail: str, *, problem: str) -> None:
        super().__init__(detail, problem=problem)
        self.problem = problem


class StoreError(DagError):
    """The object store does not answer, or refuses us."""

    code = "object_store_unavailable"
    status = 503
    title = "The object store cannot be read"
    transient = True


class StoreRefusedError(StoreError):
    """The object store answers, and refuses us: a wrong key, a missing right, no such bucket."""

    code = "object_store_refused"
    status = 502
    title = "The object store refused the request"
    transient = False


class ChunksNotLandedError(DagError):
    """Chunks that NiFi took are not in the bucket after the deadline."""

    code = "chunks_not_landed"
    status = 504
    title = "Chunks have not landed"


class RunNotStartedError(DagError):
    """Airflow did not take a chunk run."""

    code = "run_not_started"
    status = 503
    title = "A chunk run was not started"
    transient = True
