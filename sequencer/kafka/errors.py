"""Classification of Kafka client errors: retry, or what the operator has to fix."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from contracts.errors import CsvPipeError, NotAllowedError, SettingsError, TemporaryFailureError
from sequencer.errors import LeaseLostError, TopicError

_AUTHENTICATION_FAILED = frozenset({KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._AUTHENTICATION})
_AUTHORIZATION_FAILED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_NOT_ALLOWED = _AUTHENTICATION_FAILED | _AUTHORIZATION_FAILED
_TOO_OLD = frozenset({KafkaError.INVALID_TIMESTAMP})
_FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_NO_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
_WRONG_SETTINGS = frozenset(
    {
        KafkaError._INVALID_ARG,
        KafkaError._INVALID_DIFFERENT_RECORD,
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TRANSACTION_TIMEOUT,
        KafkaError.POLICY_VIOLATION,
        KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
    }
)
"""Errors that a retry does not resolve."""
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_MEANINGS: tuple[tuple[frozenset[int], type[CsvPipeError], str], ...] = (
    (_FENCED, LeaseLostError, "another process with the same JOB_ID has taken over; Kafka fenced this one ({what})"),
    (
        _TOO_OLD,
        TemporaryFailureError,
        "Kafka rejected the records as too old: this process was suspended, or the clocks of the brokers differ",
    ),
    (_NOT_ALLOWED, NotAllowedError, "Kafka denied access: {what}. Check KAFKA_SECURITY, the user and its ACLs"),
    (
        _TOO_LARGE,
        SettingsError,
        (
            "Kafka: {what} ({name}): a record is larger than max.message.bytes of the topic, or than message.max.bytes "
            "in KAFKA_OPTIONS. Raise both, and replica.fetch.max.bytes of the brokers"
        ),
    ),
    (_WRONG_SETTINGS, SettingsError, "Kafka: {what} ({name}). Check KAFKA_OPTIONS and the options of the topic"),
    (_NO_TOPIC, TopicError, "Kafka: {what}. Create the topic first, with enough partitions (or use --create-topic)"),
)
_UNANSWERED = tuple(
    KafkaError(code).str() for code in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._DESTROY)
)
"""Endings of the client's error text if an authentication request got no answer."""


def is_unanswered(error: KafkaError) -> bool:
    """Return whether an authentication failed because no answer came: the broker may be shutting down."""
    return any(text in error.str() for text in _UNANSWERED)


def is_final(error: KafkaError, *, worked_before: bool) -> bool:
    """Return whether an error that the client reports in the background ends the sending.

    Args:
        error: the reported error.
        worked_before: whether Kafka has accepted records over this client: a broker that disconnects during
            authentication looks like a wrong password.
    """
    if error.code() == KafkaError._AUTHENTICATION and (worked_before or is_unanswered(error)):
        return False
    return error.fatal() or error.code() in _NOT_ALLOWED | _FENCED


def refusal(error: KafkaError) -> CsvPipeError | None:
    """Return the error that an operator has to fix, or None if ``error`` may be transient."""
    text = error.str()
    if error.code() in _AUTHENTICATION_FAILED and not is_unanswered(error):
        return NotAllowedError(
            f"Kafka authentication failed: {text}. Check KAFKA_SECURITY, and KAFKA_USERNAME and KAFKA_PASSWORD (scram) "
            "or this machine's role (iam)"
        )
    if error.code() in _AUTHORIZATION_FAILED:
        return NotAllowedError(
            f"Kafka denied access: {text}. Check the user's ACLs: Describe, Read and Write on the topics, and on the "
            "TransactionalId if MODE is transactional"
        )
    if error.code() == KafkaError._SSL and "certificate verify failed" in text:
        return SettingsError(
            "KAFKA_CA_FILE: the broker's certificate is not trusted, or KAFKA_BOOTSTRAP_SERVERS: it has expired, or is "
            f"for another name: {text}"
        )
    return None


def error_of(error: KafkaException) -> CsvPipeError:
    """Return what a client error means for the job."""
    cause = error.args[0] if error.args else None
    if not isinstance(cause, KafkaError):
        return TemporaryFailureError(f"Kafka client: {error}")
    for codes, kind, sentence in _MEANINGS:
        if cause.code() in codes:
            return kind(sentence.format(what=cause.str(), name=cause.name()))
    return TemporaryFailureError(f"Kafka did not accept the records: {cause.str()} ({cause.name()})")
