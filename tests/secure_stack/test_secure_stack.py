"""The stack of ``csvpipe stack up --secure``: it works, refuses who does not belong there, and keeps its secrets."""

from __future__ import annotations

import json
import signal
import ssl
import stat
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from aws.client import ClientOptions, open_client
from contracts.names import (
    BUCKET_RAW,
    BYTES_PER_MB,
    DAG_CHUNK_INGESTION,
    DAG_LISTENER,
    NIFI_PARAMETER_CONTEXT,
    NIFI_PROCESS_GROUP,
)
from nifi.client import NiFiClient
from stack.components.airflow import Airflow
from stack.components.minio import Minio
from stack.components.nifi import NiFi
from stack.kafka_users import ADMIN, client_properties
from stack.report import ConsoleReport
from stack.tls import tls_context
from tests.support.pipeline.csv_data import write_csv
from tests.support.pipeline.pipeline import Pipeline
from tests.support.pipeline.secret_search import (
    files_with_secrets,
    holders,
    names_in,
    processes_with_secrets,
    secrets_of,
)
from tests.support.services import running_stack
from tests.support.waiting import wait_until

WRONG = "planted-wrong-secret-7f3a"
"""What tests give instead of a password or a key. It must not be written down either."""
WRONG_KEY = "csvp_planted0_cGxhbnRlZC13cm9uZy1zZWNyZXQtN2YzYS1wYWRkaW5nMDA"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Yield the whole stack, with every connection encrypted and authenticated."""
    root = tmp_path_factory.mktemp("secure")
    with running_stack(root, None, report=ConsoleReport(), secure=True) as stack:
        yield Pipeline(stack)


@pytest.fixture(scope="module")
def landed(secure: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the id of an upload that has landed."""
    file = write_csv(tmp_path_factory.mktemp("file") / "data.csv", size_bytes=3 * BYTES_PER_MB, quoted=True)
    upload_id = str(secure.upload(file, "secure", "size", 1)["upload_id"])
    secure.wait_until_landed(upload_id)
    secure.check_landed_exactly_once(upload_id, "secure", file)
    return upload_id


def test_upload_lands_and_is_verified_over_encrypted_connections(secure: Pipeline, landed: str) -> None:
    assert "VERIFIED" in secure.run_csvpipe("verify", landed)
    secure.check_nothing_left_over()


@pytest.mark.parametrize("port", ["uploader_port", "minio_port", "nifi_port", "nifi_ingest_port", "airflow_port"])
def test_connection_without_tls_is_refused(secure: Pipeline, port: str) -> None:
    settings = secure.stack.context.settings
    address = f"http://{settings.host}:{settings.ports()[port]}/"
    try:
        answer = httpx.get(address, timeout=30, trust_env=False)
    except httpx.TransportError:
        return
    assert answer.status_code == 400, "no server without TLS answers so"


def test_kafka_without_tls_or_with_a_wrong_password_is_refused(secure: Pipeline) -> None:
    right = client_properties(secure.stack.context, ADMIN)
    assert _topics(right)
    for wrong in (
        {"bootstrap.servers": right["bootstrap.servers"]},
        {**right, "sasl.password": WRONG},
        {**right, "security.protocol": "SASL_PLAINTEXT"},
    ):
        with pytest.raises(KafkaException):
            _topics(wrong, timeout_s=5)


def test_user_of_kafka_has_no_other_rights_than_its_own(secure: Pipeline) -> None:
    context = secure.stack.context
    assert _topics(client_properties(context, "uploader")) == {"csv-ingestion"}
    assert _topics(client_properties(context, "airflow")) == {"csv-ingestion", "csv-ingestion-dlq"}


def test_nifi_refuses_strangers_and_grants_each_user_its_own(secure: Pipeline) -> None:
    component = NiFi(secure.stack.context)
    api, ingest = f"{component.url}/nifi-api", component.addresses()["ingest"]
    for address in (api, ingest):
        with pytest.raises(httpx.TransportError, match="CERTIFICATE_REQUIRED"):
            httpx.get(address, verify=tls_context(secure.stack.context.ca_file), timeout=30, trust_env=False)

    def status(user: str, method: str, address: str) -> int:
        verify = tls_context(secure.stack.context.ca_file, secure.stack.context.certificates.files(user))
        return httpx.request(method, address, verify=verify, timeout=30, trust_env=False).status_code

    assert status("monitoring", "POST", ingest) == 403
    assert status("monitoring", "GET", f"{api}/flow/metrics/prometheus") == 200
    assert status("monitoring", "GET", f"{api}/process-groups/root/process-groups") == 403
    assert status("airflow", "GET", f"{api}/process-groups/root/process-groups") == 200
    assert status("airflow", "GET", f"{api}/policies/read/flow") == 403


def test_certificates_are_of_the_stacks_own_authority(secure: Pipeline) -> None:
    public = ssl.create_default_context()
    for address in (secure.uploader_url, Minio(secure.stack.context).endpoint, Airflow(secure.stack.context).url):
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(address, verify=public, timeout=30, trust_env=False)


