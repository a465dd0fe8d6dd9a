"""``csvpipe doctor`` names each fault, and has a document for scripts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import csvpipe.commands.doctor
import csvpipe.doctor.checkup
from contracts.exit_codes import ExitCode
from contracts.kafka_security import KafkaSecuritySettings
from csvpipe.doctor.airflow_check import DAGS
from csvpipe.doctor.certificate import judge_expiry
from csvpipe.doctor.checkup import run_checks
from csvpipe.doctor.clock import compare_clock
from csvpipe.doctor.disk_check import check_disk
from csvpipe.doctor.finding import Check, Finding, Findings, Verdict
from csvpipe.doctor.kafka_check import _certificates
from csvpipe.doctor.variables import ServiceVariables
from csvpipe.errors import UnavailableError
from tests.support.dags.fake_server import Answer, FakeServer
from tests.support.s3.fake_gateway import error_answer, fake_s3_gateway
from tests.support.uploader.access import GUARDED, create_key
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until

_VARIABLES = ("KAFKA_BROKER", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC", "TEMP_DIR", "AIRFLOW_CONN_AIRFLOW_API")
Run = Callable[..., dict[str, dict[str, tuple[str, str]]]]


@pytest.fixture
def diagnose(run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command and return verdict and text by service and subject."""
    monkeypatch.setattr("csvpipe.doctor.nifi_check.local_nifi", lambda: None)
    monkeypatch.setattr("csvpipe.doctor.airflow_check.local_airflow", lambda: None)
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def diagnose(*arguments: str, code: int = 0) -> dict[str, dict[str, tuple[str, str]]]:
        assert run("doctor", "--json", *arguments) == code
        document = cast("dict[str, Any]", json.loads(capsys.readouterr().out))
        assert document["ok"] == (code == 0)
        return {
            service["service"]: {
                each["subject"]: (each["verdict"], f"{each['text']} {each['advice']}") for each in service["findings"]
            }
            for service in document["services"]
        }

    return diagnose


@pytest.fixture
def uploader(tmp_path: Path) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path / "chunks", **GUARDED) as running:
        wait_until(lambda: running.runtime.readiness.answer().kafka.ok, what="Kafka was checked", deadline_s=60)
        yield running


