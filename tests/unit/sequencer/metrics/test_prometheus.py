"""What Prometheus scrapes."""

from __future__ import annotations

import re
import time

import pytest
import urllib3
from prometheus_client.parser import text_string_to_metric_families

from sequencer.metrics.job_metrics import Metric
from sequencer.metrics.prometheus import MEANINGS, JobCollector, prometheus_name, serving_metrics
from sequencer.model.progress import Progress

FULL = Progress(
    records_sent=5,
    started_at=1.0,
    total_bytes=400,
    bytes_read=100,
    statistics={"msg_cnt": 1, "brokers": {"1": {"rtt": {"avg": 1500}}}},
)


def scrape(port: int) -> dict[tuple[str, str], float]:
    text = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics").data.decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, sample.labels["job_id"]): sample.value for sample in samples}


def test_metrics_are_those_of_the_moment_for_each_job() -> None:
    collector = JobCollector(cost_per_hour=1.0)
    first, second = Progress(records_sent=5, started_at=1.0), Progress(records_sent=7, started_at=1.0)
    collector.add("first", first)
    with serving_metrics(collector, port=0, address="127.0.0.1") as port:
        assert scrape(port)["csvpipe_sequencer_records_sent_total", "first"] == 5
        collector.add("second", second)
        first.records_sent = 6
        found = scrape(port)
    name = prometheus_name(Metric.RECORDS_SENT)
    assert (found[name, "first"], found[name, "second"]) == (6, 7)


def test_rates_are_averages_since_the_start_whatever_was_scraped_before() -> None:
    collector = JobCollector(cost_per_hour=1.0)
    progress = Progress(records_sent=500, bytes_sent=5_000, started_at=time.time() - 100)
    collector.add("orders", progress)
    for _ in range(2):
        families = {family.name: family for family in collector.collect()}
        pace = families["csvpipe_sequencer_records_per_second"]
        assert pace.samples[0].value == pytest.approx(5, rel=0.1)
        assert "since the start" in pace.documentation
        assert families["csvpipe_sequencer_bytes_per_second"].samples[0].value == pytest.approx(50, rel=0.1)
    assert families["csvpipe_sequencer_bytes_sent"].samples[0].value == 5_000
    assert families.keys() == {name.removesuffix("_total") for name in MEANINGS}


def test_growing_values_are_counters_and_all_others_gauges() -> None:
    collector = JobCollector(cost_per_hour=1.0)
    collector.add("orders", FULL)
    with serving_metrics(collector, port=0, address="127.0.0.1") as port:
        text = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics").data.decode()
    types = dict(re.findall(r"^# TYPE csvpipe_sequencer_(\w+) (\w+)$", text, re.MULTILINE))
    counters = {name for name, kind in types.items() if kind == "counter"}
    assert counters == {f"{name}_total" for name in ("records_sent", "bytes_sent", "retries", "errors", "dead_letters")}
    assert set(types.values()) == {"counter", "gauge"}
    assert {name for name in types if name.endswith(("_percent", "_ms", "percent_read"))} == set()


def test_units_are_base_units() -> None:
    collector = JobCollector(cost_per_hour=1.0)
    collector.add("orders", FULL)
    with serving_metrics(collector, port=0, address="127.0.0.1") as port:
        found = scrape(port)
    assert found["csvpipe_sequencer_read_ratio", "orders"] == pytest.approx(0.25)
    assert found["csvpipe_sequencer_round_trip_seconds", "orders"] == pytest.approx(0.0015)


def test_names_are_in_prometheus_spelling() -> None:
    assert prometheus_name(Metric.CHECKPOINT_AGE_SECONDS) == "csvpipe_sequencer_checkpoint_age_seconds"
