from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contracts.states import ChunkState, UploadState
from dags.modules.errors import StateRefusedError, UploadDeletedError, UploaderError
from dags.modules.uploader_client import UploaderClient
from tests.support.dags.fake_server import Answer, FakeServer
from tests.support.dags.fake_uploader import FakeUploader

UPLOAD = "d" * 32


def client_of(fake: FakeServer) -> UploaderClient:
    return UploaderClient(base_url=fake.url, upload_id=UPLOAD)


def test_state_and_manifest_are_read(fake_uploader: FakeUploader) -> None:
    fake_uploader.add_upload(UPLOAD, chunks=2)
    client = client_of(fake_uploader)
    assert client.fetch_state() is UploadState.ANNOUNCED
    assert client.fetch_manifest() == fake_uploader.manifest(UPLOAD)


def test_report_can_be_repeated(fake_uploader: FakeUploader) -> None:
    (message,) = fake_uploader.add_upload(UPLOAD)
    evidence = {"size_bytes": message.size_bytes, "sha256": message.sha256}
    for _ in range(2):
        client_of(fake_uploader).report(1, ChunkState.LANDED, evidence=evidence)
    assert fake_uploader.states_of(UPLOAD) == [ChunkState.LANDED]


def test_evidence_of_another_object_is_refused(fake_uploader: FakeUploader) -> None:
    fake_uploader.add_upload(UPLOAD)
    with pytest.raises(StateRefusedError) as caught:
        client_of(fake_uploader).report(1, ChunkState.LANDED, evidence={"size_bytes": 1, "sha256": "0" * 64})
    assert caught.value.problem == "evidence_mismatch"


def test_relayed_report_keeps_a_landed_chunk(fake_uploader: FakeUploader) -> None:
    fake_uploader.add_upload(UPLOAD)
    fake_uploader.states[UPLOAD, 1] = ChunkState.LANDED
    client_of(fake_uploader).report_relayed(1)
    assert fake_uploader.states_of(UPLOAD) == [ChunkState.LANDED]


def test_unknown_upload_counts_as_deleted(fake_uploader: FakeUploader) -> None:
    with pytest.raises(UploadDeletedError):
        client_of(fake_uploader).fetch_state()


def test_deleted_upload_is_reported(fake_uploader: FakeUploader) -> None:
    fake_uploader.add_upload(UPLOAD)
    fake_uploader.aborted.add(UPLOAD)
    for ask in (client_of(fake_uploader).fetch_manifest, lambda: client_of(fake_uploader).report_relayed(1)):
        with pytest.raises(UploadDeletedError):
            ask()


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("body", [b"default backend - 404", b"[]", b'{"code": "not_found"}', b'{"code": "chunk_gone"}'])
def test_not_found_without_a_code_is_not_a_deletion(
    fake_uploader: FakeUploader, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    monkeypatch.setattr(fake_uploader, "answer", lambda *_: (status, body))
    with pytest.raises(UploaderError) as caught:
        client_of(fake_uploader).fetch_state()
    assert not isinstance(caught.value, UploadDeletedError)


def test_relayed_chunks_are_filtered_by_time_and_state(fake_uploader: FakeUploader) -> None:
    fake_uploader.add_upload(UPLOAD, chunks=4)
    client = client_of(fake_uploader)
    client.report_relayed(1)
    since = datetime.now(UTC)
    for chunk_id in (2, 3):
        client.report_relayed(chunk_id)
    client.report(3, ChunkState.FAILED, reason="refused")
    assert client.fetch_relayed(since) == {2}


def test_stopped_uploader_is_an_uploader_error() -> None:
    fake = FakeUploader()
    fake.close()
    with pytest.raises(UploaderError, match="GET"):
        client_of(fake).fetch_state()


class FakeOtherService(FakeServer):
    def answer(self, method: str, path: str, body: bytes) -> Answer:
        return 200, {"state": "on fire"}


def relayed(fake: FakeServer) -> set[int]:
    return client_of(fake).fetch_relayed(datetime.now(UTC))


def test_malformed_responses_are_uploader_errors() -> None:
    with FakeOtherService().running() as fake:
        for ask in (client_of(fake).fetch_state, client_of(fake).fetch_manifest, lambda: relayed(fake)):
            with pytest.raises(UploaderError, match="invalid"):
                ask()


class AnsweringUploader(FakeServer):
    """Answers everything with one status."""

    status = 200

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        return self.status, {}


_PASSES = dict.fromkeys((404, 408, 421, 429, 500, 502, 503, 504), True)
_STAYS = dict.fromkeys((200, 301, 307, 400, 401, 403, 413, 422), False)


@pytest.mark.parametrize(("status", "transient"), (_PASSES | _STAYS).items())
def test_status_decides_whether_an_error_is_transient(status: int, transient: bool) -> None:
    with AnsweringUploader().running() as fake:
        fake.status = status
        with pytest.raises(UploaderError) as caught:
            client_of(fake).fetch_state()
    assert caught.value.transient is transient
