"""The steps of a chunk run with the real uploader, the real NiFi with the flow, and a real S3 server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from contracts.manifest import Manifest
from contracts.states import ChunkState, UploadState
from dags.modules.allowed_hosts import parse_allowed_hosts
from dags.modules.chunk_run import (
    ChunkRun,
    find_missing,
    find_unsent,
    keep_verified,
    open_uploader,
    parse_run,
    publish_if_landed,
    relay,
)
from dags.modules.errors import NiFiNotReadyError, UploadDeletedError
from dags.modules.landing_monitor import LandingMonitor
from dags.modules.landing_trigger import wait_until_landed
from dags.modules.nifi_api_client import NiFiClient
from dags.modules.object_store import ObjectStore
from dags.modules.run_request import pack_messages
from tests.support.nifi.server import NiFiServer
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until

SOURCE = b"id,name\n" + b"".join(b'%d,"a name, of\n%d"\n' % (row, row) for row in range(1, 3001))
Upload = Callable[[], ChunkRun]


@pytest.fixture(scope="module")
def uploader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path_factory.mktemp("chunks")) as server:
        yield server


@pytest.fixture
def upload(uploader: RunningUploader) -> Upload:
    """Upload a file of three chunks, and return the run that the listener would start for it."""

    def send() -> ChunkRun:
        answer = httpx.post(
            f"{uploader.base_url}/upload/csv",
            files={"file": ("source.csv", SOURCE)},
            data={"dataset_name": "people", "chunk_type": "count", "chunk_size": "3"},
            timeout=60,
        )
        assert answer.status_code == 202, answer.text
        upload_id = str(answer.json()["upload_id"])

        def announced() -> bool:
            return [message.upload_id for message in uploader.publisher.messages].count(upload_id) == 3

        wait_until(announced, what="the chunks are announced", deadline_s=60)
        messages = [message for message in uploader.publisher.messages if message.upload_id == upload_id]
        allowed = parse_allowed_hosts(urljoin(messages[0].api_endpoint, "/").removesuffix("/"))
        return parse_run(pack_messages(messages), allowed=allowed, bucket="raw")

    return send


@pytest.fixture
def nifi_client(nifi: NiFiServer) -> NiFiClient:
    return NiFiClient(api_url=f"{nifi.url}/nifi-api", listen_url=nifi.component.addresses()["ingest"])


@pytest.fixture
def store(nifi: NiFiServer) -> ObjectStore:
    return ObjectStore(client=nifi.minio.client())


def wait_landed(run: ChunkRun, store: ObjectStore) -> list[str]:
    monitor = LandingMonitor(store=store, uploader=open_uploader(run), chunks=run.expected)
    return asyncio.run(wait_until_landed(monitor, deadline_s=120))


def states_of(run: ChunkRun) -> list[str]:
    status = httpx.get(f"{run.base_url}/uploads/{run.upload_id}/status", timeout=30).json()
    return [chunk["state"] for chunk in status["chunks"]]


def test_run_lands_an_upload_and_publishes_its_manifest(
    upload: Upload, nifi_client: NiFiClient, store: ObjectStore
) -> None:
    run = upload()
    client = open_uploader(run)
    assert keep_verified(run, client) == run
    assert find_missing(run, store) == [1, 2, 3]
    began_at = datetime.now(UTC)
    relay(run, [1, 2, 3], nifi=nifi_client, uploader=client)
    assert find_unsent(run, store, client, since=began_at) == []
    assert publish_if_landed(client, store) in (None, f"people/_manifests/{run.upload_id}.json")
    assert wait_landed(run, store) == []
    assert states_of(run) == [ChunkState.LANDED] * 3

    key = publish_if_landed(client, store)
    body = store._client.get_object(Bucket="raw", Key=str(key))["Body"].read()
    manifest = Manifest.model_validate_json(body)
    parts = [store._client.get_object(Bucket="raw", Key=c.key)["Body"].read() for c in manifest.chunks]
    head = parts[0][: manifest.header_bytes]
    assert head + b"".join(part[manifest.header_bytes :] for part in parts) == SOURCE


def test_second_run_of_the_same_chunks_sends_nothing(
    upload: Upload, nifi_client: NiFiClient, store: ObjectStore
) -> None:
    run = upload()
    client = open_uploader(run)
    relay(run, [1, 2, 3], nifi=nifi_client, uploader=client)
    assert wait_landed(run, store) == []
    assert find_missing(run, store) == []
    # Sent anyway, as by a run that looked before they were there: nothing becomes of it.
    relay(run, [1], nifi=nifi_client, uploader=client)
    assert wait_landed(run, store) == []
    assert states_of(run) == [ChunkState.LANDED] * 3
    assert (
        publish_if_landed(client, store)
        == publish_if_landed(client, store)
        == f"people/_manifests/{run.upload_id}.json"
    )


def test_missing_chunks_are_failed_until_they_land(upload: Upload, nifi_client: NiFiClient, store: ObjectStore) -> None:
    run = upload()
    monitor = LandingMonitor(store=store, uploader=open_uploader(run), chunks=run.expected)
    assert len(asyncio.run(wait_until_landed(monitor, deadline_s=0))) == 3
    assert states_of(run) == [ChunkState.FAILED] * 3
    assert open_uploader(run).fetch_state() is UploadState.FAILED
    relay(run, [1, 2, 3], nifi=nifi_client, uploader=open_uploader(run))
    assert wait_landed(run, store) == []
    assert open_uploader(run).fetch_state() is UploadState.LANDED


def test_run_of_a_deleted_upload_is_refused(upload: Upload) -> None:
    run = upload()
    assert httpx.delete(f"{run.base_url}/uploads/{run.upload_id}?force=true", timeout=30).is_success
    with pytest.raises(UploadDeletedError):
        keep_verified(run, open_uploader(run))
    with pytest.raises(UploadDeletedError):
        open_uploader(run).report_relayed(1)


def test_stopped_group_receives_no_messages(
    upload: Upload, nifi: NiFiServer, nifi_client: NiFiClient, store: ObjectStore
) -> None:
    run = upload()
    _set_group(nifi, "STOPPED")
    try:
        wait_until(lambda: _is_stopped(nifi), what="the group is stopped", deadline_s=120)
        with pytest.raises(NiFiNotReadyError, match="stopped"):
            relay(run, [1, 2, 3], nifi=nifi_client, uploader=open_uploader(run))
        assert states_of(run) == [ChunkState.ANNOUNCED] * 3
    finally:
        wait_until(lambda: _start_group(nifi), what="the group runs again", deadline_s=120)
    relay(run, [1, 2, 3], nifi=nifi_client, uploader=open_uploader(run))
    assert wait_landed(run, store) == []


def _group(nifi: NiFiServer) -> dict[str, Any]:
    answer = httpx.get(f"{nifi.url}/nifi-api/process-groups/root/process-groups").json()
    return dict(answer["processGroups"][0])


def _is_stopped(nifi: NiFiServer) -> bool:
    group = _group(nifi)
    return bool(group["stoppedCount"]) and not group["runningCount"]


def _set_group(nifi: NiFiServer, state: str) -> None:
    body = {"id": _group(nifi)["id"], "state": state}
    httpx.put(f"{nifi.url}/nifi-api/flow/process-groups/{body['id']}", json=body).raise_for_status()


def _start_group(nifi: NiFiServer) -> bool:
    """Start the group repeatedly: NiFi ignores a processor that is still stopping."""
    _set_group(nifi, "RUNNING")
    address = urlsplit(nifi.component.addresses()["ingest"])
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname, address.port)) == 0 and not nifi.status().faults
