"""A creation whose response was lost: with an Idempotency-Key it is repeated, and there is one upload."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest

from contracts.digests import digest_field
from tests.support.uploader import tus
from tests.support.uploader.access import GUARDED, bearer, create_key
from tests.support.uploader.http_uploads import assert_problem
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.uploader.tus import ROWS
from uploader.disk.part_file import PartFile, part_directory, part_ids

CLIENTS = 8


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path / "guarded", **GUARDED) as running:
        yield running


def _create_with(client: httpx.Client, body: Any, headers: dict[str, str]) -> httpx.Response:
    told = tus.metadata(dataset_name="people", filename="people.csv")
    size = {"Upload-Length": str(len(ROWS)), "Upload-Metadata": told}
    return client.post("/files", content=body, headers={**tus.TUS, **tus.OCTETS, **size, **headers})


def _id_of(path: str) -> str:
    return path.rsplit("/", 1)[1]


def test_repeated_creation_finds_the_first_upload(
    client: httpx.Client, server: RunningUploader, key: dict[str, str]
) -> None:
    first = tus.try_create(client, len(ROWS), headers=key)
    assert (first.status_code, "Idempotency-Replayed" in first.headers) == (201, False)
    before = server.files()
    again = tus.try_create(client, len(ROWS), headers=key)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    told = ("Location", "Upload-Offset", "Upload-Length", "Upload-Expires")
    assert [again.headers[name] for name in told] == [first.headers[name] for name in told]
    assert server.files() == before
    answer = tus.patch(client, again.headers["Location"], ROWS, offset=0)
    assert answer.headers["CSVPipe-Upload"] == _id_of(first.headers["Location"])


def test_repeated_creation_tells_what_has_arrived(client: httpx.Client, key: dict[str, str]) -> None:
    path = tus.create(client, len(ROWS), headers=key)
    tus.patch(client, path, ROWS[:100], offset=0)
    again = tus.try_create(client, len(ROWS), headers=key)
    assert (again.headers["Location"], again.headers["Upload-Offset"]) == (path, "100")


def test_length_that_was_told_later_is_no_other_one(client: httpx.Client, key: dict[str, str]) -> None:
    path = tus.create(client, None, headers=key)
    tus.patch(client, path, ROWS[:100], offset=0, Upload_Length=str(len(ROWS)))
    again = tus.try_create(client, None, headers=key)
    assert (again.headers["Location"], again.headers["Upload-Length"]) == (path, str(len(ROWS)))


@pytest.mark.parametrize(
    ("length", "headers", "fields"),
    [
        (len(ROWS) + 1, {}, {}),
        (len(ROWS), {}, {"dataset_name": "others"}),
        (len(ROWS), {}, {"chunk_type": "rows", "chunk_size": "5"}),
        (len(ROWS), {}, {"filename": "others.csv"}),
        (len(ROWS), {"Repr-Digest": digest_field(hashlib.sha256(ROWS).hexdigest())}, {}),
    ],
)
def test_other_length_or_metadata_under_the_key_is_a_conflict(
    client: httpx.Client,
    server: RunningUploader,
    key: dict[str, str],
    length: int,
    headers: dict[str, str],
    fields: dict[str, str],
) -> None:
    path = tus.create(client, len(ROWS), headers=key)
    before = server.files()
    assert_problem(tus.try_create(client, length, headers=key | headers, **fields), 409, "idempotency_conflict")
    assert server.files() == before
    assert tus.offset_of(client, path) == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_body_of_a_repeated_creation_is_received_if_nothing_has_arrived(
    client: httpx.Client, key: dict[str, str], chunked: bool
) -> None:
    path = tus.create(client, len(ROWS), headers=key)
    answer = _create_with(client, iter([ROWS[:500], ROWS[500:]]) if chunked else ROWS, key)
    assert (answer.status_code, answer.headers["Location"]) == (201, path)
    assert answer.headers["CSVPipe-Upload"] == _id_of(path)


@pytest.mark.parametrize("chunked", [False, True])
def test_body_of_a_repeated_creation_is_discarded_if_something_has_arrived(
    client: httpx.Client, key: dict[str, str], chunked: bool
) -> None:
    path = tus.create(client, len(ROWS), headers=key)
    tus.patch(client, path, ROWS[:100], offset=0)
    answer = _create_with(client, iter([ROWS[:500], ROWS[500:]]) if chunked else ROWS, key)
    assert (answer.status_code, answer.headers["Location"], answer.headers["Upload-Offset"]) == (201, path, "100")
    assert "CSVPipe-Upload" in tus.patch(client, path, ROWS[100:], offset=100).headers


def test_creation_with_the_whole_file_is_repeated_as_a_plain_upload_is(
    client: httpx.Client, key: dict[str, str]
) -> None:
    first = _create_with(client, ROWS, key).headers["CSVPipe-Upload"]
    assert _create_with(client, ROWS, key).headers["CSVPipe-Upload"] == first
    other = ROWS.replace(b"name of 5\r", b"name of X\r")
    assert_problem(_create_with(client, other, key), 409, "idempotency_conflict")


def test_creations_at_the_same_time_make_one_upload(server: RunningUploader, key: dict[str, str]) -> None:
    before = set(part_ids(server.temp_dir))
    together = Barrier(CLIENTS)

    def create(_: int) -> str:
        with httpx.Client(base_url=server.base_url, trust_env=False) as client:
            together.wait()
            return tus.create(client, len(ROWS), headers=key)

    with ThreadPoolExecutor(CLIENTS) as pool:
        paths = set(pool.map(create, range(CLIENTS)))
    assert {_id_of(path) for path in paths} == set(part_ids(server.temp_dir)) - before
    assert len(paths) == 1


def test_key_of_an_upload_that_has_expired_is_free(
    client: httpx.Client, server: RunningUploader, key: dict[str, str]
) -> None:
    path = tus.create(client, len(ROWS), headers=key)
    part = PartFile.open(part_directory(server.temp_dir, _id_of(path)))
    part.save(offset=0, scan=None, new_marks=[], touched_at=0)
    part.close()
    again = tus.try_create(client, len(ROWS), headers=key)
    assert again.status_code == 201
    assert again.headers["Location"] != path
    assert "Idempotency-Replayed" not in again.headers
    assert _id_of(path) not in part_ids(server.temp_dir)


def test_key_of_an_upload_that_was_removed_or_refused_is_free(client: httpx.Client, key: dict[str, str]) -> None:
    removed = tus.create(client, len(ROWS), headers=key)
    assert client.delete(removed, headers=tus.TUS).status_code == 204
    refused = tus.create(client, 10, headers=key)
    assert_problem(tus.patch(client, refused, b"a,b\n1,2,3\n", offset=0), 400, "invalid_csv")
    path = tus.create(client, len(ROWS), headers=key)
    assert tus.patch(client, path, ROWS, offset=0).headers["CSVPipe-Upload"] == _id_of(path)
    assert len({removed, refused, path}) == 3


def test_upload_whose_bytes_are_lost_is_created_afresh(
    client: httpx.Client, server: RunningUploader, key: dict[str, str]
) -> None:
    path = tus.create(client, len(ROWS), headers=key)
    directory = part_directory(server.temp_dir, _id_of(path))
    directory.rename(directory.with_name(f"{directory.name}.lost"))
    assert tus.create(client, len(ROWS), headers=key) != path


def test_space_is_promised_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: dict[str, str]) -> None:
    class _Usage:
        free = 1000

    with running_uploader(tmp_path / "small") as running:
        monkeypatch.setattr("uploader.ingest.size_limits.shutil.disk_usage", lambda _: _Usage)
        with httpx.Client(base_url=running.base_url, trust_env=False) as client:
            first = tus.create(client, 300, headers=key)
            assert tus.create(client, 300, headers=key) == first


def test_key_belongs_to_its_owner(guarded: RunningUploader, key: dict[str, str]) -> None:
    paths = []
    for _ in range(2):
        owner = bearer(create_key(guarded.base_url, "upload"))
        with httpx.Client(base_url=guarded.base_url, headers=owner, trust_env=False) as client:
            paths.append(tus.create(client, len(ROWS), headers=key))
            assert tus.create(client, len(ROWS), headers=key) == paths[-1]
    assert paths[0] != paths[1]
