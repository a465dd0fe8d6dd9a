"""What an error of Kafka or of its client means for a job: try again, or whom to ask."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from contracts.errors import CsvPipeError, SettingsError, TemporaryFailureError
from sequencer.errors import LeaseLostError, NotAllowedError, TopicError

AUTHENTICATION_FAILED = frozenset({KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._AUTHENTICATION})
AUTHORIZATION_FAILED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_NOT_ALLOWED = AUTHENTICATION_FAILED | AUTHORIZATION_FAILED
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
"""What Kafka will say again the next time."""
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_MEANINGS: tuple[tuple[frozenset[int], type[CsvPipeError], str], ...] = (
    (_FENCED, LeaseLostError, "another process with the same JOB_ID has taken over: Kafka refuses ({what})"),
    (
        _TOO_OLD,
        TemporaryFailureError,
        "Kafka refuses the records as too old: this process was stopped, or the clocks differ",
    ),
    (_NOT_ALLOWED, NotAllowedError, "Kafka refuses: {what}; look at KAFKA_SECURITY, the user and its ACLs"),
    (
        _TOO_LARGE,
        SettingsError,
        (
            "Kafka: {what} ({name}): a record is larger than max.message.bytes of the topic, or than message.max.bytes "
            "in KAFKA_OPTIONS. Raise both, and replica.fetch.max.bytes of the brokers"
        ),
    ),
    (_WRONG_SETTINGS, SettingsError, "Kafka: {what} ({name}); look at KAFKA_OPTIONS, and at what the topic takes"),
    (_NO_TOPIC, TopicError, "Kafka: {what}; make the topic first, with enough partitions (or --create-topic)"),
)
_UNANSWERED = tuple(
    KafkaError(code).str() for code in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._DESTROY)
)
"""How the client ends the text of an authentication that no answer came to."""


def is_unanswered(error: KafkaError) -> bool:
    """Return whether an authentication failed for want of an answer: the broker may be on its way down."""
    return any(away in error.str() for away in _UNANSWERED)


def is_final(error: KafkaError, *, worked_before: bool) -> bool:
    """Return whether what the client reports by the way ends the sending.

    Args:
        error: what was reported.
        worked_before: whether Kafka has taken records on this connection's terms: a broker that goes away in the
            middle of signing in looks like a wrong password.
    """
    if error.code() == KafkaError._AUTHENTICATION and (worked_before or is_unanswered(error)):
        return False
    return error.fatal() or error.code() in _NOT_ALLOWED | _FENCED


def error_of(error: KafkaException) -> CsvPipeError:
    """Return what an error of the client means for the job."""
    cause = error.args[0] if error.args else None
    if not isinstance(cause, KafkaError):
        return TemporaryFailureError(f"Kafka's client: {error}")
    for codes, kind, sentence in _MEANINGS:
        if cause.code() in codes:
            return kind(sentence.format(what=cause.str(), name=cause.name()))
    return TemporaryFailureError(f"Kafka did not take the records: {cause.str()} ({cause.name()})")
