from __future__ import annotations

from typing import Any

import pytest

from dags.modules.errors import NiFiNotReadyError, NiFiUnreachableError
from dags.modules.nifi_api_client import BUSY_WAITS_S, NiFiClient
from tests.support.dags.fake_nifi import FakeNiFi
from tests.support.dags.fake_server import Answer
from tests.support.dags.fake_uploader import FakeUploader

UPLOAD = "c" * 32


def client_of(fake: FakeNiFi, **options: Any) -> NiFiClient:
    return NiFiClient(
        api_url=f"{fake.url}/nifi-api", listen_url=fake.listen_url, **{"sleep": lambda _: None, **options}
    )


def test_running_group_is_ready(fake_nifi: FakeNiFi) -> None:
    client_of(fake_nifi).check_ready()
    client_of(fake_nifi, process_group="g-1").check_ready()
    assert len(fake_nifi.requests) == 2


@pytest.mark.parametrize("count", [{"invalidCount": 1}, {"stoppedCount": 2}, {"runningCount": 0}])
def test_group_with_stopped_or_invalid_processors_is_not_ready(fake_nifi: FakeNiFi, count: dict[str, int]) -> None:
    fake_nifi.counts.update(count)
    with pytest.raises(NiFiNotReadyError, match="csvpipe nifi"):
        client_of(fake_nifi).check_ready()


def test_missing_group_error_lists_the_existing_groups(fake_nifi: FakeNiFi) -> None:
    fake_nifi.group_name = "another"
    with pytest.raises(NiFiNotReadyError, match=r"csv-ingestion-raw-to-minio \(found: another\)"):
        client_of(fake_nifi).check_ready()


def test_stopped_nifi_is_unreachable() -> None:
    fake = FakeNiFi()
    fake.close()
    client = client_of(fake)
    with pytest.raises(NiFiUnreachableError):
        client.check_ready()
    with pytest.raises(NiFiUnreachableError):
        client.send(b"{}")


def test_message_is_posted_unchanged(fake_nifi: FakeNiFi, fake_uploader: FakeUploader) -> None:
    (message,) = fake_uploader.add_upload(UPLOAD)
    client_of(fake_nifi).send(message.to_bytes())
    assert fake_nifi.requests == [("POST", "/csv-ingest", message.to_bytes())]


def test_full_queue_and_restarted_listener_are_retried(fake_nifi: FakeNiFi, fake_uploader: FakeUploader) -> None:
    (message,) = fake_uploader.add_upload(UPLOAD)
    waits: list[float] = []
    fake_nifi.listen_answers = [503, 500]
    client_of(fake_nifi, sleep=waits.append).send(message.to_bytes())
    assert waits == list(BUSY_WAITS_S[:2])
    assert fake_nifi.received == [message]


def test_queue_that_stays_full_is_an_error(fake_nifi: FakeNiFi) -> None:
    fake_nifi.listen_answers = [503] * 20
    with pytest.raises(NiFiUnreachableError, match="503"):
        client_of(fake_nifi).send(b"{}")
    assert len(fake_nifi.requests) == len(BUSY_WAITS_S) + 1


def test_refused_message_is_an_error(fake_nifi: FakeNiFi) -> None:
    fake_nifi.listen_answers = [405]
    with pytest.raises(NiFiNotReadyError, match="405") as caught:
        client_of(fake_nifi).send(b"{}")
    assert not caught.value.transient


class FakeNiFiWithLogin(FakeNiFi):
    def answer(self, method: str, path: str, body: bytes) -> Answer:
        if (method, path) == ("POST", "/nifi-api/access/token"):
            return (201, b"token") if body == b"username=u&password=p" else (400, b"no")
        return super().answer(method, path, body)


def test_login_is_exchanged_for_a_token() -> None:
    with FakeNiFiWithLogin().running() as fake:
        client_of(fake, credentials=("u", "p")).check_ready()
        assert fake.requests[0][1] == "/nifi-api/access/token"
        with pytest.raises(NiFiUnreachableError, match="no token to u") as caught:
            client_of(fake, credentials=("u", "wrong")).check_ready()
        assert not caught.value.transient
