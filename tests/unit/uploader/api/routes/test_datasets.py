"""``/datasets``: totals, pages, columns and rights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.uploader.access import GUARDED, bearer, create_key
from tests.support.uploader.http_uploads import assert_problem, evidence
from tests.support.uploader.server import RunningUploader, running_uploader


@pytest.fixture(scope="module")
def uploader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path_factory.mktemp("chunks"), **GUARDED) as running:
        yield running


@pytest.fixture
def client(uploader: RunningUploader) -> Iterator[httpx.Client]:
    key = create_key(uploader.base_url, "upload", "read", "operate", "relay")
    with httpx.Client(base_url=uploader.base_url, trust_env=False, headers=bearer(key)) as opened:
        yield opened


def send(client: httpx.Client, dataset: str, content: bytes) -> str:
    answer = client.post("/upload/csv", data={"dataset_name": dataset}, files={"file": ("rows.csv", content)})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["upload_id"])


def report(client: httpx.Client, upload_id: str, content: bytes, state: str = "landed") -> None:
    change = {"state": state, "evidence": evidence(content)}
    assert client.put(f"/chunks/{upload_id}/1/state", json=change).status_code == 200


def names(client: httpx.Client, **query: Any) -> list[str]:
    return [each["name"] for each in client.get("/datasets", params=query).raise_for_status().json()["datasets"]]


def test_totals_are_those_of_the_uploads_that_were_not_deleted(client: httpx.Client) -> None:
    content = b"id\n1\n2\n"
    landed = [send(client, "totals", content) for _ in range(2)]
    for upload_id in landed:
        report(client, upload_id, content)
    failed = send(client, "totals", content)
    report(client, failed, content, "failed")
    deleted = send(client, "totals", content)
    client.delete(f"/uploads/{deleted}", params={"force": "true"})
    [found] = [each for each in client.get("/datasets").json()["datasets"] if each["name"] == "totals"]
    assert (found["uploads"], found["landed"], found["failed"]) == (3, 2, 1)
    assert (found["rows"], found["size_bytes"]) == (4, 2 * len(content))
    assert (found["last_upload"]["upload_id"], found["last_upload"]["chunk_counts"]) == (failed, {"failed": 1})
    assert client.get("/datasets/totals").json() | found == client.get("/datasets/totals").json()


def test_pages_are_by_name(client: httpx.Client) -> None:
    for number in (3, 1, 2, 4):
        send(client, f"page-{number}", b"id\n1\n")
    page = client.get("/datasets", params={"limit": 2, "cursor": "page-0"}).json()
    assert [each["name"] for each in page["datasets"]] == ["page-1", "page-2"]
    assert names(client, limit=2, cursor=page["next_cursor"])[:2] == ["page-3", "page-4"]
    assert client.get("/datasets", params={"cursor": "zzz"}).json() == {"datasets": [], "next_cursor": None}
    assert_problem(client.get("/datasets", params={"cursor": "a b"}), 422, "invalid_dataset_name")


def test_columns_and_their_changes_newest_first(client: httpx.Client) -> None:
    headers = [b"id,name", b"id,name", b"id,name,age", b"age,id", b"id,age", b"id,age"]
    ids = [send(client, "schema", header + b"\n") for header in headers]
    found = client.get("/datasets/schema").json()
    assert found["header"] == ["id", "age"]
    changes = [(each["upload_id"], each["added"], each["removed"], each["reordered"]) for each in found["changes"]]
    assert changes == [
        (ids[4], [], [], True),
        (ids[3], [], ["name"], True),
        (ids[2], ["age"], [], False),
    ]


def test_dataset_without_uploads_does_not_exist(client: httpx.Client) -> None:
    only = send(client, "emptied", b"id\n1\n")
    client.delete(f"/uploads/{only}", params={"force": "true"})
    assert_problem(client.get("/datasets/emptied"), 404, "dataset_not_found")
    assert_problem(client.get("/datasets/a%20b"), 422, "invalid_dataset_name")
    assert "emptied" not in names(client)


def test_key_sees_its_datasets_only(uploader: RunningUploader, client: httpx.Client) -> None:
    for name in ("mine-1", "mine-2", "Mine-3", "yours"):
        send(client, name, b"id\n1\n")
    key = bearer(create_key(uploader.base_url, "read", datasets=["mine-*"]))
    assert [each["name"] for each in client.get("/datasets", headers=key).json()["datasets"]] == ["mine-1", "mine-2"]
    assert client.get("/datasets/mine-1", headers=key).status_code == 200
    assert_problem(client.get("/datasets/yours", headers=key), 404, "dataset_not_found")
