"""What Prometheus scrapes."""

from __future__ import annotations

import urllib3
from prometheus_client.parser import text_string_to_metric_families

from sequencer.metrics import Metric
from sequencer.model import Progress
from sequencer.prometheus import JobCollector, prometheus_name, serving_metrics


def scrape(port: int) -> dict[tuple[str, str], float]:
    text = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics").data.decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, sample.labels["job_id"]): sample.value for sample in samples}


def test_metrics_are_those_of_the_moment_for_each_job() -> None:
    collector = JobCollector(cost_per_hour=1.0)
    first, second = Progress(records_sent=5, started_at=1.0), Progress(records_sent=7, started_at=1.0)
    collector.add("first", first)
    with serving_metrics(collector, port=0, address="127.0.0.1") as port:
        assert scrape(port)["csvpipe_sequencer_records_sent", "first"] == 5
        collector.add("second", second)
        first.records_sent = 6
        found = scrape(port)
    name = prometheus_name(Metric.RECORDS_SENT)
    assert (found[name, "first"], found[name, "second"]) == (6, 7)


def test_names_are_in_prometheus_spelling() -> None:
    assert prometheus_name(Metric.CHECKPOINT_AGE_SECONDS) == "csvpipe_sequencer_checkpoint_age_seconds"
