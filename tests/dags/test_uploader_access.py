"""The relay's key: from the connection into the headers of every call to an uploader, and into no log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk._shared.secrets_masker import redact

from contracts.message import ChunkMessage
from contracts.states import ChunkState
from dags.modules.chunk_run import ChunkRun, open_uploader
from dags.modules.errors import ConfigurationError, UploaderKeyError
from dags.modules.known_uploads import find_unknown
from dags.modules.landing_trigger import open_monitor
from dags.modules.object_store import ExpectedChunk
from dags.modules.retries import is_transient
from dags.modules.uploader_access import UploaderAccess, access_of, load_access
from tests.support.dags.fake_server import Answer, FakeServer
from tests.support.dags.fake_uploader import FakeUploader

UPLOAD = "d" * 32
KEY = "csvp_abcd1234_" + "k" * 43


@pytest.fixture
def key_in_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CSV_UPLOADER", json.dumps({"conn_type": "http", "password": KEY}))
    monkeypatch.setenv("AIRFLOW_CONN_S3_RAW", json.dumps({"conn_type": "aws"}))


@pytest.fixture
def message(fake_uploader: FakeUploader) -> ChunkMessage:
    (message,) = fake_uploader.add_upload(UPLOAD)
    return message


class FakeRefusal(FakeServer):
    """Refuses every request."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__()
        self._refusal = status, {"code": code, "detail": "no"}

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        return self._refusal


@pytest.fixture(params=[(401, "unauthenticated"), (403, "permission_denied")], ids=["401", "403"])
def refusing(request: pytest.FixtureRequest) -> Iterator[FakeRefusal]:
    with FakeRefusal(*request.param).running() as server:
        yield server


@pytest.mark.usefixtures("key_in_connection")
def test_every_call_to_an_uploader_has_the_key(fake_uploader: FakeUploader, message: ChunkMessage) -> None:
    run = ChunkRun(upload_id=UPLOAD, base_url=fake_uploader.url, messages=[message])
    open_uploader(run).report_relayed(1)
    expected = [ExpectedChunk.of(message)]
    monitor = open_monitor(upload_id=UPLOAD, base_url=fake_uploader.url, chunks=expected)
    monitor._uploader.report(1, ChunkState.FAILED, reason="x")
    assert find_unknown([message], access=load_access()) == set()
    assert [headers["Authorization"] for headers in fake_uploader.headers] == [f"Bearer {KEY}"] * 3


def test_without_the_connection_no_key_is_sent(fake_uploader: FakeUploader, message: ChunkMessage) -> None:
    run = ChunkRun(upload_id=UPLOAD, base_url=fake_uploader.url, messages=[message])
    open_uploader(run).fetch_state()
    assert "Authorization" not in fake_uploader.headers[0]


@pytest.mark.usefixtures("key_in_connection")
def test_key_is_masked_in_logs_and_in_the_representation() -> None:
    access = load_access()
    assert access.key == KEY
    assert KEY not in repr(access)
    assert KEY not in str(redact(f"a log line with {KEY}"))


def test_refused_key_names_the_connection_and_is_not_transient(refusing: FakeRefusal, message: ChunkMessage) -> None:
    access = UploaderAccess(key=KEY)
    elsewhere = message.model_copy(update={"api_endpoint": f"{refusing.url}/chunks/{UPLOAD}/1/download"})
    run = ChunkRun(upload_id=UPLOAD, base_url=refusing.url, messages=[elsewhere])
    for call in (open_uploader(run).fetch_state, lambda: find_unknown([elsewhere], access=access)):
        with pytest.raises(UploaderKeyError, match="csv_uploader") as caught:
            call()
        assert not is_transient(caught.value)
        assert KEY not in str(caught.value)


def test_refusal_of_another_service_does_not_stop_the_listener(message: ChunkMessage) -> None:
    with FakeRefusal(403, "forbidden").running() as other:
        strange = message.model_copy(update={"api_endpoint": f"{other.url}/chunks/{'e' * 32}/1/download"})
        assert find_unknown([message, strange], access=UploaderAccess(key=KEY)) == set()


def test_password_that_is_no_key_is_refused_without_showing_it(connection: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="csv_uploader") as caught:
        access_of(connection("csv_uploader", password="two words"))
    assert "two words" not in str(caught.value)


def test_first_of_several_keys_is_sent(connection: Callable[..., Any]) -> None:
    assert access_of(connection("csv_uploader", password=f"{KEY}, csvp_wxyz6789_{'o' * 43}")).key == KEY


def test_ca_file_of_the_extra_is_trusted(connection: Callable[..., Any]) -> None:
    access = access_of(connection("csv_uploader", extra={"ca_file": "/certificates/ca.pem"}))
    assert access.open_session().verify == "/certificates/ca.pem"
    assert access_of(connection("csv_uploader")).open_session().verify is True