def test_files_with_secrets_are_readable_only_by_their_owner(secure: Pipeline) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in holders(secure.stack)}
    assert len(modes) > 10
    assert {name: mode for name, mode in modes.items() if mode != 0o600} == {}
    environments = [Path(f"/proc/{process.pid}/environ") for process in secure.stack.all_processes() if process.pid]
    assert environments
    assert {stat.S_IMODE(path.stat().st_mode) for path in environments} == {0o400}


def test_search_finds_a_secret_in_a_file(secure: Pipeline) -> None:
    file = secure.stack.root / "logs" / "planted.log"
    file.write_text(f"password={secure.stack.context.secrets.kafka_admin_password.get_secret_value()}")
    try:
        assert files_with_secrets(secure.stack, secrets_of(secure.stack)) == ["logs/planted.log: kafka_admin_password"]
    finally:
        file.unlink()


def test_no_secret_is_written_served_or_shown(secure: Pipeline, landed: str) -> None:
    """Refusals and dumps included. Must be the last test, as it ends MinIO by a dump."""
    secrets = {**secrets_of(secure.stack), "wrong password": [WRONG.encode()], "wrong key": [WRONG_KEY.encode()]}
    assert len(secrets) > 20
    _provoke_refusals(secure)
    _provoke_dumps(secure)

    pages = {**_uploader_pages(secure), **_airflow_pages(secure), **_nifi_pages(secure)}
    shown = [f"{place}: {name}" for place, text in pages.items() for name in names_in(text, secrets)]
    assert [*shown, *files_with_secrets(secure.stack, secrets), *processes_with_secrets(secrets)] == []


def _topics(client: Mapping[str, str], *, timeout_s: float = 20) -> set[str]:
    """Return the topics that a client sees."""
    return set(AdminClient({**client, "log_level": 0}).list_topics(timeout=timeout_s).topics)


def _provoke_refusals(secure: Pipeline) -> None:
    """Give every service a wrong secret, which it could log."""
    context = secure.stack.context
    verify = tls_context(context.ca_file)
    with httpx.Client(verify=verify, timeout=30, trust_env=False) as client:
        for headers in ({"Authorization": f"Bearer {WRONG_KEY}"}, {"X-API-Key": WRONG}):
            assert client.get(f"{secure.uploader_url}/uploads", headers=headers).status_code == 401
        credentials = {"username": "admin", "password": WRONG}
        assert client.post(f"{Airflow(context).url}/auth/token", json=credentials).status_code == 401
    options = ClientOptions(
        region="us-east-1",
        endpoint=Minio(context).endpoint,
        access_key_id=context.secrets.minio_root_user,
        secret_access_key=WRONG,
        verify=str(context.ca_file),
        path_style=True,
    )
    with pytest.raises(ClientError):
        open_client("s3", options).list_objects_v2(Bucket=BUCKET_RAW)
    with pytest.raises(KafkaException):
        _topics({**client_properties(context, "airflow"), "sasl.password": WRONG}, timeout_s=5)


def _provoke_dumps(secure: Pipeline) -> None:
    """Let Kafka and NiFi write their threads, and MinIO crash with its goroutines."""
    for name, number, sign in (
        ("kafka", signal.SIGQUIT, "Full thread dump"),
        ("nifi", signal.SIGQUIT, "Full thread dump"),
        ("minio", signal.SIGABRT, "goroutine "),
    ):
        secure.stack.kill(name, number)
        log = secure.stack.process(name).log
        wait_until(partial(_contains, log, sign), what=f"dump of {name}", deadline_s=90)


def _contains(log: Path, text: str) -> bool:
    return text in log.read_text(errors="replace")


def _uploader_pages(secure: Pipeline) -> dict[str, bytes]:
    with httpx.Client(verify=tls_context(secure.stack.context.ca_file), timeout=30, trust_env=False) as client:
        return {path: client.get(secure.uploader_url + path).content for path in ("/docs", "/openapi.json", "/metrics")}


def _airflow_pages(secure: Pipeline) -> dict[str, bytes]:
    """Return what the UI shows of connections, variables, configuration, and of every task: fields and log."""
    paths = ["/connections", "/variables", "/config", "/jobs", "/eventLogs?limit=100"]
    for dag_id in (DAG_LISTENER, DAG_CHUNK_INGESTION):
        for task in secure.airflow.task_instances(dag_id, "~"):
            place = f"/dags/{dag_id}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"
            paths += [f"{place}/{task['map_index']}" if task["map_index"] >= 0 else place]
            if task["try_number"]:
                paths += [f"{place}/logs/{task['try_number']}?map_index={task['map_index']}&full_content=true"]
    assert len(paths) > 10
    return {path: secure.airflow.fetch(path) for path in paths}


def _nifi_pages(secure: Pipeline) -> dict[str, bytes]:
    """Return the exported flow, its parameters and the details of its components."""
    component = NiFi(secure.stack.context)
    client = NiFiClient(component.url, access=component.access())
    group = client.find_group(NIFI_PROCESS_GROUP)
    assert group is not None
    context: Any = client.find_context(NIFI_PARAMETER_CONTEXT)
    assert context.value_of("s3.secret.key") == "********"
    return {"NiFi's export": json.dumps(client.export_group(group)).encode(), "parameters": repr(context).encode()}
