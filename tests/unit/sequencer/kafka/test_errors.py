"""What a Kafka error means for a job, and its exit code."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from contracts.errors import CsvPipeError, NotAllowedError, SettingsError, TemporaryFailureError
from sequencer.errors import LeaseLostError, TopicError
from sequencer.kafka.errors import error_of, is_final


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.PRODUCER_FENCED, LeaseLostError),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, NotAllowedError),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, TopicError),
        (KafkaError.INVALID_RECORD, SettingsError),
        (KafkaError._INVALID_DIFFERENT_RECORD, SettingsError),
        (KafkaError.MSG_SIZE_TOO_LARGE, SettingsError),
        (KafkaError.INVALID_TIMESTAMP, TemporaryFailureError),
        (KafkaError.NOT_ENOUGH_REPLICAS, TemporaryFailureError),
        (KafkaError._MSG_TIMED_OUT, TemporaryFailureError),
    ],
)
def test_error_states_whether_a_retry_may_help(code: int, kind: type[CsvPipeError]) -> None:
    assert type(error_of(KafkaException(KafkaError(code, "what it says")))) is kind


def test_error_that_the_client_does_not_name_is_tried_again() -> None:
    assert isinstance(error_of(KafkaException("odd")), TemporaryFailureError)


def test_broker_that_stops_during_authentication_is_not_a_wrong_password_after_success() -> None:
    unanswered = KafkaError(KafkaError._AUTHENTICATION, "SASL authentication error: Local: Broker transport failure")
    assert not is_final(unanswered, worked_before=False)
    error = KafkaError(KafkaError._AUTHENTICATION, "wrong password")
    assert is_final(error, worked_before=False)
    assert not is_final(error, worked_before=True)
    assert is_final(KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED, "no"), worked_before=True)
    assert is_final(KafkaError(KafkaError._FATAL, "fatal", fatal=True), worked_before=True)
    assert not is_final(KafkaError(KafkaError._TRANSPORT, "away"), worked_before=False)
