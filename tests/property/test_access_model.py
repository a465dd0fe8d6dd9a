"""For any keys, datasets, calls and states, the running uploader answers as a plain table says."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from itertools import count

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.permissions import Permission
from tests.support.examples import examples
from tests.support.uploader.access import ADMIN, GUARDED, bearer, create_key
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.uploader.uploads import SettableClock
from uploader.access.key_text import KeyText

HEALTH_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
FILE = b"id\n1\n"
EVIDENCE = {"size_bytes": len(FILE), "sha256": hashlib.sha256(FILE).hexdigest()}
DATASETS = ["aa", "ab", "ba", "AA", "a_b", "aXb"]
PATTERNS = ["*", "a*", "*b", "a_b", "aa", "A*", "*a*", "nothing"]
NEEDED = {
    "upload": Permission.UPLOAD,
    "status": Permission.READ,
    "manifest": Permission.READ,
    "download": Permission.READ,
    "list": Permission.READ,
    "known": Permission.READ,
    "land": Permission.RELAY,
    "announce": Permission.OPERATE,
    "delete": Permission.OPERATE,
    "keys": Permission.ADMIN,
    "audit": Permission.ADMIN,
}
ANSWERS = {
    # state: status, manifest, download, land, announce, delete
    "announced": (200, 200, 200, 200, 202, 409),
    "landed": (200, 200, 200, 200, 202, 200),
    "deleted": (200, 410, 410, 410, 410, 200),
    "unknown": (404, 404, 404, 404, 404, 404),
}
OF_UPLOADS = ("status", "manifest", "download", "land", "announce", "delete")
NEXT_STATE = {("announced", "land"): "landed", ("landed", "delete"): "deleted"}
_NUMBERS = count(1)


@dataclass(frozen=True)
class KeyModel:
    """A key as the table sees it; only one that is ``valid`` counts."""

    permissions: frozenset[Permission]
    datasets: tuple[str, ...]
    state: str

    def may_see(self, dataset: str) -> bool:
        return any(fnmatchcase(dataset, pattern) for pattern in self.datasets)


@dataclass
class UploadModel:
    """An upload as the table sees it."""

    dataset: str
    state: str
    upload_id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class Call:
    """One call, about one of the keys and one of the uploads."""

    name: str
    key: int
    upload: int
    dataset: str
    in_query: bool


keys = st.builds(
    KeyModel,
    permissions=st.frozensets(st.sampled_from(Permission), min_size=1),
    datasets=st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2).map(tuple),
    state=st.sampled_from(["valid"] * 6 + ["revoked", "expired", "rotated", "wrong", "none"]),
).map(lambda key: replace(key, datasets=("*",)) if Permission.ADMIN in key.permissions else key)
uploads = st.builds(UploadModel, dataset=st.sampled_from(DATASETS), state=st.sampled_from(list(ANSWERS)))
calls = st.builds(
    Call,
    name=st.sampled_from(list(NEEDED)),
    key=st.integers(0, 2),
    upload=st.integers(0, 2),
    dataset=st.sampled_from(DATASETS),
    in_query=st.booleans(),
)


@pytest.fixture(scope="module")
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture(scope="module")
def uploader(tmp_path_factory: pytest.TempPathFactory, clock: SettableClock) -> Iterator[RunningUploader]:
    directory = tmp_path_factory.mktemp("chunks")
    with running_uploader(directory, clock=clock, **GUARDED, uploads_at_once_per_key=0) as running:
        yield running


@pytest.fixture(scope="module")
def client(uploader: RunningUploader) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=uploader.base_url, trust_env=False) as opened:
        yield opened


@settings(max_examples=examples(20), deadline=None, suppress_health_check=HEALTH_CHECKS)
@given(
    keys=st.lists(keys, min_size=3, max_size=3),
    uploads=st.lists(uploads, min_size=3, max_size=3),
    calls=st.lists(calls, min_size=1, max_size=12),
)
def test_answers_are_those_of_the_table(
    client: httpx.Client,
    clock: SettableClock,
    keys: list[KeyModel],
    uploads: list[UploadModel],
    calls: list[Call],
) -> None:
    texts = [_make_key(client, key, clock) for key in keys]
    clock.advance(seconds=2)  # past the end of those that expire
    for upload in uploads:
        _make_upload(client, upload)
    for call in calls:
        key, upload = keys[call.key], uploads[call.upload]
        answer = _send(client, call, texts[call.key], upload, uploads)
        expected = _expected_status(call, key, upload)
        assert answer.status_code == expected, (call, key, upload, answer.text)
        if expected == 403:
            assert answer.json()["permission"] == NEEDED[call.name]
        if expected < 300:
            _check_lists(call, key, uploads, answer)
            upload.state = NEXT_STATE.get((upload.state, call.name), upload.state)


def _expected_status(call: Call, key: KeyModel, upload: UploadModel) -> int:
    if key.state != "valid":
        return 401
    if NEEDED[call.name] not in key.permissions:
        return 403
    if call.name == "upload":
        return 202 if key.may_see(call.dataset) else 403
    if call.name not in OF_UPLOADS:
        return 200
    state = upload.state if key.may_see(upload.dataset) else "unknown"
    return ANSWERS[state][OF_UPLOADS.index(call.name)]


def _check_lists(call: Call, key: KeyModel, uploads: list[UploadModel], answer: httpx.Response) -> None:
    ours = {each.upload_id for each in uploads}
    visible = {each.upload_id for each in uploads if each.state != "unknown" and key.may_see(each.dataset)}
    if call.name == "known":
        assert set(answer.json()["known"]) == visible
    if call.name == "list":
        page = answer.json()["uploads"]
        assert all(key.may_see(each["dataset_name"]) for each in page)
        assert {each["upload_id"] for each in page} & ours == visible


def _make_key(client: httpx.Client, key: KeyModel, clock: SettableClock) -> str | None:
    if key.state == "none":
        return None
    expires_at = (clock.now + timedelta(seconds=1)).isoformat() if key.state == "expired" else None
    made = create_key(
        str(client.base_url), *sorted(key.permissions), datasets=list(key.datasets), expires_at=expires_at
    )
    key_id = made.split("_")[1]
    if key.state == "revoked":
        assert client.delete(f"/keys/{key_id}", headers=bearer(ADMIN)).status_code == 200
    if key.state == "rotated":
        assert client.post(f"/keys/{key_id}/rotate", headers=bearer(ADMIN)).status_code == 200
    return KeyText.generate(key_id).text if key.state == "wrong" else made


def _make_upload(client: httpx.Client, upload: UploadModel) -> None:
    if upload.state == "unknown":
        return
    upload.upload_id = _upload(client, ADMIN, upload.dataset, in_query=False).json()["upload_id"]
    if upload.state != "announced":
        assert _act(client, "land", ADMIN, upload.upload_id).status_code == 200
    if upload.state == "deleted":
        assert _act(client, "delete", ADMIN, upload.upload_id).status_code == 200


def _send(
    client: httpx.Client, call: Call, key: str | None, upload: UploadModel, uploads: list[UploadModel]
) -> httpx.Response:
    if call.name == "upload":
        return _upload(client, key, call.dataset, in_query=call.in_query)
    if call.name in {"keys", "audit"}:
        return client.get(f"/{call.name}", headers=bearer(key))
    if call.name == "list":
        return client.get("/uploads", params={"limit": 200}, headers=bearer(key))
    if call.name == "known":
        ids = {"upload_ids": [each.upload_id for each in uploads]}
        return client.post("/uploads/known", json=ids, headers=bearer(key))
    return _act(client, call.name, key, upload.upload_id)


def _upload(client: httpx.Client, key: str | None, dataset: str, *, in_query: bool) -> httpx.Response:
    named = {"dataset_name": dataset}
    return client.post(
        "/upload/csv",
        params=named if in_query else None,
        data=None if in_query else named,
        files={"file": (f"{next(_NUMBERS)}.csv", FILE)},
        headers=bearer(key),
    )


def _act(client: httpx.Client, name: str, key: str | None, upload_id: str) -> httpx.Response:
    headers = bearer(key)
    if name == "land":
        report = {"state": "landed", "evidence": EVIDENCE}
        return client.put(f"/chunks/{upload_id}/1/state", json=report, headers=headers)
    if name == "download":
        return client.get(f"/chunks/{upload_id}/1/download", headers=headers)
    if name == "delete":
        return client.delete(f"/uploads/{upload_id}", headers=headers)
    method = "POST" if name == "announce" else "GET"
    return client.request(method, f"/uploads/{upload_id}/{name}", headers=headers)