def test_uploader_is_asked_for_version_parts_and_key(
    uploader: RunningUploader, diagnose: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSVPIPE_KEY", create_key(uploader.base_url, "upload", datasets=["sales_*"]))
    found = diagnose("--url", uploader.base_url)
    assert {verdict for verdict, _ in found["uploader"].values()} == {"ok"}
    assert {"address", "version", "clock", "key", "disk of the uploader"} <= set(found["uploader"])
    assert "sales_*" in found["uploader"]["key"][1]
    others = [found[service] for service in found if service != "uploader"]
    assert {verdict for each in others for verdict, _ in each.values()} == {"skipped"}


def test_key_that_expires_soon_is_a_warning(
    uploader: RunningUploader, diagnose: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    monkeypatch.setenv("CSVPIPE_KEY", create_key(uploader.base_url, "upload", expires_at=soon))
    assert diagnose("--url", uploader.base_url)["uploader"]["key"][0] == "warning"


def test_refused_key_fails_after_what_needs_none(uploader: RunningUploader, diagnose: Run) -> None:
    found = diagnose("--url", uploader.base_url, code=ExitCode.CHECK_FAILED)["uploader"]
    assert found["version"][0] == "ok"
    assert found["key refused"][0] == "failed"


def test_part_of_the_uploader_that_is_away_is_named(
    uploader: RunningUploader, diagnose: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSVPIPE_KEY", create_key(uploader.base_url, "upload"))
    monkeypatch.setattr(uploader.runtime.readiness, "_min_free_disk_bytes", 2**62)
    found = diagnose("--url", uploader.base_url, code=ExitCode.CHECK_FAILED)["uploader"]
    verdict, text = found["disk of the uploader"]
    assert (verdict, "MIN_FREE_DISK_MB" in text) == ("failed", True)
    assert found["database of the uploader"][0] == "ok"


def test_other_version_of_the_uploader_is_a_warning(
    uploader: RunningUploader, diagnose: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSVPIPE_KEY", create_key(uploader.base_url, "upload"))
    monkeypatch.setattr("csvpipe.doctor.uploader_check.version", lambda _: "99.0.0")
    assert diagnose("--url", uploader.base_url)["uploader"]["version"][0] == "warning"


def test_fault_is_shown_with_what_to_do(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fake_check(*_: object) -> Findings:
        yield Finding("disk", Verdict.FAILED, "[red]full[/x]", "free it")

    monkeypatch.setattr(csvpipe.commands.doctor, "check_uploader", fake_check)
    assert run("doctor") == ExitCode.CHECK_FAILED
    shown = capsys.readouterr().out
    assert "[red]full[/x]" in shown
    assert "- uploader, disk: free it" in shown


@pytest.mark.parametrize("refused", [False, True])
def test_bucket_is_listed(refused: bool, diagnose: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET", "b")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with fake_s3_gateway({}, (lambda *_: error_answer(403, "AccessDenied")) if refused else None) as gateway:
        monkeypatch.setenv("S3_ENDPOINT", gateway.url)
        found = diagnose("--url", "http://127.0.0.1:9", code=ExitCode.CHECK_FAILED)["bucket"]
    assert all(asked.method == "GET" for asked in gateway.asked)
    assert {verdict for verdict, _ in found.values()} == ({"failed"} if refused else {"ok"})
    assert "AWS_SECRET_ACCESS_KEY" in str(found) if refused else "bucket" in found


class FakeAirflow(FakeServer):
    """The API of an Airflow in which some parts or DAGs are not as they should be."""

    def __init__(self, **changes: object) -> None:
        super().__init__()
        self.changes = changes

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        match path.removeprefix("/api/v2"):
            case "/monitor/health":
                parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
                return 200, {name: {"status": self.changes.get(name, "healthy")} for name in parts}
            case "/version":
                return 200, {"version": self.changes.get("version", "3.3.2")}
            case "/auth/token":
                login = json.loads(body) if method == "POST" else {}
                return (201, {"access_token": "t"}) if login.get("password") == "right" else (401, {})
        dag_id = path.rpartition("/")[2]
        return cast("Answer", self.changes.get(dag_id, (200, {"is_paused": False, "has_import_errors": False})))


def airflow_connection(server: FakeServer, *, password: str = "right") -> str:
    host, port = server.host_port.split(":")
    return json.dumps({"conn_type": "http", "host": host, "port": int(port), "login": "me", "password": password})


@pytest.mark.parametrize(
    ("changes", "password", "subject", "verdict"),
    [
        ({}, "right", "scheduler", "ok"),
        ({"scheduler": "unhealthy"}, "right", "scheduler", "failed"),
        ({"triggerer": None}, "right", "triggerer", "failed"),
        ({"version": "2.10.0"}, "right", "version", "failed"),
        ({}, "wrong", "login", "failed"),
        ({DAGS[1]: (404, {})}, "right", "DAG", "failed"),
        ({DAGS[1]: (403, {})}, "right", "DAG", "failed"),
        ({DAGS[1]: (200, {"has_import_errors": True})}, "right", "DAG", "failed"),
        ({DAGS[1]: (200, {"is_paused": True})}, "right", "DAG", "warning"),
    ],
)
def test_airflow_is_asked_for_its_parts_and_the_dags(
    changes: dict[str, object],
    password: str,
    subject: str,
    verdict: str,
    diagnose: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csvpipe.commands.doctor, "check_uploader", lambda *_: iter(()))
    with FakeAirflow(**changes).running() as fake:
        monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", airflow_connection(fake, password=password))
        found = diagnose(code=ExitCode.CHECK_FAILED if verdict == "failed" else ExitCode.OK)["Airflow"]
    assert found[subject][0] == verdict


@pytest.mark.parametrize("text", ["http://u:p@h", "[]", '{"port": 1}', '{"host": "h", "port": "x"}'])
def test_connection_that_is_not_json_is_named_without_its_value(
    text: str, diagnose: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csvpipe.commands.doctor, "check_uploader", lambda *_: iter(()))
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", text)
    found = str(diagnose(code=ExitCode.CHECK_FAILED)["Airflow"])
    assert "AIRFLOW_CONN_AIRFLOW_API" in found
    assert text not in found


def test_hanging_check_ends_with_what_was_found_before(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, released = threading.Event(), threading.Event()
    others: list[threading.Thread] = []

    def hang() -> Findings:
        yield Finding("address", Verdict.OK, "answers")
        hangs.set()
        released.wait()

    def fail() -> Findings:
        others.append(threading.current_thread())
        yield Finding("address", Verdict.OK, "answers")
        raise UnavailableError("no answer")

    def break_down() -> Findings:
        others.append(threading.current_thread())
        yield Finding("address", Verdict.OK, str(1 // len("")))

    def others_have_ended() -> bool:
        return hangs.is_set() and len(others) == 2 and not any(each.is_alive() for each in others)

    def monotonic() -> float:
        """Let the time begin when only that check runs."""
        wait_until(others_have_ended, what="one check hangs, the others have ended", deadline_s=60, poll_s=0.01)
        return time.monotonic()

    monkeypatch.setattr(csvpipe.doctor.checkup, "time", SimpleNamespace(monotonic=monotonic))
    try:
        found = run_checks([Check("a", hang), Check("b", fail), Check("c", break_down)], timeout_s=0.1)
    finally:
        released.set()
    verdicts = {each.service: [finding.verdict for finding in each.findings] for each in found}
    assert verdicts == {
        "a": [Verdict.OK, Verdict.FAILED],
        "b": [Verdict.OK, Verdict.FAILED],
        "c": [Verdict.FAILED],
    }
    assert found[2].findings[0].subject == "internal error"


@pytest.mark.parametrize(
    ("off_s", "verdict"),
    [(0, Verdict.OK), (-60, Verdict.WARNING), (60, Verdict.WARNING), (-900, Verdict.FAILED), (900, Verdict.FAILED)],
)
def test_clock_that_is_off_is_reported(off_s: int, verdict: Verdict) -> None:
    (finding,) = compare_clock(format_datetime(datetime.now(UTC) + timedelta(seconds=off_s), usegmt=True))
    assert finding.verdict is verdict
    assert ("ahead" in finding.text) == (off_s < 0)


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_response_without_a_date_says_nothing_about_the_clock(date: str | None) -> None:
    assert list(compare_clock(date)) == []


def test_expiry_of_a_certificate_is_read(tmp_path: Path, diagnose: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    with running_uploader(tmp_path / "chunks", certificates=certificates, **GUARDED) as running:
        authority = str(certificates / str(running.port) / "ca.pem")
        monkeypatch.setenv("CSVPIPE_CA_FILE", authority)
        found = diagnose("--url", running.base_url, code=ExitCode.CHECK_FAILED)["uploader"]
        settings = KafkaSecuritySettings(kafka_security="tls", kafka_ca_file=authority)
        (of_a_broker,) = _certificates(f"SSL://127.0.0.1:{running.port}", settings)
    assert "valid until" in found["certificate"][1]
    assert "valid until" in of_a_broker.text


@pytest.mark.parametrize(("days", "verdict"), [(400, Verdict.OK), (14, Verdict.OK), (13, Verdict.WARNING)])
def test_certificate_has_to_be_renewed_two_weeks_before_its_end(days: int, verdict: Verdict) -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    assert judge_expiry(now + timedelta(days=days, minutes=1), now=now).verdict is verdict


@pytest.mark.parametrize(
    ("least_mb", "low_mb", "verdict"),
    [(0, 0, Verdict.OK), (0, 2**40, Verdict.WARNING), (2**40, 2**40, Verdict.FAILED)],
)
def test_space_is_compared_with_the_settings(
    least_mb: int, low_mb: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"TEMP_DIR": tmp_path, "MIN_FREE_DISK_MB": least_mb, "LOW_DISK_MB": low_mb}.items():
        monkeypatch.setenv(name, str(value))
    (finding,) = check_disk(ServiceVariables())
    assert finding.verdict is verdict


def test_directory_that_is_not_there_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMP_DIR", str(tmp_path / "nowhere"))
    (finding,) = check_disk(ServiceVariables())
    assert finding.verdict is Verdict.FAILED


@pytest.mark.parametrize("name", ["KAFKA_BROKER", "KAFKA_BOOTSTRAP_SERVERS"])
def test_check_whose_package_is_missing_names_the_extra(
    name: str, diagnose: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csvpipe.commands.doctor, "check_uploader", lambda *_: iter(()))
    monkeypatch.setattr("csvpipe.doctor.kafka_check.find_spec", lambda _: None)
    monkeypatch.setenv(name, "b:9092")
    services = {"KAFKA_BROKER": "Kafka (uploader)", "KAFKA_BOOTSTRAP_SERVERS": "Kafka (sequencer)"}
    verdict, text = diagnose()[services[name]]["package"]
    assert (verdict, "csvpipe[" in text) == ("skipped", True)
