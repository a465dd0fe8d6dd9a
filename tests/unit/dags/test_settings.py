from __future__ import annotations

from datetime import timedelta

import pytest

from dags.modules.errors import ConfigurationError
from dags.modules.kafka_listener import check_kafka_config
from dags.modules.settings import Settings, load_settings

KAFKA = {
    "bootstrap.servers": "k:9092",
    "group.id": "g",
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
}


def test_defaults_are_three_retries_five_minutes_apart_and_ten_minutes_to_land() -> None:
    settings = load_settings({})
    assert settings == Settings()
    assert (settings.retries, settings.retry_delay) == (3, timedelta(minutes=5))
    assert settings.listener_retry_delay == timedelta(seconds=5)
    assert settings.landing_deadline_s == 600


def test_environment_changes_settings() -> None:
    assert load_settings({"CSV_INGESTION_RETRY_DELAY_S": " 2 ", "CSV_INGESTION_RETRIES": ""}) == Settings(
        retry_delay_s=2
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CSV_INGESTION_RETRIES", "three"),
        ("CSV_INGESTION_RETRY_DELAY_S", "-1"),
        ("CSV_INGESTION_RETRY_DELAY_S", "1.5"),
        ("CSV_INGESTION_LANDING_DEADLINE_S", "0"),
        ("CSV_INGESTION_MAX_ACTIVE_RUNS", "0"),
    ],
)
def test_invalid_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load_settings({name: value})


def test_valid_kafka_connection_is_accepted() -> None:
    assert check_kafka_config(KAFKA) == KAFKA
    assert check_kafka_config({**KAFKA, "enable.auto.commit": "false"})["enable.auto.commit"] == "false"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enable.auto.commit", None),
        ("enable.auto.commit", True),
        ("enable.auto.commit", "true"),
        ("auto.offset.reset", "latest"),
        ("auto.offset.reset", None),
        ("group.id", ""),
        ("bootstrap.servers", None),
    ],
)
def test_kafka_connection_that_would_lose_messages_is_refused(name: str, value: object) -> None:
    config = {key: item for key, item in {**KAFKA, name: value}.items() if item is not None}
    with pytest.raises(ConfigurationError, match=name):
        check_kafka_config(config)
