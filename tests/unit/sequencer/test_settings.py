"""A job's settings: what does not fit together, or is not given, is named before anything begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SettingsError
from sequencer.settings import JobSettings, load_settings

COMPLETE = {"source": "a.csv", "kafka_bootstrap_servers": "b:9092", "kafka_topic": "t", "job_id": "j"}


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in JobSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_lease_that_records_could_outlive_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"LEASE_S \(90\) must be more than 1\.5 times DELIVERY_TIMEOUT_S \(60\)"):
        load_settings(lease_s=90, delivery_timeout_s=60)
    assert load_settings(lease_s=90.1, delivery_timeout_s=60).expiry_s == 90


def test_every_wrong_setting_is_named() -> None:
    with pytest.raises(SettingsError, match=r"S3_ENDPOINT: .*MODE: .*JOB_ID: "):
        load_settings(mode="both", job_id="no/slash", s3_endpoint="localhost")


def test_wrong_password_is_not_repeated_in_the_error() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(kafka_password=["s3cret"])
    assert "KAFKA_PASSWORD" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in COMPLETE if name != "source"])
def test_setting_that_a_job_cannot_do_without_is_named_and_a_dry_run_does_without(name: str) -> None:
    given = {key: value for key, value in COMPLETE.items() if key != name}
    settings = load_settings(**given)
    with pytest.raises(SettingsError, match=f"^missing settings: {name.upper()}$"):
        settings.check_complete()
    load_settings(**given, dry_run=True).check_complete()


def test_all_missing_settings_are_named_together() -> None:
    settings = load_settings()
    with pytest.raises(SettingsError, match=r"SOURCE \(or S3_BUCKET and S3_KEY\), .*, KAFKA_TOPIC, JOB_ID"):
        settings.check_complete()
    load_settings(**COMPLETE).check_complete()


def test_reading_a_partition_requires_broker_and_topic() -> None:
    settings = load_settings(kafka_topic="t")
    with pytest.raises(SettingsError, match=r"^missing settings: KAFKA_BOOTSTRAP_SERVERS$"):
        settings.check_topic_given()
    load_settings(kafka_topic="t", kafka_bootstrap_servers="b:9092").check_topic_given()


def test_option_wins_over_the_environment_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("KAFKA_TOPIC=file\nJOB_ID=file\nMODE=transactional\n", encoding="ascii")
    monkeypatch.setenv("KAFKA_TOPIC", "environment")
    monkeypatch.setenv("JOB_ID", "environment")
    settings = load_settings(job_id="option", kafka_topic=None)
    assert (settings.job_id, settings.kafka_topic, settings.mode) == ("option", "environment", "transactional")


@pytest.mark.parametrize(
    ("given", "sources"),
    [
        ({"source": "s3://b/1.csv  s3://b/2.csv"}, ("s3://b/1.csv", "s3://b/2.csv")),
        ({"s3_bucket": "b", "s3_key": "in/k.csv"}, ("s3://b/in/k.csv",)),
        ({"source": "a.csv", "s3_bucket": "b", "s3_key": "k.csv"}, ("a.csv",)),
        ({"source": ("s3://b/Sales Report.csv", "b.csv")}, ("s3://b/Sales Report.csv", "b.csv")),
        ({"s3_bucket": "b", "s3_key": "in/Sales Report.csv"}, ("s3://b/in/Sales Report.csv",)),
        ({"s3_bucket": "b"}, ()),
    ],
)
def test_source_is_the_one_that_was_named(given: dict[str, Any], sources: tuple[str, ...]) -> None:
    assert load_settings(**given).sources == sources


@pytest.mark.parametrize(
    ("given", "sources"),
    [
        ({"SOURCE": "s3://b/1.csv s3://b/2.csv"}, ("s3://b/1.csv", "s3://b/2.csv")),
        ({"SOURCE": "7"}, ("7",)),
        ({"S3_BUCKET": "b", "S3_KEY": "in/Sales Report.csv"}, ("s3://b/in/Sales Report.csv",)),
    ],
)
def test_only_the_environments_source_is_cut_at_its_blanks(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], sources: tuple[str, ...]
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert load_settings().sources == sources
    assert load_settings(source=("a b.csv",)).sources == ("a b.csv",)


def test_dead_letter_topic_defaults_to_the_topic_with_a_suffix() -> None:
    assert load_settings(kafka_topic="rows").dlq == "rows-dlq"
    assert load_settings(kafka_topic="rows", dead_letter_topic="bad").dlq == "bad"
