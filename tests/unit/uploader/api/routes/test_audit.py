"""``/audit``, and the commands that read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from contracts.audit import AuditChainPage
from contracts.exit_codes import ExitCode
from csvpipe.cli import main
from tests.support.uploader.http_uploads import assert_problem, land
from tests.support.uploader.server import RunningUploader, running_uploader

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, server: RunningUploader, tmp_path: Path) -> Run:
    """Run a command for the uploader of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CSVPIPE_URL", server.base_url)
    monkeypatch.setenv("TEMP_DIR", str(server.temp_dir))
    monkeypatch.delenv("DATABASE_URL", raising=False)

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(["audit", *arguments])
        return int(caught.value.code or 0)

    return run


def records(client: httpx.Client, **filters: Any) -> list[dict[str, Any]]:
    answer = client.get("/audit", params=filters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["records"]
    return found


def test_life_of_an_upload_is_on_record(client: httpx.Client, upload: Callable[..., str]) -> None:
    upload_id = upload(dataset="recorded")
    client.post(f"/uploads/{upload_id}/announce")
    land(client, upload_id, 1, 2, 3)
    client.delete(f"/uploads/{upload_id}")
    found = records(client, upload_id=upload_id)
    assert [record["action"] for record in found] == ["delete", "land", "announce", "upload"]
    assert {(record["actor"], record["key_id"], record["address"]) for record in found} == {
        ("anonymous", None, "127.0.0.1")
    }
    assert {record["dataset"] for record in found} == {"recorded"}
    assert found[-1]["size_bytes"] == 8 + 3 * len(b"1,row of chunk 1\n")


@pytest.mark.parametrize(("proxies", "recorded"), [("", "127.0.0.1"), ("192.0.2.0/24, 127.0.0.1", "203.0.113.9")])
def test_forwarded_address_is_believed_from_known_proxies_only(tmp_path: Path, proxies: str, recorded: str) -> None:
    with (
        running_uploader(tmp_path, access="open", forwarded_allow_ips=proxies) as running,
        httpx.Client(base_url=running.base_url, trust_env=False) as client,
    ):
        client.headers["X-Forwarded-For"] = "198.51.100.1, 203.0.113.9"
        sent = client.post("/upload/csv?dataset_name=people", files={"file": ("a.csv", b"a\n1\n")})
        assert sent.status_code == 202, sent.text
        assert records(client)[0]["address"] == recorded


def test_records_are_also_lines_of_the_audit_log(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    with running_uploader(tmp_path / "chunks", audit_log_file=log) as running:
        sent = httpx.post(
            f"{running.base_url}/upload/csv?dataset_name=people",
            files={"file": ("a.csv", b"a\n1\n")},
            trust_env=False,
        )
    assert [json.loads(line)["upload_id"] for line in log.read_text().splitlines()] == [sent.json()["upload_id"]]


def test_pages_join_without_gap_or_repetition(client: httpx.Client, upload: Callable[..., str]) -> None:
    ids = [upload(dataset="paged") for _ in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/audit", params={"dataset": "paged", "action": "upload", "limit": 2, **cursor}).json()
        found += [record["upload_id"] for record in page["records"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == ids[::-1]


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "WzEsMiwzXQ"])
def test_cursor_or_time_that_is_none_is_refused(client: httpx.Client, cursor: str) -> None:
    assert_problem(client.get("/audit", params={"cursor": cursor}), 422, "invalid_field")
    assert_problem(client.get("/audit", params={"since": "0.5"}), 422, "invalid_request")
    assert_problem(client.get("/audit", params={"since": "0001-01-01T00:00:00+23:00"}), 422, "invalid_request")


def test_chain_has_the_head_of_the_same_moment(client: httpx.Client, upload: Callable[..., str]) -> None:
    upload()
    assert client.get("/audit/chains").json() == {"replicas": ["replica-0"]}
    page = AuditChainPage.model_validate_json(client.get("/audit/chains/replica-0").content)
    assert page.head is not None
    assert (page.records[-1].sequence, page.records[-1].hash) == (page.head.sequence, page.head.hash)
    assert all(record.hash == record.expected_hash for record in page.records)
    assert client.get("/audit/chains/unknown").json() == {"records": [], "head": None}


def test_list_prints_lines_of_json_for_an_archive(
    run: Run, upload: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    upload_id = upload(dataset="listed")
    assert run("list", "--dataset", "listed", "--limit", "0", "--json") == 0
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["upload_id"] == upload_id
    assert run("list", "--upload", upload_id, "--actor", "anonymous", "--since", "2026-01-01") == 0
    assert upload_id in capsys.readouterr().out
    assert run("list", "--upload", upload_id, "--until", "2026-01-01", "--json") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("source", [[], ["--database"]], ids=["by the API", "in the database"])
def test_verify_finds_a_changed_record_and_names_its_place(
    source: list[str], run: Run, server: RunningUploader, upload: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    upload_id = upload()
    assert run("verify", *source, "--json") == 0
    [chain] = json.loads(capsys.readouterr().out)["chains"]
    assert (chain["replica"], chain["intact"]) == ("replica-0", True)
    assert run("verify", *source, "--anchor", chain["anchor"]) == 0
    capsys.readouterr()
    database = create_engine(f"sqlite:///{server.temp_dir / 'manifest.sqlite3'}")
    change = text("UPDATE audit_records SET actor = :actor WHERE upload_id = :id")
    with database.begin() as connection:
        connection.execute(change, {"actor": "somebody else", "id": upload_id})
    assert run("verify", *source, "--json") == ExitCode.CHECK_FAILED
    shown = capsys.readouterr()
    [fault] = json.loads(shown.out)["chains"][0]["faults"]
    assert (fault["sequence"], fault["kind"]) == (chain["records"], "altered")
    assert "replica-0" in shown.err
    assert run("verify", *source) == ExitCode.CHECK_FAILED
    assert f"record {chain['records']:,} was altered" in capsys.readouterr().out
    with database.begin() as connection:
        connection.execute(change, {"actor": "anonymous", "id": upload_id})
    database.dispose()
    assert run("verify", *source) == 0


@contextmanager
def changed(server: RunningUploader, change: list[str], undo: list[str]) -> Iterator[None]:
    """Change the database by statements, and undo it in the end."""
    database = create_engine(f"sqlite:///{server.temp_dir / 'manifest.sqlite3'}")

    def execute(statements: list[str]) -> None:
        with database.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    execute(change)
    try:
        yield
    finally:
        execute(undo)
        database.dispose()


@pytest.mark.parametrize("source", [[], ["--database"]], ids=["by the API", "in the database"])
def test_verify_reports_records_that_are_absent_before_an_anchor(
    source: list[str], run: Run, server: RunningUploader, upload: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    upload()
    assert run("verify", *source, "--json") == 0
    head = json.loads(capsys.readouterr().out)["chains"][0]["anchor"]
    upload()
    old = f"FROM audit_records WHERE sequence <= {int(head.split(':')[1])}"
    remove = [f"CREATE TABLE removed AS SELECT * {old}", f"DELETE {old}"]
    with changed(server, remove, ["INSERT INTO audit_records SELECT * FROM removed", "DROP TABLE removed"]):
        assert run("verify", *source, "--anchor", head) == ExitCode.CHECK_FAILED
        assert "missing" in capsys.readouterr().out
        assert run("verify", *source, "--archived", head) == 0
        assert run("verify", *source, "--archived", head, "--archived", head) == ExitCode.USAGE
    assert run("verify", *source, "--anchor", head) == 0


def test_name_of_a_replica_in_the_database_cannot_forge_a_result(
    run: Run, server: RunningUploader, capsys: pytest.CaptureFixture[str]
) -> None:
    insert = (
        "INSERT INTO audit_heads (replica, sequence, hash) "
        f"VALUES ('x' || char(10) || 'replica-0: 9 records, intact', 1, '{'a' * 64}')"
    )
    with changed(server, [insert], ["DELETE FROM audit_heads WHERE replica LIKE 'x%'"]):
        assert run("verify", "--database") == ExitCode.CHECK_FAILED
    lines = [line for text in capsys.readouterr() for line in text.splitlines() if "replica-0: 9 records" in line]
    assert lines
    assert [line for line in lines if line.startswith("replica-0")] == []


def test_verify_needs_an_anchor_to_notice_that_a_chain_is_gone(run: Run) -> None:
    gone = f"replica-9:7:{'a' * 64}"
    assert run("verify", "--anchor", gone) == ExitCode.CHECK_FAILED
    assert run("verify", "--anchor", "replica-9") == ExitCode.USAGE
