"""Which topics a job takes, warns of, or refuses, by their options."""

from __future__ import annotations

import pytest

from contracts.errors import SettingsError
from sequencer.kafka.producer_options import ProducerOptions
from sequencer.kafka.timestamp_fence import OPTION, fence_topic
from sequencer.kafka.topic_options import Options
from sequencer.kafka.topic_requirements import check_topic

GOOD = {
    "cleanup.policy": "delete",
    "min.insync.replicas": "2",
    "retention.ms": "604800000",
    "retention.bytes": "-1",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    OPTION: "9223372036854775807",
}


def check(*, replicas: int = 3, require: bool = False, source_bytes: int | None = 1000, **changed: str) -> None:
    values = GOOD | {name.replace("_", "."): value for name, value in changed.items()}
    check_topic(Options(values), topic="rows", replicas=replicas, require_durable=require, source_bytes=source_bytes)


def test_durable_topic_without_retention_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    check(require=True)
    assert caplog.text == ""


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_compacted_topic_is_refused(policy: str) -> None:
    with pytest.raises(SettingsError, match=rf"KAFKA_TOPIC rows: cleanup\.policy={policy}.*with a key"):
        check(cleanup_policy=policy)


@pytest.mark.parametrize(
    ("replicas", "in_sync", "text"),
    [
        (1, "1", "it has one replica"),
        (1, "2", "it has one replica"),
        (3, "1", "3 replicas and min.insync.replicas=1"),
    ],
)
def test_topic_that_loses_records_with_one_broker_is_warned_of_or_refused(
    caplog: pytest.LogCaptureFixture, replicas: int, in_sync: str, text: str
) -> None:
    check(replicas=replicas, min_insync_replicas=in_sync)
    (record,) = caplog.records
    assert vars(record)["topic"] == "rows"
    assert text in vars(record)["reason"]
    with pytest.raises(SettingsError, match=r"KAFKA_TOPIC rows is not durable.*REQUIRE_DURABLE_TOPIC"):
        check(replicas=replicas, min_insync_replicas=in_sync, require=True)


def test_durability_that_is_asked_for_and_cannot_be_seen_is_refused() -> None:
    check_topic(Options({}), topic="rows", replicas=3, require_durable=False)
    with pytest.raises(SettingsError, match="DescribeConfigs"):
        check_topic(Options({}), topic="rows", replicas=3, require_durable=True)


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"retention_bytes": "999"}, {"retention_bytes": 999, "size_bytes": 1000}),
        ({"retention_ms": "3600000"}, {"retention_ms": 3_600_000}),
        ({"retention_ms": "0"}, {"retention_ms": 0}),
        ({"retention_ms": "-1", "retention_bytes": "1000"}, {}),
        ({"source_bytes": None, "retention_bytes": "1"}, {}),
    ],
)
def test_short_retention_logs_a_warning(
    caplog: pytest.LogCaptureFixture, options: dict[str, str], fields: dict[str, int]
) -> None:
    check(**options)  # type: ignore[arg-type]
    assert len(caplog.records) == bool(fields)
    for record in caplog.records:
        assert {"topic": "rows", **fields}.items() <= vars(record).items()


@pytest.mark.parametrize(("limit", "size"), [(None, 1_000_000), (2_000_000, 1_000_000), (100_000, 100_000)])
def test_batch_size_is_limited_by_the_topic(limit: int | None, size: int) -> None:
    config = ProducerOptions(compression="lz4", max_batch_bytes=limit).config()
    assert config["batch.size"] == size


@pytest.mark.parametrize(
    ("changed", "may_set", "limit_s", "text"),
    [
        ({OPTION: "90000"}, False, 90.0, ""),
        ({OPTION: "20000"}, True, 20.0, ""),
        ({OPTION: "90001"}, False, None, "FENCE=false"),
        ({"message.timestamp.type": "LogAppendTime"}, True, None, "message.timestamp.type is LogAppendTime"),
        ({"message.timestamp.type": "LogAppendTime", OPTION: "90000"}, True, None, "LogAppendTime"),
        ({OPTION: None}, True, None, "Kafka before 3.6"),
    ],
)
def test_topic_that_accepts_old_records_is_detected(
    caplog: pytest.LogCaptureFixture, changed: dict[str, str | None], may_set: bool, limit_s: float | None, text: str
) -> None:
    options = Options({name: value for name, value in (GOOD | changed).items() if value is not None})
    assert fence_topic({}, topic="rows", expiry_s=90, may_set=may_set, options=options) == limit_s
    assert len(caplog.records) == (limit_s is None)
    assert all(text in vars(record)["reason"] for record in caplog.records)


def test_options_that_may_not_be_read_fence_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert fence_topic({}, topic="rows", expiry_s=90, may_set=True, options=Options({})) is None
    assert "DescribeConfigs" in vars(caplog.records[0])["reason"]


@pytest.mark.parametrize("limit", ["1048588", "9000511"])
def test_record_limit_above_the_topics_limit_is_rejected_at_the_start(limit: str) -> None:
    options = Options(GOOD | {"max.message.bytes": limit})
    with pytest.raises(SettingsError, match=r"MAX_RECORD_BYTES=9000000: KAFKA_TOPIC rows .*9000512"):
        check_topic(options, topic="rows", replicas=3, require_durable=False, max_record_bytes=9_000_000)


@pytest.mark.parametrize(("limit", "record"), [("9000512", 9_000_000), ("1048588", 999_488), ("1000", 999_488)])
def test_record_limit_within_the_topics_limit_is_accepted(limit: str, record: int) -> None:
    options = Options(GOOD | {"max.message.bytes": limit})
    check_topic(options, topic="rows", replicas=3, require_durable=False, max_record_bytes=record)
