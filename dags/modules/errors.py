"""Errors of the DAGs, grouped by who has to act."""

from __future__ import annotations

from typing import ClassVar

from contracts.errors import CsvPipeError


class DagError(CsvPipeError):
    """Base class of the DAGs' errors. ``transient``: the same call may succeed seconds later without intervention."""

    code = "dag_failed"
    title = "DAG failed"
    transient: ClassVar[bool] = False


class ConfigurationError(DagError):
    """An Airflow connection or Variable is missing, or its values would lose data. An operator has to change it."""

    code = "airflow_configuration"
    status = 500
    title = "Invalid Airflow configuration"


class KafkaReadError(DagError):
    """The topic could not be read."""

    code = "chunk_topic_unavailable"
    status = 503
    title = "Cannot read the topic of chunk messages"
    transient = True


class KafkaCommitError(DagError):
    """The broker rejected the offsets, most likely because the consumer group has an active member."""

    code = "kafka_commit_refused"
    status = 503
    title = "Kafka did not commit the offsets"
    transient = True


class DeadLetterError(DagError):
    """The broker did not acknowledge a dead letter, so no offset of the batch may be committed."""

    code = "dead_letter_not_written"
    status = 503
    title = "Dead letter not written"
    transient = True


class NiFiError(DagError):
    """NiFi cannot accept chunks. If retries do not help, the listener is paused."""

    code = "nifi_unavailable"
    status = 503
    title = "NiFi cannot accept chunks"
    transient = True


class NiFiUnreachableError(NiFiError):
    """NiFi's API or the group's ListenHTTP does not answer."""

    code = "nifi_not_responding"
    title = "NiFi does not respond"


class NiFiNotReadyError(NiFiError):
    """The process group is missing, stopped or invalid."""

    code = "nifi_not_ready"
    title = "NiFi process group not ready"


class NiFiRefusedError(NiFiNotReadyError):
    """NiFi's ListenHTTP rejected the message or its sender."""

    code = "nifi_refused"
    title = "NiFi rejected the message"
    transient = False


class NiFiLoginError(NiFiUnreachableError):
    """NiFi's API rejected the credentials of the connection."""

    code = "nifi_login_refused"
    title = "NiFi rejected the login"
    transient = False


class UploaderError(DagError):
    """The uploader does not answer, or its response is invalid."""

    code = "uploader_unavailable"
    status = 503
    title = "Uploader unavailable"
    transient = True


class UploadDeletedError(UploaderError):
    """The uploader does not know the upload, or no longer: it was deleted."""

    code = "upload_deleted"
    status = 404
    title = "Upload deleted"
    transient = False


class UploaderResponseError(UploaderError):
    """The uploader rejected the request, or its response has an unknown form."""

    code = "uploader_response"
    status = 502
    title = "Unexpected response of the uploader"
    transient = False


class UploaderKeyError(UploaderError):
    """The uploader needs a key, or does not accept that of the connection: an operator has to change it."""

    code = "uploader_key_refused"
    status = 401
    title = "Uploader refused the key"
    transient = False


class StateRefusedError(UploaderError):
    """The uploader rejected a reported state. ``problem`` is the uploader's error code."""

    code = "state_refused"
    status = 409
    title = "Uploader rejected a state"
    transient = False

    def __init__(self, detail: str, *, problem: str) -> None:
        super().__init__(detail, problem=problem)
        self.problem = problem


class StoreError(DagError):
    """The object store does not answer, or refused the request."""

    code = "object_store_unavailable"
    status = 503
    title = "Object store unavailable"
    transient = True


class StoreRefusedError(StoreError):
    """The object store refused the request: a wrong key, a missing permission, or a bucket that does not exist."""

    code = "object_store_refused"
    status = 502
    title = "Object store refused the request"
    transient = False


class ChunksNotLandedError(DagError):
    """Chunks that NiFi accepted are not in the bucket after the deadline."""

    code = "chunks_not_landed"
    status = 504
    title = "Chunks have not landed"


class RunNotStartedError(DagError):
    """Airflow did not start a chunk run."""

    code = "run_not_started"
    status = 503
    title = "Chunk run not started"
    transient = True
