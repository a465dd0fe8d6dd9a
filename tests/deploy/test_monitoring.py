"""monitoring/: Prometheus' own tool takes the configuration and the rules, and every alert is explained.

promtool is compiled once, which takes minutes (stack/promtool.py). That the metrics exist is seen on the running stack:
tests/e2e/test_metrics.py.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from stack.local import DEFAULT_DIST, LocalStack
from stack.prometheus_config import local_config
from stack.promtool import prepare_promtool
from tests.support.monitoring.rules import (
    DASHBOARDS,
    MONITORING,
    RULE_TESTS,
    RULES,
    alerts,
    expressions,
    metrics_of,
    panels,
)
from tests.support.services import settings_on_free_ports

RUNBOOK = MONITORING.parent / "docs" / "operations" / "runbook.md"
CONFIG = MONITORING / "prometheus" / "prometheus.yml"
NAMES = [alert["alert"] for alert in alerts()]
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="session")
def promtool() -> Path:
    return prepare_promtool(DEFAULT_DIST, lambda _: None)


def run(*argv: str | Path) -> str:
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_prometheus_accepts_the_configuration_and_its_rules(promtool: Path) -> None:
    said = run(promtool, "check", "config", CONFIG)
    assert f"SUCCESS: {len(RULES)} rule files found" in said


def test_prometheus_accepts_the_configuration_of_a_local_stack(promtool: Path, tmp_path: Path) -> None:
    stack = LocalStack(root=tmp_path / "run", settings=settings_on_free_ports())
    config = tmp_path / "prometheus.yml"
    config.write_text(local_config(stack.context))
    said = run(promtool, "check", "config", config)
    assert f"SUCCESS: {len(RULES)} rule files found" in said
    jobs = {job["job_name"]: job for job in yaml.safe_load(config.read_text())["scrape_configs"]}
    in_containers = re.compile(r"(uploader|nifi|minio|[a-z]+-exporter):\d+")
    targets = [t for job in jobs.values() for each in job.get("static_configs", []) for t in each["targets"]]
    assert len(targets) == len(jobs) - 1  # all but the sequencer's
    assert not [target for target in targets if in_containers.fullmatch(target)]


@pytest.mark.parametrize("rules", RULES, ids=lambda path: path.stem)
def test_rules_have_no_faults(promtool: Path, rules: Path) -> None:
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", rules)


@pytest.mark.parametrize("tests", RULE_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_not_before(promtool: Path, tests: Path) -> None:
    run(promtool, "test", "rules", tests)


def test_every_alert_is_tested_firing_and_quiet() -> None:
    """A title is ``<alert> fires`` or ``<alert> is quiet``; further cases say after a colon which they are."""
    titles = [test["name"] for file in RULE_TESTS for test in yaml.safe_load(file.read_text())["tests"]]
    assert len(set(titles)) == len(titles)
    assert {title.partition(":")[0] for title in titles} == {
        f"{n} {kind}" for n in NAMES for kind in ("fires", "is quiet")
    }


def test_every_alert_has_its_place_in_the_runbook_and_links_to_it() -> None:
    assert len(set(NAMES)) == len(NAMES)
    headings = re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(NAMES)
    for alert in alerts():
        assert alert["annotations"]["runbook"] == f"docs/operations/runbook.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert set(alert["annotations"]) == {"summary", "description", "runbook"}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboard_is_whole(dashboard: Path) -> None:
    found = json.loads(dashboard.read_text())
    assert found["uid"] == f"csvpipe-{dashboard.stem}"
    ids = [panel["id"] for panel in found["panels"]]
    assert len(set(ids)) == len(ids)
    source = yaml.safe_load((MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text())
    (uid,) = [each["uid"] for each in source["datasources"]]
    for panel in panels(dashboard):
        assert panel["datasource"]["uid"] == uid
        assert panel["targets"], panel["title"]
        assert panel["description"], panel["title"]


def test_healthy_replica_reads_as_ready() -> None:
    (panel,) = [p for p in panels(DASHBOARDS[0]) if p["targets"][0]["expr"] == "csvpipe_ready"]
    assert panel["title"] == "Ready"
    defaults = panel["fieldConfig"]["defaults"]
    (mapping,) = defaults["mappings"]
    assert {value: (shown["text"], shown["color"]) for value, shown in mapping["options"].items()} == {
        "0": ("not ready", "red"),
        "1": ("ready", "green"),
    }
    assert defaults["thresholds"]["steps"] == [{"color": "red", "value": None}, {"color": "green", "value": 1}]


def test_dashboards_show_current_rates_only() -> None:
    asked = {name for _, expression in expressions() for name in metrics_of(expression)}
    assert [name for name in asked if name.endswith("_per_second")] == []


def test_lag_excludes_partitions_without_a_commit() -> None:
    lags = [expression for _, expression in expressions() if "kafka_consumergroup_lag{" in expression]
    assert len(lags) == 3
    assert [expression for expression in lags if "clamp_min(kafka_consumergroup_lag{" not in expression] == []


def test_dashboards_ask_in_valid_promql(promtool: Path, tmp_path: Path) -> None:
    recorded = [
        {"record": f"test:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, (_, expression) in enumerate(expressions())
    ]
    file = tmp_path / "expressions.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": recorded}]}))
    run(promtool, "check", "rules", file)
