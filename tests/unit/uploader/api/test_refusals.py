"""Refused requests leave a record, without secrets, and whatever the database does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.uploader.http_uploads import assert_problem
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until
from uploader.access.key_text import KeyText

ADMIN = KeyText.generate()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path, access="keys", admin_key=ADMIN.text, replica_name="replica-0") as running:
        yield running


@pytest.fixture
def client(server: RunningUploader) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, trust_env=False) as opened:
        yield opened


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def refusals(client: httpx.Client) -> list[dict[str, Any]]:
    answer = client.get("/audit", params={"action": "refuse"}, headers=bearer(ADMIN.text))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["records"]
    return found


def are_recorded(client: httpx.Client, number: int) -> Callable[[], bool]:
    return lambda: len(refusals(client)) == number


def test_requests_without_a_key_leave_one_record_with_the_address(client: httpx.Client) -> None:
    for _ in range(20):
        assert_problem(client.get("/uploads"), 401, "unauthenticated")
    wait_until(are_recorded(client, 1), what="the refusal is recorded", deadline_s=30)
    [record] = refusals(client)
    assert (record["outcome"], record["key_id"], record["address"]) == ("unauthenticated", None, "127.0.0.1")
    assert record["detail"].startswith("GET /uploads: ")


def test_key_without_the_permission_is_named(client: httpx.Client) -> None:
    wanted = {"name": "reader", "permissions": ["read"], "datasets": ["people"]}
    made = client.post("/keys", json=wanted, headers=bearer(ADMIN.text)).json()
    assert_problem(client.get("/audit", headers=bearer(made["key"])), 403, "permission_denied")
    assert_problem(client.get("/uploads"), 401, "unauthenticated")
    wait_until(are_recorded(client, 2), what="the refusals are recorded", deadline_s=30)
    [record] = [each for each in refusals(client) if each["outcome"] == "permission_denied"]
    assert (record["actor"], record["key_id"]) == ("reader", made["key_id"])
    created = client.get("/audit", params={"action": "create_key"}, headers=bearer(ADMIN.text)).json()["records"]
    assert [(each["actor"], made["key_id"] in each["detail"]) for each in created] == [("admin key", True)]


def test_secrets_in_a_refused_request_are_not_recorded(client: httpx.Client, server: RunningUploader) -> None:
    stray = KeyText.generate()
    assert client.get(f"/uploads/{stray.text}/status", headers=bearer(stray.text)).status_code == 401
    wait_until(are_recorded(client, 1), what="the refusal is recorded", deadline_s=30)
    [record] = refusals(client)
    assert f"/uploads/csvp_{stray.key_id}_***/status" in record["detail"]
    database = b"".join(path.read_bytes() for path in server.temp_dir.glob("manifest.sqlite3*"))
    assert stray.key_id.encode() in database
    assert stray.secret.encode() not in database


def test_signature_of_a_refused_download_is_not_recorded(client: httpx.Client) -> None:
    mac = "m" * 43
    assert client.get(f"/chunks/{'0' * 32}/1/download/v1.9999999999.k1.{mac}").status_code == 403
    wait_until(are_recorded(client, 1), what="the refusal is recorded", deadline_s=30)
    [record] = refusals(client)
    assert record["outcome"] == "invalid_signature"
    assert "/download/v1.9999999999.k1.***" in record["detail"]
    assert mac not in record["detail"]


def test_refusal_stays_a_refusal_if_the_database_is_gone(client: httpx.Client, server: RunningUploader) -> None:
    for path in server.temp_dir.glob("manifest.sqlite3*"):
        path.unlink()
    for _ in range(3):
        assert_problem(client.get("/uploads"), 401, "unauthenticated")
    wait_until(
        lambda: client.get("/ready").status_code == 503, what="the loss of the database is noticed", deadline_s=30
    )
    assert_problem(client.get("/uploads"), 401, "unauthenticated")


def test_upload_beyond_the_limit_of_its_key_is_recorded_with_the_key(client: httpx.Client) -> None:
    wanted = {"name": "hasty", "permissions": ["upload"], "datasets": ["*"], "uploads_per_minute": 1}
    made = client.post("/keys", json=wanted, headers=bearer(ADMIN.text)).json()

    def send() -> httpx.Response:
        files = {"file": ("rows.csv", b"id\n1\n")}
        return client.post("/upload/csv?dataset_name=people", files=files, headers=bearer(made["key"]))

    answers = [send() for _ in range(4)]
    assert {answer.status_code for answer in answers} == {202, 429}
    wait_until(are_recorded(client, 1), what="the refusal is recorded", deadline_s=30)
    [record] = refusals(client)
    [code] = {answer.json()["code"] for answer in answers if answer.status_code == 429}
    assert (record["outcome"], record["actor"], record["key_id"]) == (code, "hasty", made["key_id"])
