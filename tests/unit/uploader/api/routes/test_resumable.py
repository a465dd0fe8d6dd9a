"""The protocol as a client sees it: tus 1.0 on the whole application."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.uploader import tus
from tests.support.uploader.access import ADMIN, GUARDED, bearer, create_key
from tests.support.uploader.http_uploads import UNKNOWN, assert_problem
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.uploader.tus import ROWS, content_of
from tests.support.waiting import wait_until
from uploader.assembly import Intervals
from uploader.disk.part_file import PartFile, part_directory


def test_abilities_are_told_without_a_version(client: httpx.Client) -> None:
    answer = client.options("/files")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == answer.headers["Tus-Resumable"] == "1.0.0"
    assert {"creation", "termination", "checksum", "expiration"} <= set(answer.headers["Tus-Extension"].split(","))
    assert answer.headers["Tus-Checksum-Algorithm"].split(",") == ["sha256", "sha1"]
    assert int(answer.headers["Tus-Max-Size"]) == 10 * 1024**3


def test_file_in_three_requests_becomes_one_upload(client: httpx.Client) -> None:
    path = tus.create(client, len(ROWS), chunk_type="rows", chunk_size="100")
    for start, end in ((0, 10), (10, 5_000), (5_000, len(ROWS))):
        assert tus.offset_of(client, path) == start
        answer = tus.patch(client, path, ROWS[start:end], offset=start)
        assert answer.status_code == 204, answer.text
        assert answer.headers["Upload-Offset"] == str(end)
        assert ("Upload-Expires" in answer.headers) == (end < len(ROWS))
    upload_id = answer.headers["CSVPipe-Upload"]
    status = client.get(answer.headers["CSVPipe-Upload-Status"]).json()
    assert (status["status"], status["row_count"], status["total_chunks"]) == ("announced", 999, 10)
    assert content_of(client, upload_id) == ROWS
    answer = tus.head(client, path)
    assert (answer.status_code, answer.headers["CSVPipe-Upload"]) == (200, upload_id)
    assert answer.headers["Upload-Offset"] == answer.headers["Upload-Length"] == str(len(ROWS))
    assert answer.headers["Cache-Control"] == "no-store"


def test_finished_upload_leaves_only_its_chunks(client: httpx.Client, server: RunningUploader) -> None:
    path = tus.create(client, len(ROWS))
    answer = tus.patch(client, path, ROWS, offset=0)
    upload_id = answer.headers["CSVPipe-Upload"]
    assert not part_directory(server.temp_dir, upload_id).exists()
    assert {name.split("/")[1] for name in server.files() if name.startswith(f"{upload_id}/")} >= {".manifest.json"}


@pytest.mark.parametrize("chunked", [False, True])
def test_creation_may_have_the_first_bytes(client: httpx.Client, chunked: bool) -> None:
    told = tus.metadata(dataset_name="people", filename="p.csv")
    headers = {**tus.TUS, **tus.OCTETS, "Upload-Length": str(len(ROWS)), "Upload-Metadata": told}
    body: Any = iter([ROWS[:500], ROWS[500:700]]) if chunked else ROWS[:700]
    answer = client.post("/files", content=body, headers=headers)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "700")
    answer = tus.patch(client, answer.headers["Location"], ROWS[700:], offset=700)
    assert content_of(client, answer.headers["CSVPipe-Upload"]) == ROWS


def test_finished_upload_is_described_as_by_the_plain_way_in(client: httpx.Client) -> None:
    path = tus.create(client, len(ROWS))
    tus.patch(client, path, ROWS[:100], offset=0)
    assert_problem(client.get(path), 409, "resumable_upload_unfinished")
    tus.patch(client, path, ROWS[100:], offset=100)
    files = {"file": ("people.csv", ROWS)}
    plain = client.post("/upload/csv", params={"dataset_name": "people"}, files=files).json()
    accepted = client.get(path).json()
    differing = {"upload_id", "tracking_url", "created_at"}
    assert {name: value for name, value in accepted.items() if name not in differing} == {
        name: value for name, value in plain.items() if name not in differing
    }
    assert accepted["upload_id"] in accepted["tracking_url"]


def test_length_may_come_last(client: httpx.Client) -> None:
    path = tus.create(client, None)
    assert tus.patch(client, path, ROWS[:100], offset=0).headers["Upload-Defer-Length"] == "1"
    assert tus.patch(client, path, b"", offset=100, Upload_Length="50").status_code == 400
    answer = tus.patch(client, path, ROWS[100:], offset=100, Upload_Length=str(len(ROWS)))
    assert content_of(client, answer.headers["CSVPipe-Upload"]) == ROWS


def test_removed_upload_is_gone(client: httpx.Client, server: RunningUploader) -> None:
    path = tus.create(client, 10)
    assert client.delete(path, headers=tus.TUS).status_code == 204
    assert_problem(client.delete(path, headers=tus.TUS), 410, "resumable_upload_gone")
    assert not part_directory(server.temp_dir, path.rsplit("/", 1)[1]).exists()


def test_removing_a_finished_upload_keeps_its_chunks(client: httpx.Client) -> None:
    path = tus.create(client, len(ROWS))
    upload_id = tus.patch(client, path, ROWS, offset=0).headers["CSVPipe-Upload"]
    assert client.delete(path, headers=tus.TUS).status_code == 204
    assert tus.head(client, path).status_code == 410
    assert content_of(client, upload_id) == ROWS


def test_unknown_upload_is_not_found(client: httpx.Client) -> None:
    assert_problem(tus.patch(client, f"/files/{UNKNOWN}", b"x", offset=0), 404, "upload_not_found")


def test_idempotency_key_answers_with_the_first_upload(client: httpx.Client) -> None:
    ids = []
    for _ in range(2):
        path = tus.create(client, len(ROWS), headers={"Idempotency-Key": "the-key-of-files"})
        ids.append(tus.patch(client, path, ROWS, offset=0).headers["CSVPipe-Upload"])
        assert tus.head(client, path).headers["CSVPipe-Upload"] == ids[0]
    assert ids[0] == ids[1]
    path = tus.create(client, len(ROWS), headers={"Idempotency-Key": "the-key-of-files"})
    assert_problem(
        tus.patch(client, path, ROWS.replace(b"name of 5\r", b"name of X\r"), offset=0), 409, "idempotency_conflict"
    )


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path / "guarded", **GUARDED) as running:
        yield running


def test_only_its_own_key_and_an_administrator_see_an_upload(guarded: RunningUploader) -> None:
    keys = [create_key(guarded.base_url, "upload", "read", datasets=["people"]) for _ in range(2)]
    clients = [httpx.Client(base_url=guarded.base_url, headers=bearer(key), trust_env=False) for key in [*keys, ADMIN]]
    owner, other, admin = clients
    path = tus.create(owner, len(ROWS))
    assert tus.head(other, path).status_code == 404
    assert_problem(tus.patch(other, path, ROWS, offset=0), 404, "upload_not_found")
    assert_problem(other.delete(path, headers=tus.TUS), 404, "upload_not_found")
    assert tus.offset_of(admin, path) == 0
    assert_problem(tus.try_create(owner, 10, dataset_name="secrets"), 403, "permission_denied")
    answer = tus.patch(owner, path, ROWS, offset=0)
    assert_problem(other.get(path), 404, "upload_not_found")
    assert owner.get(path).json()["upload_id"] == answer.headers["CSVPipe-Upload"]
    [record] = [
        each
        for each in admin.get("/audit").json()["records"]
        if each["upload_id"] == answer.headers["CSVPipe-Upload"] and each["action"] == "upload"
    ]
    assert record["key_id"] == keys[0].split("_")[1]
    for each in clients:
        each.close()


def test_creation_counts_for_the_rate_and_a_body_for_the_slots(tmp_path: Path) -> None:
    settings = GUARDED | {"uploads_per_minute": 2, "uploads_at_once_per_key": 1}
    with running_uploader(tmp_path / "limited", **settings) as running:
        key = create_key(running.base_url, "upload")
        with httpx.Client(base_url=running.base_url, headers=bearer(key), trust_env=False) as client:
            path = tus.create(client, len(ROWS))
            for offset in range(0, 50, 10):
                answer = tus.patch(client, path, ROWS[offset : offset + 10], offset=offset)
                assert answer.status_code == 204, answer.text
            tus.create(client, 10)
            assert_problem(tus.try_create(client, 10), 429, "upload_rate_exceeded")


def test_space_that_others_may_still_need_is_not_promised_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class _Usage:
        free = 1000

    with running_uploader(tmp_path / "small") as running:
        monkeypatch.setattr("uploader.ingest.size_limits.shutil.disk_usage", lambda _: _Usage)
        with httpx.Client(base_url=running.base_url, trust_env=False) as client:
            first = tus.create(client, 300)
            assert_problem(tus.try_create(client, 300), 507, "disk_full")
            assert client.delete(first, headers=tus.TUS).status_code == 204
            tus.create(client, 300)


def _cleaning_often(temp_dir: Path) -> Any:
    return running_uploader(temp_dir, resumable_expiry_hours=24, intervals=Intervals(clean_s=0.05))


def test_upload_without_a_byte_for_too_long_is_gone(tmp_path: Path) -> None:
    with (
        _cleaning_often(tmp_path / "c") as running,
        httpx.Client(base_url=running.base_url, trust_env=False) as client,
    ):
        path = tus.create(client, len(ROWS))
        directory = part_directory(running.temp_dir, path.rsplit("/", 1)[1])
        part = PartFile.open(directory)
        part.save(offset=0, scan=None, new_marks=[], touched_at=time.time() - 24 * 3600)
        part.close()
        wait_until(lambda: not directory.exists(), what="its bytes are removed", deadline_s=20, poll_s=0.05)
        assert_problem(tus.patch(client, path, ROWS, offset=0), 410, "resumable_upload_gone")


def test_upload_of_a_revoked_key_frees_its_disk(tmp_path: Path) -> None:
    with (
        running_uploader(tmp_path / "c", intervals=Intervals(clean_s=0.05), **GUARDED) as running,
        httpx.Client(base_url=running.base_url, trust_env=False) as client,
    ):
        keys = {name: create_key(running.base_url, "upload") for name in ("stolen", "other")}
        paths = {name: tus.create(client, len(ROWS), headers=bearer(key)) for name, key in keys.items()}
        paths["admin"] = tus.create(client, len(ROWS), headers=bearer(ADMIN))
        parts = {name: part_directory(running.temp_dir, path.rsplit("/", 1)[1]) for name, path in paths.items()}
        assert all(part.exists() for part in parts.values())
        client.delete(f"/keys/{keys['stolen'].split('_')[1]}", headers=bearer(ADMIN)).raise_for_status()
        wait_until(lambda: not parts["stolen"].exists(), what="its bytes are removed", deadline_s=20, poll_s=0.05)
        gone = client.head(paths["stolen"], headers={**tus.TUS, **bearer(ADMIN)})
        assert gone.status_code == 410
        assert parts["other"].exists()
        assert parts["admin"].exists()


def test_complete_file_is_finished_without_a_request(tmp_path: Path, finish_fails: Callable[[int], None]) -> None:
    finish_fails(1)
    with (
        _cleaning_often(tmp_path / "c") as running,
        httpx.Client(base_url=running.base_url, trust_env=False) as client,
    ):
        path = tus.create(client, len(ROWS))
        answer = tus.patch(client, path, ROWS, offset=0)
        assert_problem(answer, 503, "manifest_unavailable")
        upload_id = path.rsplit("/", 1)[1]
        wait_until(
            lambda: client.get(f"/uploads/{upload_id}/status").status_code == 200,
            what="the upload is there",
            deadline_s=20,
            poll_s=0.05,
        )
        assert tus.head(client, path).headers["CSVPipe-Upload"] == upload_id
        assert content_of(client, upload_id) == ROWS


@pytest.fixture
def finish_fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Give a function that lets the database be away for the next so many acceptances."""
    from uploader.errors import ManifestUnavailableError
    from uploader.uploads.acceptance import Acceptance

    accept = Acceptance.accept
    left = [0]

    async def fail_or_accept(self: Acceptance, *args: Any, **kwargs: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise ManifestUnavailableError("the database is away")
        return await accept(self, *args, **kwargs)

    monkeypatch.setattr(Acceptance, "accept", fail_or_accept)

    def fail(times: int) -> None:
        left[0] = times

    return fail


def test_page_of_a_listed_origin_may_send_and_read_the_headers(tmp_path: Path) -> None:
    page, stranger = "https://data.example.com", "https://other.example.com"
    with (
        running_uploader(tmp_path / "c", **GUARDED, cors_origins=f"{page}, http://localhost:5173") as running,
        httpx.Client(base_url=running.base_url, trust_env=False) as client,
    ):
        asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "tus-resumable"}
        answer = client.options("/files/x", headers={"Origin": page, **asked})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, page)
        assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
        answer = client.post("/files", headers={"Origin": page, **tus.TUS})  # refused, which the page may see
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (401, page)
        exposed = {name.strip() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
        assert {"Location", "Upload-Offset", "CSVPipe-Upload"} <= exposed
        assert "Access-Control-Allow-Origin" not in client.post("/files", headers={"Origin": stranger}).headers


@pytest.mark.parametrize("chunk_type", ["rows", "size", "count"])
def test_compressed_file_in_pieces_becomes_the_upload_of_its_content(client: httpx.Client, chunk_type: str) -> None:
    packed = gzip.compress(ROWS)
    path = tus.create(client, len(packed), chunk_type=chunk_type, chunk_size="3")
    for start in range(0, len(packed), 1000):
        answer = tus.patch(client, path, packed[start : start + 1000], offset=start)
        assert answer.status_code == 204, answer.text
    upload_id = answer.headers["CSVPipe-Upload"]
    manifest = client.get(f"/uploads/{upload_id}/manifest").json()
    assert (manifest["compression"], manifest["source_bytes"]) == ("gzip", len(packed))
    assert content_of(client, upload_id) == ROWS
